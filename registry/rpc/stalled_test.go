package rpc_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "github.com/hallmark-registry/hallmark/proto/hallmark/v1"
	"github.com/hallmark-registry/hallmark/registry"
	"github.com/hallmark-registry/hallmark/registry/rpc"
	"github.com/hallmark-registry/hallmark/registry/rpc/rpctest"
)

// A publisher that sends and never reads holds what may be in flight, and no
// more than that, until its time is up.
func TestAPublisherThatDoesNotReadIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const entries = 12_000 // and as many answers of 10 kB: more than the transport's buffers hold
		reg := rpctest.New(1)
		reg.BeforePublish = func(context.Context, []byte) error {
			return &registry.Error{Code: registry.NotFound, Reason: "DONE", Message: strings.Repeat("m", 10_000)}
		}
		_, conn := serve(t, reg, rpc.Options{Limits: rpc.Limits{Entries: 4}})
		c := pb.NewRegistryServiceClient(conn)
		deaf := openStream(t, c)
		sent := 0
		go func() {
			for sent < entries && deaf.Send(&pb.PublishEntriesRequest{Entry: make([]byte, 1000)}) == nil {
				sent++
			}
			deaf.CloseSend()
		}()
		synctest.Wait() // until nothing moves any more
		if sent == entries {
			t.Fatalf("all %d entries could be sent: the server reads on", sent)
		}
		began := time.Now()
		other := openStream(t, c)
		send(t, other, raw("a"))
		if m, err := other.Recv(); err != nil || m.GetError().GetReason() != "DONE" {
			t.Fatalf("another publisher: %v, %v", m.GetError().GetReason(), err)
		}
		if got := time.Since(began); got != 30*time.Second {
			t.Errorf("another publisher waited %v, want 30s", got)
		}
		var err error
		for err == nil {
			_, err = deaf.Recv()
		}
		if st, info := info(t, err); st.Code() != codes.DeadlineExceeded || info.GetReason() != "NOT_READING" {
			t.Errorf("the stream that was not read ended with %v, want DEADLINE_EXCEEDED NOT_READING", err)
		}
	})
}

// startUpload opens an upload and sends its first bytes.
func startUpload(t *testing.T, c pb.RegistryServiceClient, content []byte) grpc.ClientStreamingClient[pb.UploadBlobRequest, pb.UploadBlobResponse] {
	t.Helper()
	upload, err := c.UploadBlob(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256(content)
	for _, m := range []*pb.UploadBlobRequest{
		{Data: &pb.UploadBlobRequest_Digest{Digest: digest[:]}},
		{Data: &pb.UploadBlobRequest_Chunk{Chunk: content}},
	} {
		if err := upload.Send(m); err != nil && err != io.EOF { // Recv tells why
			t.Fatal(err)
		}
	}
	return upload
}

func TestATransferThatStandsStillEnds(t *testing.T) {
	blob := make([]byte, 32<<20) // more than the transport's buffers hold
	digest := sha256.Sum256(blob)
	tests := map[string]func(*testing.T, pb.RegistryServiceClient){
		"an upload that sends no more": func(t *testing.T, c pb.RegistryServiceClient) {
			upload := startUpload(t, c, []byte("the beginning"))
			if err := upload.RecvMsg(new(pb.UploadBlobResponse)); status.Code(err) != codes.DeadlineExceeded {
				t.Errorf("the upload ended with %v, want DEADLINE_EXCEEDED", err)
			}
		},
		"a download that is not read": func(t *testing.T, c pb.RegistryServiceClient) {
			if _, err := c.DownloadBlob(context.Background(), &pb.DownloadBlobRequest{Digest: digest[:]}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Minute) // of the bubble's clock
		},
	}
	for name, start := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				reg := rpctest.New(1)
				if err := reg.PutBlob(context.Background(), digest, bytes.NewReader(blob)); err != nil {
					t.Fatal(err)
				}
				_, conn := serve(t, reg, rpc.Options{Limits: rpc.Limits{PeerCalls: 1}})
				c := pb.NewRegistryServiceClient(conn)
				began := time.Now()
				start(t, c)
				if got := time.Since(began); got != 10*time.Minute {
					t.Errorf("it took %v, want 10m", got)
				}
				synctest.Wait()
				if _, err := c.GetEntry(context.Background(), &pb.GetEntryRequest{Ref: "0"}); err != nil {
					t.Errorf("the transfer still counts: %v", err)
				}
			})
		})
	}
}

func TestUploadsOfOneAddressAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, conn := serve(t, rpctest.New(1), rpc.Options{})
		c := pb.NewRegistryServiceClient(conn)
		first := startUpload(t, c, []byte("content"))
		for range 7 {
			startUpload(t, c, []byte("content"))
		}
		synctest.Wait()
		_, err := startUpload(t, c, []byte("content")).CloseAndRecv()
		refusedBusy(t, err, "PEER_BUSY")
		if _, err := first.CloseAndRecv(); err != nil {
			t.Errorf("the first upload: %v", err)
		}
		if _, err := startUpload(t, c, []byte("content")).CloseAndRecv(); err != nil {
			t.Errorf("an upload with room again: %v", err)
		}
	})
}

// Readers leave all the time. That is no failure of the server's.
func TestADownloaderThatLeavesIsNoFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg, blob := rpctest.New(1), make([]byte, 32<<20)
		digest := sha256.Sum256(blob)
		if err := reg.PutBlob(context.Background(), digest, bytes.NewReader(blob)); err != nil {
			t.Fatal(err)
		}
		var logged bytes.Buffer // read when nothing moves any more
		_, conn := serve(t, reg, rpc.Options{Logger: slog.New(slog.NewTextHandler(&logged, nil))})
		ctx, cancel := context.WithCancel(context.Background())
		if _, err := pb.NewRegistryServiceClient(conn).DownloadBlob(ctx, &pb.DownloadBlobRequest{Digest: digest[:]}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		cancel()
		synctest.Wait()
		if !strings.Contains(logged.String(), "level=INFO") || !strings.Contains(logged.String(), "code=Canceled") {
			t.Errorf("logged %q, want code=Canceled for information", logged.String())
		}
	})
}
