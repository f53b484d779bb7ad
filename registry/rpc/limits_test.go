package rpc_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"

	pb "github.com/hallmark-registry/hallmark/proto/hallmark/v1"
	"github.com/hallmark-registry/hallmark/registry/rpc"
	"github.com/hallmark-registry/hallmark/registry/rpc/rpctest"
)

func refusedBusy(t *testing.T, err error, reason string) time.Duration {
	t.Helper()
	st, info := info(t, err)
	if st.Code() != codes.ResourceExhausted || info.GetReason() != reason {
		t.Fatalf("got %v %s, want RESOURCE_EXHAUSTED %s", st, info.GetReason(), reason)
	}
	retry := detailsOf[*errdetails.RetryInfo](st)
	if len(retry) != 1 || retry[0].GetRetryDelay().AsDuration() <= 0 {
		t.Fatalf("RetryInfo %v, want one", retry)
	}
	return retry[0].GetRetryDelay().AsDuration()
}

func TestCallsBeyondTheBoundAreRefused(t *testing.T) {
	tests := []struct {
		name   string
		limits rpc.Limits
		reason string
	}{
		{"of the server", rpc.Limits{Calls: 2}, "SERVER_BUSY"},
		{"of one address", rpc.Limits{PeerCalls: 2}, "PEER_BUSY"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				reg, g := rpctest.New(1), newGate()
				reg.BeforePublish = g.pass
				s, conn := serve(t, reg, rpc.Options{Limits: tt.limits})
				s.SetServing(nil)
				c := pb.NewRegistryServiceClient(conn)
				ctx := context.Background()

				first := make(chan error, 1)
				go func() {
					_, err := c.PublishEntry(ctx, &pb.PublishEntryRequest{Entry: raw("a")})
					first <- err
				}()
				stream := openStream(t, c)
				send(t, stream, raw("b"))
				synctest.Wait()
				if g.holding() != 2 {
					t.Fatalf("%d calls are in flight, want 2", g.holding())
				}

				_, err := c.GetEntry(ctx, &pb.GetEntryRequest{Ref: "0"})
				refusedBusy(t, err, tt.reason)
				third := openStream(t, c)
				_, err = third.Recv()
				refusedBusy(t, err, tt.reason)
				health, err := grpc_health_v1.NewHealthClient(conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{})
				if err != nil || health.GetStatus() != grpc_health_v1.HealthCheckResponse_SERVING {
					t.Errorf("health of a busy server: %v, %v, want SERVING", health, err)
				}

				close(g.open)
				if err := <-first; err != nil {
					t.Errorf("the call that was in flight: %v", err)
				}
				if _, err := c.GetEntry(ctx, &pb.GetEntryRequest{Ref: "0"}); err != nil {
					t.Errorf("a call with room again: %v", err)
				}
			})
		})
	}
}

func TestAddressesHaveARate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, conn := serve(t, rpctest.New(1), rpc.Options{Limits: rpc.Limits{PeerRate: 2}})
		c := pb.NewLogServiceClient(conn)
		get := func() error {
			_, err := c.GetCheckpoint(context.Background(), &pb.GetCheckpointRequest{}, grpc.WaitForReady(true))
			return err
		}
		for range 2 {
			if err := get(); err != nil {
				t.Fatal(err)
			}
		}
		after := refusedBusy(t, get(), "RATE_LIMITED")
		if after > 500*time.Millisecond {
			t.Errorf("retry after %v, want at most half a second", after)
		}
		time.Sleep(after) // of the bubble's clock
		if err := get(); err != nil {
			t.Errorf("after the time it was told: %v", err)
		}
		refusedBusy(t, get(), "RATE_LIMITED")
	})
}

func TestAStreamIsSlowedToItsRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, conn := serve(t, rpctest.New(1), rpc.Options{Limits: rpc.Limits{PeerRate: 2}})
		stream := openStream(t, pb.NewRegistryServiceClient(conn))
		began := time.Now()
		for range 5 { // and the call itself: 2 at once, then 4 at 2 a second
			send(t, stream, raw("a"))
		}
		for range 5 {
			if m, err := stream.Recv(); err != nil || m.GetReceipt() == nil {
				t.Fatalf("got %v, %v, want a receipt", m, err)
			}
		}
		if got := time.Since(began); got != 2*time.Second {
			t.Errorf("5 entries took %v, want 2s", got)
		}
	})
}
