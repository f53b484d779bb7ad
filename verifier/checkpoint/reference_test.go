package checkpoint_test

import (
	"crypto/sha256"
	"fmt"
)

// The definitions of RFC 6962, section 2.1, written down as they stand there:
// slow, and obviously right.

type hash = [32]byte

func leafHash(data []byte) hash { return sha256.Sum256(append([]byte{0}, data...)) }

func nodeHash(l, r hash) hash {
	return sha256.Sum256(append(append([]byte{1}, l[:]...), r[:]...))
}

// split is the largest power of two smaller than n.
func split(n int) int {
	k := 1
	for 2*k < n {
		k *= 2
	}
	return k
}

// treeHash is MTH(D[n]).
func treeHash(leaves []hash) hash {
	switch n := len(leaves); n {
	case 0:
		return sha256.Sum256(nil)
	case 1:
		return leaves[0]
	default:
		k := split(n)
		return nodeHash(treeHash(leaves[:k]), treeHash(leaves[k:]))
	}
}

// auditPath is PATH(m, D[n]).
func auditPath(m int, leaves []hash) []hash {
	n := len(leaves)
	if n == 1 {
		return nil
	}
	k := split(n)
	if m < k {
		return append(auditPath(m, leaves[:k]), treeHash(leaves[k:]))
	}
	return append(auditPath(m-k, leaves[k:]), treeHash(leaves[:k]))
}

// consistencyProof is PROOF(m, D[n]).
func consistencyProof(m int, leaves []hash) []hash {
	if m == 0 {
		return nil
	}
	return subproof(m, leaves, true)
}

// subproof is SUBPROOF(m, D[n], b).
func subproof(m int, leaves []hash, b bool) []hash {
	n := len(leaves)
	if m == n {
		if b {
			return nil
		}
		return []hash{treeHash(leaves)}
	}
	k := split(n)
	if m <= k {
		return append(subproof(m, leaves[:k], b), treeHash(leaves[k:]))
	}
	return append(subproof(m-k, leaves[k:], false), treeHash(leaves[:k]))
}

// someLeaves returns n different leaf hashes.
func someLeaves(n int) []hash {
	leaves := make([]hash, n)
	for i := range leaves {
		leaves[i] = leafHash(fmt.Appendf(nil, "entry %d", i))
	}
	return leaves
}
