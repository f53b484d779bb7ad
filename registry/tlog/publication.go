package tlog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"
)

const (
	// pollBusy is how often the checkpoint is read while somebody waits. Reading it takes some 10 us, so
	// this costs 0.2 % of a core and adds 2.5 ms to a publish on average.
	pollBusy = 5 * time.Millisecond

	// pollIdle is how often it is read otherwise, for Latest.
	pollIdle = 50 * time.Millisecond
)

// Refuser tells when the log has stopped signing for good. [Guard] is one.
type Refuser interface {
	// Refused is closed with the first refusal.
	Refused() <-chan struct{}

	// Err returns the reason after a refusal. Before, it returns what last went wrong and may still
	// mend itself, or nil.
	Err() error
}

// Publication watches the published checkpoint on behalf of all who wait for an entry of theirs to come
// under it. One goroutine reads; the waiters sleep on one channel, which is closed at each new checkpoint.
//
// It is the registry's only view of what is published. So it verifies the log's own signature on what it
// reads, and takes a checkpoint that goes back, or contradicts an earlier one, for what it is: the end.
type Publication struct {
	r     Reader
	v     note.Verifier
	guard Refuser

	wake   chan struct{} // a first waiter came; buffered, so that nobody blocks on it
	cancel context.CancelFunc
	done   chan struct{} // closed when the goroutine has ended

	mu      sync.Mutex
	latest  *Published
	changed chan struct{} // closed and replaced when latest or failed changes
	waiters int
	failed  error // sticky
	reading error // of the newest read; a later read may succeed
}

// NewPublication reads the checkpoint of r once and goes on watching it until Close. It fails when the
// checkpoint there is not one that v verifies; that there is none yet is no error. A refusal of guard
// fails all waiters at once.
func NewPublication(ctx context.Context, r Reader, v note.Verifier, guard Refuser) (*Publication, error) {
	watch, cancel := context.WithCancel(context.WithoutCancel(ctx))
	p := &Publication{
		r: r, v: v, guard: guard,
		wake: make(chan struct{}, 1), cancel: cancel, done: make(chan struct{}),
		changed: make(chan struct{}),
	}
	p.poll(ctx)
	if p.reading != nil {
		cancel()
		return nil, p.reading
	}
	go p.watch(watch)
	return p, nil
}

// Await returns a published checkpoint that covers index. It fails with the reason, for this and every
// later call, once the guard has refused to sign or the published checkpoint contradicts itself: the entry is
// placed, but will not be published by this process. When ctx ends first its error is returned together
// with what is known of the delay.
func (p *Publication) Await(ctx context.Context, index uint64) (*Published, error) {
	p.join()
	defer p.leave()
	for {
		latest, changed, err := p.look()
		switch {
		case err != nil:
			return nil, fmt.Errorf("awaiting publication of entry %d: %w", index, err)
		case latest != nil && index < latest.Size:
			return latest, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, p.late(ctx, index)
		}
	}
}

// Latest returns the newest published checkpoint that was seen, or nil when there is none yet. It lags by 50
// ms at most while nobody waits.
func (p *Publication) Latest() *Published {
	latest, _, _ := p.look()
	return latest
}

// Err returns why nothing will be published any more, or nil.
func (p *Publication) Err() error {
	_, _, err := p.look()
	return err
}

// Close ends the watch. Those who wait, and all later calls of Await, fail with [ErrClosed].
func (p *Publication) Close() {
	p.fail(ErrClosed)
	p.cancel()
	<-p.done
}

func (p *Publication) look() (*Published, <-chan struct{}, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.latest, p.changed, p.failed
}

// join counts a waiter. Only the first one has the watcher read at once: for the others it is busy already.
func (p *Publication) join() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.waiters++; p.waiters == 1 {
		select {
		case p.wake <- struct{}{}:
		default:
		}
	}
}

func (p *Publication) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiters--
}

// late explains a wait that ended with its context.
func (p *Publication) late(ctx context.Context, index uint64) error {
	p.mu.Lock()
	size, reading := uint64(0), p.reading
	if p.latest != nil {
		size = p.latest.Size
	}
	p.mu.Unlock()
	err := fmt.Errorf("awaiting publication of entry %d, published size %d: %w", index, size, context.Cause(ctx))
	if trouble := errors.Join(reading, p.guard.Err()); trouble != nil {
		return fmt.Errorf("%w (%v)", err, trouble)
	}
	return err
}

// watch is the one goroutine. It ends with the watch itself or with the first sticky failure.
func (p *Publication) watch(ctx context.Context) {
	defer close(p.done)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for p.Err() == nil {
		timer.Reset(p.interval())
		select {
		case <-ctx.Done():
			return
		case <-p.guard.Refused():
			p.fail(p.guard.Err())
		case <-p.wake:
			p.poll(ctx)
		case <-timer.C:
			p.poll(ctx)
		}
	}
}

func (p *Publication) interval() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.waiters > 0 {
		return pollBusy
	}
	return pollIdle
}

// poll reads the checkpoint once. That it can't be read is taken for a passing fault of the storage.
func (p *Publication) poll(ctx context.Context) {
	raw, err := p.r.ReadCheckpoint(ctx)
	if errors.Is(err, fs.ErrNotExist) && p.Latest() == nil {
		return // a log that is about to publish its first
	}
	if err == nil {
		err = p.accept(raw)
	} else {
		err = fmt.Errorf("reading the published checkpoint: %w", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reading = err
}

// accept makes raw the newest checkpoint. What doesn't verify, or contradicts an earlier one, is final.
func (p *Publication) accept(raw []byte) error {
	old := p.Latest()
	if old != nil && bytes.Equal(raw, old.Note) {
		return nil
	}
	h, err := openHead(raw, p.v)
	switch {
	case err != nil:
		err = fmt.Errorf("published checkpoint does not hold: %w", err)
	case old != nil && h.size < old.Size:
		err = fmt.Errorf("published checkpoint went back from size %d to %d", old.Size, h.size)
	case old != nil && h.size == old.Size && h.root != old.Root:
		err = fmt.Errorf("two published checkpoints of size %d: roots %x and %x", h.size, old.Root, h.root)
	}
	if err != nil {
		p.fail(err)
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.latest = &Published{Note: bytes.Clone(raw), Size: h.size, Root: h.root}
	p.announce()
	return nil
}

// fail ends all waiting. The first reason stays.
func (p *Publication) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failed == nil {
		p.failed = err
		p.announce()
	}
}

// announce wakes the waiters; it must be called with mu held.
func (p *Publication) announce() {
	close(p.changed)
	p.changed = make(chan struct{})
}
