// Package tlogtest holds what tests of the log's parts and of its engines share: the conformance suite for
// [tlog.Log] and a log in memory.
package tlogtest

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io/fs"
	"sync"

	"github.com/transparency-dev/merkle/rfc6962"
	"golang.org/x/mod/sumdb/note"

	"github.com/hallmark-registry/hallmark/registry/tlog"
)

// tileWidth is the number of hashes in a tile and of entries in a bundle (C2SP tlog-tiles).
const tileWidth = 256

// Memory is a [tlog.Log] that forgets everything with the process. It computes tiles the slow and obvious way,
// and its fields let a test change what is stored (through Spoil while others use the log). It integrates at once and publishes when told, or at
// once when Auto is set.
type Memory struct {
	Signer note.Signer
	Auto   bool

	publishing sync.Mutex // one Publish at a time, so that the checkpoint never goes back

	mu         sync.Mutex
	Entries    [][]byte // what ReadEntryBundle serves
	Leaves     [][]byte // leaf hashes that the tiles are made of
	Checkpoint []byte   // nil before the first publication
	held       bool     // by Open
	closed     bool
}

// NewMemory returns an empty log, ready for use, that publishes each append at once if it is given a signer.
func NewMemory(signer note.Signer) *Memory {
	return &Memory{Signer: signer, Auto: signer != nil}
}

// Open stands for opening the log anew, with what is in it. It fails with [tlog.ErrLocked] until the last Open
// is closed.
func (m *Memory) Open() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.held {
		return tlog.ErrLocked
	}
	m.held, m.closed = true, false
	return nil
}

// Append implements [tlog.Log].
func (m *Memory) Append(ctx context.Context, leaves [][]byte) ([]uint64, error) {
	if err := tlog.CheckLeaves(leaves); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("%w: %w", tlog.ErrUnknown, err)
	}
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return nil, tlog.ErrClosed
	}
	positions := make([]uint64, len(leaves))
	for i, leaf := range leaves {
		positions[i] = uint64(len(m.Entries))
		m.Entries = append(m.Entries, append([]byte{}, leaf...))
		m.Leaves = append(m.Leaves, rfc6962.DefaultHasher.HashLeaf(leaf))
	}
	m.mu.Unlock()
	if m.Auto {
		return positions, m.Publish()
	}
	return positions, nil
}

// Publish signs the tree as it is and makes it the published one.
func (m *Memory) Publish() error {
	m.publishing.Lock()
	defer m.publishing.Unlock()
	m.mu.Lock()
	leaves := m.Leaves
	m.mu.Unlock()
	signed, err := note.Sign(&note.Note{Text: CheckpointText(m.Signer.Name(), uint64(len(leaves)), Root(leaves))}, m.Signer)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.Checkpoint = signed
	return nil
}

// Spoil changes what is stored while others read it.
func (m *Memory) Spoil(change func(m *Memory)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change(m)
}

// IntegratedSize implements [tlog.Log].
func (m *Memory) IntegratedSize(context.Context) (uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return uint64(len(m.Leaves)), nil
}

// ReadCheckpoint implements [tlog.Reader].
func (m *Memory) ReadCheckpoint(context.Context) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.Checkpoint == nil {
		return nil, fmt.Errorf("checkpoint: %w", fs.ErrNotExist)
	}
	return append([]byte{}, m.Checkpoint...), nil
}

// ReadTile implements [tlog.Reader].
func (m *Memory) ReadTile(_ context.Context, level, index uint64, p uint8) ([]byte, error) {
	m.mu.Lock()
	leaves := m.Leaves
	m.mu.Unlock()
	var raw []byte
	span := uint64(1) << (8 * level) // leaves under one hash
	for i := range width(p) {
		begin := (index*tileWidth + i) * span
		if begin+span > uint64(len(leaves)) {
			return nil, fmt.Errorf("tile %d/%d width %d: %w", level, index, width(p), fs.ErrNotExist)
		}
		raw = append(raw, Root(leaves[begin:begin+span])...)
	}
	return raw, nil
}

// ReadEntryBundle implements [tlog.Reader].
func (m *Memory) ReadEntryBundle(_ context.Context, index uint64, p uint8) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	begin, end := index*tileWidth, index*tileWidth+width(p)
	if end > uint64(len(m.Entries)) {
		return nil, fmt.Errorf("bundle %d width %d: %w", index, width(p), fs.ErrNotExist)
	}
	var raw []byte
	for _, e := range m.Entries[begin:end] {
		raw = binary.BigEndian.AppendUint16(raw, uint16(len(e)))
		raw = append(raw, e...)
	}
	return raw, nil
}

// Close implements [tlog.Log].
func (m *Memory) Close(context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.held, m.closed = false, true
	return nil
}

func width(p uint8) uint64 {
	if p == 0 {
		return tileWidth
	}
	return uint64(p)
}

// CheckpointText returns the text of a C2SP checkpoint.
func CheckpointText(origin string, size uint64, root []byte) string {
	return fmt.Sprintf("%s\n%d\n%s\n", origin, size, base64.StdEncoding.EncodeToString(root))
}

// Root returns the root over leaf hashes by the definition of RFC 6962, section 2.1: split at the largest
// power of two below the size.
func Root(leaves [][]byte) []byte {
	switch len(leaves) {
	case 0:
		empty := sha256.Sum256(nil)
		return empty[:]
	case 1:
		return leaves[0]
	}
	split := 1
	for split*2 < len(leaves) {
		split *= 2
	}
	return rfc6962.DefaultHasher.HashChildren(Root(leaves[:split]), Root(leaves[split:]))
}
