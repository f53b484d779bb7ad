package client_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"iter"
	"testing"
	"testing/iotest"

	"github.com/hallmark-registry/hallmark/registry"
	"github.com/hallmark-registry/hallmark/registry/client"
	"github.com/hallmark-registry/hallmark/registry/rpc/rpctest"
	"github.com/hallmark-registry/hallmark/verifier/checkpoint"
	"github.com/hallmark-registry/hallmark/verifier/entry"
	"github.com/hallmark-registry/hallmark/verifier/ledger"
)

func TestEntry(t *testing.T) {
	reg := rpctest.New(1)
	grow(t, reg, 2)
	c := connect(t, reg)
	e, err := c.Entry(context.Background(), "1")
	if err != nil {
		t.Fatal(err)
	}
	if e.Index != 1 || e.TreeSize != 3 || e.Name != "acme/m1@1" || e.Kind != "model" || e.Code != "ACCEPTED" ||
		!bytes.Equal(e.Raw, rpctest.Entry("growth a").Raw()) || e.EntryID != sha256.Sum256(e.Raw) {
		t.Errorf("got %+v", e)
	}
	_, err = c.Entry(context.Background(), "3")
	refused(t, err, "NOT_FOUND")
}

// indexes collects the pages of a listing.
func indexes(t *testing.T, pages iter.Seq2[*client.Page, error]) (perPage []int, all []uint64, sizes map[uint64]bool) {
	t.Helper()
	sizes = map[uint64]bool{}
	for page, err := range pages {
		if err != nil {
			t.Fatal(err)
		}
		perPage = append(perPage, len(page.Entries))
		sizes[page.TreeSize] = true
		for _, e := range page.Entries {
			all = append(all, e.Index)
		}
	}
	return perPage, all, sizes
}

func TestListings(t *testing.T) {
	reg := rpctest.New(1)
	grow(t, reg, 24)
	c := connect(t, reg)
	ctx := context.Background()
	tests := []struct {
		name  string
		pages iter.Seq2[*client.Page, error]
		want  string
	}{
		{"the whole log", c.Entries(ctx, 0, 10), "[10 10 5] 0..24"},
		{"from an index on", c.Entries(ctx, 20, 0), "[5] 20..24"},
		{"to the last entry of a page", c.Entries(ctx, 5, 10), "[10 10] 5..24"},
		{"a page as large as can be", c.Entries(ctx, 0, 1<<30), "[25] 0..24"},
		{"a search", c.Search(ctx, `kind = "model"`, 12), "[12 12 1] 0..24"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			perPage, all, sizes := indexes(t, tt.pages)
			for i, index := range all {
				if index != all[0]+uint64(i) {
					t.Fatalf("indexes %v, want one after the other", all)
				}
			}
			if got := fmt.Sprintf("%v %d..%d", perPage, all[0], all[len(all)-1]); got != tt.want {
				t.Errorf("got pages %s, want %s", got, tt.want)
			}
			if len(sizes) != 1 || !sizes[25] {
				t.Errorf("tree sizes %v, want 25 alone", sizes)
			}
		})
	}
	if perPage, all, _ := indexes(t, c.Entries(ctx, 100, 0)); len(perPage) != 1 || len(all) != 0 {
		t.Errorf("beyond the end: pages %v, want an empty one", perPage)
	}
	for range c.Entries(ctx, 0, 1) {
		break // which must be allowed
	}
}

func TestAListingEndsWhereTheLogDidWhenItBegan(t *testing.T) {
	reg := rpctest.New(1)
	grow(t, reg, 9)
	c := connect(t, reg)
	var got []uint64
	for page, err := range c.Entries(context.Background(), 0, 4) {
		if err != nil {
			t.Fatal(err)
		}
		grow(t, reg, 26) // the first 9 are there already
		for _, e := range page.Entries {
			got = append(got, e.Index)
		}
		if page.TreeSize != 10 {
			t.Errorf("tree size %d, want 10", page.TreeSize)
		}
	}
	if len(got) != 10 {
		t.Errorf("entries %v, want 10", got)
	}
}

func TestLargePagesAreCut(t *testing.T) {
	reg := rpctest.New(1)
	for i := range 50 {
		e := rpctest.Entry(fmt.Sprint(i, string(make([]byte, entry.MaxForeignSize-10))))
		if _, err := reg.Publish(context.Background(), e.Raw(), registry.PublishOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	perPage, all, _ := indexes(t, connect(t, reg).Entries(context.Background(), 0, 1000))
	if len(all) != 51 || len(perPage) != 2 || perPage[0] != 36 {
		t.Errorf("pages of %v entries, want 36 in the first, which has 2 MiB, and 51 in all", perPage)
	}
}

// liar answers queries as it is told.
type liar struct {
	*rpctest.Registry
	entry   func(*registry.EntryView)
	search  func(*registry.SearchPage)
	lineage func(*registry.Lineage)
}

func (l *liar) Entry(ctx context.Context, ref string) (*registry.EntryView, error) {
	v, err := l.Registry.Entry(ctx, ref)
	l.entry(v)
	return v, err
}

func (l *liar) Search(ctx context.Context, q registry.SearchQuery) (*registry.SearchPage, error) {
	p, err := l.Registry.Search(ctx, q)
	l.search(p)
	return p, err
}

func (l *liar) Lineage(ctx context.Context, q registry.LineageQuery) (*registry.Lineage, error) {
	p, err := l.Registry.Lineage(ctx, q)
	l.lineage(p)
	return p, err
}

func TestAnswersThatContradictThemselves(t *testing.T) {
	l := &liar{Registry: rpctest.New(1)}
	grow(t, l.Registry, 5)
	c := newSite(t, l).client(l.Trust())
	ctx := context.Background()

	for name, lie := range map[string]func(*registry.EntryView){
		"other bytes":     func(v *registry.EntryView) { v.Raw = []byte("other") },
		"another id":      func(v *registry.EntryView) { v.EntryID[0] ^= 1 },
		"beyond the size": func(v *registry.EntryView) { v.Size = v.Index },
	} {
		t.Run("an entry with "+name, func(t *testing.T) {
			l.entry = lie
			_, err := c.Entry(ctx, "1")
			refused(t, err, "RESPONSE_INVALID")
		})
	}
	for name, lie := range map[string]func(*registry.SearchPage){
		"in circles":                            func(p *registry.SearchPage) { p.Next = "0" },
		"out of order":                          func(p *registry.SearchPage) { p.Entries[0], p.Entries[1] = p.Entries[1], p.Entries[0] },
		"that are empty and lead to themselves": func(p *registry.SearchPage) { p.Entries, p.Next = nil, "0" },
		"with an entry twice":                   func(p *registry.SearchPage) { p.Entries[1] = p.Entries[0] },
		"with an entry of the future":           func(p *registry.SearchPage) { p.Size = 1 },
	} {
		t.Run("pages "+name, func(t *testing.T) {
			l.search = lie
			var err error
			for _, pageErr := range c.Search(ctx, "", 2) {
				err = errors.Join(err, pageErr)
			}
			refused(t, err, "RESPONSE_INVALID")
		})
	}
	for name, lie := range map[string]func(*registry.Lineage){
		"without nodes":     func(l *registry.Lineage) { l.Nodes, l.Edges = nil, nil },
		"with a loose edge": func(l *registry.Lineage) { l.Edges[0].Parent = 2 },
	} {
		t.Run("a lineage "+name, func(t *testing.T) {
			l.lineage = lie
			_, err := c.Lineage(ctx, "acme/m@1", client.LineageOptions{})
			refused(t, err, "RESPONSE_INVALID")
		})
	}
}

// A server bounds what it looks through for a page, and may find nothing so far.
func TestEmptyPagesAreNotTheEnd(t *testing.T) {
	l := &liar{Registry: rpctest.New(1)}
	grow(t, l.Registry, 5)
	c := newSite(t, l).client(l.Trust())
	l.search = func(p *registry.SearchPage) {
		if p.Next != "" {
			p.Entries = nil
		}
	}
	perPage, all, _ := indexes(t, c.Search(context.Background(), "", 2))
	if len(all) == 0 || len(perPage) < 2 {
		t.Errorf("pages of %v entries, want empty ones and the last", perPage)
	}
}

func TestLineage(t *testing.T) {
	c := connect(t, rpctest.New(1))
	for _, down := range []bool{false, true} {
		l, err := c.Lineage(context.Background(), "acme/m@1", client.LineageOptions{Down: down, Depth: 3})
		if err != nil {
			t.Fatal(err)
		}
		want := client.LineageEdge{Child: 0, Parent: 1, Relation: "finetune"}
		if down {
			want.Child, want.Parent = 1, 0
		}
		if len(l.Nodes) != 2 || !l.Nodes[0].Registered || l.Nodes[1].Registered || l.Nodes[0].Name != "acme/m@1" ||
			len(l.Edges) != 1 || l.Edges[0] != want || l.TreeSize != 1 {
			t.Errorf("down %t: got %+v", down, l)
		}
	}
}

func TestProofs(t *testing.T) {
	reg := rpctest.New(1)
	grow(t, reg, 6)
	c := connect(t, reg)
	ctx := context.Background()

	_, old, err := c.Checkpoint(ctx)
	if err != nil {
		t.Fatal(err)
	}
	grow(t, reg, 13)
	_, latest, err := c.Checkpoint(ctx)
	if err != nil {
		t.Fatal(err)
	}
	hashes, err := c.ConsistencyProof(ctx, old.Size, latest.Size)
	if err != nil {
		t.Fatal(err)
	}
	if err := checkpoint.VerifyConsistency(old.Size, latest.Size, hashes, old.Root, latest.Root); err != nil {
		t.Errorf("from size %d to %d: %v", old.Size, latest.Size, err)
	}
	text, err := c.InclusionProof(ctx, 3)
	if err != nil {
		t.Fatal(err)
	}
	if p, err := checkpoint.ParseProof(text); err != nil || p.Index != 3 {
		t.Errorf("inclusion proof: %v, %v", p, err)
	}
	b, err := c.Bundle(ctx, "acme/m@1", client.BundleOptions{Manifest: true})
	if want := "acme/m@1 manifest=true related=false"; err != nil || string(b) != want {
		t.Errorf("bundle %q, %v, want %q", b, err, want)
	}

	stranger := newSite(t, rpctest.New(2)).client(reg.Trust())
	_, _, err = stranger.Checkpoint(ctx)
	refused(t, err, "CHECKPOINT_INVALID")
	if !errors.Is(err, checkpoint.ErrLogSignature) {
		t.Errorf("got %v, want one that wraps %v", err, checkpoint.ErrLogSignature)
	}
}

func TestBlobs(t *testing.T) {
	c := connect(t, rpctest.New(1))
	ctx := context.Background()
	for _, size := range []int{0, 1, 256 << 10, 256<<10 + 1, 3 << 20} {
		content := bytes.Repeat([]byte("hallmark"), size/8+1)[:size]
		digest := sha256.Sum256(content)
		if err := c.UploadBlob(ctx, digest, iotest.HalfReader(bytes.NewReader(content))); err != nil {
			t.Fatalf("uploading %d bytes: %v", size, err)
		}
		var got bytes.Buffer
		n, err := c.DownloadBlob(ctx, digest, &got)
		if err != nil || n != int64(size) || !bytes.Equal(got.Bytes(), content) {
			t.Errorf("downloading %d bytes: %d, %v", size, n, err)
		}
	}

	refused(t, c.UploadBlob(ctx, [32]byte{1}, bytes.NewReader([]byte("other"))), "BLOB_DIGEST")
	_, err := c.DownloadBlob(ctx, [32]byte{1}, &bytes.Buffer{})
	refused(t, err, "BLOB_NOT_FOUND")

	disk := errors.New("disk failed")
	if err := c.UploadBlob(ctx, [32]byte{1}, iotest.ErrReader(disk)); !errors.Is(err, disk) {
		t.Errorf("uploading from a bad disk: %v", err)
	}
	if _, err := c.DownloadBlob(ctx, sha256.Sum256([]byte("h")), iotest.TruncateWriter(nil, 0)); err != nil {
		t.Errorf("downloading to nowhere: %v", err)
	}
}

func TestToken(t *testing.T) {
	c := connect(t, rpctest.New(1))
	ctx := context.Background()

	mint, err := c.Mint(ctx, []byte("bundle"), rpctest.Entry("mint"))
	if err != nil || !mint.Accepted() || mint.Kind != "mint" || mint.Receipt.Index != 1 {
		t.Errorf("mint: %+v, %v", mint, err)
	}
	transfer, err := c.SubmitLedger(ctx, rpctest.Entry("transfer"))
	if err != nil || transfer.Accepted() || transfer.Code != "NO_LEDGER" || transfer.Detail == "" || transfer.Receipt.Index != 2 {
		t.Errorf("transfer: %+v, %v", transfer, err)
	}
	account, err := c.Account(ctx, "hmk1x")
	if want := (client.Account{ID: "hmk1x", Balance: ledger.NewAmount(1500), Nonce: 3, Decimals: 2, Symbol: "HMK", TreeSize: 1}); err != nil || *account != want {
		t.Errorf("account: %+v, %v, want %+v", account, err, want)
	}
	supply, err := c.Supply(ctx)
	if err != nil || supply.Cap != ledger.NewAmount(9000) || supply.Issued != ledger.NewAmount(2000) || supply.Burned != ledger.NewAmount(500) ||
		supply.StateDigest != [32]byte{1} || supply.TreeSize != 1 || !bytes.Contains(supply.Statement, []byte(`"equation":"1500 = 2000 - 500"`)) {
		t.Errorf("supply: %+v, %v", supply, err)
	}
	policy, err := c.Policy(ctx)
	if err != nil || policy.Text != "hallmark policy 1\n" || policy.Epoch != 2 || policy.TreeSize != 1 {
		t.Errorf("policy: %+v, %v", policy, err)
	}
}
