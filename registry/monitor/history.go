package monitor

import (
	"fmt"

	"github.com/transparency-dev/merkle/rfc6962"

	"github.com/hallmark-registry/hallmark/registry/tlog"
)

// history is a tree that remembers its root at every size, in one hash an entry. For each size it keeps the
// root of the largest perfect subtree that ends there:
//
//	size          1     2     3     4     5     6     7     8
//	kept          0    0,1    2    0..3   4    4,5    6    0..7
//
// A tree falls into the perfect subtrees that end at its size, at that size less its lowest 1-bit, and so on
// (RFC 6962, section 2.1):
//
//	root(7) = H(kept[4], H(kept[6], kept[7]))
//
// It implements ledger.Roots: a mint's root is compared with what was hashed here, not with what the log says.
// It is not safe for concurrent use.
type history struct {
	size   uint64
	chunks [][]tlog.Hash // kept, from size 1; all but the last have chunkSize
}

// chunkSize is how many hashes are allocated at once, 2 MiB. One slice for all would be copied as it grows,
// and would need three times its size then.
const chunkSize = 1 << 16

// kept returns the root of the largest perfect subtree that ends at size, which is not 0.
func (h *history) kept(size uint64) tlog.Hash {
	return h.chunks[(size-1)/chunkSize][(size-1)%chunkSize]
}

// add appends a leaf hash. Each 1-bit at the end of the size is a perfect subtree that it completes into the
// next larger one.
func (h *history) add(node tlog.Hash) {
	end := h.size
	for bit := uint64(1); end&bit != 0; bit <<= 1 {
		node = hashNode(h.kept(end), node)
		end &^= bit
	}
	if h.size%chunkSize == 0 {
		h.chunks = append(h.chunks, make([]tlog.Hash, 0, chunkSize))
	}
	last := &h.chunks[len(h.chunks)-1]
	*last = append(*last, node)
	h.size++
}

// RootAt implements ledger.Roots. It costs a hash for each 1-bit of the size.
func (h *history) RootAt(size uint64) (tlog.Hash, error) {
	if size > h.size {
		return tlog.Hash{}, fmt.Errorf("root at size %d: only %d entries were hashed", size, h.size)
	}
	if size == 0 {
		return tlog.Hash(rfc6962.DefaultHasher.EmptyRoot()), nil
	}
	root := h.kept(size)
	for end := size & (size - 1); end != 0; end &= end - 1 {
		root = hashNode(h.kept(end), root)
	}
	return root, nil
}

// root returns the root over all that was added.
func (h *history) root() tlog.Hash {
	root, _ := h.RootAt(h.size) // its own size is never too large
	return root
}

func hashNode(left, right tlog.Hash) tlog.Hash {
	return tlog.Hash(rfc6962.DefaultHasher.HashChildren(left[:], right[:]))
}
