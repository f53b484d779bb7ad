package registry

import (
	"bytes"
	"context"
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
func (r *Registry) align(ctx context.Context) (uint64, error) {
	at, err := r.Index.Position(ctx)
	if err != nil {
		return 0, fmt.Errorf("reading the index's position: %w", err)
	}
	if r.State.Position() > at {
		r.Logger.Info("the fold is ahead of the index and starts over", "fold", r.State.Position(), "index", at)
		r.State.Reset()
	}
	return min(at, r.State.Position()), nil
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

// followOnce waits for the next published entries and takes one batch of them.
func (r *Registry) followOnce(ctx context.Context) error {
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
	return r.commit(ctx, from, inputs, raws)
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

// commit folds a batch and writes it to the index. The fold goes first in
// memory, because rows carry what it said; the index is first on disk, because
// a snapshot of the fold must never be ahead of it.
//
// If we die between the two the index is ahead of the snapshot, and align has
// the fold run alone until it has caught up. If either fails, the fold may have
// moved in memory: it goes back to its snapshot and comes the same way again.
func (r *Registry) commit(ctx context.Context, from uint64, inputs []*ledger.Input, raws [][]byte) error {
	if err := r.foldAndIndex(ctx, from, inputs, raws); err != nil {
		return errors.Join(err, r.State.Restore())
	}
	size := from + uint64(len(inputs))
	r.flights.land(from, size)
	r.mu.Lock()
	r.covered = size
	close(r.moved)
	r.moved = make(chan struct{})
	r.mu.Unlock()
	return nil
}

func (r *Registry) foldAndIndex(ctx context.Context, from uint64, inputs []*ledger.Input, raws [][]byte) error {
	indexed, err := r.Index.Position(ctx)
	if err != nil {
		return fmt.Errorf("reading the index's position: %w", err)
	}
	rows := make([]index.Row, 0, len(inputs))
	for i, in := range inputs {
		at := from + uint64(i)
		o := r.State.Apply(at, in)
		if !o.Decided() {
			return fmt.Errorf("folding entry %d: %s", at, o.Detail)
		}
		if at >= indexed {
			rows = append(rows, index.Project(at, raws[i], in.Entry(), in.Statement(), o.Code.String()))
		}
	}
	if len(rows) == 0 {
		return nil
	}
	if err := r.Index.Apply(ctx, rows[0].Index, rows); err != nil {
		return fmt.Errorf("writing entries %d to %d to the index: %w", rows[0].Index, from+uint64(len(inputs)), err)
	}
	return nil
}
