package dataset

import (
	"crypto/sha256"
	"math/bits"
	"slices"
)

// A span is a part of a Merkle tree (RFC 6962, section 2.1): the leaves from begin up to end, held as the roots of the
// largest perfect subtrees that they fill. Leaves 3 to 11 are five nodes:
//
//	           [4..8)
//	   .      /      \     [8..10)
//	  . \    .        .    /     \
//	2   3   4  5  6  7    8       9   10
//	    *   (    *    )   (   *   )   *
//
// Spans that meet can be joined whoever computed them, so the records of one file are hashed on all cores. A span that
// begins at 0 has a root. Nothing is allocated for a leaf: a data set has a node for each of its records.
type span struct {
	begin, end uint64
	nodes      []node // from left to right: rising levels, then falling ones
	watch      *watch // told of every node, if set
}

type node struct {
	level uint8 // a subtree of 1<<level leaves
	hash  [32]byte
}

// add appends a subtree at s.end, which must be a multiple of its leaves, and completes what it completes.
func (s *span) add(n node) {
	at := s.end >> n.level // among the nodes of its level
	s.end += 1 << n.level
	for {
		s.watch.see(n, at)
		if at&1 == 0 || (at-1)<<n.level < s.begin {
			break
		}
		// The sibling on the left is complete and has no right one yet, so it is the last of the nodes.
		last := len(s.nodes) - 1
		n = node{n.level + 1, nodeHash(&s.nodes[last].hash, &n.hash)}
		s.nodes = s.nodes[:last]
		at >>= 1
	}
	s.nodes = append(s.nodes, n)
}

func (s *span) leaf(hash [32]byte) { s.add(node{0, hash}) }

// join appends the span that begins where s ends.
func (s *span) join(next *span) {
	for _, n := range next.nodes {
		s.add(n)
	}
}

// root returns the root of a span that begins at 0.
func (s *span) root() [32]byte {
	if len(s.nodes) == 0 {
		return sha256.Sum256(nil)
	}
	return foldRight(s.nodes)
}

// foldRight joins falling levels as RFC 6962 does: the smaller tree on the right is finished first.
func foldRight(nodes []node) [32]byte {
	last := len(nodes) - 1
	h := nodes[last].hash
	for _, n := range slices.Backward(nodes[:last]) {
		h = nodeHash(&n.hash, &h)
	}
	return h
}

func nodeHash(left, right *[32]byte) [32]byte {
	var b [1 + 2*sha256.Size]byte
	b[0] = 0x01
	copy(b[1:], left[:])
	copy(b[1+sha256.Size:], right[:])
	return sha256.Sum256(b[:])
}

// A watch keeps the siblings on the way up from one leaf while they pass by. Each is made once, so spans of one tree
// may share a watch, whichever goroutine fills them.
type watch struct {
	at       uint64 // the leaf
	siblings [64][32]byte
}

func (w *watch) see(n node, at uint64) {
	if w != nil && at == w.at>>n.level^1 {
		w.siblings[n.level] = n.hash
	}
}

// path returns the inclusion path of the watched leaf, from its sibling up (RFC 6962, section 2.1.1). The span begins
// at 0 and holds the leaf. Below the top of the subtree that holds it every sibling was seen; above it, all that stands
// to the right is one hash, and then come the subtrees on the left, nearest first.
func (s *span) path() [][32]byte {
	i, first := 0, uint64(0)
	for first+1<<s.nodes[i].level <= s.watch.at {
		first += 1 << s.nodes[i].level
		i++
	}
	path := slices.Clone(s.watch.siblings[:s.nodes[i].level])
	if right := s.nodes[i+1:]; len(right) > 0 {
		path = append(path, foldRight(right))
	}
	for _, n := range slices.Backward(s.nodes[:i]) {
		path = append(path, n.hash)
	}
	return path
}

// pathLength returns how many hashes prove the leaf at index in a tree of size leaves; index < size. The ways to it and
// to the last leaf part at some level: below, each level has a sibling; above, those do where the way turns right.
func pathLength(index, size uint64) int {
	below := bits.Len64(index ^ (size - 1))
	return below + bits.OnesCount64(index>>below)
}
