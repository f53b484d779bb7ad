package monitor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/transparency-dev/merkle/rfc6962"
	"golang.org/x/sync/errgroup"

	"github.com/hallmark-registry/hallmark/registry/tlog"
	"github.com/hallmark-registry/hallmark/verifier/ledger"
)

const (
	// bundleWidth is the number of entries in a full bundle (C2SP tlog-tiles).
	bundleWidth = 256

	// aheadOfWorker is how many bundles are read for each worker before the fold has taken them. Checking one
	// takes some 20 ms, so a server may be 150 ms away and no worker waits. They hold 100 kB each as a rule,
	// 16 MiB at most.
	aheadOfWorker = 8

	// checkShare bounds what the invariants cost. They are checked after a bundle, but, because each check
	// visits every account and credit, not before a sixteenth as many entries have come: together the checks
	// then visit each record some 30 times however long the log is, less than its signature's price.
	checkShare = 16
)

// A bundle is an entry bundle on its way from the log to the fold.
type bundle struct {
	index uint64 // of the bundle
	width int    // entries that it has in the audited tree

	done   chan struct{} // closed when the rest is set
	leaves []tlog.Hash
	inputs []*ledger.Input
	bytes  uint64
	err    error
}

// replay sends all bundles through the pipeline. At any time only the window of them is in memory: the queue
// to the fold is in the log's order and has an end, and a bundle is read after it got its place in it.
func (a *audit) replay(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	queue := make(chan *bundle, aheadOfWorker*a.Workers)
	workers := make(chan struct{}, a.Workers) // holds one value for each who works
	g.Go(func() error {
		defer close(queue)
		for index := uint64(0); index*bundleWidth < a.head.Size; index++ {
			width := min(bundleWidth, a.head.Size-index*bundleWidth)
			b := &bundle{index: index, width: int(width), done: make(chan struct{})}
			select {
			case queue <- b:
			case <-ctx.Done():
				return ctx.Err()
			}
			g.Go(func() error {
				defer close(b.done)
				b.err = a.check(ctx, b, workers)
				return nil // the fold meets it in the log's order, so the first fault is the one reported
			})
		}
		return nil
	})
	g.Go(func() error { return a.foldAll(ctx, queue) })
	return g.Wait()
}

// check reads a bundle and does all that needs no state.
func (a *audit) check(ctx context.Context, b *bundle, workers chan struct{}) error {
	raw, err := a.Reader.ReadEntryBundle(ctx, b.index, uint8(b.width%bundleWidth))
	if err != nil {
		return err
	}
	select {
	case workers <- struct{}{}:
		defer func() { <-workers }()
	case <-ctx.Done():
		return ctx.Err()
	}
	entries, err := tlog.ParseBundle(raw)
	if err != nil {
		return &malformedError{err}
	}
	if len(entries) < b.width {
		return &malformedError{fmt.Errorf("got %d entries, want %d", len(entries), b.width)}
	}
	for _, e := range entries[:b.width] {
		b.leaves = append(b.leaves, tlog.Hash(rfc6962.DefaultHasher.HashLeaf(e)))
		b.inputs = append(b.inputs, ledger.Read(e))
		b.bytes += uint64(len(e))
	}
	return nil
}

// malformedError says that a bundle is none. No second reading helps.
type malformedError struct{ error }

// foldAll takes the bundles in the log's order.
func (a *audit) foldAll(ctx context.Context, queue <-chan *bundle) error {
	for b := range queue {
		select {
		case <-b.done:
		case <-ctx.Done():
			return ctx.Err()
		}
		if b.err != nil {
			return a.unreadable(b)
		}
		if err := a.fold(b); err != nil {
			return err
		}
		if a.Progress != nil {
			a.Progress(a.tree.size, a.head.Size)
		}
	}
	return ctx.Err()
}

// unreadable tells a bundle that is missing or malformed under a signed checkpoint from one that can't be
// read at the moment.
func (a *audit) unreadable(b *bundle) error {
	err := fmt.Errorf("reading entries %d to %d: %w", a.tree.size, a.tree.size+uint64(b.width)-1, b.err)
	var malformed *malformedError
	if errors.As(err, &malformed) || errors.Is(err, fs.ErrNotExist) {
		return a.misbehaved(err.Error())
	}
	return err
}

// fold takes one bundle. The tree grows after the state, so that it never knows a root that the entry being
// judged could not have known.
func (a *audit) fold(b *bundle) error {
	for i, in := range b.inputs {
		o := a.state.ApplyInput(a.tree.size, in)
		if !o.Decided() {
			return fmt.Errorf("folding entry %d: %s", o.Index, o.Detail)
		}
		a.tree.add(b.leaves[i])
		a.count.add(o, in)
		if o.Accepted() && in.Body() != nil {
			a.records++
		}
		if o.Index == 0 && a.state.Genesis() == nil {
			return a.misbehaved(fmt.Sprintf("entry 0, kind %s, founds no ledger of this log: %s %s", kindOf(o), o.Code, o.Detail))
		}
	}
	a.count.bytes += b.bytes
	a.unchecked += b.width
	if a.unchecked*checkShare < a.records {
		return nil
	}
	a.unchecked = 0
	if err := a.state.CheckInvariants(); err != nil {
		return a.misbehaved(err.Error())
	}
	return nil
}
