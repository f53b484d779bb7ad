package client_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hallmark-registry/hallmark/registry"
	"github.com/hallmark-registry/hallmark/registry/client"
	"github.com/hallmark-registry/hallmark/registry/rpc/rpctest"
	"github.com/hallmark-registry/hallmark/verifier/checkpoint"
)

type result = client.Result

func TestStreamPublishesInOrder(t *testing.T) {
	const n = 500
	reg := rpctest.New(1)
	reg.Interval = 10 * time.Millisecond
	c := connect(t, reg)
	var results []result
	stream, err := c.PublishStream(context.Background(), 100, func(r result) { results = append(results, r) })
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if err := stream.Send(rpctest.Entry(fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	if err := stream.Close(); err != nil {
		t.Fatal(err)
	}
	if len(results) != n {
		t.Fatalf("%d results, want %d", len(results), n)
	}
	seen := map[*checkpoint.Verified]bool{}
	for i, r := range results {
		if r.Err != nil || r.Receipt.EntryID != rpctest.Entry(fmt.Sprint(i)).ID() {
			t.Fatalf("result %d: %+v", i, r)
		}
		seen[r.Receipt.Checkpoint] = true
	}
	// The memo hands out one finding for each checkpoint, so this counts the
	// checks of a signature.
	if len(seen) > n/2 {
		t.Errorf("%d checkpoints were verified for %d receipts", len(seen), n)
	}
	if err := stream.Send(rpctest.Entry("late")); err == nil {
		t.Error("Send after Close: no error")
	}
}

func TestARefusedEntryEndsNothing(t *testing.T) {
	reg := rpctest.New(1)
	bad := rpctest.Entry("bad")
	reg.BeforePublish = func(_ context.Context, raw []byte) error {
		if string(raw) == string(bad.Raw()) {
			return &registry.Error{Code: registry.AlreadyExists, Reason: "NAME_BOUND", Message: "m", Hint: "h"}
		}
		return nil
	}
	var results []result
	stream, err := connect(t, reg).PublishStream(context.Background(), 0, func(r result) { results = append(results, r) })
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"one", "bad", "two"} {
		if err := stream.Send(rpctest.Entry(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := stream.Close(); err != nil {
		t.Fatal(err)
	}
	if len(results) != 3 || results[0].Err != nil || results[2].Err != nil {
		t.Fatalf("got %+v", results)
	}
	if got := refused(t, results[1].Err, "NAME_BOUND"); got.Message != "m" || got.Hint != "h" || results[1].Entry.ID() != bad.ID() {
		t.Errorf("got %+v for %x", got, results[1].Entry.ID())
	}
}

func TestAStreamWithoutEntries(t *testing.T) {
	stream, err := connect(t, rpctest.New(1)).PublishStream(context.Background(), 0, func(result) { t.Error("a result") })
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Close(); err != nil {
		t.Error(err)
	}
	if err := stream.Close(); err != nil {
		t.Errorf("closing it again: %v", err)
	}
}

func TestTheWindowBoundsWhatIsInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := rpctest.New(1)
		release := make(chan struct{})
		reg.BeforePublish = func(ctx context.Context, _ []byte) error {
			<-release
			return nil
		}
		stream, err := connect(t, reg).PublishStream(context.Background(), 3, func(result) {})
		if err != nil {
			t.Fatal(err)
		}
		sent := 0
		go func() {
			for i := range 10 {
				if err := stream.Send(rpctest.Entry(fmt.Sprint(i))); err != nil {
					t.Error(err)
				}
				sent++
			}
		}()
		synctest.Wait()
		if sent != 3 {
			t.Errorf("%d entries were sent, want 3", sent)
		}
		close(release)
		synctest.Wait()
		if sent != 10 {
			t.Errorf("%d entries were sent, want 10", sent)
		}
		if err := stream.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestAStreamOutlivesItsServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := rpctest.New(1)
		var published atomic.Int64
		var restarted atomic.Bool
		cut := make(chan struct{})
		reg.BeforePublish = func(ctx context.Context, _ []byte) error {
			n := published.Add(1)
			if n == 20 {
				close(cut)
			}
			if n >= 20 && !restarted.Load() {
				<-ctx.Done() // the first server never answers it
				return ctx.Err()
			}
			return nil
		}
		s := newSite(t, reg)
		var results []result
		stream, err := s.client(reg.Trust()).PublishStream(context.Background(), 10, func(r result) { results = append(results, r) })
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			<-cut
			s.stop()
			time.Sleep(2 * time.Second) // of the bubble's clock: a restart
			restarted.Store(true)
			s.start(reg)
		}()
		const n = 100
		for i := range n {
			if err := stream.Send(rpctest.Entry(fmt.Sprint(i))); err != nil {
				t.Fatal(err)
			}
		}
		if err := stream.Close(); err != nil {
			t.Fatal(err)
		}
		if len(results) != n {
			t.Fatalf("%d results, want %d", len(results), n)
		}
		indexes := map[uint64]bool{}
		for i, r := range results {
			if r.Err != nil || r.Entry.ID() != rpctest.Entry(fmt.Sprint(i)).ID() {
				t.Fatalf("result %d: %+v", i, r)
			}
			indexes[r.Receipt.Index] = true
		}
		if _, size, _ := reg.Entries(context.Background(), 0, 1); len(indexes) != n || size != n+1 {
			t.Errorf("%d positions in a log of %d, want %d in %d", len(indexes), size, n, n+1)
		}
	})
}

func TestAStreamWhoseServerStaysAwayGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := rpctest.New(1)
		s := newSite(t, reg)
		c := s.client(reg.Trust())
		s.stop()
		var results []result
		stream, err := c.PublishStream(context.Background(), 2, func(r result) { results = append(results, r) })
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		var sendErr error
		for i := 0; sendErr == nil; i++ {
			sendErr = stream.Send(rpctest.Entry(fmt.Sprint(i)))
		}
		refused(t, sendErr, "SERVER_UNREACHABLE")
		refused(t, stream.Close(), "SERVER_UNREACHABLE")
		if got := time.Since(began); got != 5*time.Second {
			t.Errorf("gave up after %v, want 5s", got)
		}
		if len(results) != 2 {
			t.Fatalf("%d results, want one for each entry taken, 2", len(results))
		}
		for _, r := range results {
			refused(t, r.Err, "SERVER_UNREACHABLE")
		}
	})
}

func TestAStreamEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := rpctest.New(1)
		reg.BeforePublish = func(ctx context.Context, _ []byte) error {
			<-ctx.Done()
			return ctx.Err()
		}
		ctx, cancel := context.WithCancel(context.Background())
		var got result
		stream, err := connect(t, reg).PublishStream(ctx, 0, func(r result) { got = r })
		if err != nil {
			t.Fatal(err)
		}
		if err := stream.Send(rpctest.Entry("a")); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		cancel()
		if err := stream.Close(); !errors.Is(err, context.Canceled) || !errors.Is(got.Err, context.Canceled) {
			t.Errorf("Close: %v, result: %v, want both cancelled", err, got.Err)
		}
	})
}
