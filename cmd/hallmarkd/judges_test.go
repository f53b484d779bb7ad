package main_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/hallmark-registry/hallmark/registry/monitor/httptiles"
)

// A court is a log that our server wrote in many small steps and serves, for
// others' software to judge. It has tiles of two levels, full and partial ones.
type court struct {
	*load
	server *server
	vkey   string
	head   tlog.Tree // as the judge x/mod/sumdb/note verified it
}

// judged is not a multiple of the tile width, and more than twice it.
const judged = 2*256 + 177

func newCourt(t *testing.T) *court {
	t.Helper()
	dir := found(t)
	c := &court{load: newLoad(t, dir), vkey: trust(t, dir).LogKeys(origin)[0].String()}
	s := serve(t, dir)
	for n := range 4 { // a restart in the middle of a tile must not show
		c.publish(s, judged/4+uint64(n%2))
		s.stop()
		s = serve(t, dir)
	}
	c.server = s
	verifier, err := note.NewVerifier(c.vkey)
	if err != nil {
		t.Fatalf("x/mod does not read the log's key %q: %v", c.vkey, err)
	}
	raw, err := s.tiles().ReadCheckpoint(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	n, err := note.Open(raw, note.VerifierList(verifier))
	if err != nil {
		t.Fatalf("x/mod refuses the checkpoint: %v", err)
	}
	c.head = c.tree(uint64(len(c.receipts)+1), n.Text)
	return c
}

// tree reads a checkpoint's text, of which the size is known.
func (c *court) tree(size uint64, text string) tlog.Tree {
	c.t.Helper()
	lines := strings.Split(text, "\n")
	if len(lines) != 4 || lines[0] != origin || lines[1] != fmt.Sprint(size) {
		c.t.Fatalf("checkpoint text %q, want size %d", text, size)
	}
	root, err := tlog.ParseHash(lines[2])
	if err != nil {
		c.t.Fatal(err)
	}
	return tlog.Tree{N: int64(size), Hash: root}
}

// TestJudges has software that shares no code with ours judge a log of ours, as
// anybody finds it over HTTP.
func TestJudges(t *testing.T) {
	t.Parallel()
	c := newCourt(t)
	t.Run("x/mod", c.judgeXMod)
	t.Run("torchwood", c.judgeTorchwood)
	t.Run("tessera", c.judgeTessera)
}

// judgeXMod: the Go checksum database's code proves every entry to be in the
// tree, and every tree that was ever signed to be its beginning.
func (c *court) judgeXMod(t *testing.T) {
	hashes := tlog.TileHashReader(c.head, xmodTiles{t.Context(), c.server.tiles()})
	for _, p := range c.receipts {
		index := int64(p.index)
		proof, err := tlog.ProveRecord(c.head.N, index, hashes)
		if err == nil {
			err = tlog.CheckRecord(proof, c.head.N, c.head.Hash, index, tlog.RecordHash(p.entry.Raw()))
		}
		if err != nil {
			t.Fatalf("entry %d: %v", index, err)
		}
	}
	if len(c.heads) < 4 {
		t.Errorf("the receipts came under %d checkpoints, want several", len(c.heads))
	}
	for size, root := range c.heads {
		proof, err := tlog.ProveTree(c.head.N, int64(size), hashes)
		if err == nil {
			err = tlog.CheckTree(proof, c.head.N, c.head.Hash, int64(size), root)
		}
		if err != nil {
			t.Errorf("the tree of size %d is not the beginning of that of size %d: %v", size, c.head.N, err)
		}
	}
}

// xmodTiles reads tlog-tiles for x/mod, whose own paths have the tile height in
// them: tile/8/0/001 is tile/0/001.
type xmodTiles struct {
	ctx   context.Context // of the test; the interface has none
	tiles *httptiles.Reader
}

func (x xmodTiles) Height() int                     { return 8 }
func (x xmodTiles) SaveTiles([]tlog.Tile, [][]byte) {}
func (x xmodTiles) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var data [][]byte
	for _, tile := range tiles {
		raw, err := x.tiles.ReadTile(x.ctx, uint64(tile.L), uint64(tile.N), uint8(tile.W%256))
		if err != nil {
			return nil, err
		}
		data = append(data, raw[:tile.W*tlog.HashSize])
	}
	return data, nil
}

// judgeTorchwood: its client reads every entry and authenticates it, and its
// tlog-proof and tlog-policy code takes our receipts and our policy file.
func (c *court) judgeTorchwood(t *testing.T) {
	fetcher, err := torchwood.NewTileFetcher("http://"+c.server.http, torchwood.WithUserAgent("hallmarkd test <test@example.com>"))
	if err != nil {
		t.Fatal(err)
	}
	client, err := torchwood.NewClient(fetcher)
	if err != nil {
		t.Fatal(err)
	}
	promised := map[uint64][]byte{}
	for _, p := range c.receipts {
		promised[p.index] = p.entry.Raw()
	}
	n := int64(0)
	for index, raw := range client.AllEntries(t.Context(), c.head, 0) {
		if index != n || index > 0 && !bytes.Equal(raw, promised[uint64(index)]) { // entry 0 is the genesis
			t.Fatalf("torchwood reads something else than entry %d at %d", n, index)
		}
		n++
	}
	if err := client.Err(); err != nil || n != c.head.N {
		t.Errorf("torchwood read %d entries, %v, want %d", n, err, c.head.N)
	}
	policy, err := torchwood.ParsePolicy(read(t, filepath.Join(c.server.dir, "trust.policy")))
	if err != nil {
		t.Fatalf("torchwood refuses the trust policy: %v", err)
	}
	for _, p := range c.receipts {
		if err := torchwood.VerifyProof(policy, tlog.RecordHash(p.entry.Raw()), p.proof); err != nil {
			t.Fatalf("torchwood refuses the receipt of entry %d: %v", p.index, err)
		}
	}
	first := slices.MinFunc(slices.Collect(maps.Values(c.receipts)), func(a, b promise) int { return int(a.index) - int(b.index) })
	if err := torchwood.VerifyProof(policy, sha256.Sum256(nil), first.proof); err == nil {
		t.Error("torchwood takes a receipt for another entry, so it is no judge")
	}
}

// approved is what Tessera's fsck prints of a log in which it finds nothing. Its
// exit code says nothing: it is 0 for a damaged log too.
var approved = regexp.MustCompile(`Successfully fsck'd log with size (\d+)`)

// judgeTessera: its fsck recomputes all tiles, over HTTP and from the folder,
// and must see a flipped bit.
func (c *court) judgeTessera(t *testing.T) {
	fsck := buildTool(t, "github.com/transparency-dev/tessera/cmd/fsck")
	key := filepath.Join(t.TempDir(), "log.vkey")
	write(t, key, []byte(c.vkey))
	judge := func(url string) string {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		out, err := exec.CommandContext(ctx, fsck, "--storage_url="+url, "--public_key="+key, "--ui=false", "-N=4").CombinedOutput()
		if err != nil && ctx.Err() != nil {
			t.Fatalf("fsck does not come to an end: %v\n%s", err, out)
		}
		return string(out)
	}
	folder := filepath.Join(c.server.dir, "log")
	for _, url := range []string{"http://" + c.server.http + "/", "file://" + folder + "/"} {
		out := judge(url)
		if m := approved.FindStringSubmatch(out); m == nil || m[1] != fmt.Sprint(c.head.N) {
			t.Errorf("fsck of %s, want size %d:\n%s", url, c.head.N, out)
		}
	}
	spoilt := filepath.Join(t.TempDir(), "log")
	clone(t, folder, spoilt)
	flip(t, filepath.Join(spoilt, "tile/entries/001"), 1000)
	if out := judge("file://" + spoilt + "/"); approved.MatchString(out) {
		t.Errorf("fsck approves of a flipped bit, so it is no judge:\n%s", out)
	}
}

// buildTool builds a program of others, of the version that is pinned beside
// the product's own modules.
func buildTool(t *testing.T, path string) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), filepath.Base(path))
	cmd := exec.Command("go", "build", "-modfile=.tools/go.mod", "-o", binary, path)
	cmd.Dir = "../.."
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building %s: %v\n%s", path, err, out)
	}
	return binary
}
