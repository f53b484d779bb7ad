package tlog

import (
	"context"
	"fmt"

	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/proof"
)

// DefaultProofCache is a cache for [NewProver] in bytes. A full tile with its inner nodes takes 16 KiB, so
// this keeps 2,000 of them: the proofs of the newest 500,000 entries never read a file.
const DefaultProofCache = 32 << 20

// Prover builds the proofs of RFC 6962, section 2.1, from tiles. Nothing that it returns is trusted: a wrong
// byte in a tile gives a proof that does not verify, which whoever sends it finds out first.
//
// Tiles are read at the width that they have in a published tree, because only those exist. That is why
// each method takes the published checkpoint beside the sizes that the proof is about, none of which may
// exceed it. A Prover is safe for concurrent use.
type Prover struct {
	r     Reader
	tiles *tileCache
}

// NewProver returns a prover over r that keeps up to cacheBytes of tiles in memory.
func NewProver(r Reader, cacheBytes int) *Prover {
	return &Prover{r: r, tiles: newTileCache(cacheBytes)}
}

// Inclusion proves that the entry at index is in the published tree: the path from the leaf's sibling up to
// the root (RFC 6962, section 2.1.1).
func (p *Prover) Inclusion(ctx context.Context, index uint64, at *Published) ([]Hash, error) {
	return p.InclusionAt(ctx, index, at.Size, at)
}

// InclusionAt proves the same for the tree as it was when it had the given size.
func (p *Prover) InclusionAt(ctx context.Context, index, size uint64, at *Published) ([]Hash, error) {
	if err := checkSize(size, at); err != nil {
		return nil, err
	}
	nodes, err := proof.Inclusion(index, size)
	if err != nil {
		return nil, fmt.Errorf("inclusion proof: %w", err)
	}
	return p.build(ctx, nodes, at)
}

// Consistency proves that the tree of size older is a prefix of that of size newer (RFC 6962, section
// 2.1.2). The proof is empty when they are equal or the older one is empty.
func (p *Prover) Consistency(ctx context.Context, older, newer uint64, at *Published) ([]Hash, error) {
	if err := checkSize(newer, at); err != nil {
		return nil, err
	}
	nodes, err := proof.Consistency(older, newer)
	if err != nil {
		return nil, fmt.Errorf("consistency proof: %w", err)
	}
	return p.build(ctx, nodes, at)
}

// Root returns the root that the log had at the given size.
func (p *Prover) Root(ctx context.Context, size uint64, at *Published) (Hash, error) {
	if err := checkSize(size, at); err != nil {
		return Hash{}, err
	}
	peaks, err := p.fetch(ctx, compact.RangeNodes(0, size, nil), at)
	if err != nil {
		return Hash{}, err
	}
	return rootOf(peaks), nil
}

// LeafHash returns the leaf hash that the tree holds at index.
func (p *Prover) LeafHash(ctx context.Context, index uint64, at *Published) (Hash, error) {
	if index >= at.Size {
		return Hash{}, fmt.Errorf("leaf hash: index %d lies beyond the published size %d", index, at.Size)
	}
	hashes, err := p.fetch(ctx, []compact.NodeID{compact.NewNodeID(0, index)}, at)
	if err != nil {
		return Hash{}, err
	}
	return hashes[0], nil
}

func checkSize(size uint64, at *Published) error {
	if size > at.Size {
		return fmt.Errorf("proof: size %d lies beyond the published size %d", size, at.Size)
	}
	return nil
}

func (p *Prover) build(ctx context.Context, nodes proof.Nodes, at *Published) ([]Hash, error) {
	hashes, err := p.fetch(ctx, nodes.IDs, at)
	if err != nil {
		return nil, err
	}
	return rehash(nodes, hashes), nil
}

// rehash folds the hashes that stand for the one subtree that is not perfect, at the right edge of the
// tree, into its root. They are in ids[begin:end], smallest first.
func rehash(nodes proof.Nodes, hashes []Hash) []Hash {
	_, begin, end := nodes.Ephem()
	if end-begin < 2 {
		return hashes
	}
	for i := begin + 1; i < end; i++ {
		hashes[begin] = hashNode(&hashes[i], &hashes[begin])
	}
	return append(hashes[:begin+1], hashes[end:]...)
}

// fetch returns the hashes of perfect subtrees of the published tree. Neighbours in a proof mostly share
// their tile, so the last one is kept at hand.
func (p *Prover) fetch(ctx context.Context, ids []compact.NodeID, at *Published) ([]Hash, error) {
	hashes := make([]Hash, len(ids))
	var last tileID
	var t *tile
	for i, node := range ids {
		height := node.Level % tileHeight
		rowBits := tileHeight - height // the tile's row at this height has 2^rowBits nodes
		id := tileID{level: uint64(node.Level / tileHeight), index: node.Index >> rowBits}
		id.width = widthAt(id.level, id.index, at.Size)
		if t == nil || id != last {
			var err error
			if t, err = p.tile(ctx, id, at.Size); err != nil {
				return nil, err
			}
			last = id
		}
		hashes[i] = *t.node(height, node.Index&(1<<rowBits-1))
	}
	return hashes, nil
}

// tile returns a tile as it is in a tree of the given published size. Others may be waiting for the same
// tile, so one caller's deadline doesn't end the read.
func (p *Prover) tile(ctx context.Context, id tileID, size uint64) (*tile, error) {
	return p.tiles.get(id, func() (*tile, error) {
		raw, err := readTile(context.WithoutCancel(ctx), p.r, id.level, id.index, size)
		if err != nil {
			return nil, err
		}
		return newTile(raw), nil
	})
}
