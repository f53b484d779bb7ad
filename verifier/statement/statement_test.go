package statement_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
	"github.com/hallmark-registry/hallmark/verifier/entry"
	"github.com/hallmark-registry/hallmark/verifier/statement"
)

// digest returns a digest that is a function of what.
func digest(what string) statement.Digest { return sha256.Sum256([]byte(what)) }

func publicKey(t testing.TB, alg entry.Alg, seed byte) entry.PublicKey {
	t.Helper()
	k, err := entry.GenerateKey(alg, bytes.NewReader(bytes.Repeat([]byte{seed}, 32)))
	if err != nil {
		t.Fatalf("making a %s key: %v", alg, err)
	}
	return k.Public()
}

var tiny = statement.Name{Namespace: "acme", Name: "tiny", Version: "1.0.0"}

func smallModel() *statement.Statement {
	return statement.NewModel(tiny, &statement.Model{
		FileRoot: digest("files"), WeightsRoot: digest("weights"), Files: 2, Bytes: 1100, Tensors: 4,
	})
}

func fullModel() *statement.Statement {
	s := statement.NewModel(tiny, &statement.Model{
		FileRoot: digest("files"), WeightsRoot: digest("weights"), Files: 5, Bytes: 5000, Tensors: 4,
		License: "Apache-2.0 OR (MIT AND LicenseRef-acme)",
		Bases: []statement.Base{
			{Digest: digest("base"), Name: statement.Name{Namespace: "acme", Name: "base", Version: "0.9"}, Relation: statement.RelationFinetune},
			{Digest: digest("base"), Relation: statement.RelationDistill},
		},
		Datasets: []statement.Use{
			{Digest: digest("data"), Role: statement.RoleTrain},
			{Digest: digest("data"), Role: statement.RoleTokenizer},
			{Digest: digest("held out"), Name: statement.Name{Namespace: "acme", Name: "digits", Version: "1"}, Role: statement.RoleTest},
		},
		Training: digest("run"),
		Aliases:  []statement.Alias{{Kind: statement.AliasOMS, Value: digest("oms")}, {Kind: statement.AliasOCI, Value: digest("oci")}},
		Ignored:  []string{"notes", "logs/run 1"},
		Raw:      []string{"odd.gguf"},
		Manifest: digest("manifest"),
	})
	s.ListFiles([]statement.File{
		{Path: "README.md", SHA256: digest("readme"), Size: 120},
		{Path: "b/model.safetensors", SHA256: digest("b"), Size: 880},
		{Path: "a/model.gguf", SHA256: digest("a"), Size: 1000},
		{Path: "naïve \"quoted\".txt", SHA256: digest("c"), Size: 0},
	})
	s.Sort()
	return s
}

func fullDataset() *statement.Statement {
	return statement.NewDataset(statement.Name{Namespace: "acme", Name: "digits", Version: "1"}, &statement.Dataset{
		Root: digest("records"), Records: 1797, Files: 1, Bytes: 264712, Form: statement.FormLines,
		License:    "CC-BY-4.0",
		Sources:    []string{"collected by hand", "https://archive.ics.uci.edu/dataset/80"},
		Consent:    &statement.Consent{Basis: statement.BasisLicensed, Document: digest("consent")},
		Collection: &statement.Period{From: "1998-07-01", To: "1998-07-01"},
		Modalities: []string{"image", "table"},
		Croissant:  digest("croissant"),
	})
}

func fullTraining() *statement.Statement {
	s := statement.NewTraining([]statement.Subject{
		{Name: "acme/tiny@1.0.0", Alg: statement.AlgModel, Digest: digest("out 1")},
		{Name: "acme/tiny-chat@1.0.0", Alg: statement.AlgModel, Digest: digest("out 2")},
	}, &statement.Training{
		Bases:      []statement.Base{{Digest: digest("base"), Relation: statement.RelationContinue}},
		Datasets:   []statement.Use{{Digest: digest("data"), Role: statement.RoleTrain}},
		Code:       []statement.Digest{digest("code")},
		Parameters: digest("parameters"),
		Hardware:   []statement.Hardware{{Kind: "NVIDIA H100 80GB", MilliHours: 12_500}, {Kind: "AMD EPYC", MilliHours: 1}},
		Started:    "2026-02-28T23:59:59Z",
		Ended:      "2026-03-01T00:00:00Z",
	})
	s.Sort()
	return s
}

func fullEvaluation() *statement.Statement {
	return statement.NewEvaluation(
		statement.Subject{Name: "acme/tiny@1.0.0", Alg: statement.AlgModel, Digest: digest("out 1")},
		&statement.Evaluation{
			Benchmark: "acme/digits@1:test",
			Dataset:   digest("held out"),
			Harness:   digest("harness"),
			Metrics:   []statement.Metric{{Name: "accuracy", Value: "0.970"}, {Name: "log-likelihood", Value: "-12.5"}},
		})
}

func fullStatus() *statement.Statement {
	return statement.NewStatus(
		statement.Subject{Name: "acme/tiny@1.0.0", Alg: statement.AlgModel, Digest: digest("out 1")},
		&statement.Status{State: statement.StateSuperseded, By: digest("out 3"), Reason: "better-weights", Document: digest("why")})
}

func fullNamespace(t testing.TB) *statement.Statement {
	s := statement.NewNamespace("acme", &statement.Namespace{
		Keys:      []entry.PublicKey{publicKey(t, entry.P256, 1), publicKey(t, entry.Ed25519, 2), publicKey(t, entry.Ed25519, 3)},
		Threshold: 2, Sequence: 1, Previous: digest("previous"),
	})
	s.Sort()
	return s
}

func examples(t testing.TB) map[string]*statement.Statement {
	revoked := statement.NewStatus(statement.Subject{Alg: statement.AlgStatement, Digest: digest("statement")},
		&statement.Status{State: statement.StateRevoked, Reason: "key-stolen"})
	first := statement.NewNamespace("acme", &statement.Namespace{Keys: []entry.PublicKey{publicKey(t, entry.Ed25519, 1)}, Threshold: 1})
	noWeights := statement.NewModel(tiny, &statement.Model{FileRoot: digest("files"), WeightsRoot: sha256.Sum256(nil), Files: 1})
	return map[string]*statement.Statement{
		"a model in few words":                        smallModel(),
		"a model with every member":                   fullModel(),
		"a model of one empty raw file":               noWeights,
		"a dataset with every member":                 fullDataset(),
		"a training run with every member":            fullTraining(),
		"an evaluation with every member":             fullEvaluation(),
		"a model superseded":                          fullStatus(),
		"a statement revoked, without a name":         revoked,
		"the first statement of a namespace":          first,
		"a rotation of a namespace with every member": fullNamespace(t),
	}
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	for story, want := range examples(t) {
		t.Run(story, func(t *testing.T) {
			body, err := want.Marshal()
			if err != nil {
				t.Fatalf("Marshal: %v", err)
			}
			got, err := statement.Parse(body)
			if err != nil {
				t.Fatalf("Parse: %v\n%s", err, body)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("read differs from written (-written +read):\n%s", diff)
			}
			checkCanonical(t, body)
		})
	}
}

// checkCanonical asks another implementation of RFC 8785.
func checkCanonical(t interface{ Errorf(string, ...any) }, body []byte) {
	v := jsontext.Value(slices.Clone(body))
	if err := v.Canonicalize(); err != nil || !bytes.Equal(v, body) {
		t.Errorf("not RFC 8785 (%v):\n got %s\nwant %s", err, body, v)
	}
}

func TestMarshalRefuses(t *testing.T) {
	change := func(s *statement.Statement, f func(*statement.Statement)) *statement.Statement {
		f(s)
		return s
	}
	for story, test := range map[string]struct {
		s    *statement.Statement
		want error
	}{
		"a count that JSON readers round": {
			statement.NewModel(tiny, &statement.Model{FileRoot: digest("f"), WeightsRoot: digest("w"), Files: 1, Tensors: 1, Bytes: 1 << 53}), statement.ErrBadNumber},
		"a list out of order": {
			change(fullModel(), func(s *statement.Statement) { slices.Reverse(s.Model.Bases) }), statement.ErrOrder},
		"an element twice": {
			change(fullModel(), func(s *statement.Statement) { s.Model.Raw = []string{"a", "a"} }), statement.ErrOrder},
		"two predicates": {
			change(fullModel(), func(s *statement.Statement) { s.Status = &statement.Status{} }), statement.ErrInconsistent},
		"a predicate of another type": {
			change(fullModel(), func(s *statement.Statement) { s.PredicateType = statement.PredicateDataset }), statement.ErrUnknownPredicate},
		"a foreign statement": {
			&statement.Statement{Kind: statement.KindForeign, PredicateType: statement.PredicateSLSA}, statement.ErrUnknownPredicate},
		"nothing": {&statement.Statement{}, statement.ErrUnknownPredicate},
		"no subject": {
			change(fullModel(), func(s *statement.Statement) { s.Subjects = nil }), statement.ErrSubject},
		"text that is not UTF-8": {
			change(fullModel(), func(s *statement.Statement) { s.Model.Raw = []string{"\xff"} }), statement.ErrBadValue},
		"an absent digest in a required place": {
			change(fullModel(), func(s *statement.Statement) { s.Model.Bases[0].Digest = statement.Digest{} }), statement.ErrBadValue},
		"a key that is not canonical": {
			change(fullNamespace(t), func(s *statement.Statement) { s.Namespace.Keys[0].Bytes = make([]byte, 32) }), statement.ErrBadValue},
		"more than an entry holds": {
			change(fullDataset(), func(s *statement.Statement) {
				s.Dataset.Sources = nil
				for i := range 16 {
					s.Dataset.Sources = append(s.Dataset.Sources, string(rune('a'+i))+strings.Repeat("\"", 511))
				}
			}), statement.ErrTooLarge},
	} {
		t.Run(story, func(t *testing.T) {
			body, err := test.s.Marshal()
			if !errors.Is(err, test.want) {
				t.Errorf("Marshal = %s, %v; want %v", body, err, test.want)
			}
		})
	}
}

func TestListFiles(t *testing.T) {
	named := func(n int, name string) (files []statement.File) {
		for i := range n {
			files = append(files, statement.File{Path: fmt.Sprintf(name, i), SHA256: digest(name), Size: 1})
		}
		return files
	}
	for _, test := range []struct {
		story string
		files []statement.File
		least int // listed at least
		most  int
	}{
		{"no file", nil, 0, 0},
		{"few files", named(3, "model-%05d.safetensors"), 3, 3},
		{"more files than are listed", named(1000, "model-%05d.safetensors"), 64, 64},
		{"long paths", named(64, strings.Repeat("d/", 300)+"%05d"), 10, 20},
		{"two paths that do not fit together", named(2, strings.Repeat("\"", 4095)+"%d"), 1, 1},
	} {
		t.Run(test.story, func(t *testing.T) {
			s := statement.NewModel(tiny, &statement.Model{
				FileRoot: digest("f"), WeightsRoot: digest("w"), Files: max(1, uint64(len(test.files))), Bytes: uint64(len(test.files)), Tensors: 1})
			backwards := slices.Clone(test.files)
			slices.Reverse(backwards)
			s.ListFiles(backwards)
			if n := len(s.Model.Listed); n < test.least || n > test.most {
				t.Errorf("listed %d files, want %d to %d", n, test.least, test.most)
			}
			if _, err := s.Marshal(); err != nil {
				t.Fatalf("Marshal: %v", err)
			}
			if n := len(s.Model.Listed); n < min(len(test.files), statement.MaxListed) {
				s.Model.Listed = test.files[:n+1]
				if _, err := s.Marshal(); !errors.Is(err, statement.ErrTooLarge) {
					t.Errorf("with one more file Marshal = %v, want %v", err, statement.ErrTooLarge)
				}
			}
		})
	}
}

func TestListFilesPutsWeightsFirst(t *testing.T) {
	var got []string
	for _, f := range fullModel().Model.Listed {
		got = append(got, f.Path)
	}
	want := []string{"a/model.gguf", "b/model.safetensors", "README.md", "naïve \"quoted\".txt"}
	if !slices.Equal(got, want) {
		t.Errorf("listed %q, want %q", got, want)
	}
}

func TestNames(t *testing.T) {
	long := strings.Repeat("a", 64)
	for _, good := range []string{"acme/tiny@1.0.0", "0/0@0", "a.b_c-d/e@v1", long + "/" + long + "@" + long} {
		n, err := statement.ParseName(good)
		if err != nil || n.String() != good {
			t.Errorf("ParseName(%q) = %v, %v; want it back", good, n, err)
		}
	}
	for _, evil := range []string{"", "acme", "acme/tiny", "/tiny@1", "acme/@1", "acme/tiny@", "Acme/tiny@1", "acme/tiny@1 ", "acme/tiny@1@2",
		"acme/a/b@1", ".acme/tiny@1", "acme/-tiny@1", "acme/tiny@_1", long + "a/b@1", "açme/tiny@1", "acme@1/tiny"} {
		if n, err := statement.ParseName(evil); !errors.Is(err, statement.ErrBadValue) {
			t.Errorf("ParseName(%q) = %v, %v; want %v", evil, n, err, statement.ErrBadValue)
		}
	}
}

func TestDigests(t *testing.T) {
	good := "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	if d, err := statement.ParseDigest(good); err != nil || d.String() != good || d != digest("") {
		t.Errorf("ParseDigest(%q) = %v, %v; want it back", good, d, err)
	}
	for _, evil := range []string{"", good[7:], strings.ToUpper(good), "sha256:" + strings.ToUpper(good[7:]), good + "0", good[:70], good + " ", "sha512:" + good[7:]} {
		if d, err := statement.ParseDigest(evil); !errors.Is(err, statement.ErrBadValue) {
			t.Errorf("ParseDigest(%q) = %v, %v; want %v", evil, d, err, statement.ErrBadValue)
		}
	}
}

// The formula of the model digest, spelled out once more.
func TestModelDigest(t *testing.T) {
	m := statement.Model{Files: 1, Bytes: 2, Tensors: 3, FileRoot: digest("f"), WeightsRoot: digest("w")}
	f, w := digest("f"), digest("w")
	preimage := "hallmark/model/v1\n" + "\x00\x00\x00\x00\x00\x00\x00\x01" + "\x00\x00\x00\x00\x00\x00\x00\x02" + string(f[:]) +
		"\x00\x00\x00\x00\x00\x00\x00\x03" + string(w[:])
	if got, want := m.Digest(), digest(preimage); got != want {
		t.Errorf("Digest = %s, want %s", got, want)
	}
}

func TestErrorsSayWhere(t *testing.T) {
	body, err := fullModel().Marshal()
	if err != nil {
		t.Fatal(err)
	}
	body = bytes.Replace(body, []byte(`"relation":"finetune"`), []byte(`"relation":"stolen"`), 1)
	_, err = statement.Parse(body)
	var e *statement.Error
	if !errors.As(err, &e) || !strings.HasPrefix(e.Path, "predicate.bases[") || !strings.HasSuffix(e.Path, "].relation") {
		t.Errorf("Parse = %v, want an error at predicate.bases[i].relation", err)
	}
}

// Errors end in logs: what they quote is bounded, however long the body's texts.
func TestErrorsAreShort(t *testing.T) {
	long := strings.Repeat("é", 20_000)
	for _, body := range []string{
		strings.Replace(slsa, "https://slsa.dev/provenance/v1", long, 1),
		strings.Replace(slsa, `"sha512": "00"`, `"`+long+`": 0`, 1),
		strings.Replace(slsa, `"sha512"`, `"`+long[:20_000]+`": "", "`+long[:20_000]+`"`, 1),
		strings.Replace(slsa, "2CF24DBA", long, 1),
	} {
		_, err := statement.Parse([]byte(body))
		if err == nil || len(err.Error()) > 1000 || !utf8.ValidString(err.Error()) {
			t.Errorf("Parse = %.200v of %d bytes, want an error of at most 1000", err, len(fmt.Sprint(err)))
		}
	}
}

func TestBinding(t *testing.T) {
	for story, s := range examples(t) {
		b, ok := s.Binding()
		want := s.Kind == statement.KindModel || s.Kind == statement.KindDataset
		if ok != want {
			t.Errorf("%s: Binding = %v, %t; want %t", story, b, ok, want)
		}
		if ok && (b.Name.String() != s.Subjects[0].Name || b.Digest != s.Subjects[0].Digest || b.Kind != s.Kind) {
			t.Errorf("%s: Binding = %v, want the subject %v", story, b, s.Subjects[0])
		}
	}
}

// The corpus is signed by other implementations of OpenSSF Model Signing.
func TestModelSigningCorpus(t *testing.T) {
	const corpus = "../../../shared/corpora/oms/verify"
	files, err := filepath.Glob(corpus + "/*/*/bundle.sig")
	if err != nil || len(files) == 0 {
		t.Skipf("no OpenSSF Model Signing corpus at %s", corpus)
	}
	refused := map[string]error{
		"malformed-no-predicate_fail":    statement.ErrMissingMember,
		"malformed-wrong-predicate_fail": statement.ErrUnknownPredicate,
	}
	seen := 0
	for _, file := range files {
		name := filepath.Base(filepath.Dir(file))
		t.Run(name, func(t *testing.T) {
			payload, ok := dssePayload(t, file)
			if !ok {
				t.Skip("the bundle itself is not JSON")
			}
			seen++
			s, err := statement.Parse(payload)
			if want := refused[name]; want != nil {
				if !errors.Is(err, want) {
					t.Errorf("Parse = %v, want %v", err, want)
				}
				return
			}
			if err != nil || s.Kind != statement.KindForeign || len(s.Subjects) != 1 {
				t.Fatalf("Parse = %+v, %v; want a foreign statement with one subject", s, err)
			}
			refs := s.Refs()
			if refs[0].Kind != statement.RefAlias || refs[0].Value != s.Subjects[0].Digest.String() {
				t.Errorf("Refs = %v, want the root as an alias", refs)
			}
			if files := strings.Count(string(payload), `"algorithm"`); len(s.Files) != files || len(refs) != 1+files {
				t.Errorf("Refs = %v, want the root and %d files", refs, files)
			}
		})
	}
	if seen == 0 {
		t.Error("read no payload of the corpus")
	}
}

func dssePayload(t *testing.T, file string) ([]byte, bool) {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var bundle struct{ DSSEEnvelope struct{ Payload string } }
	if err := json.Unmarshal(raw, &bundle); err != nil {
		return nil, false
	}
	payload, err := base64.StdEncoding.DecodeString(bundle.DSSEEnvelope.Payload)
	if err != nil {
		t.Fatal(err)
	}
	return payload, true
}

func BenchmarkParse(b *testing.B) {
	for _, s := range []*statement.Statement{smallModel(), fullModel()} {
		body, err := s.Marshal()
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprintf("%dB", len(body)), func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := statement.Parse(body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
