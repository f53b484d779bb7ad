package verifier_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/transparency-dev/merkle/rfc6962"

	"github.com/hallmark-registry/hallmark/verifier"
	"github.com/hallmark-registry/hallmark/verifier/bundle"
	"github.com/hallmark-registry/hallmark/verifier/checkpoint"
	"github.com/hallmark-registry/hallmark/verifier/dataset"
	"github.com/hallmark-registry/hallmark/verifier/entry"
	"github.com/hallmark-registry/hallmark/verifier/ledger"
	"github.com/hallmark-registry/hallmark/verifier/statement"
	"github.com/hallmark-registry/hallmark/verifier/weights"
)

const origin = "log.example.com/models"

// cosigned is when the test's witnesses say that they saw the checkpoint.
var cosigned = time.Date(2026, 11, 21, 9, 14, 7, 0, time.UTC)

// A world is a small log, its keys, and one model in it.
type world struct {
	t         testing.TB
	log       *checkpoint.Signer
	witnesses []*checkpoint.Signer
	publisher *entry.PrivateKey
	folder    fstest.MapFS
	model     *weights.Model
	leaves    [][]byte
	at        int // where the model's entry stands
}

func signer(t testing.TB, name string, alg checkpoint.Alg) *checkpoint.Signer {
	t.Helper()
	seed := sha256.Sum256([]byte(name))
	s, err := checkpoint.NewSigner(name, alg, seed[:])
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func key(t testing.TB, name string) *entry.PrivateKey {
	t.Helper()
	seed := sha256.Sum256([]byte(name))
	k, err := entry.GenerateKey(entry.Ed25519, bytes.NewReader(seed[:]))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// tensors returns a safetensors file of two F32 tensors.
func tensors(fill byte) []byte {
	header := `{"a":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},"b":{"dtype":"F32","shape":[3],"data_offsets":[16,28]}}`
	header += strings.Repeat(" ", (8-len(header)%8)%8)
	out := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(out, header...), bytes.Repeat([]byte{fill}, 28)...)
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, log: signer(t, origin, checkpoint.AlgEd25519), publisher: key(t, "publisher")}
	for _, name := range []string{"w1.example", "w2.example", "w3.example"} {
		w.witnesses = append(w.witnesses, signer(t, name, checkpoint.AlgCosignature))
	}
	w.folder = fstest.MapFS{
		"config.json":       {Data: []byte(`{"layers":2}`)},
		"model.safetensors": {Data: tensors(1)},
		"notes/readme.txt":  {Data: []byte("hello")},
	}
	w.model = w.digest()
	for i := range 8 {
		w.leaves = append(w.leaves, fmt.Appendf(nil, "another entry %d", i))
	}
	w.at = len(w.leaves)
	w.leaves = append(w.leaves, w.modelEntry().Raw())
	for i := range 4 {
		w.leaves = append(w.leaves, fmt.Appendf(nil, "a later entry %d", i))
	}
	return w
}

func (w *world) digest() *weights.Model {
	m, err := weights.Digest(context.Background(), w.folder, weights.Options{Workers: 2})
	if err != nil {
		w.t.Fatal(err)
	}
	return m
}

func manifestOf(m *weights.Model) *weights.Manifest { return must(m.Manifest()) }

func (w *world) modelEntry() *entry.Entry {
	m := w.model
	p := &statement.Model{
		FileRoot: m.FileRoot, WeightsRoot: m.WeightsRoot, Files: uint64(len(m.Files)), Bytes: m.ByteCount, Tensors: m.TensorCount,
		License: "Apache-2.0", Manifest: manifestOf(m).Digest(),
	}
	for _, f := range m.Files {
		p.Listed = append(p.Listed, statement.File{Path: f.Path, Size: f.Size, SHA256: f.SHA256})
	}
	st := statement.NewModel(statement.Name{Namespace: "acme", Name: "tiny", Version: "1.0.0"}, p)
	st.ListFiles(p.Listed)
	return w.sign(st)
}

func (w *world) sign(s *statement.Statement) *entry.Entry {
	body, err := s.Marshal()
	if err != nil {
		w.t.Fatal(err)
	}
	e, err := entry.Sign(entry.TypeStatement, body, w.publisher)
	if err != nil {
		w.t.Fatal(err)
	}
	return e
}

// root is RFC 6962, 2.1, word for word.
func root(leaves [][]byte) [32]byte {
	switch n := len(leaves); n {
	case 0:
		return sha256.Sum256(nil)
	case 1:
		return [32]byte(rfc6962.DefaultHasher.HashLeaf(leaves[0]))
	default:
		k := 1
		for k*2 < n {
			k *= 2
		}
		l, r := root(leaves[:k]), root(leaves[k:])
		return [32]byte(rfc6962.DefaultHasher.HashChildren(l[:], r[:]))
	}
}

// path is RFC 6962, 2.1.1, word for word.
func path(m int, leaves [][]byte) [][32]byte {
	n := len(leaves)
	if n == 1 {
		return nil
	}
	k := 1
	for k*2 < n {
		k *= 2
	}
	if m < k {
		return append(path(m, leaves[:k]), root(leaves[k:]))
	}
	return append(path(m-k, leaves[k:]), root(leaves[:k]))
}

// proof proves leaf at of the whole log, cosigned by the first n witnesses.
func (w *world) proof(at, n int) []byte {
	c := checkpoint.Checkpoint{Origin: origin, Size: uint64(len(w.leaves)), Root: root(w.leaves)}
	note, err := checkpoint.Sign(c, w.log)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, s := range w.witnesses[:n] {
		line, err := checkpoint.Cosign(note, s, cosigned.Unix())
		if err != nil {
			w.t.Fatal(err)
		}
		note = append(note, line...)
	}
	p := checkpoint.Proof{Index: uint64(at), Hashes: path(at, w.leaves), Checkpoint: note}
	return p.Format()
}

func (w *world) bundle(n int) *bundle.Bundle {
	return &bundle.Bundle{Proven: bundle.Proven{Entry: w.leaves[w.at], Proof: w.proof(w.at, n)}, Manifest: manifestOf(w.model).Bytes()}
}

// trust pins the publisher and wants two of three witnesses.
func (w *world) trust() verifier.Trust {
	text := "log " + w.log.Key().String() + "\n"
	for i, s := range w.witnesses {
		text += fmt.Sprintf("witness w%d %s\n", i+1, s.Key())
	}
	text += "group witnesses 2 w1 w2 w3\nquorum witnesses\n"
	p, err := checkpoint.ParsePolicy([]byte(text))
	if err != nil {
		w.t.Fatal(err)
	}
	return verifier.Trust{Policy: p, Publishers: []entry.KeyID{w.publisher.Public().ID()}}
}

func (w *world) subject() *verifier.Subject { return &verifier.Subject{FS: w.folder, Workers: 2} }

func (w *world) verify(b *bundle.Bundle, trust verifier.Trust, s *verifier.Subject) *verifier.Report {
	w.t.Helper()
	text, err := b.Marshal()
	if err != nil {
		w.t.Fatal(err)
	}
	r, err := verifier.Verify(context.Background(), text, trust, s)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

func TestEverythingHolds(t *testing.T) {
	w := newWorld(t)
	r := w.verify(w.bundle(3), w.trust(), w.subject())
	if !r.Verified() {
		t.Fatalf("not verified:\n%s", r.Text())
	}
	sid := must(entry.Parse(w.leaves[w.at])).StatementID()
	want := fmt.Sprintf(` ok   files       3 files, 2 tensors, 165 B, model digest %s
 ok   entry       model acme/tiny@1.0.0, statement %s, signed by key %s
 ok   publisher   %s, pinned
 ok   inclusion   entry 8 of 13, 4 hashes, root %s
 ok   checkpoint  log.example.com/models
 ok   cosigners   witnesses 3 of 3, operator-asserted, time 2026-11-21T09:14:07Z
 --   status      no status statement in the bundle: revocations are not checked
verified
`, ends(w.model.Digest[:]), ends(sid[:]), w.publisher.Public().ID().String()[:16], w.publisher.Public().ID(), ends(func() []byte { r := root(w.leaves); return r[:] }()))
	if got := r.Text(); got != want {
		t.Errorf("report reads\n%s\nwant\n%s", got, want)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func ends(b []byte) string { s := hex.EncodeToString(b); return s[:8] + "…" + s[len(s)-8:] }

// The trace is what pictures are drawn from: walking it must give the root.
func TestTraceEndsAtTheRoot(t *testing.T) {
	w := newWorld(t)
	for at := range w.leaves {
		w.at = at
		w.leaves[at] = w.modelEntry().Raw()
		r := w.verify(w.bundle(3), w.trust(), nil)
		if r.Trace == nil {
			t.Fatalf("entry %d: no trace:\n%s", at, r.Text())
		}
		node := r.Trace.Leaf
		for i, s := range r.Trace.Steps {
			l, rr := node, s.Sibling
			if s.SiblingLeft {
				l, rr = rr, l
			}
			if node = [32]byte(rfc6962.DefaultHasher.HashChildren(l[:], rr[:])); node != s.Node {
				t.Fatalf("entry %d, step %d: node %x, want %x", at, i, s.Node, node)
			}
		}
		if node != r.Trace.Root {
			t.Errorf("entry %d: the steps end at %x, want the root %x", at, node, r.Trace.Root)
		}
	}
}

// A failure is one thing that is wrong with an otherwise good verification.
type failure struct {
	story  string
	evil   func(w *world, b *bundle.Bundle, trust *verifier.Trust)
	check  string // decides
	reason string
	class  verifier.Class
}

func replaced(b []byte, old, new string) []byte { return bytes.Replace(b, []byte(old), []byte(new), 1) }

func failures() []failure {
	return []failure{
		{"another index", func(_ *world, b *bundle.Bundle, _ *verifier.Trust) { b.Proof = replaced(b.Proof, "index 8", "index 9") },
			"inclusion", "INCLUSION_INVALID", verifier.ClassProof},
		{"an index beyond the tree", func(_ *world, b *bundle.Bundle, _ *verifier.Trust) {
			b.Proof = replaced(b.Proof, "index 8", "index 13")
		},
			"inclusion", "INCLUSION_INVALID", verifier.ClassProof},
		{"another size", func(_ *world, b *bundle.Bundle, _ *verifier.Trust) { b.Proof = replaced(b.Proof, "\n13\n", "\n14\n") },
			"checkpoint", "LOG_SIGNATURE_INVALID", verifier.ClassProof},
		{"another root", func(w *world, b *bundle.Bundle, _ *verifier.Trust) {
			have, other := root(w.leaves), root(w.leaves[1:])
			b.Proof = replaced(b.Proof, b64(have), b64(other))
		}, "checkpoint", "LOG_SIGNATURE_INVALID", verifier.ClassProof},
		{"another hash", func(w *world, b *bundle.Bundle, _ *verifier.Trust) {
			p := path(w.at, w.leaves)
			b.Proof = replaced(b.Proof, b64(p[0]), b64(p[1]))
		}, "inclusion", "INCLUSION_INVALID", verifier.ClassProof},
		{"an entry that is not in the log", func(w *world, b *bundle.Bundle, _ *verifier.Trust) {
			w.model.Files = nil
			w.folder["config.json"].Data = []byte("{}")
			w.model = w.digest()
			b.Entry = w.modelEntry().Raw()
		}, "inclusion", "INCLUSION_INVALID", verifier.ClassProof},
		{"a log that the policy does not know", func(w *world, b *bundle.Bundle, _ *verifier.Trust) {
			w.log = signer(w.t, "log.example.com/other", checkpoint.AlgEd25519)
			c := checkpoint.Checkpoint{Origin: "log.example.com/other", Size: uint64(len(w.leaves)), Root: root(w.leaves)}
			p := checkpoint.Proof{Index: uint64(w.at), Hashes: path(w.at, w.leaves), Checkpoint: must(checkpoint.Sign(c, w.log))}
			b.Proof = p.Format()
		}, "checkpoint", "UNKNOWN_LOG", verifier.ClassPolicy},
		{"one witness of the two needed", func(w *world, b *bundle.Bundle, _ *verifier.Trust) { b.Proof = w.proof(w.at, 1) },
			"cosigners", "QUORUM_UNMET", verifier.ClassPolicy},
		{"a bad cosignature beside the two needed", func(_ *world, b *bundle.Bundle, _ *verifier.Trust) { spoil(b.Proof, "w3.example ") },
			"cosigners", "COSIGNATURE_INVALID", verifier.ClassProof},
		{"a bad signature of the log", func(_ *world, b *bundle.Bundle, _ *verifier.Trust) { spoil(b.Proof, "— "+origin+" ") },
			"checkpoint", "LOG_SIGNATURE_INVALID", verifier.ClassProof},
		{"a publisher that is not pinned", func(w *world, _ *bundle.Bundle, trust *verifier.Trust) {
			trust.Publishers = []entry.KeyID{key(w.t, "somebody").Public().ID()}
		}, "publisher", "PUBLISHER_UNKNOWN", verifier.ClassPolicy},
		{"a logged entry whose signature does not hold", func(w *world, b *bundle.Bundle, _ *verifier.Trust) {
			raw := bytes.Clone(w.leaves[w.at])
			raw[len(raw)-40] ^= 1
			w.leaves[w.at] = raw
			b.Proven = w.bundle(3).Proven
		}, "entry", "SIGNATURE_INVALID", verifier.ClassProof},
		{"a logged statement that cannot be read", func(w *world, b *bundle.Bundle, _ *verifier.Trust) {
			w.leaves[w.at] = must(entry.Sign(entry.TypeStatement, []byte("{}"), w.publisher)).Raw()
			b.Proven = w.bundle(3).Proven
		}, "entry", "STATEMENT_MALFORMED", verifier.ClassProof},
		{"an entry that is none", func(_ *world, b *bundle.Bundle, _ *verifier.Trust) { b.Entry = []byte("entry") },
			"bundle", "ENTRY_MALFORMED", verifier.ClassProof},
		{"a proof that is none", func(_ *world, b *bundle.Bundle, _ *verifier.Trust) { b.Proof = []byte("proof") },
			"bundle", "PROOF_MALFORMED", verifier.ClassProof},
		{"one flipped byte in a tensor", func(w *world, _ *bundle.Bundle, _ *verifier.Trust) {
			d := w.folder["model.safetensors"].Data
			d[len(d)-1] ^= 1
		}, "files", "FILES_DIFFER", verifier.ClassDifference},
		{"one flipped byte in the header", func(w *world, _ *bundle.Bundle, _ *verifier.Trust) { w.folder["model.safetensors"].Data[9] ^= 1 },
			"files", "FILES_DIFFER", verifier.ClassDifference},
		{"a file more", func(w *world, _ *bundle.Bundle, _ *verifier.Trust) {
			w.folder["backdoor.py"] = &fstest.MapFile{Data: []byte("x")}
		},
			"files", "FILES_DIFFER", verifier.ClassDifference},
		{"a file less", func(w *world, _ *bundle.Bundle, _ *verifier.Trust) { delete(w.folder, "config.json") },
			"files", "FILES_DIFFER", verifier.ClassDifference},
		{"two files swapped", func(w *world, _ *bundle.Bundle, _ *verifier.Trust) {
			w.folder["config.json"], w.folder["notes/readme.txt"] = w.folder["notes/readme.txt"], w.folder["config.json"]
		}, "files", "FILES_DIFFER", verifier.ClassDifference},
		{"a related entry with a stranger's proof", func(_ *world, b *bundle.Bundle, _ *verifier.Trust) {
			b.Related = []bundle.Proven{{Entry: b.Entry, Proof: replaced(b.Proof, "index 8", "index 7")}}
		}, "related", "RELATED_INVALID", verifier.ClassProof},
		{"a related entry of another log that the policy believes", func(w *world, b *bundle.Bundle, trust *verifier.Trust) {
			other := signer(w.t, "log.example.com/other", checkpoint.AlgEd25519)
			trust.Policy = must(checkpoint.ParsePolicy([]byte("log " + w.log.Key().String() + "\nlog " + other.Key().String() + "\nquorum none\n")))
			c := checkpoint.Checkpoint{Origin: "log.example.com/other", Size: 1, Root: root([][]byte{b.Entry})}
			p := checkpoint.Proof{Checkpoint: must(checkpoint.Sign(c, other))}
			b.Related = []bundle.Proven{{Entry: b.Entry, Proof: p.Format()}}
		}, "related", "RELATED_INVALID", verifier.ClassProof},
		{"a revocation by its publisher", func(w *world, b *bundle.Bundle, _ *verifier.Trust) {
			*b = *w.relate(saidStatus{state: statement.StateRevoked})
		}, "status", "REVOKED", verifier.ClassPolicy},
		{"a state answer, which cannot be checked yet", func(_ *world, b *bundle.Bundle, _ *verifier.Trust) {
			b.State = &bundle.State{Proven: b.Proven, AsOf: []byte("note"), Lookups: []bundle.Lookup{}}
		}, "status", "STATE_UNSUPPORTED", verifier.ClassUnknown},
		{"a checkpoint older than asked", func(_ *world, _ *bundle.Bundle, trust *verifier.Trust) {
			trust.Now, trust.MaxAge = cosigned.Add(25*time.Hour), 24*time.Hour
		}, "freshness", "STALE", verifier.ClassPolicy},
		{"a checkpoint of a time to come", func(_ *world, _ *bundle.Bundle, trust *verifier.Trust) {
			trust.Now, trust.MaxAge = cosigned.Add(-6*time.Minute), 24*time.Hour
		}, "freshness", "TIME_FUTURE", verifier.ClassPolicy},
		{"a tree smaller than asked", func(_ *world, _ *bundle.Bundle, trust *verifier.Trust) { trust.MinSize = 14 },
			"freshness", "TOO_SMALL", verifier.ClassPolicy},
	}
}

func TestFailures(t *testing.T) {
	for _, c := range failures() {
		t.Run(c.story, func(t *testing.T) {
			w := newWorld(t)
			b, trust := w.bundle(3), w.trust()
			c.evil(w, b, &trust)
			r := w.verify(b, trust, w.subject())
			d := r.Decisive()
			if d == nil {
				t.Fatalf("verified:\n%s", r.Text())
			}
			if d.Name != c.check || d.Reason != c.reason || d.Class != c.class {
				t.Errorf("decided by %s, %s, class %d; want %s, %s, class %d\n%s", d.Name, d.Reason, d.Class, c.check, c.reason, c.class, r.Text())
			}
		})
	}
}

// spoil changes a letter within the signature that begins with name.
func spoil(proof []byte, name string) {
	at := bytes.LastIndex(proof, []byte(name)) + len(name) + 40
	if proof[at]++; !('B' <= proof[at] && proof[at] <= 'Z') {
		proof[at] = 'A'
	}
}

func b64(h [32]byte) string {
	text, _ := json.Marshal(h[:])
	return strings.Trim(string(text), `"`)
}

// With several failures the first in verification order decides, and the
// report still shows the others.
func TestFirstFailureDecides(t *testing.T) {
	w := newWorld(t)
	b, trust := w.bundle(3), w.trust()
	trust.Publishers = []entry.KeyID{key(t, "somebody").Public().ID()}
	w.folder["config.json"].Data[0] ^= 1
	b.Proof = bytes.Replace(b.Proof, []byte("index 8"), []byte("index 7"), 1)
	r := w.verify(b, trust, w.subject())
	if d := r.Decisive(); d == nil || d.Name != "inclusion" {
		t.Errorf("decided by %+v, want inclusion", d)
	}
	for _, name := range []string{"inclusion", "publisher", "files"} {
		if c := r.Check(name); c == nil || c.Result != verifier.Failed {
			t.Errorf("check %s is %+v, want a failure", name, c)
		}
	}
}

func TestDifferencesAreNamed(t *testing.T) {
	w := newWorld(t)
	d := w.folder["model.safetensors"].Data
	d[len(d)-1] ^= 1
	b := w.bundle(3)
	if got := w.verify(b, w.trust(), w.subject()).Check("files").Message; !strings.Contains(got, "model.safetensors") || !strings.Contains(got, "tensor b") {
		t.Errorf("with a manifest: %q, want the file and its tensor b named", got)
	}
	b.Manifest = nil
	if got := w.verify(b, w.trust(), w.subject()).Check("files").Message; !strings.Contains(got, "model.safetensors") {
		t.Errorf("without a manifest: %q, want the listed file named", got)
	}
	b.Manifest = []byte("a stranger's manifest")
	if r := w.verify(b, w.trust(), w.subject()); r.Decisive().Name != "files" {
		t.Errorf("with a manifest that proves nothing: %s", r.Text())
	}
}

// People get a line for each difference, a program one message.
func TestSeveralDifferencesHaveALineEach(t *testing.T) {
	w := newWorld(t)
	d := w.folder["model.safetensors"].Data
	d[len(d)-1] ^= 1
	w.folder["config.json"].Data[0] ^= 1
	r := w.verify(w.bundle(3), w.trust(), w.subject())
	message := r.Check("files").Message
	differences := strings.Split(message, "; ")
	if len(differences) != 2 {
		t.Fatalf("message %q, want two differences", message)
	}
	want := fmt.Sprintf("FAIL  files       %s\n                  %s\n             got  ", differences[0], differences[1])
	if got := r.Text(); !strings.HasPrefix(got, want) {
		t.Errorf("got\n%s\nwant it to begin\n%s", got, want)
	}
	text, err := r.MarshalJSON()
	if err != nil || !strings.Contains(string(text), differences[0]+"; "+differences[1]) {
		t.Errorf("JSON has not both in its message: %s, %v", text, err)
	}
}

func TestTrustMustBeUsable(t *testing.T) {
	w := newWorld(t)
	text, err := w.bundle(3).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	good := w.trust()
	for story, trust := range map[string]verifier.Trust{
		"no policy":                   {AnyPublisher: true},
		"no publisher":                {Policy: good.Policy},
		"any publisher and some":      {Policy: good.Policy, AnyPublisher: true, Publishers: good.Publishers},
		"a greatest age and no clock": {Policy: good.Policy, AnyPublisher: true, MaxAge: time.Hour},
	} {
		if _, err := verifier.Verify(context.Background(), text, trust, nil); !errors.Is(err, verifier.ErrTrust) {
			t.Errorf("%s: %v, want ErrTrust", story, err)
		}
	}
}

func TestFilesOfOtherKinds(t *testing.T) {
	w := newWorld(t)
	rows := fstest.MapFS{"rows.csv": {Data: []byte("a\nb\nc\n")}}
	d, err := dataset.Digest(context.Background(), rows, dataset.Options{Split: dataset.Lines})
	if err != nil {
		t.Fatal(err)
	}
	name := statement.Name{Namespace: "acme", Name: "rows", Version: "1"}
	s := statement.NewDataset(name, &statement.Dataset{Root: d.Root, Records: d.Records, Files: uint64(len(d.Files)), Bytes: d.Bytes, Form: statement.FormLines, License: "CC-BY-4.0"})
	if got := s.Subjects[0].Digest; got != statement.Digest(d.Digest) {
		t.Fatalf("statement and dataset disagree: %s, %x", got, d.Digest)
	}
	w.leaves[w.at] = w.sign(s).Raw()
	b := w.bundle(3)
	b.Manifest = nil
	if r := w.verify(b, w.trust(), &verifier.Subject{FS: rows}); !r.Verified() {
		t.Errorf("a dataset: %s", r.Text())
	}
	rows["rows.csv"].Data = []byte("a\nb\nd\n")
	if r := w.verify(b, w.trust(), &verifier.Subject{FS: rows}); r.Decisive() == nil || r.Decisive().Class != verifier.ClassDifference {
		t.Errorf("a changed dataset: %s", r.Text())
	}

	credit := &ledger.Credit{Class: "data", Serial: 1, Subject: d.Digest, Work: 3, Beneficiary: must(ledger.AccountOf(w.publisher.Public()))}
	credit.Ledger, credit.Evidence = ledger.LedgerID{1}, [32]byte{2}
	body, err := credit.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	w.leaves[w.at] = must(entry.Sign(entry.TypeLedger, body, w.publisher)).Raw()
	b = w.bundle(3)
	b.Manifest = nil
	if r := w.verify(b, w.trust(), nil); !r.Verified() || r.Facts.Kind != "credit" {
		t.Errorf("a credit: %s", r.Text())
	}
	if r := w.verify(b, w.trust(), &verifier.Subject{FS: rows}); r.Decisive() == nil || r.Decisive().Class != verifier.ClassUsage {
		t.Errorf("a credit compared with files: %s", r.Text())
	}
}

// The statement's own arithmetic must be that of the tree.
func TestStatementAndTreeAgreeOnTheModelDigest(t *testing.T) {
	w := newWorld(t)
	s, err := statement.Parse(w.modelEntry().Body())
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Subjects[0].Digest; got != statement.Digest(w.model.Digest) {
		t.Errorf("statement says %s, the tree %x", got, w.model.Digest)
	}
}
