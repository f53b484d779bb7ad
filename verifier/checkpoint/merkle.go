package checkpoint

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"math/bits"

	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
)

// InclusionSize returns how many hashes prove the entry at index in a tree of
// the given size; index < size.
//
// The path to the entry and the path to the last entry share their upper part.
// Below the fork every level has a sibling; above it only those levels do where
// the path turns right, because to its right there is nothing.
func InclusionSize(index, size uint64) int {
	below := bits.Len64(index ^ (size - 1))
	return below + bits.OnesCount64(index>>below)
}

// ConsistencySize returns how many hashes prove that a tree of size1 entries is
// the beginning of one of size2; 0 < size1 <= size2.
//
// It is the inclusion proof of the old tree's last entry, cut off below the
// largest full subtree that ends the old tree, with that subtree's hash in
// front unless it is the whole old tree, whose root the verifier has.
func ConsistencySize(size1, size2 uint64) int {
	if size1 == size2 {
		return 0
	}
	level := bits.TrailingZeros64(size1)
	n := InclusionSize(size1-1, size2) - level
	if size1 != 1<<level {
		n++
	}
	return n
}

// RootFromInclusion returns the root of the tree of the given size that a proof
// implies (RFC 9162, section 2.1.3.2). It fails with [ErrInclusion] when the proof
// has the wrong shape. An index and a size are not bound by the root alone:
// proofs of one entry can be read under several sizes that walk the same path, so
// both must come from a signed checkpoint and from the proof that is checked.
func RootFromInclusion(index, size uint64, leafHash [HashSize]byte, hashes [][HashSize]byte) ([HashSize]byte, error) {
	var root [HashSize]byte
	if index >= size {
		return root, fmt.Errorf("%w: index %d is not below size %d", ErrInclusion, index, size)
	}
	if got, want := len(hashes), InclusionSize(index, size); got != want {
		return root, fmt.Errorf("%w: %d hashes, want %d for index %d of %d", ErrInclusion, got, want, index, size)
	}
	computed, err := proof.RootFromInclusionProof(hasher, index, size, leafHash[:], views(hashes))
	if err != nil {
		return root, fmt.Errorf("%w: %v", ErrInclusion, err)
	}
	return [HashSize]byte(computed), nil
}

// VerifyInclusion checks that the entry with this leaf hash stands at index in
// the tree with this size and root. It fails with [ErrInclusion].
func VerifyInclusion(index, size uint64, leafHash [HashSize]byte, hashes [][HashSize]byte, root [HashSize]byte) error {
	computed, err := RootFromInclusion(index, size, leafHash, hashes)
	if err != nil {
		return err
	}
	if computed != root {
		return fmt.Errorf("%w: index %d of %d: the proof leads to root %x, want %x", ErrInclusion, index, size, computed, root)
	}
	return nil
}

// VerifyConsistency checks that the tree (size2, root2) begins with the tree
// (size1, root1), 0 < size1 <= size2 (RFC 9162, section 2.1.4.2). It fails with
// [ErrConsistency]. Size 0 is refused: every tree begins with the empty one, so
// there is nothing to prove, and a success would only look like evidence. Who
// holds no tree yet has nothing to compare.
func VerifyConsistency(size1, size2 uint64, hashes [][HashSize]byte, root1, root2 [HashSize]byte) error {
	if size1 == 0 {
		return fmt.Errorf("%w: from size 0, which says nothing of size %d", ErrConsistency, size2)
	}
	if size1 > size2 {
		return fmt.Errorf("%w: size %d is smaller than %d", ErrConsistency, size2, size1)
	}
	if got, want := len(hashes), ConsistencySize(size1, size2); got != want {
		return fmt.Errorf("%w: %d hashes, want %d from size %d to %d", ErrConsistency, got, want, size1, size2)
	}
	err := proof.VerifyConsistency(hasher, size1, size2, views(hashes), root1[:], root2[:])
	if mismatch := (proof.RootMismatchError{}); errors.As(err, &mismatch) {
		return fmt.Errorf("%w: from size %d to %d: the proof leads to root %x, want %x",
			ErrConsistency, size1, size2, mismatch.CalculatedRoot, mismatch.ExpectedRoot)
	}
	if err != nil {
		return fmt.Errorf("%w: from size %d to %d: %v", ErrConsistency, size1, size2, err)
	}
	return nil
}

// hasher hashes nodes without the three allocations of the library's own: an
// audit does it a hundred million times.
var hasher = nodeHasher{rfc6962.DefaultHasher}

type nodeHasher struct{ *rfc6962.Hasher }

// HashChildren returns SHA-256(0x01 || l || r) (RFC 6962, section 2.1).
func (nodeHasher) HashChildren(l, r []byte) []byte {
	var node [1 + 2*HashSize]byte
	node[0] = rfc6962.RFC6962NodeHashPrefix
	copy(node[1:], l)
	copy(node[1+HashSize:], r)
	sum := sha256.Sum256(node[:])
	return sum[:]
}

// views gives the proof to the library in the form that it takes.
func views(hashes [][HashSize]byte) [][]byte {
	s := make([][]byte, len(hashes))
	for i := range hashes {
		s[i] = hashes[i][:]
	}
	return s
}
