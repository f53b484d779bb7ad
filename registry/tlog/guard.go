package tlog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"
)

// signTimeout bounds one signature, most of which is reading back entries: a million of them take 2 s.
// An engine holds its publication lock meanwhile, so it must end some time.
const signTimeout = 30 * time.Second

// Guard stands between an engine and the log's key. A log that signs two different trees of one size is
// dead, and nothing that an engine stores can be relied on to prevent it: a restored backup, a second
// writer or a flipped bit makes an honest engine sign the wrong tree in good faith.
//
// So the guard keeps the compact range of the last tree that it let be signed, in a store of its own. To
// sign size n it appends the entries since then, read back from storage and hashed anew, and the result
// must be the root that is to be signed:
//
//	      guard's peaks          entries read back
//	[============ size ============][ size .. n-1 ]  -->  root  ==  root to be signed?
//
// That one rule finds all three. A smaller size is refused. The same size and root may always be signed
// again, for a refresh or because we died after the state was kept.
//
// Each step is durable before the next: entries and tiles (the engine's), guard state, signature,
// witnesses, publication. If we die in between, the next start finds the guard ahead of the published
// checkpoint, never behind it, and signs the same tree again.
//
// A refusal is for good: every later signature fails with the same error until somebody has looked at
// the log. A store or a folder that can't be read or written at the moment is no refusal, and the engine's
// next attempt may succeed.
//
// Without witnesses a restored snapshot of log and guard together can still fork: keep the guard on
// another disk, and recover by promoting a mirror.
//
// A Guard is a [note.Signer] and safe for concurrent use.
type Guard struct {
	signer   note.Signer
	store    GuardStore
	r        Reader
	evidence string // folder

	refused chan struct{} // closed when refusal is set

	mu     sync.Mutex  // held while signing
	state  *GuardState // as stored, or nil when that isn't known
	closed bool

	status  sync.Mutex  // never held for long, so that Err doesn't wait for a signature
	refusal *GuardError // sticky
	trouble error       // why the last attempt failed, if it may succeed later
}

// NewGuard returns the guard of the log that signer signs for. It reads entries back through r, which
// must go to the storage itself and not to any cache of an engine, and writes evidence into the folder
// evidenceDir.
func NewGuard(signer note.Signer, store GuardStore, r Reader, evidenceDir string) *Guard {
	return &Guard{signer: signer, store: store, r: r, evidence: evidenceDir, refused: make(chan struct{})}
}

// GuardError is a refusal.
type GuardError struct {
	Evidence        // what was found
	Path     string // file with the evidence; empty when it could not be written
	NoPath   error  // why it could not
	Cause    error  // ErrGuardConflict, ErrOtherOrigin or nil
}

func (e *GuardError) Error() string {
	s := "sign guard: " + e.Reason
	if e.First != nil {
		s += ": first difference: " + e.First.String()
	}
	if e.NoPath != nil {
		return s + ": no evidence written: " + e.NoPath.Error()
	}
	return s + ": evidence in " + e.Path
}

func (e *GuardError) Unwrap() error { return e.Cause }

// The reasons that a restored or damaged folder ends with; operators and their scripts look for them.
const (
	reasonRollback = "log folder is older than the sign guard (rollback)"
	reasonDiffers  = "differs from the sign guard"
)

// Name implements [note.Signer]; it is the log's origin.
func (g *Guard) Name() string { return g.signer.Name() }

// KeyHash implements [note.Signer].
func (g *Guard) KeyHash() uint32 { return g.signer.KeyHash() }

// Refused is closed with the first refusal.
func (g *Guard) Refused() <-chan struct{} { return g.refused }

// Err returns the refusal, a *GuardError, if there was one. Otherwise it returns why the last attempt to
// sign failed, or nil when it succeeded.
func (g *Guard) Err() error {
	g.status.Lock()
	defer g.status.Unlock()
	if g.refusal != nil {
		return g.refusal
	}
	return g.trouble
}

// Last returns the size and root that were signed last.
func (g *Guard) Last(ctx context.Context) (Head, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.load(ctx); err != nil {
		return Head{}, err
	}
	return Head{g.state.Size, g.state.Root()}, nil
}

// Close makes every later Sign fail with [ErrClosed]. It waits for a signature that is being made, so that
// after it nothing more is signed, whatever the engine's goroutines still do. The store stays open.
func (g *Guard) Close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
}

// Sign signs the text of a checkpoint if it extends what was signed before. See [Guard].
func (g *Guard) Sign(text []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), signTimeout)
	defer cancel()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return nil, fmt.Errorf("sign guard: %w", ErrClosed)
	}
	select {
	case <-g.refused:
		return nil, g.Err()
	default:
	}
	sig, err := g.sign(ctx, text)
	g.settle(err)
	return sig, err
}

// sign is the commit protocol, one step after another. It must be called with mu held.
func (g *Guard) sign(ctx context.Context, text []byte) ([]byte, error) {
	offered, err := parseHead(string(text))
	if err != nil {
		return nil, fmt.Errorf("sign guard: will sign nothing but a checkpoint: %w", err)
	}
	if offered.origin != g.Name() {
		return nil, fmt.Errorf("sign guard: checkpoint %w: got %q, want %q", ErrOtherOrigin, offered.origin, g.Name())
	}
	if err := g.load(ctx); err != nil {
		return nil, err
	}
	next, err := g.extend(ctx, offered)
	if err != nil {
		return nil, err
	}
	if next != nil {
		// Dying before this line leaves everything as it was: the engine offers the same tree again.
		if err := g.keep(ctx, next, offered); err != nil {
			return nil, err
		}
	}
	// Dying here leaves the guard one step ahead of the published checkpoint. The next start publishes the
	// same root again; no other of this size can be signed any more.
	return g.signer.Sign(text)
}

// load makes sure that g.state is what is stored.
func (g *Guard) load(ctx context.Context) error {
	if g.state != nil {
		return nil
	}
	state, err := loadGuard(ctx, g.store, g.Name())
	if err != nil {
		return err
	}
	g.state = state
	return nil
}

// extend returns the state after offered, or nil when that is the present one, or a refusal.
func (g *Guard) extend(ctx context.Context, offered head) (*GuardState, error) {
	switch {
	case offered.size < g.state.Size:
		reason := fmt.Sprintf("%s: size %d is to be signed, %d was signed last", reasonRollback, offered.size, g.state.Size)
		return nil, g.finding("sign", reason, &offered)
	case offered.size == g.state.Size:
		if offered.root != g.state.Root() {
			return nil, g.finding("sign", fmt.Sprintf("root to be signed at size %d %s", offered.size, reasonDiffers), &offered)
		}
		return nil, nil
	}
	tree := (&frontier{g.state.Size, g.state.Peaks}).clone()
	for e, err := range Entries(ctx, g.r, g.state.Size, offered.size) {
		if err != nil {
			return nil, g.unreadable(err, &offered)
		}
		tree.add(hashLeaf(e))
	}
	if tree.root() != offered.root {
		reason := fmt.Sprintf("entries read back from storage give another root at size %d than the one to be signed", offered.size)
		refusal := g.finding("sign", reason, &offered)
		refusal.Recomputed = &Head{tree.size, tree.root()}
		refusal.First = firstDifference(ctx, g.r, g.state.Size, offered.size)
		return nil, refusal
	}
	return &GuardState{Origin: g.state.Origin, Size: tree.size, Peaks: tree.peaks}, nil
}

// keep makes next durable. Whether an error leaves the old state or the new one in the store is unknown, so
// the next attempt begins by loading it.
func (g *Guard) keep(ctx context.Context, next *GuardState, offered head) error {
	err := g.store.CompareAndSwap(ctx, g.state, next)
	switch {
	case err == nil:
		g.state = next
		return nil
	case errors.Is(err, ErrGuardConflict):
		refusal := g.finding("sign", err.Error(), &offered)
		refusal.Cause = ErrGuardConflict
		g.state = nil
		return refusal
	default:
		g.state = nil
		return fmt.Errorf("sign guard: keeping size %d: %w", next.Size, err)
	}
}

// unreadable tells missing or malformed entries, which no retry brings back, from a fault that may pass.
func (g *Guard) unreadable(err error, offered *head) error {
	var malformed *malformedError
	if errors.As(err, &malformed) || errors.Is(err, fs.ErrNotExist) {
		return g.finding("sign", "entries to be signed are not in storage: "+err.Error(), offered)
	}
	return fmt.Errorf("sign guard: reading back entries: %w", err)
}

// finding begins a refusal with what is known.
func (g *Guard) finding(kind, reason string, offered *head) *GuardError {
	e := &GuardError{Evidence: Evidence{Kind: kind, Reason: reason, Origin: g.Name()}}
	if g.state != nil {
		e.Guard = &Head{g.state.Size, g.state.Root()}
	}
	if offered != nil {
		e.Offered = &Head{offered.size, offered.root}
		e.Note = offered.text()
	}
	return e
}

// settle notes how an attempt went. A refusal ends all signing; the first one stays. It must be called with
// mu held.
func (g *Guard) settle(err error) {
	var refusal *GuardError
	if errors.As(err, &refusal) {
		refusal.Path, refusal.NoPath = WriteEvidence(g.evidence, &refusal.Evidence)
	}
	g.status.Lock()
	defer g.status.Unlock()
	g.trouble = err
	if refusal != nil && g.refusal == nil {
		g.refusal = refusal
		close(g.refused)
	}
}

// firstDifference looks for the first entry from index from on whose hash is not the one in its tile. It
// returns nil when entries and tiles agree, or can't be read: then the fault lies before from, or in the
// engine's arithmetic.
func firstDifference(ctx context.Context, r Reader, from, size uint64) *Difference {
	var hashes []byte
	index := from
	for e, err := range Entries(ctx, r, from, size) {
		if err != nil {
			return nil
		}
		if hashes == nil || index%tileWidth == 0 {
			if hashes, err = readTile(ctx, r, 0, index/tileWidth, size); err != nil {
				return nil
			}
		}
		got, want := Hash(hashes[index%tileWidth*uint64(hashSize):]), hashLeaf(e)
		if got != want {
			return &Difference{tilePathAt(0, index/tileWidth, size), index, encodeHash(got), encodeHash(want)}
		}
		index++
	}
	return nil
}
