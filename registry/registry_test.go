package registry_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hallmark-registry/hallmark/registry"
	"github.com/hallmark-registry/hallmark/registry/blob"
	"github.com/hallmark-registry/hallmark/registry/index/sqlite"
	"github.com/hallmark-registry/hallmark/registry/state"
	"github.com/hallmark-registry/hallmark/registry/tlog"
	"github.com/hallmark-registry/hallmark/registry/tlog/tessera"
	"github.com/hallmark-registry/hallmark/verifier"
	"github.com/hallmark-registry/hallmark/verifier/checkpoint"
	"github.com/hallmark-registry/hallmark/verifier/entry"
	"github.com/hallmark-registry/hallmark/verifier/ledger"
	"github.com/hallmark-registry/hallmark/verifier/statement"
)

const origin = "localhost/test"

func key(t testing.TB, name string) *entry.PrivateKey {
	t.Helper()
	seed := sha256.Sum256([]byte(name))
	k, err := entry.GenerateKey(entry.Ed25519, bytes.NewReader(seed[:]))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func ledgerKey(t testing.TB, name string) ledger.Key {
	t.Helper()
	k, err := ledger.KeyOf(key(t, name).Public())
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func account(t testing.TB, name string) ledger.AccountID {
	t.Helper()
	id, err := ledger.AccountOf(key(t, name).Public())
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// A site is a registry on its real parts, in a folder.
type site struct {
	*registry.Registry
	t       testing.TB
	dir     string
	policy  *checkpoint.Policy
	genesis *entry.Entry
	ledger  ledger.LedgerID
	close   func()
}

// options bend a site where a test wants it bent.
type options struct {
	tiles func(tlog.Reader) tlog.Reader // what proofs are built from
	log   func(tlog.Log) tlog.Log       // what is appended to
}

func newSite(t testing.TB) *site { return openSite(t, t.TempDir(), options{}) }

// openSite opens the registry in dir, founding it if it is new.
func openSite(t testing.TB, dir string, o options) *site {
	t.Helper()
	ctx := context.Background()
	s := &site{t: t, dir: dir}
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	seed := sha256.Sum256([]byte("log"))
	signer, err := checkpoint.NewSigner(origin, checkpoint.AlgEd25519, seed[:])
	check(err)
	s.policy, err = checkpoint.ParsePolicy([]byte("log " + signer.Key().String() + "\nquorum none\n"))
	check(err)
	store, err := tlog.OpenGuardFolder(filepath.Join(dir, "guard"))
	check(err)
	founding := false
	if _, err := store.Load(ctx); err != nil {
		check(tlog.CreateGuard(ctx, store, origin))
		founding = true
	}
	logDir := filepath.Join(dir, "log")
	check(os.MkdirAll(logDir, 0o755))
	guard := tlog.NewGuard(signer, store, tlog.NewFolder(os.DirFS(logDir)), filepath.Join(dir, "evidence"))
	var engine tlog.Log
	engine, err = tessera.Open(ctx, tessera.Options{Dir: logDir, Guard: guard})
	check(err)
	if o.log != nil {
		engine = o.log(engine)
	}
	publication, err := tlog.NewPublication(ctx, engine, signer.Key(), guard)
	check(err)
	s.found(ctx, engine, publication, founding)
	idx, err := sqlite.Open(ctx, filepath.Join(dir, "index.db"), origin)
	check(err)
	var reader tlog.Reader = engine
	if o.tiles != nil {
		reader = o.tiles(engine)
	}
	prover := tlog.NewProver(reader, tlog.DefaultProofCache)
	fold, err := state.Open(filepath.Join(dir, "state.db"), origin, registry.Roots(prover, publication))
	check(err)
	blobs, err := blob.Open(filepath.Join(dir, "blobs"), 1<<30)
	check(err)
	s.Registry, err = registry.Open(ctx, registry.Config{
		Origin: origin, Trust: s.policy, Log: engine, Publication: publication, Prover: prover,
		Index: idx, State: fold, Blobs: blobs, Logger: slog.New(slog.DiscardHandler),
	})
	check(err)
	var once sync.Once
	s.close = func() {
		once.Do(func() {
			_ = s.Registry.Close()
			_ = idx.Close()
			_ = engine.Close(ctx)
			publication.Close()
			guard.Close()
			_ = store.Close()
		})
	}
	t.Cleanup(s.close)
	return s
}

func (s *site) found(ctx context.Context, engine tlog.Log, publication *tlog.Publication, founding bool) {
	gov := key(s.t, "governance")
	g := &ledger.Genesis{
		Rules: ledger.RulesVersion, Origin: origin, Operator: ledgerKey(s.t, "operator"),
		Governance: ledger.KeySet{Threshold: 1, Keys: []ledger.Key{ledgerKey(s.t, "governance")}},
		EpochStart: 1, EpochLength: 3600, Symbol: ledger.ExampleSymbol, Decimals: ledger.ExampleDecimals, Cap: ledger.ExampleCap(),
		Policy: ledger.ExamplePolicy(1, ledgerKey(s.t, "evaluator")).String(),
	}
	body, err := g.Marshal()
	if err != nil {
		s.t.Fatal(err)
	}
	if s.genesis, err = entry.Sign(entry.TypeLedger, body, gov); err != nil {
		s.t.Fatal(err)
	}
	s.ledger = s.genesis.StatementID()
	if !founding {
		return
	}
	if _, err := engine.Append(ctx, [][]byte{s.genesis.Raw()}); err != nil {
		s.t.Fatal(err)
	}
	if _, err := publication.Await(ctx, 0); err != nil {
		s.t.Fatal(err)
	}
}

// dataset returns a signed dataset statement. Its digest follows from records.
func (s *site) dataset(name string, records uint64, signers ...string) []byte {
	s.t.Helper()
	n, err := statement.ParseName(name)
	if err != nil {
		s.t.Fatal(err)
	}
	st := statement.NewDataset(n, &statement.Dataset{Root: sha256.Sum256(fmt.Append(nil, records)), Records: records, Files: 1, Bytes: records, Form: statement.FormLines, License: "CC0-1.0"})
	return s.sign(st, signers...)
}

func (s *site) datasetDigest(records uint64) statement.Digest {
	d := &statement.Dataset{Root: sha256.Sum256(fmt.Append(nil, records)), Records: records, Files: 1, Bytes: records, Form: statement.FormLines, License: "CC0-1.0"}
	return d.Digest()
}

// model returns a signed model statement over made-up roots.
func (s *site) model(name, content string, m statement.Model, signers ...string) []byte {
	s.t.Helper()
	n, err := statement.ParseName(name)
	if err != nil {
		s.t.Fatal(err)
	}
	m.FileRoot, m.WeightsRoot = sha256.Sum256([]byte(content)), sha256.Sum256([]byte("tensors of "+content))
	m.Files, m.Bytes, m.Tensors = 1, uint64(len(content)), 1
	return s.sign(statement.NewModel(n, &m), signers...)
}

func modelDigest(content string) statement.Digest {
	m := statement.Model{FileRoot: sha256.Sum256([]byte(content)), WeightsRoot: sha256.Sum256([]byte("tensors of " + content)), Files: 1, Bytes: uint64(len(content)), Tensors: 1}
	return m.Digest()
}

func (s *site) sign(st *statement.Statement, signers ...string) []byte {
	s.t.Helper()
	body, err := st.Marshal()
	if err != nil {
		s.t.Fatal(err)
	}
	return s.signBody(entry.TypeStatement, body, signers...)
}

func (s *site) signBody(typ string, body []byte, signers ...string) []byte {
	s.t.Helper()
	if len(signers) == 0 {
		signers = []string{"publisher"}
	}
	var keys []*entry.PrivateKey
	for _, name := range signers {
		keys = append(keys, key(s.t, name))
	}
	e, err := entry.Sign(typ, body, keys...)
	if err != nil {
		s.t.Fatal(err)
	}
	return e.Raw()
}

func (s *site) body(b ledger.Body, signers ...string) []byte {
	s.t.Helper()
	body, err := b.Marshal()
	if err != nil {
		s.t.Fatal(err)
	}
	return s.signBody(entry.TypeLedger, body, signers...)
}

func (s *site) publish(raw []byte) *registry.Receipt {
	s.t.Helper()
	r, err := s.Publish(context.Background(), raw, registry.PublishOptions{})
	if err != nil {
		s.t.Fatalf("publishing: %v", err)
	}
	if _, err := verifier.VerifyReceipt(raw, r.Proof, s.policy.Verify); err != nil {
		s.t.Fatalf("the receipt does not verify: %v", err)
	}
	return r
}

// reason returns the name of a refusal.
func reason(err error) string {
	var e *registry.Error
	if errors.As(err, &e) {
		return e.Reason
	}
	if err == nil {
		return "none"
	}
	return err.Error()
}

func TestPublishedEntryIsFoundAtOnce(t *testing.T) {
	s := newSite(t)
	ctx := context.Background()
	for i := range 5 {
		name := fmt.Sprintf("acme/rows@1.0.%d", i)
		raw := s.dataset(name, uint64(i+1))
		r := s.publish(raw)
		for _, ref := range []string{name, fmt.Sprint(r.Index), s.datasetDigest(uint64(i + 1)).String(), fmt.Sprintf("sha256:%x", r.EntryID)} {
			v, err := s.Entry(ctx, ref)
			if err != nil {
				t.Fatalf("right after its receipt, %s: %v", ref, err)
			}
			if v.Index != r.Index || !bytes.Equal(v.Raw, raw) || v.Code != "ACCEPTED" || v.Size <= v.Index {
				t.Errorf("%s is entry %d, %s, valid for size %d; want entry %d, accepted", ref, v.Index, v.Code, v.Size, r.Index)
			}
		}
	}
}

func TestTheSameEntryIsLoggedOnce(t *testing.T) {
	s := newSite(t)
	raw := s.dataset("acme/rows@1.0.0", 1)
	var mu sync.Mutex
	places := map[uint64]int{}
	fresh := 0
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() {
			r, err := s.Publish(context.Background(), raw, registry.PublishOptions{})
			if err != nil {
				t.Errorf("publishing: %v", err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			places[r.Index]++
			if !r.Existing {
				fresh++
			}
		})
	}
	wg.Wait()
	if len(places) != 1 || fresh != 1 {
		t.Errorf("32 publishes of one entry went to %v, %d of them as new; want one place, once new", places, fresh)
	}
	if again := s.publish(raw); !again.Existing || places[again.Index] != 32 {
		t.Errorf("published again: index %d, existing %v", again.Index, again.Existing)
	}
}

func TestRefusals(t *testing.T) {
	s := newSite(t)
	ctx := context.Background()
	s.publish(s.dataset("acme/rows@1.0.0", 1))
	size := func() uint64 {
		_, n, err := s.Entries(ctx, 0, 1)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	before := size()
	evil := s.dataset("acme/rows@2.0.0", 2)
	evil[len(evil)-3] ^= 1
	unknown := s.signBody(entry.TypeStatement, []byte(`{"_type":"https://in-toto.io/Statement/v1","predicate":{},"predicateType":"https://example.com/x/v1","subject":[{"digest":{"sha256":"`+strings.Repeat("0", 63)+`1"}}]}`))
	credit := func(class string) ledger.Body {
		return &ledger.Credit{Ledger: s.ledger, Class: class, Serial: 1, Subject: [32]byte{1}, Beneficiary: account(t, "ada"), Work: 1, Evidence: [32]byte{2}}
	}
	for _, c := range []struct {
		story string
		raw   []byte
		want  string
	}{
		{"no entry at all", []byte("entry"), "ENTRY_MALFORMED"},
		{"a byte of the signature changed", evil, "SIGNATURE_INVALID"},
		{"an unknown predicate", unknown, "PREDICATE_UNKNOWN"},
		{"a statement that is none", s.signBody(entry.TypeStatement, []byte("{}")), "STATEMENT_MALFORMED"},
		{"an unknown body type", s.signBody("text/plain", []byte("hello")), "TYPE_UNKNOWN"},
		{"a ledger body that is none", s.signBody(entry.TypeLedger, []byte{200}), "BODY_MALFORMED"},
		{"an entry above the limit", append(s.signBody(entry.TypeLedger, make([]byte, entry.MaxEntrySize-200)), make([]byte, 200)...), "ENTRY_TOO_LARGE"},
		{"a name bound to another digest", s.dataset("acme/rows@1.0.0", 2), "NAME_BOUND"},
		{"another key under a taken name", s.dataset("acme/rows@1.0.1", 2, "stranger"), "NAME_HELD"},
		{"two keys on a name", s.dataset("acme/other@1.0.0", 2, "publisher", "stranger"), "NAME_SIGNERS"},
		{"a credit by a stranger", s.body(credit("data"), "stranger"), "SIGNER_UNLISTED"},
		{"a credit of an unknown class", s.body(credit("poetry"), "evaluator"), "CREDIT_CLASS_UNKNOWN"},
		{"a second genesis", s.genesis.Raw(), "none"}, // the very same entry: it exists
		{"a forged genesis", forgedGenesis(s), "GENESIS_NOT_FIRST"},
	} {
		_, err := s.Publish(ctx, c.raw, registry.PublishOptions{})
		if got := reason(err); got != c.want {
			t.Errorf("%s: %s (%v), want %s", c.story, got, err, c.want)
		}
	}
	if after := size(); after != before {
		t.Errorf("the refused left %d entries in the log", after-before)
	}
}

func forgedGenesis(s *site) []byte {
	b, err := ledger.ParseBody(s.genesis.Body())
	if err != nil {
		s.t.Fatal(err)
	}
	g := b.(*ledger.Genesis)
	g.EpochStart++
	return s.body(g, "governance")
}

// Of two entries that claim one name at the same moment, one is refused before
// it is logged.
func TestInFlightClaims(t *testing.T) {
	s := newSite(t)
	errs := make([]error, 16)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() {
			_, errs[i] = s.Publish(context.Background(), s.dataset("acme/rows@1.0.0", uint64(i+1)), registry.PublishOptions{})
		})
	}
	wg.Wait()
	accepted := 0
	for _, err := range errs {
		if err == nil {
			accepted++
		} else if r := reason(err); r != "NAME_BOUND" {
			t.Errorf("refused with %s, want NAME_BOUND", r)
		}
	}
	if accepted != 1 {
		t.Errorf("%d of 16 digests got the name, want 1", accepted)
	}
	if _, size, err := s.Entries(context.Background(), 0, 1); err != nil || size != 2 {
		t.Errorf("the log has %d entries, %v; want genesis and one", size, err)
	}
}

func TestValidateOnlyLogsNothing(t *testing.T) {
	s := newSite(t)
	raw := s.dataset("acme/rows@1.0.0", 1)
	r, err := s.Publish(context.Background(), raw, registry.PublishOptions{ValidateOnly: true})
	if err != nil || r.EntryID != sha256.Sum256(raw) || r.Proof != nil {
		t.Errorf("%+v, %v", r, err)
	}
	if _, err := s.Entry(context.Background(), "acme/rows@1.0.0"); reason(err) != "NOT_FOUND" {
		t.Errorf("after a dry run: %v, want NOT_FOUND", err)
	}
}

func TestSearchIsOneSnapshot(t *testing.T) {
	s := newSite(t)
	ctx := context.Background()
	for i := range 7 {
		s.publish(s.dataset(fmt.Sprintf("acme/rows@1.0.%d", i), uint64(i+1)))
	}
	q := registry.SearchQuery{Filter: `kind = "dataset" AND namespace = acme`, PageSize: 3}
	page, err := s.Search(ctx, q)
	if err != nil {
		t.Fatal(err)
	}
	s.publish(s.dataset("acme/rows@2.0.0", 99)) // after the first page
	var names []string
	for {
		for _, e := range page.Entries {
			names = append(names, e.Name)
		}
		if page.Next == "" {
			break
		}
		q.PageToken = page.Next
		if page, err = s.Search(ctx, q); err != nil {
			t.Fatal(err)
		}
	}
	if len(names) != 7 || names[0] != "acme/rows@1.0.0" || names[6] != "acme/rows@1.0.6" {
		t.Errorf("pages hold %q, want the seven of the first page's size", names)
	}
	if _, err := s.Search(ctx, registry.SearchQuery{Filter: `colour = red`}); reason(err) != "FILTER_FIELD" || !strings.Contains(err.Error(), "colour") {
		t.Errorf("an unknown field: %v", err)
	}
	if _, err := s.Search(ctx, registry.SearchQuery{Filter: `kind = model`, PageToken: q.PageToken}); reason(err) != "PAGE_TOKEN_MISMATCH" {
		t.Errorf("a token of another filter: %v", err)
	}
}

func TestLineage(t *testing.T) {
	s := newSite(t)
	ctx := context.Background()
	s.publish(s.dataset("acme/rows@1.0.0", 1))
	s.publish(s.model("acme/base@1.0.0", "base", statement.Model{Datasets: []statement.Use{{Digest: s.datasetDigest(1), Role: statement.RoleTrain}}}))
	s.publish(s.model("acme/ft@1.0.0", "ft", statement.Model{
		Bases:    []statement.Base{{Digest: modelDigest("base"), Relation: statement.RelationFinetune}},
		Datasets: []statement.Use{{Digest: s.datasetDigest(77), Role: statement.RoleTest}}}))
	up, err := s.Lineage(ctx, registry.LineageQuery{Ref: "acme/ft@1.0.0"})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range up.Edges {
		got = append(got, fmt.Sprintf("%s <- %s %s %v", up.Nodes[e.Child].Name, up.Nodes[e.Parent].Name, e.Relation, up.Nodes[e.Parent].Registered))
	}
	want := []string{"acme/ft@1.0.0 <- acme/base@1.0.0 finetune true", "acme/ft@1.0.0 <-  dataset:test false", "acme/base@1.0.0 <- acme/rows@1.0.0 dataset:train true"}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("up: %q, want %q", got, want)
	}
	down, err := s.Lineage(ctx, registry.LineageQuery{Ref: "acme/rows@1.0.0", Down: true})
	if err != nil || len(down.Nodes) != 3 || down.Nodes[2].Name != "acme/ft@1.0.0" {
		t.Errorf("down: %+v, %v", down, err)
	}
	shallow, err := s.Lineage(ctx, registry.LineageQuery{Ref: "acme/rows@1.0.0", Down: true, Depth: 1})
	if err != nil || len(shallow.Nodes) != 2 || !shallow.Truncated {
		t.Errorf("depth 1: %+v, %v", shallow, err)
	}
}

func TestBundleVerifiesOffline(t *testing.T) {
	s := newSite(t)
	ctx := context.Background()
	s.publish(s.dataset("acme/rows@1.0.0", 1))
	s.publish(s.model("acme/base@1.0.0", "base", statement.Model{Datasets: []statement.Use{{Digest: s.datasetDigest(1), Role: statement.RoleTrain}}}))
	text, err := s.Bundle(ctx, "acme/base@1.0.0", registry.BundleOptions{Related: true})
	if err != nil {
		t.Fatal(err)
	}
	r, err := verifier.Verify(ctx, text, verifier.Trust{Policy: s.policy, Publishers: []entry.KeyID{key(t, "publisher").Public().ID()}}, nil)
	if err != nil || !r.Verified() || r.Check("related") == nil {
		t.Errorf("%v\n%s", err, r.Text())
	}
}

func TestBlobs(t *testing.T) {
	s := newSite(t)
	ctx := context.Background()
	manifest := []byte("a manifest")
	digest := sha256.Sum256(manifest)
	if err := s.PutBlob(ctx, digest, bytes.NewReader(manifest)); reason(err) != "BLOB_UNNAMED" {
		t.Errorf("a blob that no entry names: %v", err)
	}
	s.publish(s.model("acme/base@1.0.0", "base", statement.Model{Manifest: digest}))
	if err := s.PutBlob(ctx, digest, strings.NewReader("something else")); reason(err) != "BLOB_DIGEST" {
		t.Errorf("another content: %v", err)
	}
	if err := s.PutBlob(ctx, digest, bytes.NewReader(manifest)); err != nil {
		t.Fatal(err)
	}
	r, size, err := s.Blob(ctx, digest)
	if err != nil || size != int64(len(manifest)) {
		t.Fatalf("size %d, %v", size, err)
	}
	r.Close()
	if _, _, err := s.Blob(ctx, [32]byte{1}); reason(err) != "BLOB_NOT_FOUND" {
		t.Errorf("an unknown blob: %v", err)
	}
}

// mintOf builds the mint entry for a published credit.
func (s *site) mintOf(ref string, edit func(*ledger.Mint), signer string) (bundle, raw []byte) {
	s.t.Helper()
	bundle, err := s.Bundle(context.Background(), ref, registry.BundleOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	r, err := verifier.Verify(context.Background(), bundle, verifier.Trust{Policy: s.policy, AnyPublisher: true}, nil)
	if err != nil || !r.Verified() {
		s.t.Fatalf("the credit's bundle: %v", err)
	}
	c := r.Ledger.(*ledger.Credit)
	m := &ledger.Mint{Ledger: s.ledger, Class: c.Class, Serial: c.Serial, Index: r.Facts.Index, Size: r.Facts.Size, Root: r.Trace.Root}
	if edit != nil {
		edit(m)
	}
	return bundle, s.body(m, signer)
}

func TestMint(t *testing.T) {
	s := newSite(t)
	ctx := context.Background()
	credit := &ledger.Credit{Ledger: s.ledger, Class: "data", Serial: 1, Subject: s.datasetDigest(1), Beneficiary: account(t, "ada"), Work: 1000, Evidence: [32]byte{2}}
	first, err := s.SubmitLedger(ctx, s.body(credit, "evaluator"))
	if err != nil || !first.Outcome.Accepted() {
		t.Fatalf("the credit: %+v, %v", first, err)
	}
	ref := fmt.Sprint(first.Receipt.Index)
	for _, c := range []struct {
		story  string
		edit   func(*ledger.Mint)
		signer string
		want   string
	}{
		{"by somebody else", nil, "ben", "MINT_NOT_BENEFICIARY"},
		{"naming another index", func(m *ledger.Mint) { m.Index-- }, "ada", "MINT_INDEX"},
		{"naming another serial", func(m *ledger.Mint) { m.Serial++ }, "ada", "MINT_NO_CREDIT"},
		{"naming a size that it does not prove", func(m *ledger.Mint) { m.Size++ }, "ada", "MINT_ROOT"},
		{"naming another root", func(m *ledger.Mint) { m.Root[0] ^= 1 }, "ada", "MINT_ROOT"},
		{"on another ledger", func(m *ledger.Mint) { m.Ledger[0] ^= 1 }, "ada", "LEDGER_OTHER"},
	} {
		bundle, raw := s.mintOf(ref, c.edit, c.signer)
		if _, err := s.Mint(ctx, bundle, raw); reason(err) != c.want {
			t.Errorf("%s: %v, want %s", c.story, err, c.want)
		}
	}
	bundle, raw := s.mintOf(ref, nil, "ada")
	if got, err := s.Mint(ctx, bundle, raw); err != nil || !got.Outcome.Accepted() {
		t.Fatalf("the mint: %+v, %v", got, err)
	}
	a, err := s.Account(ctx, account(t, "ada").String())
	if want := ledger.NewAmount(1000 * 10_000); err != nil || a.Balance != want {
		t.Errorf("Ada has %s, %v; want %s", a.Balance, err, want)
	}
	// The same entry again is a repeat; another one over the same credit is refused.
	if again, err := s.Mint(ctx, bundle, raw); err != nil || !again.Receipt.Existing {
		t.Errorf("the same mint again: %+v, %v", again, err)
	}
	bundle, raw = s.mintOf(ref, nil, "ada")
	if _, err := s.Mint(ctx, bundle, raw); reason(err) != "ALREADY_MINTED" {
		t.Errorf("a second mint of one credit: %v, want ALREADY_MINTED", err)
	}
	credit.Work = 2000
	if _, err := s.SubmitLedger(ctx, s.body(credit, "evaluator")); reason(err) != "SERIAL_USED" {
		t.Errorf("the serial with another amount: %v, want SERIAL_USED", err)
	}
	supply, err := s.Supply(ctx)
	if err != nil || !supply.Supply.Holds || supply.Supply.Issued != a.Balance {
		t.Errorf("supply %+v, %v", supply.Supply, err)
	}
}

func (s *site) transfer(from, to string, nonce uint64, amount uint64) []byte {
	return s.body(&ledger.Transfer{Spend: ledger.Spend{Ledger: s.ledger, Account: account(s.t, from), Nonce: nonce, Expires: 1 << 40},
		To: account(s.t, to), Amount: ledger.NewAmount(amount)}, from)
}

func TestTransfer(t *testing.T) {
	s := newSite(t)
	ctx := context.Background()
	credit := &ledger.Credit{Ledger: s.ledger, Class: "data", Serial: 1, Subject: s.datasetDigest(1), Beneficiary: account(t, "ada"), Work: 100, Evidence: [32]byte{2}}
	first, err := s.SubmitLedger(ctx, s.body(credit, "evaluator"))
	if err != nil {
		t.Fatal(err)
	}
	bundle, raw := s.mintOf(fmt.Sprint(first.Receipt.Index), nil, "ada")
	if _, err := s.Mint(ctx, bundle, raw); err != nil {
		t.Fatal(err)
	}
	if _, err := s.SubmitLedger(ctx, s.transfer("ada", "ben", 0, 2_000_000)); reason(err) != "INSUFFICIENT_BALANCE" {
		t.Errorf("more than there is: %v", err)
	}
	if _, err := s.SubmitLedger(ctx, s.transfer("ada", "ben", 1, 1)); reason(err) != "NONCE_MISMATCH" {
		t.Errorf("a gap in the nonces: %v", err)
	}
	if got, err := s.SubmitLedger(ctx, s.transfer("ada", "ben", 0, 400_000)); err != nil || !got.Outcome.Accepted() {
		t.Fatalf("%+v, %v", got, err)
	}
	ben, err := s.Account(ctx, account(t, "ben").String())
	if err != nil || ben.Balance != ledger.NewAmount(400_000) {
		t.Errorf("Ben has %s, %v", ben.Balance, err)
	}
}

// Index and fold can be deleted, separately and together, and come back the
// same.
func TestProjectionsAreRebuilt(t *testing.T) {
	dir := t.TempDir()
	s := openSite(t, dir, options{})
	ctx := context.Background()
	for i := range 40 {
		s.publish(s.dataset(fmt.Sprintf("acme/rows@1.0.%d", i), uint64(i+1)))
	}
	before, err := s.Supply(ctx)
	if err != nil {
		t.Fatal(err)
	}
	s.close()
	for _, gone := range [][]string{{"state.db"}, {"index.db"}, {"index.db", "state.db"}, {}} {
		for _, name := range gone {
			for _, suffix := range []string{"", "-wal", "-shm"} {
				if err := os.RemoveAll(filepath.Join(dir, name) + suffix); err != nil {
					t.Fatal(err)
				}
			}
		}
		s := openSite(t, dir, options{})
		if err := s.CatchUp(ctx); err != nil {
			t.Fatalf("without %q: %v", gone, err)
		}
		after, err := s.Supply(ctx)
		if err != nil || after.Digest != before.Digest || after.Size != before.Size {
			t.Errorf("without %q: size %d, digest %x, %v; want %d, %x", gone, after.Size, after.Digest, err, before.Size, before.Digest)
		}
		v, err := s.Entry(ctx, "acme/rows@1.0.39")
		if err != nil || v.Code != "ACCEPTED" {
			t.Errorf("without %q: %+v, %v", gone, v, err)
		}
		s.close()
	}
}

// A prover that reads wrong tiles makes proofs that do not verify: publishing
// fails and no receipt leaves.
func TestTamperedProofBuilder(t *testing.T) {
	s := openSite(t, t.TempDir(), options{tiles: func(r tlog.Reader) tlog.Reader { return flippedTiles{r} }})
	_, err := s.Publish(context.Background(), s.dataset("acme/rows@1.0.0", 1), registry.PublishOptions{})
	if reason(err) != "SELF_CHECK_FAILED" {
		t.Errorf("publishing: %v, want SELF_CHECK_FAILED", err)
	}
	if s.Healthy() == nil {
		t.Error("healthy after a receipt that does not verify")
	}
}

type flippedTiles struct{ tlog.Reader }

func (f flippedTiles) ReadTile(ctx context.Context, level, index uint64, p uint8) ([]byte, error) {
	tile, err := f.Reader.ReadTile(ctx, level, index, p)
	if err == nil {
		tile[0] ^= 1
	}
	return tile, err
}

// One byte of a stored entry flipped between append and signature: the guard
// refuses, and whoever waits is told at once.
func TestFlippedByteStopsTheLog(t *testing.T) {
	dir := t.TempDir()
	s := openSite(t, dir, options{log: func(l tlog.Log) tlog.Log { return &sabotage{Log: l, dir: filepath.Join(dir, "log")} }})
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	_, err := s.Publish(ctx, s.dataset("acme/sabotaged@1.0.0", 1), registry.PublishOptions{})
	if reason(err) != "GUARD_REFUSED" {
		t.Fatalf("publishing: %v, want GUARD_REFUSED", err)
	}
	if ctx.Err() != nil {
		t.Error("the publisher was left waiting")
	}
	if s.Healthy() == nil {
		t.Error("healthy after the guard refused")
	}
	found, err := os.ReadDir(filepath.Join(dir, "evidence"))
	if err != nil || len(found) == 0 {
		t.Errorf("no evidence was written: %v", err)
	}
}

// sabotage flips a byte of the entry in storage as soon as it is placed.
type sabotage struct {
	tlog.Log
	dir string
}

func (s *sabotage) Append(ctx context.Context, leaves [][]byte) ([]uint64, error) {
	at, err := s.Log.Append(ctx, leaves)
	if err != nil || !bytes.Contains(leaves[0], []byte("sabotaged")) {
		return at, err
	}
	return at, filepath.WalkDir(filepath.Join(s.dir, "tile", "entries"), func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(path, bytes.Replace(data, []byte("sabotaged"), []byte("Sabotaged"), 1), 0o644)
	})
}
