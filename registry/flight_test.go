package registry_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/hallmark-registry/hallmark/registry"
	"github.com/hallmark-registry/hallmark/registry/tlog"
)

// A bentLog has its appends go through bend, once the log is founded.
type bentLog struct {
	tlog.Log
	appends atomic.Int32
	bend    func(ctx context.Context, leaves [][]byte) ([]uint64, error)
}

func (l *bentLog) Append(ctx context.Context, leaves [][]byte) ([]uint64, error) {
	if l.bend == nil {
		return l.Log.Append(ctx, leaves)
	}
	l.appends.Add(1)
	return l.bend(ctx, leaves)
}

func bentSite(t *testing.T) (*site, *bentLog) {
	bent := &bentLog{}
	s := openSite(t, t.TempDir(), options{log: func(l tlog.Log) tlog.Log { bent.Log = l; return bent }})
	return s, bent
}

// landed waits until index and fold have all that is published, and wants nothing to be in flight then.
func (s *site) landed() {
	s.t.Helper()
	if err := s.CatchUp(context.Background()); err != nil {
		s.t.Fatal(err)
	}
	if n := registry.InFlight(s.Registry); n != 0 {
		s.t.Errorf("%d entries are in flight after all have landed", n)
	}
}

// A caller leaves while the engine works on its entry, which is logged all the same. Those who publish it meanwhile,
// and later, get that one.
func TestCallerLeavesDuringAppend(t *testing.T) {
	s, bent := bentSite(t)
	raw := s.dataset("acme/rows@1.0.0", 1)
	reached, gate := make(chan struct{}, 8), make(chan struct{})
	bent.bend = func(ctx context.Context, leaves [][]byte) ([]uint64, error) {
		reached <- struct{}{}
		select {
		case <-gate:
			return bent.Log.Append(ctx, leaves)
		case <-ctx.Done(): // as an engine does: what is queued is not taken back
			_, err := bent.Log.Append(context.WithoutCancel(ctx), leaves)
			return nil, fmt.Errorf("%w: %v, %v", tlog.ErrUnknown, ctx.Err(), err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	var calls sync.WaitGroup
	calls.Go(func() {
		if _, err := s.Publish(ctx, raw, registry.PublishOptions{}); reason(err) != "NOT_YET_PUBLISHED" {
			t.Errorf("the one who left: %v, want NOT_YET_PUBLISHED", err)
		}
	})
	<-reached
	cancel()
	calls.Wait()
	calls.Go(func() {
		if r, err := s.Publish(context.Background(), raw, registry.PublishOptions{}); err != nil || !r.Existing || r.Index != 1 {
			t.Errorf("the one who came after: %+v, %v, want entry 1 as existing", r, err)
		}
	})
	close(gate)
	calls.Wait()
	if r := s.publish(raw); r.Index != 1 || !r.Existing {
		t.Errorf("published again: entry %d, existing %v, want 1, existing", r.Index, r.Existing)
	}
	if n := bent.appends.Load(); n != 1 {
		t.Errorf("the entry was appended %d times, want once", n)
	}
	s.landed()
}

// The engine loses sight of an append, or breaks. What it logged is found, and never logged again; what it did not
// log may be published again.
func TestEngineLosesAnAppend(t *testing.T) {
	for story, c := range map[string]struct {
		lost func(ctx context.Context, l tlog.Log, leaves [][]byte) ([]uint64, error)
		want string
	}{
		"it was logged": {func(ctx context.Context, l tlog.Log, leaves [][]byte) ([]uint64, error) {
			if _, err := l.Append(ctx, leaves); err != nil {
				return nil, err
			}
			return nil, tlog.ErrUnknown
		}, "none"},
		"it was not logged": {func(context.Context, tlog.Log, [][]byte) ([]uint64, error) {
			return nil, tlog.ErrUnknown
		}, "OUTCOME_UNKNOWN"},
		"it panics": {func(context.Context, tlog.Log, [][]byte) ([]uint64, error) {
			panic("a defect")
		}, "INTERNAL"},
	} {
		t.Run(story, func(t *testing.T) {
			s, bent := bentSite(t)
			raw := s.dataset("acme/rows@1.0.0", 1)
			bent.bend = func(ctx context.Context, leaves [][]byte) ([]uint64, error) { return c.lost(ctx, bent.Log, leaves) }
			_, err := s.Publish(context.Background(), raw, registry.PublishOptions{})
			if got := reason(err); got != c.want {
				t.Errorf("publishing: %v, want %s", err, c.want)
			}
			bent.bend = nil
			if r := s.publish(raw); r.Index != 1 || r.Existing != (c.want == "none") {
				t.Errorf("published again: entry %d, existing %v, want 1, %v", r.Index, r.Existing, c.want == "none")
			}
			s.landed()
		})
	}
}

// The follower passes an entry before its publisher learns where it was placed.
func TestEntryLandsBeforeItIsPlaced(t *testing.T) {
	s, bent := bentSite(t)
	bent.bend = func(ctx context.Context, leaves [][]byte) ([]uint64, error) {
		at, err := bent.Log.Append(ctx, leaves)
		if err == nil {
			_, err = s.Publication.Await(ctx, at[0])
		}
		if err == nil {
			err = s.CatchUp(ctx)
		}
		return at, err
	}
	for i := range 3 {
		s.publish(s.dataset(fmt.Sprintf("acme/rows@1.0.%d", i), uint64(i+1)))
	}
	s.landed()
}
