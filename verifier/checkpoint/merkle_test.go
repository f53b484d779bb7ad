package checkpoint_test

import (
	"crypto/sha256"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/hallmark-registry/hallmark/verifier/checkpoint"
)

// referenceTrees is how many sizes are tried, from 1 up: past two full levels
// of five, so that every shape of right edge occurs.
const referenceTrees = 40

// Every entry of every small tree, against the definitions of RFC 6962, and each
// proof again with everything that can be wrong with it.
func TestInclusionAgainstReference(t *testing.T) {
	cases := 0
	for size := 1; size <= referenceTrees; size++ {
		leaves := someLeaves(size)
		root := treeHash(leaves)
		for index := range leaves {
			p := inclusionCase{uint64(index), uint64(size), leaves[index], auditPath(index, leaves), root}
			if err := p.verify(); err != nil {
				t.Fatalf("index %d of %d: %v", index, size, err)
			}
			if n := checkpoint.InclusionSize(p.index, p.size); n != len(p.hashes) {
				t.Fatalf("index %d of %d: InclusionSize %d, want %d", index, size, n, len(p.hashes))
			}
			if err := tlog.CheckRecord(tlogProof(p.hashes), int64(size), tlog.Hash(root), int64(index), tlog.Hash(p.leaf)); err != nil {
				t.Fatalf("index %d of %d: x/mod: %v", index, size, err)
			}
			cases++
			for _, bad := range p.corruptions() {
				cases++
				if err := bad.inclusionCase.verify(); errorCode(t, err) != "inclusion" {
					t.Errorf("index %d of %d, %s: got %v, want a refusal", index, size, bad.name, err)
				}
			}
		}
	}
	t.Logf("%d cases", cases)
}

type inclusionCase struct {
	index, size uint64
	leaf        hash
	hashes      []hash
	root        hash
}

func (c inclusionCase) verify() error {
	return checkpoint.VerifyInclusion(c.index, c.size, c.leaf, c.hashes, c.root)
}

type namedInclusion struct {
	name string
	inclusionCase
}

// corruptions returns the case with one thing wrong in each. A size or index may
// change only where the path then has another shape: RFC 6962 proofs say nothing
// more about either, which is why both come from elsewhere.
func (c inclusionCase) corruptions() []namedInclusion {
	var all []namedInclusion
	add := func(name string, change func(*inclusionCase)) {
		bad := c
		bad.hashes = slices.Clone(c.hashes)
		change(&bad)
		all = append(all, namedInclusion{name, bad})
	}
	add("another leaf", func(b *inclusionCase) { b.leaf[31] ^= 1 })
	add("another root", func(b *inclusionCase) { b.root[0] ^= 0x80 })
	add("the empty root", func(b *inclusionCase) { b.root = treeHash(nil) })
	add("index at the size", func(b *inclusionCase) { b.index = b.size })
	add("index far beyond the size", func(b *inclusionCase) { b.index = math.MaxUint64 })
	add("size zero", func(b *inclusionCase) { b.size = 0 })
	add("a much larger size", func(b *inclusionCase) { b.size = math.MaxInt64 })
	add("a hash more", func(b *inclusionCase) { b.hashes = append(b.hashes, b.leaf) })
	add("the root as a hash more", func(b *inclusionCase) { b.hashes = append(b.hashes, b.root) })
	add("a hash in front", func(b *inclusionCase) { b.hashes = append([]hash{b.leaf}, b.hashes...) })
	if c.index > 0 {
		add("the entry before", func(b *inclusionCase) { b.index-- })
	}
	if c.index+1 < c.size {
		add("the entry after", func(b *inclusionCase) { b.index++ })
	}
	for i := range c.hashes {
		add("a bit flipped", func(b *inclusionCase) { b.hashes[i][i] ^= 1 })
		add("a hash left out", func(b *inclusionCase) { b.hashes = slices.Delete(b.hashes, i, i+1) })
		add("a hash twice", func(b *inclusionCase) { b.hashes = slices.Insert(b.hashes, i, b.hashes[i]) })
		if i > 0 {
			add("two hashes swapped", func(b *inclusionCase) { b.hashes[i-1], b.hashes[i] = b.hashes[i], b.hashes[i-1] })
		}
	}
	return all
}

func TestConsistencyAgainstReference(t *testing.T) {
	cases := 0
	leaves := someLeaves(referenceTrees)
	for size2 := 1; size2 <= referenceTrees; size2++ {
		for size1 := 1; size1 <= size2; size1++ {
			p := consistencyCase{uint64(size1), uint64(size2), consistencyProof(size1, leaves[:size2]), treeHash(leaves[:size1]), treeHash(leaves[:size2])}
			if err := p.verify(); err != nil {
				t.Fatalf("from %d to %d: %v", size1, size2, err)
			}
			if n := checkpoint.ConsistencySize(p.size1, p.size2); n != len(p.hashes) {
				t.Fatalf("from %d to %d: ConsistencySize %d, want %d", size1, size2, n, len(p.hashes))
			}
			if err := tlog.CheckTree(tlog.TreeProof(tlogProof(p.hashes)), int64(size2), tlog.Hash(p.root2), int64(size1), tlog.Hash(p.root1)); err != nil {
				t.Fatalf("from %d to %d: x/mod: %v", size1, size2, err)
			}
			cases++
			for _, bad := range p.corruptions() {
				cases++
				if err := bad.consistencyCase.verify(); errorCode(t, err) != "consistency" {
					t.Errorf("from %d to %d, %s: got %v, want a refusal", size1, size2, bad.name, err)
				}
			}
		}
	}
	t.Logf("%d cases", cases)
}

type consistencyCase struct {
	size1, size2 uint64
	hashes       []hash
	root1, root2 hash
}

func (c consistencyCase) verify() error {
	return checkpoint.VerifyConsistency(c.size1, c.size2, c.hashes, c.root1, c.root2)
}

type namedConsistency struct {
	name string
	consistencyCase
}

func (c consistencyCase) corruptions() []namedConsistency {
	var all []namedConsistency
	add := func(name string, change func(*consistencyCase)) {
		bad := c
		bad.hashes = slices.Clone(c.hashes)
		change(&bad)
		all = append(all, namedConsistency{name, bad})
	}
	add("another old root", func(b *consistencyCase) { b.root1[0] ^= 1 })
	add("another new root", func(b *consistencyCase) { b.root2[0] ^= 1 })
	add("an old size of zero", func(b *consistencyCase) { b.size1, b.hashes, b.root1 = 0, nil, treeHash(nil) })
	add("two sizes of zero", func(b *consistencyCase) { b.size1, b.size2, b.hashes, b.root1, b.root2 = 0, 0, nil, hash{}, hash{} })
	add("a hash more", func(b *consistencyCase) { b.hashes = append(b.hashes, b.root2) })
	add("a hash in front", func(b *consistencyCase) { b.hashes = append([]hash{b.root1}, b.hashes...) })
	add("a much larger new size", func(b *consistencyCase) { b.size1++; b.size2 = math.MaxInt64 })
	if c.size1 < c.size2 {
		add("sizes swapped", func(b *consistencyCase) { b.size1, b.size2 = b.size2, b.size1 })
		add("roots swapped", func(b *consistencyCase) { b.root1, b.root2 = b.root2, b.root1 })
		add("the old root as the new", func(b *consistencyCase) { b.root2 = b.root1 })
		add("equal sizes claimed", func(b *consistencyCase) { b.size1 = b.size2 })
	}
	for i := range c.hashes {
		add("a bit flipped", func(b *consistencyCase) { b.hashes[i][i] ^= 1 })
		add("a hash left out", func(b *consistencyCase) { b.hashes = slices.Delete(b.hashes, i, i+1) })
		add("a hash twice", func(b *consistencyCase) { b.hashes = slices.Insert(b.hashes, i, b.hashes[i]) })
		if i > 0 {
			add("two hashes swapped", func(b *consistencyCase) { b.hashes[i-1], b.hashes[i] = b.hashes[i], b.hashes[i-1] })
		}
	}
	return all
}

func tlogProof(hashes []hash) tlog.RecordProof {
	p := make(tlog.RecordProof, len(hashes))
	for i, h := range hashes {
		p[i] = tlog.Hash(h)
	}
	return p
}

// The cases that transparency-dev/merkle publishes in its testdata folder, when
// HALLMARK_MERKLE_TESTDATA names a copy of it. Subtree proofs are counted and
// skipped: the product has none.
func TestMerkleCases(t *testing.T) {
	dir := os.Getenv("HALLMARK_MERKLE_TESTDATA")
	if dir == "" {
		t.Skip("HALLMARK_MERKLE_TESTDATA names no folder of transparency-dev/merkle test data")
	}
	count := make(map[string]int)
	for _, kind := range []string{"inclusion", "consistency", "subtreeinclusion", "subtreeconsistency"} {
		err := filepath.WalkDir(filepath.Join(dir, kind), func(path string, entry os.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".json") {
				return err
			}
			count[kind]++
			if strings.HasPrefix(kind, "subtree") {
				return nil
			}
			return runMerkleCase(t, path)
		})
		if err != nil {
			t.Error(err)
		}
	}
	t.Logf("ran %d inclusion and %d consistency cases, skipped %d and %d of subtrees",
		count["inclusion"], count["consistency"], count["subtreeinclusion"], count["subtreeconsistency"])
}

// merkleCase is a file of either kind.
type merkleCase struct {
	LeafIdx, TreeSize uint64
	LeafHash, Root    []byte

	Size1, Size2 uint64
	Root1, Root2 []byte

	Proof   [][]byte
	Desc    string
	WantErr bool
}

func runMerkleCase(t *testing.T, path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var c merkleCase
	if err := json.Unmarshal(data, &c); err != nil {
		return err
	}
	got := c.verify(strings.Contains(path, "/consistency/"))
	if (got != "") != c.WantErr {
		t.Errorf("%s (%s): got %q, want an error: %t", path, c.Desc, got, c.WantErr)
	}
	return nil
}

// verify returns what is wrong with the case, or "".
func (c merkleCase) verify(consistency bool) string {
	hashes, ok := asHashes(c.Proof)
	if !ok {
		return "the proof holds what is no hash"
	}
	var err error
	if consistency {
		// Some roots are text such as "don't care 1", which no parameter of 32 bytes
		// can be: a hash takes its place.
		err = checkpoint.VerifyConsistency(c.Size1, c.Size2, hashes, sha256.Sum256(c.Root1), sha256.Sum256(c.Root2))
		if ends, ok := asHashes([][]byte{c.Root1, c.Root2}); ok {
			err = checkpoint.VerifyConsistency(c.Size1, c.Size2, hashes, ends[0], ends[1])
		}
	} else {
		ends, ok := asHashes([][]byte{c.LeafHash, c.Root})
		if !ok {
			return "leaf or root is no hash"
		}
		err = checkpoint.VerifyInclusion(c.LeafIdx, c.TreeSize, ends[0], hashes, ends[1])
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

func asHashes(values [][]byte) ([]hash, bool) {
	hashes := make([]hash, len(values))
	for i, b := range values {
		if len(b) != len(hash{}) {
			return nil, false
		}
		hashes[i] = hash(b)
	}
	return hashes, true
}

func TestMerkleErrorsArePrecise(t *testing.T) {
	leaves := someLeaves(7)
	root := treeHash(leaves)
	err := checkpoint.VerifyInclusion(3, 7, leaves[3], auditPath(3, leaves)[1:], root)
	if want := "inclusion not proven: 2 hashes, want 3 for index 3 of 7"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %q", err, want)
	}
	err = checkpoint.VerifyInclusion(7, 7, leaves[3], nil, root)
	if want := "inclusion not proven: index 7 is not below size 7"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %q", err, want)
	}
	err = checkpoint.VerifyConsistency(3, 7, nil, root, root)
	if want := "consistency not proven: 0 hashes, want 4 from size 3 to 7"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %q", err, want)
	}
	err = checkpoint.VerifyConsistency(8, 7, nil, root, root)
	if want := "consistency not proven: size 7 is smaller than 8"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %q", err, want)
	}
}
