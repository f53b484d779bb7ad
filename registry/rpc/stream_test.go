package rpc_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "github.com/hallmark-registry/hallmark/proto/hallmark/v1"
	"github.com/hallmark-registry/hallmark/registry"
	"github.com/hallmark-registry/hallmark/registry/rpc"
	"github.com/hallmark-registry/hallmark/registry/rpc/rpctest"
)

type publishClient interface {
	Send(*pb.PublishEntriesRequest) error
	Recv() (*pb.PublishEntriesResponse, error)
	CloseSend() error
}

func openStream(t *testing.T, c pb.RegistryServiceClient) publishClient {
	t.Helper()
	stream, err := c.PublishEntries(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return stream
}

func send(t *testing.T, stream publishClient, entries ...[]byte) {
	t.Helper()
	for _, e := range entries {
		if err := stream.Send(&pb.PublishEntriesRequest{Entry: e}); err != nil {
			t.Fatal(err)
		}
	}
}

func raw(text string) []byte { return rpctest.Entry(text).Raw() }

func TestAcknowledgementsComeInOrder(t *testing.T) {
	// Each entry may finish only after its successor has.
	const n = 50
	finished := make([]chan struct{}, n+1)
	order := map[string]int{}
	for i := range finished {
		finished[i] = make(chan struct{})
		order[string(raw(fmt.Sprint(i)))] = i
	}
	close(finished[n])
	reg := rpctest.New(1)
	reg.BeforePublish = func(ctx context.Context, raw []byte) error {
		i := order[string(raw)]
		<-finished[i+1]
		close(finished[i])
		switch {
		case i%10 == 3:
			return &registry.Error{Code: registry.AlreadyExists, Reason: "NAME_BOUND", Message: fmt.Sprint(i), Hint: "h", RetryAfter: time.Second}
		case i%10 == 7:
			panic("a defect")
		}
		return nil
	}
	_, conn := serve(t, reg, rpc.Options{})
	stream := openStream(t, pb.NewRegistryServiceClient(conn))
	for i := range n {
		send(t, stream, raw(fmt.Sprint(i)))
	}
	stream.CloseSend()
	for i := range n {
		m, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		switch refused := m.GetError(); {
		case i%10 == 3:
			if codes.Code(refused.GetCode()) != codes.AlreadyExists || refused.GetReason() != "NAME_BOUND" || refused.GetMessage() != fmt.Sprint(i) ||
				refused.GetHint() != "h" || refused.GetRetryAfter().AsDuration() != time.Second {
				t.Errorf("answer %d is %v, want NAME_BOUND", i, m)
			}
		case i%10 == 7:
			if codes.Code(refused.GetCode()) != codes.Internal || refused.GetReason() != "INTERNAL" {
				t.Errorf("answer %d is %v, want INTERNAL", i, m)
			}
		default:
			id := rpctest.Entry(fmt.Sprint(i)).ID()
			if got := m.GetReceipt().GetEntryId(); string(got) != string(id[:]) {
				t.Errorf("answer %d is for %x, want %x", i, got, id)
			}
		}
	}
	if _, err := stream.Recv(); err != io.EOF {
		t.Errorf("the stream ended with %v, want EOF", err)
	}
}

func TestValidateOnlyLogsNothing(t *testing.T) {
	reg := rpctest.New(1)
	_, conn := serve(t, reg, rpc.Options{})
	stream := openStream(t, pb.NewRegistryServiceClient(conn))
	if err := stream.Send(&pb.PublishEntriesRequest{Entry: raw("a"), ValidateOnly: true}); err != nil {
		t.Fatal(err)
	}
	m, err := stream.Recv()
	if err != nil || m.GetReceipt().GetProof() != "" {
		t.Errorf("got %v, %v, want a receipt without a proof", m, err)
	}
	if _, size, _ := reg.Entries(context.Background(), 0, 1); size != 1 {
		t.Errorf("the log has %d entries, want 1", size)
	}
}

// gate holds publishes back until it is opened, and counts those that it holds.
type gate struct {
	open chan struct{}

	mu   sync.Mutex
	held int
	most int
}

func newGate() *gate { return &gate{open: make(chan struct{})} }

func (g *gate) pass(ctx context.Context, _ []byte) error {
	g.count(1)
	defer g.count(-1)
	select {
	case <-g.open:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (g *gate) count(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.held += n
	g.most = max(g.most, g.held)
}

func (g *gate) holding() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.held
}

func TestAFullServerStopsReading(t *testing.T) {
	const entries = 12_000 // of 1,000 bytes: more than the transport's buffers hold
	tests := []struct {
		name     string
		limits   rpc.Limits
		inFlight int
	}{
		{"all streams together are at their bound", rpc.Limits{Entries: 4}, 4},
		{"one stream is at its window", rpc.Limits{}, 4096},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				reg, g := rpctest.New(1), newGate()
				reg.BeforePublish = func(ctx context.Context, raw []byte) error {
					if err := g.pass(ctx, raw); err != nil {
						return err
					}
					return &registry.Error{Code: registry.NotFound, Reason: "DONE", Message: "a cheap answer"}
				}
				_, conn := serve(t, reg, rpc.Options{Limits: tt.limits})
				stream := openStream(t, pb.NewRegistryServiceClient(conn))
				entry := make([]byte, 1000)
				sent := 0
				go func() {
					for range entries {
						if stream.Send(&pb.PublishEntriesRequest{Entry: entry}) != nil {
							return
						}
						sent++
					}
					stream.CloseSend()
				}()
				synctest.Wait() // until nothing moves any more
				if g.holding() != tt.inFlight {
					t.Errorf("%d entries are in flight, want %d", g.holding(), tt.inFlight)
				}
				if sent == entries {
					t.Errorf("all %d entries could be sent: the server reads on", sent)
				}
				close(g.open)
				for i := range entries {
					if m, err := stream.Recv(); err != nil || m.GetError().GetReason() != "DONE" {
						t.Fatalf("answer %d: %v, %v", i, m, err)
					}
				}
				if _, err := stream.Recv(); err != io.EOF {
					t.Errorf("the stream ended with %v, want EOF", err)
				}
				if g.most > tt.inFlight {
					t.Errorf("up to %d entries were in flight, want at most %d", g.most, tt.inFlight)
				}
			})
		})
	}
}

func TestDeadlines(t *testing.T) {
	tests := []struct {
		name   string
		client time.Duration // 0: none
		want   time.Duration
	}{
		{"the default without one", 0, 30 * time.Second},
		{"the client's", 5 * time.Second, 5 * time.Second},
		{"the cap", time.Hour, 2 * time.Minute},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				reg, g := rpctest.New(1), newGate()
				reg.BeforePublish = g.pass
				_, conn := serve(t, reg, rpc.Options{})
				ctx := context.Background()
				if tt.client > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, tt.client)
					defer cancel()
				}
				began := time.Now()
				_, err := pb.NewRegistryServiceClient(conn).PublishEntry(ctx, &pb.PublishEntryRequest{Entry: raw("a")})
				if status.Code(err) != codes.DeadlineExceeded {
					t.Errorf("got %v, want DEADLINE_EXCEEDED", err)
				}
				if got := time.Since(began); got != tt.want {
					t.Errorf("after %v, want %v", got, tt.want)
				}
				synctest.Wait()
				if g.holding() != 0 {
					t.Error("the registry still works on it")
				}
			})
		})
	}
}

func TestAnEntryOfAStreamHasADeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg, g := rpctest.New(1), newGate()
		reg.BeforePublish = g.pass
		_, conn := serve(t, reg, rpc.Options{})
		stream := openStream(t, pb.NewRegistryServiceClient(conn))
		send(t, stream, raw("a"))
		if m, err := stream.Recv(); err != nil || m.GetError().GetReason() != "DEADLINE_EXCEEDED" {
			t.Errorf("got %v, %v, want DEADLINE_EXCEEDED for the entry", m, err)
		}
		close(g.open)
		send(t, stream, raw("a"))
		if m, err := stream.Recv(); err != nil || m.GetReceipt() == nil {
			t.Errorf("the same entry again: %v, %v, want a receipt", m, err)
		}
	})
}

func TestAClientThatLeavesTakesItsEntriesAlong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg, g := rpctest.New(1), newGate()
		reg.BeforePublish = g.pass
		_, conn := serve(t, reg, rpc.Options{})
		ctx, cancel := context.WithCancel(context.Background())
		stream, err := pb.NewRegistryServiceClient(conn).PublishEntries(ctx)
		if err != nil {
			t.Fatal(err)
		}
		send(t, stream, raw("a"), raw("b"))
		synctest.Wait()
		if g.holding() != 2 {
			t.Fatalf("%d entries in flight, want 2", g.holding())
		}
		cancel()
		synctest.Wait()
		if g.holding() != 0 {
			t.Errorf("%d entries in flight, want none", g.holding())
		}
	})
}

func TestDrainAcknowledgesWhatIsInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg, g := rpctest.New(1), newGate()
		reg.BeforePublish = g.pass
		s, conn := serve(t, reg, rpc.Options{})
		c := pb.NewRegistryServiceClient(conn)
		stream := openStream(t, c)
		send(t, stream, raw("a"), raw("b"))
		synctest.Wait()

		drained := make(chan error, 1)
		go func() { drained <- s.Drain(context.Background()) }()
		synctest.Wait()
		select {
		case err := <-drained:
			t.Fatalf("Drain returned %v with entries in flight", err)
		default:
		}
		close(g.open)
		for range 2 {
			if m, err := stream.Recv(); err != nil || m.GetReceipt() == nil {
				t.Errorf("got %v, %v, want a receipt", m, err)
			}
		}
		_, err := stream.Recv()
		if st, info := info(t, err); st.Code() != codes.Unavailable || info.GetReason() != "DRAINING" {
			t.Errorf("the stream ended with %v, want UNAVAILABLE DRAINING", err)
		}
		if err := <-drained; err != nil {
			t.Errorf("Drain: %v", err)
		}
		if _, err := c.PublishEntry(context.Background(), &pb.PublishEntryRequest{Entry: raw("c")}); status.Code(err) != codes.Unavailable {
			t.Errorf("a call after Drain: %v, want UNAVAILABLE", err)
		}
	})
}

func TestDrainCutsOffWhatTakesTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg, g := rpctest.New(1), newGate()
		reg.BeforePublish = g.pass
		s, conn := serve(t, reg, rpc.Options{})
		stream := openStream(t, pb.NewRegistryServiceClient(conn))
		send(t, stream, raw("a"))
		synctest.Wait()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := s.Drain(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Drain: %v, want one that wraps the deadline", err)
		}
		if g.holding() != 0 {
			t.Error("the registry still works after Drain")
		}
		if _, err := stream.Recv(); err == nil {
			t.Error("the stream goes on after Drain")
		}
	})
}

func TestDrainEndsStreamsThatWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, conn := serve(t, rpctest.New(1), rpc.Options{})
		idle := openStream(t, pb.NewRegistryServiceClient(conn))
		watch := watchHealth(t, conn)
		synctest.Wait()
		if err := s.Drain(context.Background()); err != nil {
			t.Errorf("Drain: %v", err)
		}
		if _, err := idle.Recv(); status.Code(err) != codes.Unavailable {
			t.Errorf("the idle stream ended with %v, want UNAVAILABLE", err)
		}
		var err error
		for err == nil {
			_, err = watch.Recv()
		}
	})
}
