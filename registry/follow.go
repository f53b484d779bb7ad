package registry

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"

	"github.com/transparency-dev/merkle/rfc6962"
	"golang.org/x/sync/errgroup"

	"github.com/hallmark-registry/hallmark/registry/index"
	"github.com/hallmark-registry/hallmark/registry/tlog"
	"github.com/hallmark-registry/hallmark/verifier/ledger"
)

const (
	// followBatch is how many entries share one transaction of the index. It
	// costs some tens of milliseconds, which is what a reader waits at most.
	followBatch = 1024

	// snapshotEvery is how many entries may be folded again after a crash: a
	// second or two of work, most of it checking signatures.
	snapshotEvery = 1 << 16

	// retryFollow is how long the follower rests after a fault of its stores.
	retryFollow = time.Second
)

// align brings index and fold to one position. They are committed one after
// the other, index first, so the fold may be behind: it then runs alone. A fold
// ahead of the index means that the index was deleted or rebuilt; the fold is
// cheap to repeat, so it starts over with it.
//
// Neither is believed to be of this log because it says so. The fold's snapshot
// names the tree that it stands for (see state.Open); of the index the newest row
// is compared with the entry in its place.
func (r *Registry) align(ctx context.Context, integrated uint64) (uint64, error) {
	at, err := r.Index.Position(ctx)
	if err != nil {
		return 0, fmt.Errorf("reading the index's position: %w", err)
	}
	if err := r.checkIndex(ctx, at, integrated); err != nil {
		return 0, err
	}
	if r.State.Position() > at {
		r.Logger.Info("the fold is ahead of the index and starts over", "fold", r.State.Position(), "index", at)
		r.State.Reset()
	}
	return min(at, r.State.Position()), nil
}

// checkIndex compares the end of the index with the log.
func (r *Registry) checkIndex(ctx context.Context, at, integrated uint64) error {
	if at > integrated {
		return fmt.Errorf("%w: it holds %d entries, the log %d", ErrOtherHistory, at, integrated)
	}
	if at == 0 {
		return nil
	}
	row, err := r.Index.Get(ctx, at-1)
	if err != nil {
		return fmt.Errorf("reading entry %d from the index: %w", at-1, err)
	}
	raw, err := tlog.ReadEntry(ctx, r.Log, at-1, integrated)
	if err != nil {
		return fmt.Errorf("reading entry %d from the log: %w", at-1, err)
	}
	if id := sha256.Sum256(raw); id != row.EntryID {
		return fmt.Errorf("%w: its entry %d is %x, the log's %x", ErrOtherHistory, at-1, row.EntryID, id)
	}
	return nil
}

// follow is the one goroutine that moves index and fold along the published
// log. A fault of a store is retried for ever and shown by Healthy: the log
// goes on without its projections, and nothing in them can be lost.
func (r *Registry) follow(ctx context.Context) {
	defer close(r.done)
	snapshot := r.State.Position()
	for ctx.Err() == nil {
		err := r.followOnce(ctx)
		r.report(ctx, err)
		if err != nil {
			select {
			case <-ctx.Done():
			case <-time.After(retryFollow):
			}
			continue
		}
		if at := r.State.Position(); at-snapshot >= snapshotEvery {
			if err := r.snapshot(ctx); err != nil {
				r.Logger.Warn("keeping a snapshot of the fold", "error", err)
			}
			snapshot = at
		}
	}
}

// snapshot keeps the fold as it stands. The index is made durable first, so that
// a power cut never leaves the fold ahead of it.
func (r *Registry) snapshot(ctx context.Context) error {
	if err := r.Index.Sync(ctx); err != nil {
		return err
	}
	return r.State.Snapshot()
}

func (r *Registry) report(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	r.mu.Lock()
	changed := (err == nil) != (r.failed == nil)
	r.failed = err
	r.mu.Unlock()
	if changed && err != nil {
		r.Logger.Error("following the log", "error", err)
	}
}

// followOnce waits for the next published entries and takes one batch of them,
// after what an earlier batch still owes to the index.
func (r *Registry) followOnce(ctx context.Context) error {
	if len(r.owed) > 0 {
		return r.write(ctx)
	}
	from := r.State.Position()
	head, err := r.Publication.Await(ctx, from)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	inputs, raws, err := r.read(ctx, from, head)
	if err != nil {
		return fmt.Errorf("reading entries from %d: %w", from, err)
	}
	indexed, err := r.Index.Position(ctx)
	if err != nil {
		return fmt.Errorf("reading the index's position: %w", err)
	}
	err = r.fold(from, indexed, inputs, raws)
	return errors.Join(err, r.write(ctx))
}

// read reads one batch and does on all cores what needs no state. What this
// process published itself is taken from its flights; anything else must be what
// the tree holds at its place, or a bit that flipped on disk would be folded.
func (r *Registry) read(ctx context.Context, from uint64, head *tlog.Published) ([]*ledger.Input, [][]byte, error) {
	size := min(head.Size, from+followBatch)
	raws := make([][]byte, 0, size-from)
	for raw, err := range tlog.Entries(ctx, r.Log, from, head.Size) {
		if err != nil {
			return nil, nil, err
		}
		if raws = append(raws, raw); uint64(len(raws)) == size-from {
			break
		}
	}
	inputs := make([]*ledger.Input, len(raws))
	var unknown []int
	for i, raw := range raws {
		if f := r.flights.at(from + uint64(i)); f != nil && bytes.Equal(f.in.Entry().Raw(), raw) {
			inputs[i] = f.in
		} else {
			unknown = append(unknown, i)
		}
	}
	if len(unknown) == 0 {
		return inputs, raws, nil
	}
	var g errgroup.Group
	for chunk := range slices.Chunk(unknown, len(unknown)/runtime.GOMAXPROCS(0)+1) {
		g.Go(func() error {
			for _, i := range chunk {
				at := from + uint64(i)
				leaf, err := r.stored.LeafHash(ctx, at, head)
				if err != nil {
					return err
				}
				if !bytes.Equal(rfc6962.DefaultHasher.HashLeaf(raws[i]), leaf[:]) {
					return fmt.Errorf("entry %d as stored is not the one in the tree: run fsck", at)
				}
				inputs[i] = ledger.Read(raws[i])
			}
			return ctx.Err()
		})
	}
	return inputs, raws, g.Wait()
}

// fold folds a batch. Its rows carry what the fold said, and are owed to the
// index from then on.
//
// The fold never goes back. Admission asks it, and one that has forgotten a
// batch would let in what that batch forbids; so when the index fails, its rows
// wait (see write), and when the fold cannot decide, the next batch begins where
// it stopped.
func (r *Registry) fold(from, indexed uint64, inputs []*ledger.Input, raws [][]byte) error {
	for i, in := range inputs {
		at := from + uint64(i)
		o := r.State.Apply(at, in)
		if !o.Decided() {
			return fmt.Errorf("folding entry %d: %s", at, o.Detail)
		}
		if at >= indexed {
			r.owed = append(r.owed, index.Project(at, raws[i], in.Entry(), in.Statement(), o.Code.String()))
		}
	}
	return nil
}

// write pays the index what is owed to it, and then tells those who wait that
// index and fold cover what was folded.
//
// If we die before it the fold's snapshot, which never is ahead of the index, is
// where both go on from; if we die after it the index is ahead of the snapshot,
// and align has the fold run alone until it has caught up.
func (r *Registry) write(ctx context.Context) error {
	if len(r.owed) > 0 {
		indexed, err := r.Index.Position(ctx) // a failed Apply may have been committed all the same
		if err != nil {
			return fmt.Errorf("reading the index's position: %w", err)
		}
		first, end := r.owed[0].Index, r.State.Position()
		if indexed > first {
			first = min(indexed, end)
		}
		if err := r.Index.Apply(ctx, first, r.owed[first-r.owed[0].Index:]); err != nil {
			return fmt.Errorf("writing entries %d to %d to the index: %w", first, end, err)
		}
		r.owed = nil
	}
	size := r.State.Position()
	r.flights.land(r.covered, size) // only we write covered
	r.mu.Lock()
	r.covered = size
	close(r.moved)
	r.moved = make(chan struct{})
	r.mu.Unlock()
	return nil
}
