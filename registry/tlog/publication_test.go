package tlog_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/hallmark-registry/hallmark/registry/tlog"
	"github.com/hallmark-registry/hallmark/registry/tlog/tlogtest"
)

// fakeGuard refuses when told.
type fakeGuard struct {
	refused chan struct{}
	err     error
}

func newFakeGuard() *fakeGuard { return &fakeGuard{refused: make(chan struct{})} }

func (g *fakeGuard) Refused() <-chan struct{} { return g.refused }
func (g *fakeGuard) Err() error               { return g.err }

// faultyCheckpoint fails to read the checkpoint while err is set, and counts the reads.
type faultyCheckpoint struct {
	tlog.Reader
	mu    sync.Mutex
	err   error
	reads int
}

func (r *faultyCheckpoint) ReadCheckpoint(ctx context.Context) ([]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.reads++; r.err != nil {
		return nil, r.err
	}
	return r.Reader.ReadCheckpoint(ctx)
}

func (r *faultyCheckpoint) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.reads
}

func (r *faultyCheckpoint) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err = err
}

// watched runs a test in a bubble of fake time with a log that is published by hand, and its watcher.
func watched(t *testing.T, run func(t *testing.T, w *watch)) {
	keys := tlogtest.NewKeys(t, origin)
	synctest.Test(t, func(t *testing.T) {
		w := &watch{t: t, log: tlogtest.NewMemory(keys.Signer), guard: newFakeGuard(), keys: keys}
		w.log.Auto = false
		w.r = &faultyCheckpoint{Reader: w.log}
		w.publish(0)
		pub, err := tlog.NewPublication(t.Context(), w.r, keys.Verifier, w.guard)
		if err != nil {
			t.Fatal(err)
		}
		w.Publication = pub
		defer pub.Close()
		run(t, w)
	})
}

type watch struct {
	*tlog.Publication
	t     *testing.T
	log   *tlogtest.Memory
	r     *faultyCheckpoint
	guard *fakeGuard
	keys  tlogtest.Keys
}

// publish appends n entries and publishes the tree.
func (w *watch) publish(n int) {
	w.t.Helper()
	if _, err := w.log.Append(w.t.Context(), tlogtest.LeavesOf(n)); err != nil {
		w.t.Fatal(err)
	}
	if err := w.log.Publish(); err != nil {
		w.t.Fatal(err)
	}
}

// waiters starts n calls of Await for entry index and returns a function that waits for their outcomes.
func (w *watch) waiters(n int, index uint64) func() ([]*tlog.Published, []error) {
	got, errs := make([]*tlog.Published, n), make([]error, n)
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() { got[i], errs[i] = w.Await(w.t.Context(), index) })
	}
	synctest.Wait()
	return func() ([]*tlog.Published, []error) {
		group.Wait()
		return got, errs
	}
}

func TestAwait(t *testing.T) {
	watched(t, func(t *testing.T, w *watch) {
		if at := w.Latest(); at == nil || at.Size != 0 {
			t.Fatalf("Latest at first: got %+v, want size 0", at)
		}
		start := time.Now()
		first, second := w.waiters(1000, 2), w.waiters(1000, 3)
		w.publish(3)
		got, errs := first()
		for i := range got {
			if errs[i] != nil || got[i].Size != 3 || string(got[i].Note) != string(w.log.Checkpoint) {
				t.Fatalf("Await(2): got %+v, %v", got[i], errs[i])
			}
		}
		if took := time.Since(start); took > 5*time.Millisecond {
			t.Errorf("a published entry was seen after %v, want at most 5 ms", took)
		}
		w.publish(1)
		if got, errs := second(); errs[0] != nil || got[0].Size != 4 {
			t.Errorf("Await(3): got %+v, %v, want size 4", got[0], errs[0])
		}
		if at, err := w.Await(t.Context(), 0); err != nil || at.Size != 4 {
			t.Errorf("Await of what is published: got %+v, %v", at, err)
		}
	})
}

func TestIdleWatcherReadsSeldom(t *testing.T) {
	watched(t, func(t *testing.T, w *watch) {
		before := w.r.count()
		time.Sleep(time.Second) // of the bubble's time
		synctest.Wait()
		if reads := w.r.count() - before; reads != 20 {
			t.Errorf("an idle second took %d reads, want 20", reads)
		}
		w.publish(1)
		time.Sleep(50 * time.Millisecond)
		synctest.Wait()
		if at := w.Latest(); at.Size != 1 {
			t.Errorf("Latest after 50 ms: got size %d, want 1", at.Size)
		}
	})
}

func TestRefusalReleasesWaiters(t *testing.T) {
	watched(t, func(t *testing.T, w *watch) {
		w.publish(1)
		start := time.Now()
		wait := w.waiters(1000, 7)
		w.guard.err = errors.New("log folder is older than the sign guard (rollback)")
		close(w.guard.refused)
		_, errs := wait()
		for _, err := range append(errs, w.Err()) {
			if !errors.Is(err, w.guard.err) {
				t.Fatalf("got %v, want %v", err, w.guard.err)
			}
		}
		if took := time.Since(start); took != 0 {
			t.Errorf("waiters were released after %v, want at once", took)
		}
		if _, err := w.Await(t.Context(), 0); !errors.Is(err, w.guard.err) {
			t.Errorf("later Await: got %v, want %v", err, w.guard.err)
		}
	})
}

func TestCheckpointThatDoesNotHold(t *testing.T) {
	other := tlogtest.NewKeys(t, origin)
	for _, test := range []struct {
		name  string
		spoil func(*tlogtest.Memory)
		err   string
	}{
		{"goes back", func(m *tlogtest.Memory) { m.Entries, m.Leaves = m.Entries[:2], m.Leaves[:2] }, "went back from size 3 to 2"},
		{"another root of the same size", func(m *tlogtest.Memory) { m.Leaves = slices.Repeat(m.Leaves[:1], 3) }, "two published checkpoints of size 3"},
		{"another key", func(m *tlogtest.Memory) { m.Signer = other.Signer }, "no verifiable signatures"},
	} {
		t.Run(test.name, func(t *testing.T) {
			watched(t, func(t *testing.T, w *watch) {
				w.publish(3)
				if _, err := w.Await(t.Context(), 2); err != nil {
					t.Fatal(err)
				}
				wait := w.waiters(2, 7)
				w.log.Spoil(test.spoil)
				w.publish(0)
				_, errs := wait()
				for _, err := range append(errs, w.Err()) {
					if err == nil || !strings.Contains(err.Error(), test.err) {
						t.Errorf("got %v, want an error with %q", err, test.err)
					}
				}
			})
		})
	}
}

func TestNewPublicationOverABadCheckpoint(t *testing.T) {
	keys := tlogtest.NewKeys(t, origin)
	long, err := note.Sign(&note.Note{Text: tlogtest.CheckpointText(origin, 9, make([]byte, 32)) + "more\n"}, keys.Signer)
	if err != nil {
		t.Fatal(err)
	}
	for name, checkpoint := range map[string][]byte{
		"no note": []byte("hello\n"), "an extension line": long, "nothing": {},
	} {
		log := tlogtest.NewMemory(keys.Signer)
		log.Checkpoint = checkpoint
		if _, err := tlog.NewPublication(t.Context(), log, keys.Verifier, newFakeGuard()); err == nil {
			t.Errorf("%s was taken for a checkpoint", name)
		}
	}
}

func TestAwaitBeforeTheFirstCheckpoint(t *testing.T) {
	watched(t, func(t *testing.T, w *watch) {
		w.Close()
		w.log.Checkpoint = nil
		pub, err := tlog.NewPublication(t.Context(), w.r, w.keys.Verifier, w.guard)
		if err != nil {
			t.Fatal(err)
		}
		defer pub.Close()
		if at := pub.Latest(); at != nil {
			t.Errorf("Latest: got %+v, want none", at)
		}
		w.Publication = pub
		wait := w.waiters(1, 0)
		w.publish(1)
		if got, errs := wait(); errs[0] != nil || got[0].Size != 1 {
			t.Errorf("got %+v, %v, want size 1", got[0], errs[0])
		}
	})
}

// TestPassingReadFault sees that a storage which fails for a moment fails nobody.
func TestPassingReadFault(t *testing.T) {
	watched(t, func(t *testing.T, w *watch) {
		broken := errors.New("input/output error")
		w.r.fail(broken)
		wait := w.waiters(10, 0)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		w.guard.err = errors.New("disk full")
		_, err := w.Await(ctx, 0)
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "input/output error") || !strings.Contains(err.Error(), "disk full") {
			t.Errorf("got %v, want the deadline and what is known of the delay", err)
		}
		if err := w.Err(); err != nil {
			t.Errorf("Err: got %v, want none", err)
		}
		w.r.fail(nil)
		w.publish(1)
		if got, errs := wait(); errs[0] != nil || got[0].Size != 1 {
			t.Errorf("got %+v, %v, want size 1", got[0], errs[0])
		}
	})
}

func TestClosingReleasesWaiters(t *testing.T) {
	watched(t, func(t *testing.T, w *watch) {
		wait := w.waiters(10, 0)
		w.Close()
		if _, errs := wait(); !errors.Is(errs[0], tlog.ErrClosed) {
			t.Errorf("got %v, want %v", errs[0], tlog.ErrClosed)
		}
		w.Close()
	})
}

// TestRefreshIsSeen sees that a new signature on the same tree, as a refresh of cosignatures brings, becomes
// the latest.
func TestRefreshIsSeen(t *testing.T) {
	watched(t, func(t *testing.T, w *watch) {
		w.publish(1)
		if _, err := w.Await(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
		w.log.Spoil(func(m *tlogtest.Memory) {
			m.Checkpoint = append(slices.Clip(m.Checkpoint), "— witness.example AAAAAAAA\n"...)
		})
		time.Sleep(50 * time.Millisecond)
		synctest.Wait()
		if at := w.Latest(); string(at.Note) != string(w.log.Checkpoint) {
			t.Errorf("Latest: got %q, want %q", at.Note, w.log.Checkpoint)
		}
	})
}
