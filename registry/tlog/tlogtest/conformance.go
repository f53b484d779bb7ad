package tlogtest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"golang.org/x/mod/sumdb/note"

	"github.com/hallmark-registry/hallmark/registry/tlog"
)

// patience bounds every wait of the suite. It is no measure of speed: a log that takes this long hangs.
const patience = time.Minute

// Origin is the name of the logs that the suite opens.
const Origin = "log.example/conformance"

// Keys are the signer of the log under test, and what verifies it.
type Keys struct {
	Signer   note.Signer
	Verifier note.Verifier
}

// NewKeys makes an Ed25519 key for the given origin.
func NewKeys(t testing.TB, origin string) Keys {
	t.Helper()
	skey, vkey, err := note.GenerateKey(rand.Reader, origin)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		t.Fatal(err)
	}
	return Keys{signer, verifier}
}

// Opened is a log as an engine's test hands it to the suite.
type Opened struct {
	Log   tlog.Log
	Guard tlog.Refuser // the guard that its signatures pass
}

// Open opens the log of [Origin] that lies in the folder dir (or is named by it, where an engine stores
// elsewhere), and creates it when there is none. It fails the test by itself, except that the error is
// returned, so that the suite can see a second opening refused.
type Open func(t testing.TB, dir string, keys Keys) (*Opened, error)

// TestLog checks that an engine keeps the contract of [tlog.Log]. It is the whole test of an engine's plain
// behaviour; what an engine alone can do wrong is tested beside it.
func TestLog(t *testing.T, open Open) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, Open)
	}{
		{"a new log publishes the empty tree", testEmpty},
		{"positions are those of the leaves", testPositions},
		{"a published entry is provable", testProvable},
		{"many writers at once lose nothing", testConcurrent},
		{"the same leaf twice has two positions", testTwice},
		{"what is not there is not found", testNotFound},
		{"too much at once is refused whole", testTooLarge},
		{"a context that has ended leaves the outcome unknown", testCancelled},
		{"a second writer is refused", testSecondWriter},
		{"a closed log appends nothing", testClosed},
		{"everything is there after reopening", testReopen},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, open) })
	}
}

// subject is an open log with its watcher and prover.
type subject struct {
	tlog.Log
	t      testing.TB
	ctx    context.Context
	pub    *tlog.Publication
	prover *tlog.Prover
}

func start(t *testing.T, open Open, dir string, keys Keys) *subject {
	t.Helper()
	opened, err := open(t, dir, keys)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	pub, err := tlog.NewPublication(ctx, opened.Log, keys.Verifier, opened.Guard)
	if err != nil {
		t.Fatalf("NewPublication: %v", err)
	}
	s := &subject{opened.Log, t, ctx, pub, tlog.NewProver(opened.Log, tlog.DefaultProofCache)}
	t.Cleanup(func() {
		s.stop()
		cancel()
	})
	return s
}

func startNew(t *testing.T, open Open) *subject {
	t.Helper()
	return start(t, open, t.TempDir(), NewKeys(t, Origin))
}

func (s *subject) stop() {
	s.pub.Close()
	if err := s.Close(s.ctx); err != nil {
		s.t.Errorf("Close: %v", err)
	}
}

func (s *subject) append(leaves ...[]byte) []uint64 {
	s.t.Helper()
	positions, err := s.Append(s.ctx, leaves)
	if err != nil {
		s.t.Fatalf("Append of %d leaves: %v", len(leaves), err)
	}
	if len(positions) != len(leaves) {
		s.t.Fatalf("Append of %d leaves: got %d positions", len(leaves), len(positions))
	}
	return positions
}

func (s *subject) await(index uint64) *tlog.Published {
	s.t.Helper()
	at, err := s.pub.Await(s.ctx, index)
	if err != nil {
		s.t.Fatalf("Await(%d): %v", index, err)
	}
	if index >= at.Size {
		s.t.Fatalf("Await(%d) returned a checkpoint of size %d", index, at.Size)
	}
	return at
}

// verify reads the leaf back and checks its inclusion proof.
func (s *subject) verify(leaf []byte, index uint64, at *tlog.Published) {
	s.t.Helper()
	got, err := tlog.ReadEntry(s.ctx, s, index, at.Size)
	if err != nil || !bytes.Equal(got, leaf) {
		s.t.Fatalf("ReadEntry(%d) at size %d: got %.40q, %v, want %.40q", index, at.Size, got, err, leaf)
	}
	path, err := s.prover.Inclusion(s.ctx, index, at)
	if err != nil {
		s.t.Fatalf("Inclusion(%d) at size %d: %v", index, at.Size, err)
	}
	hash := rfc6962.DefaultHasher.HashLeaf(leaf)
	if err := proof.VerifyInclusion(rfc6962.DefaultHasher, index, at.Size, hash, Slices(path), at.Root[:]); err != nil {
		s.t.Fatalf("inclusion of entry %d at size %d: %v", index, at.Size, err)
	}
}

// Slices turns hashes into what the Merkle packages take.
func Slices(hashes []tlog.Hash) [][]byte {
	out := make([][]byte, len(hashes))
	for i := range hashes {
		out[i] = hashes[i][:]
	}
	return out
}

// Leaf returns a leaf that no other n has.
func Leaf(n int) []byte { return fmt.Appendf(nil, "leaf %d, a bit longer than its hash would be", n) }

// LeavesOf returns n leaves.
func LeavesOf(n int) [][]byte {
	leaves := make([][]byte, n)
	for i := range leaves {
		leaves[i] = Leaf(i)
	}
	return leaves
}

func testEmpty(t *testing.T, open Open) {
	s := startNew(t, open)
	at := s.pub.Latest()
	if at == nil || at.Size != 0 || !bytes.Equal(at.Root[:], rfc6962.DefaultHasher.EmptyRoot()) {
		t.Errorf("published: got %+v, want the empty tree", at)
	}
	if size, err := s.IntegratedSize(s.ctx); err != nil || size != 0 {
		t.Errorf("IntegratedSize: got %d, %v, want 0", size, err)
	}
	if positions := s.append(); len(positions) != 0 {
		t.Errorf("append of nothing: got positions %v", positions)
	}
}

func testPositions(t *testing.T, open Open) {
	s := startNew(t, open)
	leaves := LeavesOf(700) // across two bundle borders
	positions := s.append(leaves...)
	at := s.await(slices.Max(positions))
	for i, p := range positions {
		s.verify(leaves[i], p, at)
	}
	sorted := slices.Sorted(slices.Values(positions))
	for i, p := range sorted {
		if p != uint64(i) {
			t.Fatalf("positions have a hole: got %d in place %d", p, i)
		}
	}
	if size, err := s.IntegratedSize(s.ctx); err != nil || size != 700 {
		t.Errorf("IntegratedSize after Append: got %d, %v, want 700", size, err)
	}
}

func testProvable(t *testing.T, open Open) {
	s := startNew(t, open)
	var last *tlog.Published
	hashes := map[uint64][]byte{}
	for i := range 5 {
		leaf := Leaf(i)
		index := s.append(leaf)[0]
		hashes[index] = rfc6962.DefaultHasher.HashLeaf(leaf)
		at := s.await(index)
		s.verify(leaf, index, at)
		if last != nil {
			path, err := s.prover.Consistency(s.ctx, last.Size, at.Size, at)
			if err != nil {
				t.Fatalf("Consistency: %v", err)
			}
			if err := proof.VerifyConsistency(rfc6962.DefaultHasher, last.Size, at.Size, Slices(path), last.Root[:], at.Root[:]); err != nil {
				t.Errorf("consistency from %d to %d: %v", last.Size, at.Size, err)
			}
		}
		last = at
	}
	var leaves [][]byte
	for i := range last.Size {
		leaves = append(leaves, hashes[i])
	}
	if want := Root(leaves); !bytes.Equal(last.Root[:], want) {
		t.Errorf("root at size %d: got %x, want %x", last.Size, last.Root, want)
	}
}

func testConcurrent(t *testing.T, open Open) {
	s := startNew(t, open)
	const writers, each = 16, 40
	var mu sync.Mutex
	at := map[uint64][]byte{}
	var group sync.WaitGroup
	for w := range writers {
		group.Go(func() {
			for i := range each {
				leaf := Leaf(w*each + i)
				positions, err := s.Append(s.ctx, [][]byte{leaf})
				if err != nil {
					t.Errorf("Append: %v", err)
					return
				}
				mu.Lock()
				at[positions[0]] = leaf
				mu.Unlock()
			}
		})
	}
	group.Wait()
	if len(at) != writers*each {
		t.Fatalf("%d leaves got %d positions", writers*each, len(at))
	}
	published := s.await(writers*each - 1)
	index := uint64(0)
	for e, err := range tlog.Entries(s.ctx, s, 0, published.Size) {
		if err != nil || !bytes.Equal(e, at[index]) {
			t.Fatalf("entry %d: got %.40q, %v, want %.40q", index, e, err, at[index])
		}
		index++
	}
}

func testTwice(t *testing.T, open Open) {
	s := startNew(t, open)
	first, second := s.append(Leaf(1))[0], s.append(Leaf(1))[0]
	if first == second {
		t.Errorf("both appends got position %d", first)
	}
	s.verify(Leaf(1), first, s.await(second))
	s.verify(Leaf(1), second, s.await(second))
}

func testNotFound(t *testing.T, open Open) {
	s := startNew(t, open)
	s.await(s.append(Leaf(1))[0])
	if _, err := s.ReadTile(s.ctx, 0, 7, 0); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("ReadTile beyond the end: got %v, want %v", err, fs.ErrNotExist)
	}
	if _, err := s.ReadEntryBundle(s.ctx, 7, 3); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("ReadEntryBundle beyond the end: got %v, want %v", err, fs.ErrNotExist)
	}
}

func testTooLarge(t *testing.T, open Open) {
	s := startNew(t, open)
	longest := bytes.Repeat([]byte{1}, tlog.MaxLeafSize)
	for name, leaves := range map[string][][]byte{
		"one leaf too long": {Leaf(1), append(longest, 1)},
		"too many leaves":   LeavesOf(tlog.MaxAppend + 1),
	} {
		if _, err := s.Append(s.ctx, leaves); !errors.Is(err, tlog.ErrTooLarge) {
			t.Errorf("%s: got %v, want %v", name, err, tlog.ErrTooLarge)
		}
	}
	if size, err := s.IntegratedSize(s.ctx); err != nil || size != 0 {
		t.Errorf("IntegratedSize after refusals: got %d, %v, want 0", size, err)
	}
	index := s.append(longest)[0]
	s.verify(longest, index, s.await(index))
}

func testCancelled(t *testing.T, open Open) {
	s := startNew(t, open)
	ctx, cancel := context.WithCancel(s.ctx)
	cancel()
	if _, err := s.Append(ctx, [][]byte{Leaf(1)}); !errors.Is(err, tlog.ErrUnknown) || !errors.Is(err, context.Canceled) {
		t.Errorf("Append: got %v, want %v and %v", err, tlog.ErrUnknown, context.Canceled)
	}
	if _, err := s.pub.Await(ctx, 1000); !errors.Is(err, context.Canceled) {
		t.Errorf("Await: got %v, want %v", err, context.Canceled)
	}
	// The log goes on, whatever became of that leaf.
	index := s.append(Leaf(2))[0]
	s.verify(Leaf(2), index, s.await(index))
}

func testSecondWriter(t *testing.T, open Open) {
	dir, keys := t.TempDir(), NewKeys(t, Origin)
	s := start(t, open, dir, keys)
	index := s.append(Leaf(1))[0]
	if _, err := open(t, dir, keys); err == nil {
		t.Fatal("a second writer was let in")
	}
	s.verify(Leaf(1), index, s.await(index))
}

func testClosed(t *testing.T, open Open) {
	s := startNew(t, open)
	index := s.append(Leaf(1))[0]
	s.await(index)
	if err := s.Close(s.ctx); err != nil {
		t.Errorf("Close: %v", err)
	}
	if _, err := s.Append(s.ctx, [][]byte{Leaf(2)}); !errors.Is(err, tlog.ErrClosed) {
		t.Errorf("Append after Close: got %v, want %v", err, tlog.ErrClosed)
	}
	s.pub.Close()
	if _, err := s.pub.Await(s.ctx, index); !errors.Is(err, tlog.ErrClosed) {
		t.Errorf("Await after Close: got %v, want %v", err, tlog.ErrClosed)
	}
}

func testReopen(t *testing.T, open Open) {
	dir, keys := t.TempDir(), NewKeys(t, Origin)
	at := map[uint64][]byte{}
	for round := range 3 {
		s := start(t, open, dir, keys)
		leaves := LeavesOf(300)
		for i, p := range s.append(leaves...) {
			if at[p] != nil {
				t.Fatalf("round %d: position %d was given before", round, p)
			}
			at[p] = leaves[i]
		}
		published := s.await(uint64(len(at) - 1))
		for p, leaf := range at {
			s.verify(leaf, p, published)
		}
		if report, err := tlog.Fsck(s.ctx, s, keys.Verifier); err != nil || report.Size != published.Size {
			t.Fatalf("round %d: Fsck: got %+v, %v", round, report, err)
		}
		s.stop()
	}
}
