// Package state runs the ledger's fold behind the log.
//
//	log ----> ledger.State (memory) ----> rows ----> index (durable, by batch)
//	              |
//	              +--- from time to time ---> snapshot (durable)
//
// The fold lives in memory and is a function of the log prefix, so losing it costs time and nothing else. A
// snapshot saves that time: it is the fold's own serialisation with a checksum, replaced as a whole or not at all.
// A snapshot that is damaged, or of another log, another history of it or another version of the rules, is not used,
// and the fold begins at entry 0.
//
// The fold's outcomes go into the index's rows, and it can say what became of an entry only while it passes it. So
// the fold must never begin beyond the index, and the order of the two is a rule: the index commits a batch, is made
// durable (index.Index.Sync), and then a snapshot may be taken. After any crash the snapshot's position is then at
// most the index's, and the fold runs alone until it has caught up. A caller that finds it otherwise, as when the
// index was deleted, calls Reset.
package state

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"

	"github.com/hallmark-registry/hallmark/verifier/ledger"
)

// ErrSnapshot says that a snapshot cannot be used.
var ErrSnapshot = errors.New("snapshot cannot be used")

// A Fold is a ledger.State that one follower moves along the log and anybody may look at. It is safe for
// concurrent use.
type Fold struct {
	path   string
	origin string
	roots  ledger.Roots

	saving    sync.Mutex // one snapshot at a time
	saved     uint64     // position of the snapshot in the file; guarded by saving
	hasSaved  bool       // guarded by saving
	discarded error      // set by Open

	mu   sync.RWMutex
	fold *ledger.State // guarded by mu
}

// Open resumes the fold of the log called origin from the snapshot at path, or begins it at entry 0 if there is none
// that can be used; Discarded then says why. Roots are of the log as it is now, and tell a snapshot of another history.
// They must not call the Fold, which holds a lock when it asks. An error means that the file could not be read, such
// as for want of permission.
func Open(path, origin string, roots ledger.Roots) (*Fold, error) {
	f := &Fold{path: path, origin: origin, roots: roots}
	if err := f.restore(); err != nil {
		return nil, err
	}
	return f, nil
}

// Discarded returns why Open did not use the snapshot that it found: an error that wraps ErrSnapshot. It is nil if
// the snapshot was used or there was none.
func (f *Fold) Discarded() error { return f.discarded }

// restore begins at the snapshot, or at entry 0 if none can be used.
func (f *Fold) restore() error {
	fold, err := f.load()
	if err != nil && !errors.Is(err, ErrSnapshot) {
		return fmt.Errorf("restoring the fold from %s: %w", f.path, err)
	}
	f.discarded, f.hasSaved = err, fold != nil
	if fold == nil {
		fold = ledger.New(f.origin, f.roots)
	}
	f.saved, f.fold = fold.Size(), fold
	return nil
}

// load returns the fold in the file, nil if there is no file, or an error that wraps ErrSnapshot.
func (f *Fold) load() (*ledger.State, error) {
	file, err := os.ReadFile(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	position, root, data, err := decodeSnapshot(file)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrSnapshot, err)
	}
	fold := ledger.New(f.origin, f.roots)
	if err := fold.UnmarshalBinary(data); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSnapshot, err)
	}
	if fold.Size() != position {
		return nil, fmt.Errorf("%w: position %d, but the fold is at %d", ErrSnapshot, position, fold.Size())
	}
	want, err := f.rootAt(position)
	if err != nil {
		return nil, fmt.Errorf("%w: the log's root at size %d: %v", ErrSnapshot, position, err)
	}
	if root != want {
		return nil, fmt.Errorf("%w: of another history of the log: root %x at size %d, the log has %x", ErrSnapshot, root, position, want)
	}
	return fold, nil
}

// rootAt returns the root that a snapshot at a position is tied to.
func (f *Fold) rootAt(position uint64) (root [32]byte, err error) {
	if position == 0 {
		return root, nil
	}
	return f.roots.RootAt(position)
}

// Reset begins the fold again at entry 0. The snapshot stays in its file until the next one replaces it; whoever
// wants it gone removes the file.
func (f *Fold) Reset() {
	f.saving.Lock()
	defer f.saving.Unlock()
	f.hasSaved = false
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fold = ledger.New(f.origin, f.roots)
}

// Position returns how many entries were folded, which is the log index of the next one.
func (f *Fold) Position() uint64 {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.fold.Size()
}

// Apply folds the entry at index, which must be the position: see ledger.State.ApplyInput. An outcome that is not
// Decided changed nothing, so that an entry applied twice or too early is refused and harms nothing.
func (f *Fold) Apply(index uint64, in *ledger.Input) ledger.Outcome {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.fold.ApplyInput(index, in)
}

// Check says what would become of the entry if it were the next one, for admission.
func (f *Fold) Check(in *ledger.Input) ledger.Outcome {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.fold.CheckInput(in)
}

// View calls look with the fold, which stands still meanwhile. Look must not change it, keep it, or call the Fold.
func (f *Fold) View(look func(*ledger.State)) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	look(f.fold)
}

// Snapshot writes the fold as it stands to its file, durably, and does nothing if the file holds that already. The
// index must be durable up to the fold's position before: see the package comment. If we die here, the file holds
// either this snapshot or the one before.
func (f *Fold) Snapshot() error {
	f.saving.Lock()
	defer f.saving.Unlock()
	position, data, err := f.marshal()
	if err != nil {
		return fmt.Errorf("serialising the fold at %d: %w", position, err)
	}
	if f.hasSaved && f.saved == position {
		return nil
	}
	root, err := f.rootAt(position)
	if err != nil {
		return fmt.Errorf("asking for the log's root at size %d: %w", position, err)
	}
	f.hasSaved = false // until it's certain which of the two the file holds
	if err := writeDurably(f.path, encodeSnapshot(position, root, data)); err != nil {
		return fmt.Errorf("writing the fold at %d to %s: %w", position, f.path, err)
	}
	f.saved, f.hasSaved = position, true
	return nil
}

// marshal serialises the fold. It holds up the follower, not those who look.
func (f *Fold) marshal() (position uint64, data []byte, err error) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	data, err = f.fold.MarshalBinary()
	return f.fold.Size(), data, err
}
