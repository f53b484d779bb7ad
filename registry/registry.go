// Package registry is the application: what Hallmark does, free of transport.
//
// A publish goes top to bottom through publish.go:
//
//	rpc ──▶ Publish ──▶ admit ──▶ tlog.Append ──▶ Publication.Await ──▶ receipt
//	        parse,       fold and     placed,         signed behind       built, verified
//	        signatures   in-flight    durable         the guard,          with the verifier's
//	                     rules                        published           own code, sent
//
// and everything else follows the published log: one goroutine (follow.go)
// reads it entry by entry, folds it (package state), projects it (package
// index) and commits both. Whatever it holds can be deleted and comes back from
// the log, which alone is the truth.
//
// Answers are pinned to a tree size and wait, briefly, until index and fold
// cover what was published when they were asked for: whoever has a receipt
// finds the entry.
package registry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hallmark-registry/hallmark/registry/blob"
	"github.com/hallmark-registry/hallmark/registry/index"
	"github.com/hallmark-registry/hallmark/registry/state"
	"github.com/hallmark-registry/hallmark/registry/tlog"
	"github.com/hallmark-registry/hallmark/verifier/checkpoint"
)

// Bounds of one registry.
const (
	// MaxInFlight bounds the entries that are admitted and not yet in index and
	// fold. It is two seconds of the fastest stream; when the followers fall
	// behind, publishers wait instead of memory growing.
	MaxInFlight = 16 << 10

	// catchUpWait is how long an answer waits for index and fold. A follower
	// that is further behind is a fault to be shown, not to be waited for.
	catchUpWait = 2 * time.Second

	// followCache is what the follower keeps of tiles, in bytes. It reads them one
	// after the other.
	followCache = 64 << 10

	// memoSize is how many checkpoints the self-check remembers: those of the
	// last seconds.
	memoSize = 64
)

// Config names the parts that a registry joins. The caller owns them, and
// closes them after the registry.
type Config struct {
	Origin      string
	Trust       *checkpoint.Policy // what the server's own receipts must satisfy
	Log         tlog.Log
	Publication *tlog.Publication
	Prover      *tlog.Prover
	Index       index.Index
	State       *state.Fold
	Blobs       *blob.Store
	Logger      *slog.Logger
}

// A Registry publishes entries and answers about them. Its methods are safe
// for concurrent use.
type Registry struct {
	Config
	memo    *checkpoint.Memo
	flights *flights
	stored  *tlog.Prover // of the log as it lies there, for the follower

	life   context.Context // of the follower and of the flights
	cancel context.CancelFunc
	done   chan struct{}  // closed when the follower has ended
	aloft  sync.WaitGroup // the goroutines of the flights, at most MaxInFlight

	// inherited is what the log held when the registry was opened. Admission
	// waits until the fold covers it: what came later it sees in the flights.
	inherited uint64

	owed []index.Row // folded and not yet in the index, less than one batch; the follower's

	mu      sync.Mutex
	covered uint64        // index and fold hold every entry below it
	moved   chan struct{} // closed and replaced when covered or failed changes
	failed  error         // why the follower has stopped for now; nil while it runs

	selfCheckFailures atomic.Uint64 // must stay zero
}

// ErrOtherHistory says that the index is of another history of the log than the
// log's own: it must be removed, and comes back from the log.
var ErrOtherHistory = errors.New("index is of another history of the log")

// Open starts following the log. It returns at once; until the follower has
// caught up, answers wait or say that they cannot be complete. It is
// ErrOtherHistory when the index does not fit the log.
func Open(ctx context.Context, c Config) (*Registry, error) {
	life, cancel := context.WithCancel(context.WithoutCancel(ctx))
	r := &Registry{
		Config:  c,
		memo:    checkpoint.NewMemo(c.Trust, memoSize),
		flights: newFlights(),
		stored:  tlog.NewProver(c.Log, followCache),
		life:    life,
		cancel:  cancel,
		done:    make(chan struct{}),
		moved:   make(chan struct{}),
	}
	var err error
	if r.inherited, err = c.Log.IntegratedSize(ctx); err != nil {
		cancel()
		return nil, fmt.Errorf("reading the log's size: %w", err)
	}
	if r.covered, err = r.align(ctx, r.inherited); err != nil {
		cancel()
		return nil, err
	}
	go r.follow(life)
	return r, nil
}

// Close stops the follower and keeps a snapshot of the fold. Publishes under
// way must have ended; what they left with the engine is for its own Close.
func (r *Registry) Close() error {
	r.cancel()
	<-r.done
	r.aloft.Wait()
	ctx := context.Background()
	if err := r.write(ctx); err != nil {
		return err // no snapshot: it would be ahead of the index
	}
	return r.snapshot(ctx)
}

// Healthy returns why entries are not being published or followed right now,
// or nil.
func (r *Registry) Healthy() error {
	if err := r.Publication.Err(); err != nil {
		return fmt.Errorf("publishing has stopped: %w", err)
	}
	if engine, ok := r.Log.(interface{ Err() error }); ok { // one that can tell why it is slow to publish
		if err := engine.Err(); err != nil {
			return fmt.Errorf("publishing: %w", err)
		}
	}
	r.mu.Lock()
	failed := r.failed
	r.mu.Unlock()
	if failed != nil {
		return fmt.Errorf("following the log: %w", failed)
	}
	if n := r.selfCheckFailures.Load(); n > 0 {
		return fmt.Errorf("%d receipts did not verify", n)
	}
	return nil
}

// Tiles is the static read path of the log, for serving to anybody.
func (r *Registry) Tiles() tlog.Reader { return r.Log }

// published returns the newest published checkpoint. A served log has one:
// init publishes the genesis entry.
func (r *Registry) published() (*tlog.Published, error) {
	if p := r.Publication.Latest(); p != nil {
		return p, nil
	}
	return nil, &Error{Code: Unavailable, Reason: "NOTHING_PUBLISHED", Message: "the log has not published a checkpoint yet", RetryAfter: time.Second}
}

// settle waits until index and fold cover everything that was published when
// it was called, and returns the size that an answer is then valid for.
func (r *Registry) settle(ctx context.Context) (uint64, error) {
	p, err := r.published()
	if err != nil {
		return 0, err
	}
	return r.settleAt(ctx, p.Size)
}

// settleAt is settle for a size that is known.
func (r *Registry) settleAt(ctx context.Context, size uint64) (uint64, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, catchUpWait, errors.New("index and fold are behind"))
	defer cancel()
	if err := r.await(ctx, size); err != nil {
		return 0, behind(err)
	}
	return size, nil
}

// await waits until index and fold cover size.
func (r *Registry) await(ctx context.Context, size uint64) error {
	for {
		r.mu.Lock()
		covered, moved := r.covered, r.moved
		r.mu.Unlock()
		if covered >= size {
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return fmt.Errorf("index and fold cover %d of %d published entries: %w", covered, size, context.Cause(ctx))
		}
	}
}

// CatchUp waits, as long as ctx allows, until index and fold cover what is
// published now.
func (r *Registry) CatchUp(ctx context.Context) error {
	p, err := r.published()
	if err != nil {
		return err
	}
	return r.await(ctx, p.Size)
}
