// Package tlog is the append-only log as the registry sees it: one small interface that every
// storage engine meets, and above it the parts that no engine is trusted with.
//
//	Append --> placed --> integrated --> [ sign guard ] --> published --> receipts, followers, money
//	           index      in a tree      root recomputed    Publication
//	           durable                   from storage       Prover
//
// Three states are never blurred. An entry is placed when it has a durable position, integrated when a
// tree covers it, and published when a checkpoint that passed the [Guard] covers it. Only the last
// one is a promise to the outside: before it a crash or a refusal may still keep the entry from ever being
// provable.
//
// The tree is that of RFC 6962, section 2.1, stored as C2SP tlog-tiles: entries in bundles of 256, their
// leaf hashes in tiles of level 0, the roots of full tiles in tiles of the level above.
//
//	level 1        [ t0 t1 .. ]                      tile/1/000.p/2
//	level 0   [ h0 .. h255 ][ h256 .. h511 ] ...     tile/0/000, tile/0/001
//	entries   [ e0 .. e255 ][ e256 .. e511 ] ...     tile/entries/000, tile/entries/001
//
// Storage is not trusted: the guard re-hashes what it reads back before a root is signed, [Fsck] recomputes
// everything, and a receipt is verified by its sender before it is sent.
package tlog

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
)

// Hash is a SHA-256 value: a leaf, a node or a root of the log's tree.
type Hash = [sha256.Size]byte

// MaxLeafSize is the longest leaf in bytes: an entry bundle carries a 16-bit length (C2SP tlog-tiles).
const MaxLeafSize = 1<<16 - 1

// MaxAppend is the most leaves of one Append. It bounds what one caller can have queued, and 4,096 leaves
// are already four of the largest batches that an engine writes at once.
const MaxAppend = 4096

// Errors of [Log.Append] to branch on.
var (
	// ErrBusy says that the queue is full: nothing was appended, and the same call may be repeated later.
	ErrBusy = errors.New("log is busy")

	// ErrUnknown says that the outcome is unknown: some, all or none of the leaves have a position or will
	// get one. The caller looks its entries up by their identity before it tries again.
	ErrUnknown = errors.New("outcome of the append is unknown")

	// ErrTooLarge says that a leaf is longer than MaxLeafSize or a batch larger than MaxAppend: nothing was
	// appended, and no repetition helps.
	ErrTooLarge = errors.New("too large for the log")

	// ErrClosed says that the log or the watcher was closed; nothing was appended.
	ErrClosed = errors.New("log is closed")
)

// Reader is the tlog-tiles view of a log: https://c2sp.org/tlog-tiles. It promises nothing about the bytes,
// which every reader checks for itself.
//
// What is not there is an error for which errors.Is(err, fs.ErrNotExist). All methods are safe for
// concurrent use, and the slices that they return belong to the caller.
type Reader interface {
	// ReadCheckpoint returns the newest published checkpoint, a C2SP signed note.
	ReadCheckpoint(ctx context.Context) ([]byte, error)

	// ReadTile returns the hashes of one tile. The width p is 0 for a full tile, or the number of hashes that
	// the tile has in a tree which the log has signed. A partial tile may be gone once a wider one exists; the
	// wider one is then returned, and it begins with the hashes asked for.
	ReadTile(ctx context.Context, level, index uint64, p uint8) ([]byte, error)

	// ReadEntryBundle returns the entries under one tile of level 0, each after its 16-bit length. Width and
	// absence mean what they mean for ReadTile.
	ReadEntryBundle(ctx context.Context, index uint64, p uint8) ([]byte, error)
}

// Log is a storage engine. There is one writer for a log at a time: a second Open of the same log fails with
// [ErrLocked] or an error of the engine's own.
type Log interface {
	Reader

	// Append places each leaf and returns the positions in the order of leaves. It is durable when it returns
	// nil: a crash loses none of the positions. It is not idempotent (a leaf appended twice has two
	// positions), and neither within one call nor across calls do positions rise in the order of submission:
	// who was first is decided by the position alone. It is safe for concurrent use.
	//
	// An error is ErrBusy, ErrUnknown, ErrTooLarge or ErrClosed, or the guard's refusal once there is one: then
	// nothing was appended, for it would never be published. When ctx ends first the error is ErrUnknown,
	// because work once queued is not taken back.
	Append(ctx context.Context, leaves [][]byte) ([]uint64, error)

	// IntegratedSize returns the size of the newest tree in storage. Nothing says that it was ever signed:
	// only the engine, its metrics and the start-up check have a use for it.
	IntegratedSize(ctx context.Context) (uint64, error)

	// Close refuses further appends, waits for those under way and for a checkpoint that covers them, and
	// releases the log. When ctx ends earlier it stops waiting and returns an error; the log is released all
	// the same. What was placed but not published then is published after the next start. It may be called
	// again; only the first call does anything.
	Close(ctx context.Context) error
}

// Published is a checkpoint that the log has signed and made public.
type Published struct {
	Note []byte // the C2SP signed note, verbatim, cosignatures included
	Size uint64 // number of entries that it covers: index < Size
	Root Hash   // root of the tree of that size
}

// CheckLeaves returns ErrTooLarge, with what is too large, if an Append of leaves can never succeed. Engines
// call it first.
func CheckLeaves(leaves [][]byte) error {
	if len(leaves) > MaxAppend {
		return fmt.Errorf("%w: got %d leaves, want at most %d", ErrTooLarge, len(leaves), MaxAppend)
	}
	for i, leaf := range leaves {
		if len(leaf) > MaxLeafSize {
			return fmt.Errorf("%w: leaf %d has %d bytes, want at most %d", ErrTooLarge, i, len(leaf), MaxLeafSize)
		}
	}
	return nil
}
