// Package rpctest provides a registry in memory, small enough to be obviously
// right, for testing what stands between a registry and its callers. Its log is
// real: a Merkle tree, a signed checkpoint, proofs that verify. Everything else
// is as little as a caller can tell apart.
package rpctest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"strconv"
	"sync"
	"time"

	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/merkle/testonly"

	"github.com/hallmark-registry/hallmark/registry"
	"github.com/hallmark-registry/hallmark/verifier/checkpoint"
	"github.com/hallmark-registry/hallmark/verifier/entry"
	"github.com/hallmark-registry/hallmark/verifier/ledger"
)

// Origin of the log.
const Origin = "log.example/rpctest"

// A Registry is an rpc.Registry in memory. Set its hooks before use.
type Registry struct {
	// BeforePublish is called first by Publish, without any lock. Its error is
	// Publish's; it may block, and then heeds ctx.
	BeforePublish func(ctx context.Context, raw []byte) error
	// Tamper may change a receipt before it is given out.
	Tamper func(*registry.Receipt)
	// Interval is how long entries gather before they are published together.
	Interval time.Duration

	signer *checkpoint.Signer

	mu    sync.Mutex // guards what follows
	tree  *testonly.Tree
	raws  [][]byte
	byID  map[[32]byte]uint64
	batch *batch // the one that gathers, nil before its first entry
	note  []byte // latest checkpoint
	size  uint64 // of note
	blobs map[[32]byte][]byte
}

// A batch is a set of entries that are published under one checkpoint.
type batch struct {
	published chan struct{} // closed when note is set
	note      []byte
	size      uint64
}

// New returns a registry whose log holds one statement. The seed decides its
// key: equal seeds are equal logs.
func New(seed byte) *Registry {
	signer, err := checkpoint.NewSigner(Origin, checkpoint.AlgEd25519, bytes.Repeat([]byte{seed}, 32))
	if err != nil {
		panic(err)
	}
	r := &Registry{
		signer: signer,
		tree:   testonly.New(rfc6962.DefaultHasher),
		byID:   map[[32]byte]uint64{},
		blobs:  map[[32]byte][]byte{},
	}
	if _, err := r.Publish(context.Background(), Entry("the first").Raw(), registry.PublishOptions{}); err != nil {
		panic(err)
	}
	return r
}

// Trust returns a policy that believes this log.
func (r *Registry) Trust() *checkpoint.Policy {
	p, err := checkpoint.ParsePolicy(fmt.Appendf(nil, "log %s\nquorum none\n", r.signer.Key()))
	if err != nil {
		panic(err)
	}
	return p
}

// Key is what signs the entries of Entry.
var Key = mustKey()

func mustKey() *entry.PrivateKey {
	k, err := entry.GenerateKey(entry.Ed25519, bytes.NewReader(bytes.Repeat([]byte{7}, 64)))
	if err != nil {
		panic(err)
	}
	return k
}

// Entry returns a signed entry. No package below the registry cares what it
// says.
func Entry(text string) *entry.Entry {
	e, err := entry.Sign(entry.TypeStatement, []byte(text), Key)
	if err != nil {
		panic(err)
	}
	return e
}

// Publish logs an entry and returns when a checkpoint covers it.
func (r *Registry) Publish(ctx context.Context, raw []byte, o registry.PublishOptions) (*registry.Receipt, error) {
	if r.BeforePublish != nil {
		if err := r.BeforePublish(ctx, raw); err != nil {
			return nil, err
		}
	}
	e, err := entry.Parse(raw)
	if err == nil {
		err = e.Verify()
	}
	if err != nil {
		return nil, &registry.Error{Code: registry.InvalidArgument, Reason: "ENTRY_MALFORMED", Message: err.Error()}
	}
	if o.ValidateOnly {
		return &registry.Receipt{EntryID: e.ID()}, nil
	}
	index, existing, b := r.place(e)
	select {
	case <-b.published:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	proof, err := r.proof(index, b.size, b.note)
	if err != nil {
		return nil, err
	}
	receipt := &registry.Receipt{Index: index, EntryID: e.ID(), Proof: proof, Existing: existing}
	if r.Tamper != nil {
		r.Tamper(receipt)
	}
	return receipt, nil
}

// place appends an entry and returns the batch with which it is published.
func (r *Registry) place(e *entry.Entry) (index uint64, existing bool, b *batch) {
	r.mu.Lock()
	defer r.mu.Unlock()
	index, existing = r.byID[e.ID()]
	if !existing {
		index = r.tree.Size()
		r.tree.AppendData(e.Raw())
		r.raws = append(r.raws, e.Raw())
		r.byID[e.ID()] = index
	}
	if r.batch == nil {
		r.batch = &batch{published: make(chan struct{})}
		if r.Interval > 0 {
			time.AfterFunc(r.Interval, func() {
				r.mu.Lock()
				defer r.mu.Unlock()
				r.publish()
			})
			return index, existing, r.batch
		}
		b := r.batch
		r.publish()
		return index, existing, b
	}
	return index, existing, r.batch
}

// publish signs a checkpoint over the whole tree. The caller holds mu.
func (r *Registry) publish() {
	c := checkpoint.Checkpoint{Origin: Origin, Size: r.tree.Size(), Root: [32]byte(r.tree.Hash())}
	note, err := checkpoint.Sign(c, r.signer)
	if err != nil {
		panic(err)
	}
	r.note, r.size = note, c.Size
	r.batch.note, r.batch.size = note, c.Size
	close(r.batch.published)
	r.batch = nil
}

func (r *Registry) proof(index, size uint64, note []byte) ([]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if index >= size {
		return nil, notFound("entry %d lies beyond size %d", index, size)
	}
	hashes, err := r.tree.InclusionProof(index, size)
	if err != nil {
		return nil, err
	}
	p := checkpoint.Proof{Index: index, Hashes: fixed(hashes), Checkpoint: note}
	return p.Format(), nil
}

func fixed(hashes [][]byte) [][32]byte {
	out := make([][32]byte, len(hashes))
	for i, h := range hashes {
		out[i] = [32]byte(h)
	}
	return out
}

func notFound(format string, args ...any) error {
	return &registry.Error{Code: registry.NotFound, Reason: "NOT_FOUND", Message: fmt.Sprintf(format, args...)}
}

// Checkpoint returns the latest checkpoint.
func (r *Registry) Checkpoint(context.Context) ([]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.note, nil
}

// InclusionProof proves an entry under the latest checkpoint.
func (r *Registry) InclusionProof(_ context.Context, index uint64) ([]byte, error) {
	r.mu.Lock()
	note, size := r.note, r.size
	r.mu.Unlock()
	return r.proof(index, size, note)
}

// ConsistencyProof returns the hashes between two sizes.
func (r *Registry) ConsistencyProof(_ context.Context, from, to uint64) ([][32]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if to > r.size {
		return nil, &registry.Error{Code: registry.InvalidArgument, Reason: "SIZE_RANGE", Message: fmt.Sprintf("size %d, want at most %d", to, r.size)}
	}
	hashes, err := r.tree.ConsistencyProof(from, to)
	return fixed(hashes), err
}

// Entry finds an entry by its index.
func (r *Registry) Entry(_ context.Context, ref string) (*registry.EntryView, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	index, err := strconv.ParseUint(ref, 10, 64)
	if err != nil || index >= r.size {
		return nil, notFound("entry %q", ref)
	}
	v := r.view(index)
	return &v, nil
}

// Entries returns entries in order.
func (r *Registry) Entries(_ context.Context, from uint64, limit int) ([]registry.EntryView, uint64, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var views []registry.EntryView
	for i := from; i < r.size && len(views) < limit; i++ {
		views = append(views, r.view(i))
	}
	return views, r.size, nil
}

// view returns an entry as the registry would. The caller holds mu.
func (r *Registry) view(index uint64) registry.EntryView {
	raw := r.raws[index]
	return registry.EntryView{
		Index: index, Raw: raw, EntryID: sha256.Sum256(raw), Size: r.size,
		Kind: "model", Name: fmt.Sprintf("acme/m%d@1", index), Digest: fmt.Sprintf("sha256:%064x", index), Code: "ACCEPTED",
	}
}

// Search finds all entries, whatever the filter, in pages whose token is the
// next index.
func (r *Registry) Search(_ context.Context, q registry.SearchQuery) (*registry.SearchPage, error) {
	if q.Filter == "colour = \"blue\"" {
		return nil, &registry.Error{Code: registry.InvalidArgument, Reason: "FILTER_FIELD", Message: "there is no field colour"}
	}
	from, err := strconv.ParseUint("0"+q.PageToken, 10, 64)
	if err != nil {
		return nil, &registry.Error{Code: registry.InvalidArgument, Reason: "PAGE_TOKEN_MALFORMED", Message: err.Error()}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	page := &registry.SearchPage{Size: r.size}
	for i := from; i < r.size && len(page.Entries) < q.PageSize; i++ {
		v := r.view(i)
		v.Raw = nil
		page.Entries = append(page.Entries, v)
	}
	if next := from + uint64(len(page.Entries)); next < r.size {
		page.Next = strconv.FormatUint(next, 10)
	}
	return page, nil
}

// Lineage returns a model with one base, which nobody registered.
func (r *Registry) Lineage(_ context.Context, q registry.LineageQuery) (*registry.Lineage, error) {
	l := &registry.Lineage{
		Nodes: []registry.LineageNode{
			{Digest: "sha256:00", Kind: "model", Name: q.Ref, Index: 0, Registered: true},
			{Digest: "sha256:01", Kind: "model"},
		},
		Edges: []registry.LineageEdge{{Child: 0, Parent: 1, Relation: "finetune"}},
		Size:  1,
	}
	if q.Down {
		l.Edges[0].Child, l.Edges[0].Parent = 1, 0
	}
	return l, nil
}

// Bundle returns some bytes that name what was asked for.
func (r *Registry) Bundle(_ context.Context, ref string, o registry.BundleOptions) ([]byte, error) {
	return fmt.Appendf(nil, "%s manifest=%t related=%t", ref, o.Manifest, o.Related), nil
}

// PutBlob stores what has the digest.
func (r *Registry) PutBlob(_ context.Context, digest [32]byte, content io.Reader) error {
	b, err := io.ReadAll(content)
	if err != nil {
		return fmt.Errorf("reading the blob: %w", err)
	}
	if got := sha256.Sum256(b); got != digest {
		return &registry.Error{Code: registry.InvalidArgument, Reason: "BLOB_DIGEST", Message: fmt.Sprintf("got %x, want %x", got, digest)}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.blobs[digest] = b
	return nil
}

// Blob returns what was put.
func (r *Registry) Blob(_ context.Context, digest [32]byte) (io.ReadCloser, int64, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	b, ok := r.blobs[digest]
	if !ok {
		return nil, 0, &registry.Error{Code: registry.NotFound, Reason: "BLOB_NOT_FOUND", Message: fmt.Sprintf("no blob sha256:%x", digest)}
	}
	return io.NopCloser(bytes.NewReader(b)), int64(len(b)), nil
}

// Mint logs the mint entry, whatever the bundle.
func (r *Registry) Mint(ctx context.Context, _, raw []byte) (*registry.LedgerResult, error) {
	return r.submit(ctx, raw, ledger.Outcome{Kind: "mint"})
}

// SubmitLedger logs the entry, which the fold then rejects.
func (r *Registry) SubmitLedger(ctx context.Context, raw []byte) (*registry.LedgerResult, error) {
	return r.submit(ctx, raw, ledger.Outcome{Kind: "transfer", Code: ledger.NoLedger, Detail: "no ledger here"})
}

func (r *Registry) submit(ctx context.Context, raw []byte, o ledger.Outcome) (*registry.LedgerResult, error) {
	receipt, err := r.Publish(ctx, raw, registry.PublishOptions{})
	if err != nil {
		return nil, err
	}
	return &registry.LedgerResult{Receipt: *receipt, Outcome: o}, nil
}

// Account returns an account with 1500 base units.
func (r *Registry) Account(_ context.Context, id string) (registry.AccountView, error) {
	return registry.AccountView{ID: id, Balance: ledger.NewAmount(1500), Nonce: 3, Decimals: 2, Symbol: "HMK", Size: 1}, nil
}

// Supply returns a statement of 2000 issued and 500 burned.
func (r *Registry) Supply(context.Context) (registry.SupplyView, error) {
	return registry.SupplyView{
		Supply: ledger.Supply{
			Symbol: "HMK", Decimals: 2,
			Cap: ledger.NewAmount(9000), Issued: ledger.NewAmount(2000), Burned: ledger.NewAmount(500), Balances: ledger.NewAmount(1500),
			Equation: "1500 = 2000 - 500", Holds: true,
		},
		Size: 1, Digest: [32]byte{1},
	}, nil
}

// Policy returns some text.
func (r *Registry) Policy(context.Context) (text string, epoch, size uint64, err error) {
	return "hallmark policy 1\n", 2, 1, nil
}
