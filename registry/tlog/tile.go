package tlog

import "crypto/sha256"

// Domain separation of RFC 6962, section 2.1: without it a leaf could be read as a node.
const (
	leafPrefix = 0x00
	nodePrefix = 0x01
)

// hashLeaf returns the leaf hash of an entry.
func hashLeaf(entry []byte) Hash {
	d := sha256.New()
	d.Write([]byte{leafPrefix})
	d.Write(entry)
	var h Hash
	d.Sum(h[:0])
	return h
}

// hashNode returns the hash of the node above left and right.
func hashNode(left, right *Hash) Hash {
	var b [1 + 2*len(Hash{})]byte
	b[0] = nodePrefix
	copy(b[1:], left[:])
	copy(b[1+hashSize:], right[:])
	return sha256.Sum256(b[:])
}

// tile holds the hashes of a tile together with the nodes between them and the tile above, so that a proof
// costs look-ups instead of hashing:
//
//	height 2             n                 rows[2]
//	height 1       n           n           rows[1]
//	height 0    h     h     h     h    h   rows[0]    width 5: the last hash has no parent yet
type tile struct {
	nodes []Hash              // rows one after another, lowest first
	rows  [tileHeight + 1]int // where each row begins in nodes; the last is the end
}

// newTile builds the inner nodes over raw, a whole number of hashes.
func newTile(raw []byte) *tile {
	width := len(raw) / hashSize
	t := &tile{nodes: make([]Hash, 0, nodesIn(width))}
	for i := range width {
		t.nodes = append(t.nodes, Hash(raw[i*hashSize:]))
	}
	for height := 1; height < tileHeight; height++ {
		below, end := t.rows[height-1], len(t.nodes)
		t.rows[height] = end
		for i := below; i+1 < end; i += 2 {
			t.nodes = append(t.nodes, hashNode(&t.nodes[i], &t.nodes[i+1]))
		}
	}
	t.rows[tileHeight] = len(t.nodes)
	return t
}

// nodesIn returns how many nodes a tile of the given width holds on the heights 0 to 7.
func nodesIn(width int) int {
	n := 0
	for height := range tileHeight {
		n += width >> height
	}
	return n
}

// node returns the i-th node at the given height below tileHeight. It must exist.
func (t *tile) node(height uint, i uint64) *Hash { return &t.nodes[t.rows[height]+int(i)] }

// root returns the hash over a full tile, which is one hash of the tile above.
func (t *tile) root() Hash { return hashNode(t.node(tileHeight-1, 0), t.node(tileHeight-1, 1)) }

// peaks returns the perfect subtrees that a tile consists of, largest first: the part of a compact range
// that lies in this tile.
func (t *tile) peaks(width int) []Hash {
	if width == tileWidth {
		return []Hash{t.root()}
	}
	var peaks []Hash
	for height, done := tileHeight-1, 0; height >= 0; height-- {
		if width&(1<<height) != 0 {
			peaks = append(peaks, *t.node(uint(height), uint64(done>>height)))
			done += 1 << height
		}
	}
	return peaks
}

// rootOf folds the perfect subtrees of a tree, largest first, into its root (RFC 6962, section 2.1).
func rootOf(peaks []Hash) Hash {
	if len(peaks) == 0 {
		return sha256.Sum256(nil)
	}
	root := peaks[len(peaks)-1]
	for i := len(peaks) - 2; i >= 0; i-- {
		root = hashNode(&peaks[i], &root)
	}
	return root
}
