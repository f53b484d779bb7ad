package filetree

import (
	"crypto/sha256"

	"github.com/transparency-dev/merkle/compact"
)

// Tree computes a Merkle root (RFC 6962, section 2.1) from leaf hashes that come in from left to right. It keeps one
// hash for each bit of the leaf count, whatever the number of leaves. The zero Tree is empty and ready for use.
type Tree struct {
	leaves *compact.Range // nil while empty
}

// Add appends the next leaf hash.
func (t *Tree) Add(leafHash [32]byte) {
	if t.leaves == nil {
		t.leaves = ranges.NewEmptyRange(0)
	}
	if err := t.leaves.Append(leafHash[:], nil); err != nil {
		panic(err) // a range that only ever grew by one cannot be inconsistent
	}
}

// Root returns the root over all leaves so far: SHA-256 of the empty string when there are none.
func (t *Tree) Root() [32]byte {
	if t.leaves == nil {
		return sha256.Sum256(nil)
	}
	root, err := t.leaves.GetRootHash(nil)
	if err != nil {
		panic(err) // our ranges begin at 0
	}
	return [32]byte(root)
}

// ranges hashes nodes on the stack: a data set has a node for each of its records, and the library's own hasher
// allocates three times for each.
var ranges = compact.RangeFactory{Hash: func(left, right []byte) []byte {
	var node [1 + 2*sha256.Size]byte
	node[0] = 0x01
	copy(node[1:], left)
	copy(node[1+sha256.Size:], right)
	sum := sha256.Sum256(node[:])
	return sum[:]
}}
