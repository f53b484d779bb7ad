package tlog

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"math/bits"
	"strconv"
	"strings"
)

// GuardState is what the guard remembers of the last checkpoint that it let be signed: enough to go on
// appending to that tree, and to no other.
type GuardState struct {
	Origin string // name of the log
	Size   uint64 // entries in the last tree that was signed
	Peaks  []Hash // its compact range: the roots of its perfect subtrees, largest first
}

// Root returns the root of the last tree that was signed.
func (s *GuardState) Root() Hash { return rootOf(s.Peaks) }

// guardHeader begins every stored state, so that a later form is not mistaken for this one.
const guardHeader = "hallmark sign guard v1"

// maxGuardState bounds a stored state in bytes: header, an origin of 255, and at most 66 hashes of 45.
const maxGuardState = 4096

// Marshal returns the state as text, one value a line: header, origin, size, root (for people), the peaks, and
// the SHA-256 of all that, by which a flipped bit shows.
func (s *GuardState) Marshal() []byte {
	var b []byte
	b = fmt.Appendf(b, "%s\n%s\n%d\n%s\n", guardHeader, s.Origin, s.Size, encodeHash(s.Root()))
	for _, h := range s.Peaks {
		b = fmt.Appendln(b, encodeHash(h))
	}
	return fmt.Appendln(b, encodeHash(sha256.Sum256(b)))
}

// ParseGuardState is the inverse of Marshal and takes nothing that Marshal doesn't write.
func ParseGuardState(raw []byte) (*GuardState, error) {
	if len(raw) > maxGuardState {
		return nil, fmt.Errorf("guard state: got %d bytes, want at most %d", len(raw), maxGuardState)
	}
	lines := strings.Split(string(raw), "\n")
	if len(lines) < 6 || lines[0] != guardHeader {
		return nil, fmt.Errorf("guard state: got %d lines, the first %q, want at least 5, the first %q", len(lines)-1, lines[0], guardHeader)
	}
	size, err := strconv.ParseUint(lines[2], 10, 64)
	if err != nil {
		return nil, fmt.Errorf("guard state: size %q: want a decimal number", lines[2])
	}
	s := &GuardState{Origin: lines[1], Size: size}
	for _, line := range lines[4 : len(lines)-2] {
		h, err := base64.StdEncoding.DecodeString(line)
		if err != nil || len(h) != hashSize {
			return nil, fmt.Errorf("guard state: hash %q: want %d bytes in base64", line, hashSize)
		}
		s.Peaks = append(s.Peaks, Hash(h))
	}
	if got, want := len(s.Peaks), bits.OnesCount64(size); got != want {
		return nil, fmt.Errorf("guard state of size %d: got %d hashes, want %d", size, got, want)
	}
	if err := checkOrigin(s.Origin); err != nil {
		return nil, fmt.Errorf("guard state: %w", err)
	}
	// Re-encoding checks the root, the checksum, and every other way to write the same.
	if !bytes.Equal(s.Marshal(), raw) {
		return nil, fmt.Errorf("guard state is damaged: it is not what this program would write for its own content")
	}
	return s, nil
}

func encodeHash(h Hash) string { return base64.StdEncoding.EncodeToString(h[:]) }

// GuardStore keeps the guard's state where a restored copy of the log does not bring it back too: a file
// beside the log ([GuardFolder]), better on another disk, or a register in another store.
type GuardStore interface {
	// Load returns the state last swapped in, or an error for which errors.Is(err, fs.ErrNotExist).
	Load(ctx context.Context) (*GuardState, error)

	// CompareAndSwap replaces old by new if the stored state is exactly old; a nil old means that there must
	// be none yet. It is durable when it returns nil. The error is ErrGuardConflict when something else is
	// stored. After any other error either state may be stored: the guard loads again before it goes on.
	CompareAndSwap(ctx context.Context, old, new *GuardState) error
}

var (
	// ErrGuardConflict says that somebody else changed the guard's state: there is a second writer.
	ErrGuardConflict = errors.New("sign guard was changed by another writer")

	// ErrNoGuard says that there is no guard state. Only the creation of a log makes one: a log that has
	// lost it must not sign, because nothing says what it signed before.
	ErrNoGuard = errors.New("no sign guard state")
)

// CreateGuard stores the state of a log that has never signed anything. It is for the command that creates
// logs and for nothing else: run on a log that has signed, it would permit a fork. It fails with
// ErrGuardConflict when a state exists.
func CreateGuard(ctx context.Context, store GuardStore, origin string) error {
	state := &GuardState{Origin: origin}
	if _, err := ParseGuardState(state.Marshal()); err != nil {
		return fmt.Errorf("creating the sign guard of %q: %w", origin, err)
	}
	if err := store.CompareAndSwap(ctx, nil, state); err != nil {
		return fmt.Errorf("creating the sign guard of %q: %w", origin, err)
	}
	return nil
}

// loadGuard loads the state and sees that it belongs to the log of the given origin.
func loadGuard(ctx context.Context, store GuardStore, origin string) (*GuardState, error) {
	s, err := store.Load(ctx)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%w: %w", ErrNoGuard, err)
	case err != nil:
		return nil, fmt.Errorf("loading the sign guard: %w", err)
	case s.Origin != origin:
		return nil, fmt.Errorf("sign guard %w: got %q, want %q", ErrOtherOrigin, s.Origin, origin)
	}
	return s, nil
}
