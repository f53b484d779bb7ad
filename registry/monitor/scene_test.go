package monitor_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/hallmark-registry/hallmark/registry/monitor"
	"github.com/hallmark-registry/hallmark/registry/tlog"
	"github.com/hallmark-registry/hallmark/registry/tlog/tlogtest"
	"github.com/hallmark-registry/hallmark/verifier/checkpoint"
	"github.com/hallmark-registry/hallmark/verifier/entry"
	"github.com/hallmark-registry/hallmark/verifier/ledger"
	"github.com/hallmark-registry/hallmark/verifier/statement"
)

const origin = "log.example.com/audited"

// key returns the Ed25519 key that is a function of n.
func key(n byte) *entry.PrivateKey {
	k, err := entry.GenerateKey(entry.Ed25519, bytes.NewReader(bytes.Repeat([]byte{n}, 32)))
	if err != nil {
		panic(err)
	}
	return k
}

var governor, eva, ada, bob, pat = key(1), key(2), key(3), key(4), key(5)

func ledgerKey(k *entry.PrivateKey) ledger.Key {
	lk, err := ledger.KeyOf(k.Public())
	if err != nil {
		panic(err)
	}
	return lk
}

func accountOf(k *entry.PrivateKey) ledger.AccountID { return ledgerKey(k).Account() }

// signer returns the note key of that name.
func signer(t testing.TB, name string, alg checkpoint.Alg) *checkpoint.Signer {
	t.Helper()
	seed := sha256.Sum256([]byte(name))
	s, err := checkpoint.NewSigner(name, alg, seed[:])
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A scene is a log that is folded as it grows by the slow and obvious means: that is what an audit must find.
type scene struct {
	t      testing.TB
	log    *tlogtest.Memory
	signer *checkpoint.Signer
	state  *ledger.State
	ledger ledger.LedgerID
}

func newScene(t testing.TB) *scene {
	s := &scene{t: t, signer: signer(t, origin, checkpoint.AlgEd25519)}
	s.log = tlogtest.NewMemory(s.signer)
	s.log.Auto = false
	s.state = ledger.New(origin, s)
	return s
}

// RootAt makes a scene its own ledger.Roots.
func (s *scene) RootAt(size uint64) ([32]byte, error) {
	return [32]byte(tlogtest.Root(s.log.Leaves[:size])), nil
}

func (s *scene) size() uint64 { return uint64(len(s.log.Entries)) }

// add logs raw bytes and wants the fold to say a code. It returns the index.
func (s *scene) add(want ledger.Code, raw []byte) uint64 {
	s.t.Helper()
	index := s.size()
	if o := s.state.Apply(index, raw); o.Code != want {
		s.t.Fatalf("entry %d: got %s (%s), want %s", index, o.Code, o.Detail, want)
	}
	if _, err := s.log.Append(context.Background(), [][]byte{raw}); err != nil {
		s.t.Fatal(err)
	}
	return index
}

func (s *scene) addBody(want ledger.Code, b ledger.Body, keys ...*entry.PrivateKey) uint64 {
	s.t.Helper()
	return s.add(want, s.signBody(b, keys...))
}

func (s *scene) signBody(b ledger.Body, keys ...*entry.PrivateKey) []byte {
	s.t.Helper()
	e, err := ledger.Sign(b, keys...)
	if err != nil {
		s.t.Fatal(err)
	}
	return e.Raw()
}

func genesis(of string) *ledger.Genesis {
	return &ledger.Genesis{
		Rules: ledger.RulesVersion, Origin: of, Operator: ledgerKey(governor),
		Governance: ledger.KeySet{Threshold: 1, Keys: []ledger.Key{ledgerKey(governor)}},
		EpochStart: 1_770_000_000, EpochLength: 7 * 86400,
		Symbol: ledger.ExampleSymbol, Decimals: ledger.ExampleDecimals, Cap: ledger.ExampleCap(),
		Policy: ledger.ExamplePolicy(1, ledgerKey(eva)).String(),
	}
}

// found logs the genesis.
func (s *scene) found() *scene {
	s.t.Helper()
	s.addBody(ledger.Accepted, genesis(origin), governor)
	s.ledger = s.state.LedgerID()
	return s
}

// model logs a model statement; variant changes its digest.
func (s *scene) model(want ledger.Code, name string, variant byte) {
	s.t.Helper()
	s.add(want, model(s.t, name, variant))
}

func model(t testing.TB, name string, variant byte) []byte {
	t.Helper()
	n, err := statement.ParseName(name)
	if err != nil {
		t.Fatal(err)
	}
	m := &statement.Model{Files: 1, Bytes: 8, Tensors: 1, FileRoot: statement.Digest{variant}, WeightsRoot: statement.Digest{1}, License: "MIT"}
	body, err := statement.NewModel(n, m).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	e, err := entry.Sign(entry.TypeStatement, body, pat)
	if err != nil {
		t.Fatal(err)
	}
	return e.Raw()
}

// models logs n models.
func (s *scene) models(n int) *scene {
	s.t.Helper()
	for i := range n {
		s.model(ledger.Accepted, fmt.Sprintf("acme/m%d@1.0.0", i), 7)
	}
	return s
}

// credit is one for a record of Ada's.
func (s *scene) credit(serial uint64) *ledger.Credit {
	return &ledger.Credit{
		Ledger: s.ledger, Class: "data", Serial: serial, Subject: sha256.Sum256([]byte("a dataset")),
		Beneficiary: accountOf(ada), Work: 1, Evidence: sha256.Sum256([]byte("evidence")),
	}
}

// mint claims the credit that was accepted at index, under the tree of the given size.
func (s *scene) mint(serial, index, size uint64) *ledger.Mint {
	root, _ := s.RootAt(size)
	return &ledger.Mint{Ledger: s.ledger, Class: "data", Serial: serial, Index: index, Size: size, Root: root}
}

// publish signs the log as it stands, and has witnesses cosign.
func (s *scene) publish(witnesses ...*checkpoint.Signer) *scene {
	s.t.Helper()
	if err := s.log.Publish(); err != nil {
		s.t.Fatal(err)
	}
	for i, w := range witnesses {
		line, err := checkpoint.Cosign(s.log.Checkpoint, w, 1_780_000_000+int64(i))
		if err != nil {
			s.t.Fatal(err)
		}
		s.log.Checkpoint = append(s.log.Checkpoint, line...)
	}
	return s
}

func policy(t testing.TB, text string) *checkpoint.Policy {
	t.Helper()
	p, err := checkpoint.ParsePolicy([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// options are those of an audit that believes the log's signature.
func (s *scene) options() monitor.Options {
	return monitor.Options{Reader: s.log, Policy: policy(s.t, fmt.Sprintf("log %s\nquorum none\n", s.signer.Key())), EvidenceDir: s.t.TempDir()}
}

func (s *scene) audit(change ...func(*monitor.Options)) (*monitor.Report, error) {
	o := s.options()
	for _, c := range change {
		c(&o)
	}
	return monitor.Audit(context.Background(), o)
}

func withTiles(o *monitor.Options) { o.Tiles = true }

// eventful returns a log in which every kind of thing has happened, three bundles long.
func eventful(t testing.TB) *scene {
	s := newScene(t).found()
	s.model(ledger.Accepted, "acme/tiny@1.0.0", 1)
	at := s.addBody(ledger.Accepted, s.credit(1), eva)
	s.addBody(ledger.Accepted, s.mint(1, at, s.size()), ada)
	s.addBody(ledger.Accepted, &ledger.Transfer{
		Spend: ledger.Spend{Ledger: s.ledger, Account: accountOf(ada), Nonce: 0, Expires: 1000},
		To:    accountOf(bob), Amount: ledger.NewAmount(3000),
	}, ada)
	s.model(ledger.NameBound, "acme/tiny@1.0.0", 2)
	s.addBody(ledger.SerialUsed, s.credit(1), eva)
	s.addBody(ledger.AlreadyMinted, s.mint(1, at, s.size()), ada)
	s.addBody(ledger.GenesisNotFirst, genesis(origin), governor)
	s.add(ledger.EntryMalformed, []byte("not an entry"))
	s.add(ledger.EntryMalformed, nil)
	spoiled := s.signBody(s.credit(2), eva)
	spoiled[len(spoiled)-1] ^= 1
	s.add(ledger.SignatureInvalid, spoiled)
	at = s.addBody(ledger.Accepted, s.credit(3), eva)
	forged := s.mint(3, at, s.size())
	forged.Root[0] ^= 1
	s.addBody(ledger.MintRoot, forged, ada)
	return s.models(600)
}

// folder writes a published log of at most 65,536 entries as C2SP tlog-tiles, and returns where.
func (s *scene) folder() string {
	s.t.Helper()
	dir := s.t.TempDir()
	write := func(raw []byte, err error, path string) {
		path = filepath.Join(dir, filepath.FromSlash(path))
		if err := errors.Join(err, os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, raw, 0o644)); err != nil {
			s.t.Fatal(err)
		}
	}
	ctx := context.Background()
	note, err := s.log.ReadCheckpoint(ctx)
	write(note, err, "checkpoint")
	name := func(index, p int) string {
		if p > 0 {
			return fmt.Sprintf("%03d.p/%d", index, p)
		}
		return fmt.Sprintf("%03d", index)
	}
	for level, n := 0, int(s.size()); n > 0; level, n = level+1, n/256 {
		for index := range (n + 255) / 256 {
			p := min(256, n-index*256) % 256
			tile, err := s.log.ReadTile(ctx, uint64(level), uint64(index), uint8(p))
			write(tile, err, fmt.Sprintf("tile/%d/%s", level, name(index, p)))
			if level == 0 {
				bundle, err := s.log.ReadEntryBundle(ctx, uint64(index), uint8(p))
				write(bundle, err, "tile/entries/"+name(index, p))
			}
		}
	}
	return dir
}

// hash makes a leaf hash from a number.
func hash(n int) tlog.Hash { return sha256.Sum256(fmt.Append(nil, n)) }
