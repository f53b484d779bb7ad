package registry_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/hallmark-registry/hallmark/registry"
	"github.com/hallmark-registry/hallmark/registry/blob"
	"github.com/hallmark-registry/hallmark/registry/index"
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
	disk  func(fs.FS) fs.FS             // what the guard reads back
	log   func(tlog.Log) tlog.Log       // what is appended to
	index func(index.Index) index.Index
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
	disk := os.DirFS(logDir)
	if o.disk != nil {
		disk = o.disk(disk)
	}
	guard := tlog.NewGuard(signer, store, tlog.NewFolder(disk), filepath.Join(dir, "evidence"))
	var engine tlog.Log
	engine, err = tessera.Open(ctx, tessera.Options{Dir: logDir, Guard: guard})
	check(err)
	publication, err := tlog.NewPublication(ctx, engine, signer.Key(), guard)
	check(err)
	s.found(ctx, engine, publication, founding)
	if o.log != nil {
		engine = o.log(engine)
	}
	indexPath := filepath.Join(dir, "index.db")
	var idx index.Index
	idx, err = sqlite.Open(ctx, indexPath, origin)
	check(err)
	if o.index != nil {
		idx = o.index(idx)
	}
	var reader tlog.Reader = engine
	if o.tiles != nil {
		reader = o.tiles(engine)
	}
	prover := tlog.NewProver(reader, tlog.DefaultProofCache)
	fold, err := state.Open(filepath.Join(dir, "state.db"), origin, registry.Roots(prover, publication))
	check(err)
	blobs, err := blob.Open(filepath.Join(dir, "blobs"), 1<<30)
	check(err)
	parts := registry.Config{
		Origin: origin, Trust: s.policy, Log: engine, Publication: publication, Prover: prover,
		Index: idx, State: fold, Blobs: blobs, Logger: slog.New(slog.DiscardHandler),
	}
	s.Registry, err = registry.Open(ctx, parts)
	if errors.Is(err, registry.ErrOtherHistory) {
		check(idx.Close())
		check(sqlite.Remove(indexPath))
		idx, err = sqlite.Open(ctx, indexPath, origin)
		check(err)
		parts.Index = idx
		s.Registry, err = registry.Open(ctx, parts)
	}
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
