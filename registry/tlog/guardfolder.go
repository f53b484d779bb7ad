package tlog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// GuardFolder is a [GuardStore] in a folder of its own: the file "state", and "lock", held for as long as
// the store is open. So two servers that were pointed at copies of one log, but at one guard, can't both
// run.
type GuardFolder struct {
	path string // of the state
	lock *Lock
}

// OpenGuardFolder opens the store in dir, which is made when needed. The error is [ErrLocked] when it is
// open already. The caller closes it after the last use of the guard.
func OpenGuardFolder(dir string) (*GuardFolder, error) {
	lock, err := AcquireLock(filepath.Join(dir, "lock"))
	if err != nil {
		return nil, fmt.Errorf("opening the sign guard: %w", err)
	}
	return &GuardFolder{path: filepath.Join(dir, "state"), lock: lock}, nil
}

// Close releases the folder.
func (g *GuardFolder) Close() error { return g.lock.Release() }

// Load implements [GuardStore].
func (g *GuardFolder) Load(context.Context) (*GuardState, error) {
	raw, err := os.ReadFile(g.path)
	if err != nil {
		return nil, err
	}
	return ParseGuardState(raw)
}

// CompareAndSwap implements [GuardStore]. It is one step against other processes because of the lock, and
// within this one because the guard calls it one at a time.
func (g *GuardFolder) CompareAndSwap(_ context.Context, old, new *GuardState) error {
	raw, err := os.ReadFile(g.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if old != nil {
			return fmt.Errorf("%w: %s is gone", ErrGuardConflict, g.path)
		}
	case err != nil:
		return err
	case old == nil || !bytes.Equal(raw, old.Marshal()):
		return fmt.Errorf("%w: %s", ErrGuardConflict, g.path)
	}
	return writeFileDurably(g.path, new.Marshal())
}
