package rpc_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	pb "github.com/hallmark-registry/hallmark/proto/hallmark/v1"
	"github.com/hallmark-registry/hallmark/registry"
	"github.com/hallmark-registry/hallmark/registry/rpc"
	"github.com/hallmark-registry/hallmark/registry/rpc/rpctest"
)

// failing serves a registry whose Publish fails as told.
func failing(t *testing.T, fail func() error, o rpc.Options) pb.RegistryServiceClient {
	reg := rpctest.New(1)
	reg.BeforePublish = func(context.Context, []byte) error { return fail() }
	_, conn := serve(t, reg, o)
	return pb.NewRegistryServiceClient(conn)
}

// info returns the status of err and its only ErrorInfo.
func info(t *testing.T, err error) (*status.Status, *errdetails.ErrorInfo) {
	t.Helper()
	st, ok := status.FromError(err)
	if !ok || err == nil {
		t.Fatalf("got error %v, want a status", err)
	}
	infos := detailsOf[*errdetails.ErrorInfo](st)
	if len(infos) != 1 {
		t.Fatalf("%v has %d ErrorInfo, want 1", err, len(infos))
	}
	if got := infos[0].GetDomain(); got != "hallmark" {
		t.Errorf("domain %q, want hallmark", got)
	}
	return st, infos[0]
}

func detailsOf[D any](st *status.Status) []D {
	var out []D
	for _, d := range st.Details() {
		if d, ok := d.(D); ok {
			out = append(out, d)
		}
	}
	return out
}

func TestEveryCanonicalCodeLeavesAsItIs(t *testing.T) {
	for code := codes.Canceled; code <= codes.Unauthenticated; code++ {
		if code == codes.Unknown || code == codes.Internal {
			continue
		}
		t.Run(code.String(), func(t *testing.T) {
			refusal := &registry.Error{
				Code: registry.Code(code), Reason: "SOME_REASON", Message: "got a, want b", Hint: "do c", RetryAfter: 3 * time.Second,
			}
			c := failing(t, func() error { return fmt.Errorf("wrapped: %w", refusal) }, rpc.Options{})
			ctx := metadata.AppendToOutgoingContext(context.Background(), "x-request-id", "req-1")
			var header metadata.MD
			_, err := c.PublishEntry(ctx, &pb.PublishEntryRequest{}, grpc.Header(&header))

			st, info := info(t, err)
			if st.Code() != code || st.Message() != "got a, want b" || info.GetReason() != "SOME_REASON" {
				t.Errorf("got %v, reason %s", st, info.GetReason())
			}
			if got := info.GetMetadata(); got["hint"] != "do c" || got["request_id"] != "req-1" {
				t.Errorf("metadata %v", got)
			}
			if got := header.Get("x-request-id"); len(got) != 1 || got[0] != "req-1" {
				t.Errorf("header x-request-id %q, want req-1", got)
			}
			if got := detailsOf[*errdetails.RetryInfo](st); len(got) != 1 || got[0].GetRetryDelay().AsDuration() != 3*time.Second {
				t.Errorf("RetryInfo %v, want one of 3 s", got)
			}
			bad := detailsOf[*errdetails.BadRequest](st)
			if want := code == codes.InvalidArgument; want != (len(bad) == 1) {
				t.Errorf("BadRequest %v, wanted: %t", bad, want)
			} else if want && bad[0].GetFieldViolations()[0].GetField() != "entry" {
				t.Errorf("field %v, want entry", bad[0])
			}
			failures := detailsOf[*errdetails.PreconditionFailure](st)
			if want := code == codes.FailedPrecondition; want != (len(failures) == 1) {
				t.Errorf("PreconditionFailure %v, wanted: %t", failures, want)
			} else if want && failures[0].GetViolations()[0].GetType() != "SOME_REASON" {
				t.Errorf("type %v, want SOME_REASON", failures[0])
			}
		})
	}
}

func TestUnforeseenErrorsAreNamed(t *testing.T) {
	const secret = "/srv/data/keys/log: permission denied"
	tests := []struct {
		name   string
		err    error
		code   codes.Code
		reason string
	}{
		{"an error of no kind", errors.New(secret), codes.Internal, "INTERNAL"},
		{"an internal error with its text", &registry.Error{Code: registry.Internal, Reason: "INTERNAL", Message: secret}, codes.Internal, "INTERNAL"},
		{"a refusal with code UNKNOWN", &registry.Error{Code: 2, Reason: "X", Message: secret}, codes.Internal, "INTERNAL"},
		{"a refusal with code OK", &registry.Error{Code: 0, Reason: "X", Message: secret}, codes.Internal, "INTERNAL"},
		{"a refusal with a code that is none", &registry.Error{Code: 99, Reason: "X", Message: secret}, codes.Internal, "INTERNAL"},
		{"a refusal without a reason", &registry.Error{Code: registry.NotFound, Message: secret}, codes.Internal, "INTERNAL"},
		{"another server's status", fmt.Errorf("asking the sequencer: %w", status.Error(codes.NotFound, secret)), codes.Internal, "INTERNAL"},
		{"a deadline", fmt.Errorf("waiting: %w", context.DeadlineExceeded), codes.DeadlineExceeded, "DEADLINE_EXCEEDED"},
		{"a cancellation", fmt.Errorf("waiting: %w", context.Canceled), codes.Canceled, "CANCELLED"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var log bytes.Buffer
			c := failing(t, func() error { return tt.err }, rpc.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
			_, err := c.PublishEntry(context.Background(), &pb.PublishEntryRequest{})
			st, info := info(t, err)
			if st.Code() != tt.code || info.GetReason() != tt.reason {
				t.Errorf("got %v %s, want %v %s", st.Code(), info.GetReason(), tt.code, tt.reason)
			}
			if strings.Contains(fmt.Sprint(st.Proto()), "/srv/data") {
				t.Errorf("the answer tells a path: %v", st.Proto())
			}
			if id := info.GetMetadata()["request_id"]; id == "" || !strings.Contains(log.String(), id) {
				t.Errorf("the log does not have request id %q:\n%s", id, log.String())
			}
			if tt.code == codes.Internal && !strings.Contains(log.String(), "/srv/data") {
				t.Errorf("the log does not have the cause:\n%s", log.String())
			}
		})
	}
}

func TestAPanicEndsOneCallOnly(t *testing.T) {
	panics := true
	c := failing(t, func() error {
		if panics {
			panic("a defect")
		}
		return nil
	}, rpc.Options{})
	_, err := c.PublishEntry(context.Background(), &pb.PublishEntryRequest{})
	if st, info := info(t, err); st.Code() != codes.Internal || info.GetReason() != "INTERNAL" {
		t.Errorf("got %v, want INTERNAL", err)
	}
	panics = false
	if _, err := c.PublishEntry(context.Background(), &pb.PublishEntryRequest{Entry: rpctest.Entry("x").Raw()}); err != nil {
		t.Errorf("the next call: %v", err)
	}
}

func TestRequestIDsThatCannotStandInALogAreReplaced(t *testing.T) {
	_, conn := serve(t, rpctest.New(1), rpc.Options{})
	c := pb.NewLogServiceClient(conn)
	for _, id := range []string{"", "with space", "quote\"", strings.Repeat("x", 65)} {
		ctx := metadata.AppendToOutgoingContext(context.Background(), "x-request-id", id)
		var header metadata.MD
		if _, err := c.GetCheckpoint(ctx, &pb.GetCheckpointRequest{}, grpc.Header(&header)); err != nil {
			t.Fatal(err)
		}
		if got := header.Get("x-request-id"); len(got) != 1 || got[0] == id || len(got[0]) != 16 {
			t.Errorf("sent %q, got %q, want 16 hex digits", id, got)
		}
	}
}

func TestBadRequestsNameTheirField(t *testing.T) {
	_, conn := serve(t, rpctest.New(1), rpc.Options{})
	reg, log, audit := pb.NewRegistryServiceClient(conn), pb.NewLogServiceClient(conn), pb.NewAuditServiceClient(conn)
	ctx := context.Background()
	upload := func(messages ...*pb.UploadBlobRequest) error {
		stream, err := reg.UploadBlob(ctx)
		if err != nil {
			return err
		}
		for _, m := range messages {
			stream.Send(m)
		}
		_, err = stream.CloseAndRecv()
		return err
	}
	digest := func(n int) *pb.UploadBlobRequest {
		return &pb.UploadBlobRequest{Data: &pb.UploadBlobRequest_Digest{Digest: make([]byte, n)}}
	}
	chunk := func(n int) *pb.UploadBlobRequest {
		return &pb.UploadBlobRequest{Data: &pb.UploadBlobRequest_Chunk{Chunk: make([]byte, n)}}
	}
	list := func(m *pb.ListEntriesRequest) error { _, err := reg.ListEntries(ctx, m); return err }
	search := func(m *pb.SearchEntriesRequest) error { _, err := audit.SearchEntries(ctx, m); return err }
	tests := []struct {
		name   string
		err    error
		field  string
		reason string
	}{
		{"a page of less than nothing", list(&pb.ListEntriesRequest{PageSize: -1}), "page_size", "PAGE_SIZE"},
		{"a token of nobody's", list(&pb.ListEntriesRequest{PageToken: "?"}), "page_token", "PAGE_TOKEN_MALFORMED"},
		{"a token of zeros", list(&pb.ListEntriesRequest{PageToken: strings.Repeat("A", 32)}), "page_token", "PAGE_TOKEN_MALFORMED"},
		{"a search by no field", search(&pb.SearchEntriesRequest{Filter: `colour = "blue"`}), "filter", "FILTER_FIELD"},
		{"a search page of nobody's", search(&pb.SearchEntriesRequest{PageToken: "x"}), "page_token", "PAGE_TOKEN_MALFORMED"},
		{"a direction that is none", func() error {
			_, err := audit.GetLineage(ctx, &pb.GetLineageRequest{Direction: 9})
			return err
		}(), "direction", "DIRECTION"},
		{"sizes the wrong way round", func() error {
			_, err := log.GetConsistencyProof(ctx, &pb.GetConsistencyProofRequest{FromSize: 2, ToSize: 1})
			return err
		}(), "from_size", "SIZE_RANGE"},
		{"an upload without a message", upload(), "digest", "BLOB_DIGEST"},
		{"an upload that begins with a chunk", upload(chunk(1)), "digest", "BLOB_DIGEST"},
		{"a digest too short", upload(digest(31)), "digest", "BLOB_DIGEST"},
		{"an empty chunk", upload(digest(32), chunk(0)), "chunk", "BLOB_CHUNK"},
		{"a chunk too large", upload(digest(32), chunk(256<<10+1)), "chunk", "BLOB_CHUNK"},
		{"a second digest", upload(digest(32), digest(32)), "chunk", "BLOB_CHUNK"},
		{"other content", upload(digest(32), chunk(5)), "digest", "BLOB_DIGEST"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			st, info := info(t, tt.err)
			if st.Code() != codes.InvalidArgument || info.GetReason() != tt.reason {
				t.Fatalf("got %v %s, want INVALID_ARGUMENT %s", st, info.GetReason(), tt.reason)
			}
			bad := detailsOf[*errdetails.BadRequest](st)
			if len(bad) != 1 || bad[0].GetFieldViolations()[0].GetField() != tt.field {
				t.Errorf("got %v, want field %s", bad, tt.field)
			}
		})
	}
}

func TestUnknownMethods(t *testing.T) {
	_, conn := serve(t, rpctest.New(1), rpc.Options{})
	err := conn.Invoke(context.Background(), "/hallmark.v1.RegistryService/Forget", &pb.GetEntryRequest{}, &pb.GetEntryResponse{})
	if st, info := info(t, err); st.Code() != codes.Unimplemented || info.GetReason() != "METHOD_UNKNOWN" {
		t.Errorf("got %v, want UNIMPLEMENTED METHOD_UNKNOWN", err)
	}
}

func TestMessagesTooLarge(t *testing.T) {
	_, conn := serve(t, rpctest.New(1), rpc.Options{})
	c := pb.NewRegistryServiceClient(conn)

	// Within gRPC's bound the registry's own applies, and says what is wrong.
	_, err := c.PublishEntry(context.Background(), &pb.PublishEntryRequest{Entry: make([]byte, 100_000)})
	if st, _ := info(t, err); st.Code() != codes.InvalidArgument {
		t.Errorf("an entry of 100,000 bytes: %v, want INVALID_ARGUMENT", err)
	}
	_, err = c.PublishEntry(context.Background(), &pb.PublishEntryRequest{Entry: make([]byte, 1<<20)})
	if status.Code(err) != codes.ResourceExhausted {
		t.Errorf("a message of 1 MiB: %v, want RESOURCE_EXHAUSTED", err)
	}

	stream, err := c.PublishEntries(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&pb.PublishEntriesRequest{Entry: make([]byte, 100_000)}); err != nil {
		t.Fatal(err)
	}
	if m, err := stream.Recv(); err != nil || m.GetError().GetCode() != int32(codes.InvalidArgument) {
		t.Errorf("an entry of 100,000 bytes on a stream: %v, %v, want INVALID_ARGUMENT", m, err)
	}
	if err := stream.Send(&pb.PublishEntriesRequest{Entry: make([]byte, 1<<20)}); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("a message of 1 MiB on a stream: %v, want RESOURCE_EXHAUSTED", err)
	}
}

func FuzzPageToken(f *testing.F) {
	reg := rpctest.New(1)
	for i := range 5 {
		if _, err := reg.Publish(context.Background(), rpctest.Entry(fmt.Sprint(i)).Raw(), registry.PublishOptions{}); err != nil {
			f.Fatal(err)
		}
	}
	_, conn := serve(f, reg, rpc.Options{})
	c := pb.NewRegistryServiceClient(conn)
	list := func(start uint64, token string) (*pb.ListEntriesResponse, error) {
		return c.ListEntries(context.Background(), &pb.ListEntriesRequest{StartIndex: start, PageToken: token, PageSize: 2})
	}
	first, err := list(1, "")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(uint64(1), first.GetNextPageToken())
	f.Add(uint64(2), first.GetNextPageToken())
	f.Add(uint64(0), strings.Repeat("_", 32))
	f.Fuzz(func(t *testing.T, start uint64, token string) {
		if token == "" || !utf8.ValidString(token) {
			return // the first page; no string of a message
		}
		page, err := list(start, token)
		if status.Code(err) == codes.InvalidArgument {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if page.GetTreeSize() > 6 {
			t.Errorf("tree size %d of a log of 6", page.GetTreeSize())
		}
		for _, e := range page.GetEntries() {
			if e.GetIndex() <= start || e.GetIndex() >= page.GetTreeSize() {
				t.Errorf("entry %d on a page behind the first, of a listing from %d to %d", e.GetIndex(), start, page.GetTreeSize())
			}
		}
	})
}
