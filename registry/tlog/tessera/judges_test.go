package tessera_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"filippo.io/torchwood"
	"github.com/transparency-dev/merkle/rfc6962"
	upstream "github.com/transparency-dev/tessera"
	"github.com/transparency-dev/tessera/api"
	"github.com/transparency-dev/tessera/fsck"
	"golang.org/x/mod/sumdb/note"
	xtlog "golang.org/x/mod/sumdb/tlog"

	"github.com/hallmark-registry/hallmark/registry/tlog"
	"github.com/hallmark-registry/hallmark/registry/tlog/tessera"
	"github.com/hallmark-registry/hallmark/registry/tlog/tlogtest"
)

// judged is a closed log of 3 x 333 entries.
func judged(t *testing.T) (dir string, keys tlogtest.Keys, at *tlog.Published) {
	t.Helper()
	base, keys := t.TempDir(), tlogtest.NewKeys(t, origin)
	r := run(t, base, keys, tessera.Options{})
	for range 3 {
		r.mustPublish(333)
	}
	at = r.pub.Latest()
	r.close()
	return filepath.Join(base, "log"), keys, at
}

func TestJudgeTesseraFsck(t *testing.T) {
	dir, keys, _ := judged(t)
	hasher := func(raw []byte) ([][]byte, error) {
		bundle := api.EntryBundle{}
		if err := bundle.UnmarshalText(raw); err != nil {
			return nil, err
		}
		var hashes [][]byte
		for _, e := range bundle.Entries {
			hashes = append(hashes, rfc6962.DefaultHasher.HashLeaf(e))
		}
		return hashes, nil
	}
	check := func() error {
		folder := tlog.NewFolder(os.DirFS(dir))
		return fsck.New(origin, keys.Verifier, folder, hasher, fsck.Opts{N: 4}).Check(context.Background())
	}
	if err := check(); err != nil {
		t.Fatalf("fsck: %v", err)
	}
	flip(t, filepath.Join(dir, "tile/entries/001"))
	theirs := check()
	_, ours := tlog.Fsck(context.Background(), tlog.NewFolder(os.DirFS(dir)), keys.Verifier)
	if theirs == nil || ours == nil {
		t.Errorf("a flipped bit: Tessera's fsck says %v, ours %v", theirs, ours)
	}
}

// TestFsck checks a folder under its guard, as a command does that has no server running.
func TestFsck(t *testing.T) {
	ctx, base, keys := context.Background(), t.TempDir(), tlogtest.NewKeys(t, origin)
	dir := filepath.Join(base, "log")
	r := run(t, base, keys, tessera.Options{})
	r.mustPublish(600)
	check := func() (*tlog.FsckReport, error) {
		store, err := tlog.OpenGuardFolder(filepath.Join(base, "guard"))
		if err != nil {
			return nil, err
		}
		defer store.Close()
		guard := tlog.NewGuard(keys.Signer, store, tlog.NewFolder(os.DirFS(dir)), filepath.Join(base, "evidence"))
		return tessera.Fsck(ctx, dir, guard, keys.Verifier)
	}
	if _, err := check(); !errors.Is(err, tlog.ErrLocked) {
		t.Errorf("while it is open: got %v, want %v", err, tlog.ErrLocked)
	}
	r.close()
	if report, err := check(); err != nil || report.Size != 600 {
		t.Errorf("got %+v, %v, want size 600", report, err)
	}
	var finding *tlog.FsckError
	flip(t, filepath.Join(dir, "tile/entries/000"))
	if _, err := check(); !errors.As(err, &finding) || finding.First == nil {
		t.Errorf("a flipped bit far from the edge: got %v, want where", err)
	}
	var refusal *tlog.GuardError
	flip(t, filepath.Join(dir, "tile/entries/002.p/88"))
	if _, err := check(); !errors.As(err, &refusal) {
		t.Errorf("a flipped bit on the edge: got %v, want a refusal", err)
	}
}

// flip flips a bit of the last entry in a bundle. It may run on any goroutine.
func flip(t *testing.T, path string) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err == nil {
		raw[len(raw)-1] ^= 1
		err = os.WriteFile(path, raw, 0o644)
	}
	if err != nil {
		t.Error(err)
	}
}

// TestJudgeXMod has the Go checksum database's code read the folder, verify its tiles against the checkpoint,
// and make and check proofs.
func TestJudgeXMod(t *testing.T) {
	dir, keys, at := judged(t)
	raw, err := os.ReadFile(filepath.Join(dir, "checkpoint"))
	if err != nil {
		t.Fatal(err)
	}
	signed, err := note.Open(raw, note.VerifierList(keys.Verifier))
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("%s\n%d\n%s\n", origin, at.Size, xtlog.Hash(at.Root)); signed.Text != want {
		t.Fatalf("checkpoint says %q, want %q", signed.Text, want)
	}
	tree := xtlog.Tree{N: int64(at.Size), Hash: at.Root}
	hashes := xtlog.TileHashReader(tree, xmodTiles{dir})
	prover := tlog.NewProver(tlog.NewFolder(os.DirFS(dir)), tlog.DefaultProofCache)
	for _, index := range []int64{0, 255, 256, 700, 998} {
		theirs, err := xtlog.ProveRecord(tree.N, index, hashes)
		if err != nil {
			t.Fatal(err)
		}
		ours, err := prover.Inclusion(context.Background(), uint64(index), at)
		if err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(theirs) != fmt.Sprint(xtlogHashes(ours)) {
			t.Errorf("inclusion of %d: ours is %v, x/mod's %v", index, ours, theirs)
		}
	}
}

func xtlogHashes(hashes []tlog.Hash) xtlog.RecordProof {
	var p xtlog.RecordProof
	for _, h := range hashes {
		p = append(p, h)
	}
	return p
}

// xmodTiles reads tlog-tiles for x/mod, whose own paths name the tile height.
type xmodTiles struct{ dir string }

func (x xmodTiles) Height() int                      { return 8 }
func (x xmodTiles) SaveTiles([]xtlog.Tile, [][]byte) {}
func (x xmodTiles) ReadTiles(tiles []xtlog.Tile) (data [][]byte, err error) {
	for _, tile := range tiles {
		raw, err := tlog.NewFolder(os.DirFS(x.dir)).ReadTile(context.Background(), uint64(tile.L), uint64(tile.N), uint8(tile.W%256))
		if err != nil {
			return nil, err
		}
		data = append(data, raw[:tile.W*32])
	}
	return data, nil
}

// TestJudgeTorchwood has torchwood's client read all entries from the folder and authenticate them.
func TestJudgeTorchwood(t *testing.T) {
	dir, _, at := judged(t)
	files, err := torchwood.NewTileFS(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	client, err := torchwood.NewClient(files)
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	n := int64(0)
	for index, entry := range client.AllEntries(ctx, xtlog.Tree{N: int64(at.Size), Hash: at.Root}, 0) {
		ours, err := tlog.ReadEntry(ctx, tlog.NewFolder(os.DirFS(dir)), uint64(index), at.Size)
		if index != n || err != nil || !bytes.Equal(entry, ours) {
			t.Fatalf("entry %d: got index %d and %.40q, want %.40q, %v", n, index, entry, ours, err)
		}
		n++
	}
	if err := client.Err(); err != nil || n != int64(at.Size) {
		t.Errorf("torchwood read %d entries, %v, want %d", n, err, at.Size)
	}
}

var _ upstream.LogReader = (*tessera.Log)(nil)
