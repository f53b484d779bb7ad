package registry_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/hallmark-registry/hallmark/registry"
	"github.com/hallmark-registry/hallmark/registry/index"
	"github.com/hallmark-registry/hallmark/verifier/ledger"
)

// A failingIndex fails to take rows while fail is set: before it has taken them, or after.
type failingIndex struct {
	index.Index
	fail  atomic.Bool
	after bool
}

func (x *failingIndex) Apply(ctx context.Context, from uint64, rows []index.Row) error {
	if !x.fail.Load() {
		return x.Index.Apply(ctx, from, rows)
	}
	if x.after {
		if err := x.Index.Apply(ctx, from, rows); err != nil {
			return err
		}
	}
	return errors.New("disk full")
}

// The index fails. What was published stays known to admission, which goes on, and the index has it all in the end.
func TestIndexFails(t *testing.T) {
	for _, after := range []bool{false, true} {
		t.Run(fmt.Sprintf("after its commit %v", after), func(t *testing.T) {
			x := &failingIndex{after: after}
			s := openSite(t, t.TempDir(), options{index: func(i index.Index) index.Index { x.Index = i; return x }})
			ctx := context.Background()
			s.publish(s.dataset("acme/rows@1.0.0", 1))
			s.landed()

			x.fail.Store(true)
			s.publish(s.dataset("acme/rows@1.0.1", 2))
			for s.Healthy() == nil {
				runtime.Gosched()
			}
			for _, name := range []string{"acme/rows@1.0.0", "acme/rows@1.0.1"} {
				if _, err := s.Publish(ctx, s.dataset(name, 3), registry.PublishOptions{}); reason(err) != "NAME_BOUND" {
					t.Errorf("another digest as %s while the index fails: %v, want NAME_BOUND", name, err)
				}
			}
			credit := &ledger.Credit{Ledger: s.ledger, Class: "data", Serial: 1, Subject: s.datasetDigest(1), Beneficiary: account(t, "ada"), Work: 1, Evidence: [32]byte{2}}
			_, err := s.SubmitLedger(ctx, s.body(credit, "evaluator"))
			if reason(err) != "INDEX_BEHIND" || !strings.Contains(err.Error(), "index 3") {
				t.Errorf("a credit while the index fails: %v, want INDEX_BEHIND and index 3", err)
			}

			x.fail.Store(false)
			s.landed()
			for i, name := range []string{"acme/rows@1.0.0", "acme/rows@1.0.1"} {
				if v, err := s.Entry(ctx, name); err != nil || v.Index != uint64(i+1) || v.Code != index.CodeAccepted {
					t.Errorf("%s: %+v, %v, want entry %d, accepted", name, v, err, i+1)
				}
			}
			if err := s.Healthy(); err != nil {
				t.Errorf("after the index recovered: %v", err)
			}
		})
	}
}

// Index and fold are those of a log that has been put away, and say they are this one's.
func TestProjectionsOfAnotherHistory(t *testing.T) {
	for story, length := range map[string]int{"a shorter log": 2, "a log as long": 4, "a longer log": 6} {
		t.Run(story, func(t *testing.T) {
			dir, other := t.TempDir(), t.TempDir()
			fill(t, other, "theirs", 4)
			fill(t, dir, "ours", length)
			for _, name := range []string{"index.db", "index.db-wal", "index.db-shm", "state.db"} {
				if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
					t.Fatal(err)
				}
				if err := os.Rename(filepath.Join(other, name), filepath.Join(dir, name)); err != nil && !os.IsNotExist(err) {
					t.Fatal(err)
				}
			}
			s := openSite(t, dir, options{})
			s.landed()
			if v, err := s.Entry(context.Background(), "2"); err != nil || v.Name != "ours/rows@1.0.1" {
				t.Errorf("entry 2 is %+v, %v, want ours/rows@1.0.1", v, err)
			}
			if v, err := s.Entry(context.Background(), "theirs/rows@1.0.1"); reason(err) != "NOT_FOUND" {
				t.Errorf("an entry of the other log: %+v, %v, want NOT_FOUND", v, err)
			}
			if r := s.publish(s.dataset("theirs/rows@1.0.1", 2)); r.Existing || r.Index != uint64(length+1) {
				t.Errorf("published here: entry %d, existing %v, want %d, new", r.Index, r.Existing, length+1)
			}
		})
	}
}

func fill(t *testing.T, dir, namespace string, n int) {
	t.Helper()
	s := openSite(t, dir, options{})
	for i := range n {
		s.publish(s.dataset(fmt.Sprintf("%s/rows@1.0.%d", namespace, i), uint64(i+1)))
	}
	s.landed()
	s.close()
}

// What cannot be read is refused while the fold is still behind.
func TestUnreadableIsRefusedEarly(t *testing.T) {
	dir := t.TempDir()
	fill(t, dir, "acme", 1)
	for _, name := range []string{"index.db", "index.db-wal", "index.db-shm", "state.db"} {
		if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	x := &failingIndex{}
	x.fail.Store(true)
	s := openSite(t, dir, options{index: func(i index.Index) index.Index { x.Index = i; return x }})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := s.Publish(ctx, s.dataset("acme/other@1.0.0", 2), registry.PublishOptions{}); reason(err) != "INDEX_BEHIND" {
		t.Errorf("an entry: %v, want INDEX_BEHIND", err)
	}
	if _, err := s.Publish(ctx, []byte("entry"), registry.PublishOptions{}); reason(err) != "ENTRY_MALFORMED" {
		t.Errorf("no entry: %v, want ENTRY_MALFORMED", err)
	}
}

// A caller who leaves is no fault of ours.
func TestCallerLeavesDuringRead(t *testing.T) {
	s := newSite(t)
	s.landed()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := s.Entry(ctx, "0")
	var refused *registry.Error
	if !errors.As(err, &refused) || refused.Code != registry.Canceled {
		t.Errorf("reading after leaving: %v, want CANCELLED", err)
	}
}
