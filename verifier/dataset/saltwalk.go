package dataset

import "math/bits"

// A saltWalk finds salts one after the other, two hashes each when they are asked for in order: it stands at a leaf,
// keeps the way down to it, and goes to the next by the part of the way that differs.
type saltWalk struct {
	tree *SaltTree // nil for an open data set: every salt is zero
	node *saltNode // that the way begins at, or nil
	at   uint64
	way  [saltDepth + 1][32]byte // by depth, valid from node.depth on
}

// salt returns the salt of a record, or what is left of it when the salt was erased.
func (w *saltWalk) salt(record uint64) (salt [32]byte, gone *Erased) {
	if w.tree == nil {
		return salt, nil
	}
	depth := saltDepth - bits.Len64(record^w.at) // down to here, the ways to both are one
	if n := w.node; n == nil || record < n.first() || record >= n.end() {
		i := w.tree.find(record)
		if i < 0 {
			return salt, w.tree.findErased(record)
		}
		w.node = &w.tree.nodes[i]
		depth = int(w.node.depth)
		w.way[depth] = w.node.value
	}
	w.at = record
	for ; depth < saltDepth; depth++ {
		bit := byte(record >> (saltDepth - 1 - depth) & 1)
		w.way[depth+1] = saltChild(&w.way[depth], bit)
	}
	return w.way[saltDepth], nil
}
