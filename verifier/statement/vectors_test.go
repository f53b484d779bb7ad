package statement_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/hallmark-registry/hallmark/verifier/statement"
)

var update = flag.Bool("update", false, "rewrite the golden vectors")

const vectorFile = "../testdata/vectors/statement/statements.json"

// A vector is one body and what every implementation must say of it.
type vector struct {
	Story    string          `json:"story"`
	Body     string          `json:"body,omitempty"`    // the body as text
	BodyHex  string          `json:"bodyHex,omitempty"` // the body where it is not UTF-8
	Want     string          `json:"want"`              // ok, or the fault
	Kind     string          `json:"kind,omitempty"`
	Subjects []subjectVector `json:"subjects,omitempty"`
	Refs     [][3]string     `json:"refs,omitempty"` // kind, value, role
}

type subjectVector struct {
	Name   string `json:"name,omitempty"`
	Alg    string `json:"alg"`
	Digest string `json:"digest"`
}

func (v vector) body(t testing.TB) []byte {
	t.Helper()
	if v.BodyHex == "" {
		return []byte(v.Body)
	}
	b, err := hex.DecodeString(v.BodyHex)
	if err != nil {
		t.Fatalf("%s: bodyHex: %v", v.Story, err)
	}
	return b
}

// judge returns the vector of a body as this implementation sees it.
func judge(story string, body []byte) vector {
	v := vector{Story: story, Body: string(body), Want: "ok"}
	if !utf8.Valid(body) {
		v.Body, v.BodyHex = "", hex.EncodeToString(body)
	}
	s, err := statement.Parse(body)
	var fault statement.Fault
	switch {
	case errors.As(err, &fault):
		v.Want = string(fault)
		return v
	case err != nil:
		v.Want = "an error without a fault: " + err.Error()
		return v
	}
	v.Kind = s.Kind.String()
	for _, sub := range s.Subjects {
		v.Subjects = append(v.Subjects, subjectVector{sub.Name, sub.Alg, sub.Digest.String()})
	}
	for _, r := range s.Refs() {
		v.Refs = append(v.Refs, [3]string{string(r.Kind), r.Value, r.Role})
	}
	return v
}

func readVectors(t testing.TB) (vs []vector) {
	t.Helper()
	text, err := os.ReadFile(vectorFile)
	if err != nil {
		t.Fatalf("%v (make it with go test -update)", err)
	}
	if err := json.Unmarshal(text, &vs); err != nil {
		t.Fatal(err)
	}
	return vs
}

// An evil is a good body changed in one place, and the fault it must meet.
type evil struct {
	story string
	of    *statement.Statement
	old   string // all of the body, if empty
	new   string
	want  statement.Fault
}

func evils(t testing.TB) []evil {
	model, dataset, training := fullModel(), fullDataset(), fullTraining()
	evaluation, status, namespace := fullEvaluation(), fullStatus(), fullNamespace(t)
	small := smallModel()
	plain := func(s *statement.Statement) string {
		b, err := s.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	zero := "sha256:" + strings.Repeat("0", 64)
	otherHex := strings.TrimPrefix(digest("other").String(), "sha256:")
	subjectOf := func(s *statement.Statement) string {
		text := plain(s)
		from := strings.LastIndex(text, `"subject":[`) + len(`"subject":[`)
		return text[from : len(text)-len("]}")]
	}
	files := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `{"path":"%02d.gguf","sha256":"%s","size":0},`, i, digest("f"))
		}
		return strings.TrimSuffix(b.String(), ",")
	}
	return []evil{
		// JSON
		{"nothing", small, "", "", statement.ErrNotJSON},
		{"half a statement", small, "", plain(small)[:100], statement.ErrNotJSON},
		{"an array", small, "", "[]", statement.ErrWrongType},
		{"null", small, "", "null", statement.ErrWrongType},
		{"a byte order mark", small, "", "\ufeff" + plain(small), statement.ErrNotJSON},
		{"a newline after it", small, "", plain(small) + "\n", statement.ErrNotCanonical},
		{"a second statement after it", small, "", plain(small) + plain(small), statement.ErrNotJSON},
		{"white space inside", small, `"files":2`, `"files": 2`, statement.ErrNotCanonical},
		{"invalid UTF-8 in a text", model, `"notes"`, "\"note\xff\"", statement.ErrNotUTF8},
		{"a surrogate by itself", model, `"notes"`, `"note\ud800"`, statement.ErrNotJSON},
		{"a text escaped needlessly", model, `"notes"`, `"note\u0073"`, statement.ErrNotCanonical},
		{"a member name escaped needlessly", small, `"files"`, `"file\u0073"`, statement.ErrNotCanonical},
		{"a slash escaped", model, `"logs/run 1"`, `"logs\/run 1"`, statement.ErrNotCanonical},
		{"a text that isn't ASCII, escaped", model, `naïve`, `na\u00efve`, statement.ErrNotCanonical},
		{"a trailing comma", small, `"files":2`, `"files":2,`, statement.ErrNotJSON},
		{"a comment", small, `"files":2`, `"files":2/**/`, statement.ErrNotJSON},
		// members
		{"a member twice, with the same value", small, `"files":2`, `"files":2,"files":2`, statement.ErrDuplicateMember},
		{"a member twice, the second time escaped", small, `"files":2`, `"files":2,"file\u0073":3`, statement.ErrDuplicateMember},
		{"the predicate twice", small, `"predicateType"`, `"predicate":{},"predicateType"`, statement.ErrDuplicateMember},
		{"an alg twice in a digest", small, `"digest":{`, `"digest":{"hallmarkModel1":"` + otherHex + `",`, statement.ErrDuplicateMember},
		{"an unknown member", small, `"files":2`, `"files":2,"filesTotal":2`, statement.ErrUnknownMember},
		{"an unknown member beside the predicate", small, `"predicateType"`, `"predicateKind":"x","predicateType"`, statement.ErrUnknownMember},
		{"an unknown member in a subject", small, `"name":"acme`, `"mediaType":"x","name":"acme`, statement.ErrUnknownMember},
		{"an unknown member in a base", model, `"relation":"finetune"`, `"relation":"finetune","weight":1`, statement.ErrUnknownMember},
		{"a member in the wrong case", small, `"fileRoot"`, `"FileRoot"`, statement.ErrUnknownMember},
		{"a case variant beside the subject", small, `"subject":`, `"Subject":[],"subject":`, statement.ErrUnknownMember},
		{"a required member missing", small, `"tensors":4,`, ``, statement.ErrMissingMember},
		{"no subject member", small, `,"subject":[` + subjectOf(small) + `]`, ``, statement.ErrMissingMember},
		{"no predicate", small, "", `{"_type":"https://in-toto.io/Statement/v1","predicateType":"` + statement.PredicateModel + `","subject":[` + subjectOf(small) + `]}`, statement.ErrMissingMember},
		{"two members in another order", small, `"bytes":1100,"fileRoot":"` + digest("files").String() + `"`, `"fileRoot":"` + digest("files").String() + `","bytes":1100`, statement.ErrNotCanonical},
		{"an empty list", small, `"bytes"`, `"bases":[],"bytes"`, statement.ErrBadValue},
		{"an empty text for an optional member", small, `"tensors"`, `"license":"","tensors"`, statement.ErrBadValue},
		{"null for an optional member", small, `"tensors"`, `"license":null,"tensors"`, statement.ErrWrongType},
		{"the digest of zeros for an optional member", small, `"tensors"`, `"manifest":"` + zero + `","tensors"`, statement.ErrBadValue},
		{"the digest of zeros for a required member", small, digest("files").String(), zero, statement.ErrBadValue},
		// envelope
		{"in-toto Statement v0.1", small, statement.TypeStatement, "https://in-toto.io/Statement/v0.1", statement.ErrNotStatement},
		{"a predicate of nobody we know", small, statement.PredicateModel, "https://example.com/wrong-predicate/v1.0", statement.ErrUnknownPredicate},
		{"a later version of our predicate", small, "model/v1", "model/v2", statement.ErrUnknownPredicate},
		{"our predicate type with a slash more", small, "model/v1", "model/v1/", statement.ErrUnknownPredicate},
		{"another own predicate's type", small, "model/v1", "dataset/v1", statement.ErrUnknownMember},
		{"the predicate a text", small, "", `{"_type":"https://in-toto.io/Statement/v1","predicate":"x","predicateType":"` + statement.PredicateModel + `","subject":[]}`, statement.ErrWrongType},
		{"larger than an own statement may be", model, `"notes"`, `"notes` + strings.Repeat("s", statement.MaxBodySize) + `"`, statement.ErrTooLarge},
		// numbers
		{"a number as a text", small, `"files":2`, `"files":"2"`, statement.ErrWrongType},
		{"a number in scientific notation", small, `"bytes":1100`, `"bytes":1.1e3`, statement.ErrBadNumber},
		{"an exponent", small, `"bytes":1100`, `"bytes":1e3`, statement.ErrBadNumber},
		{"a fraction of zero", small, `"bytes":1100`, `"bytes":1100.0`, statement.ErrBadNumber},
		{"negative zero", small, `"bytes":1100`, `"bytes":-0`, statement.ErrBadNumber},
		{"a negative number", small, `"bytes":1100`, `"bytes":-1`, statement.ErrBadNumber},
		{"a leading zero", small, `"bytes":1100`, `"bytes":01100`, statement.ErrNotJSON},
		{"two to the 53rd", small, `"bytes":1100`, `"bytes":9007199254740992`, statement.ErrBadNumber},
		{"two to the 64th", small, `"bytes":1100`, `"bytes":18446744073709551616`, statement.ErrBadNumber},
		{"no files", small, `"files":2`, `"files":0`, statement.ErrBadNumber},
		{"a truth as a number", dataset, `"salted":false`, `"salted":0`, statement.ErrWrongType},
		// texts
		{"a digest without its prefix", small, digest("files").String(), digest("files").String()[7:], statement.ErrBadValue},
		{"a digest in capitals", small, digest("files").String()[7:], strings.ToUpper(digest("files").String()[7:]), statement.ErrBadValue},
		{"a digest one digit short", small, digest("files").String(), digest("files").String()[:70], statement.ErrBadValue},
		{"a control character", model, `"notes"`, `"no\ttes"`, statement.ErrBadValue},
		{"a control character above ASCII", model, `"notes"`, "\"no\u0085tes\"", statement.ErrBadValue},
		{"a path that climbs", model, `"notes"`, `"../notes"`, statement.ErrBadValue},
		{"a path that is absolute", model, `"notes"`, `"/notes"`, statement.ErrBadValue},
		{"a path with a backslash", model, `"notes"`, `"no\\tes"`, statement.ErrBadValue},
		{"a path that ends in a slash", model, `"notes"`, `"notes/"`, statement.ErrBadValue},
		{"a licence in other characters", model, `Apache-2.0 OR`, `Apache-2.0 & `, statement.ErrBadValue},
		{"a licence that ends in a space", dataset, `"CC-BY-4.0"`, `"CC-BY-4.0 "`, statement.ErrBadValue},
		{"an unknown relation", model, `"finetune"`, `"stolen"`, statement.ErrBadValue},
		{"a relation in another case", model, `"finetune"`, `"Finetune"`, statement.ErrBadValue},
		{"an unknown role", model, `"role":"test"`, `"role":"tests"`, statement.ErrBadValue},
		{"an unknown alias", model, `"oms-root"`, `"oms-leaf"`, statement.ErrBadValue},
		{"an unknown form", dataset, `"lines"`, `"records"`, statement.ErrBadValue},
		{"an unknown basis", dataset, `"licensed"`, `"because"`, statement.ErrBadValue},
		{"an unknown state", status, `"superseded"`, `"gone"`, statement.ErrBadValue},
		{"a reason in capitals", status, `"better-weights"`, `"Better"`, statement.ErrBadValue},
		{"a day that is not", dataset, `"from":"1998-07-01"`, `"from":"1998-02-29"`, statement.ErrBadValue},
		{"a day of the year zero", dataset, `"from":"1998-07-01"`, `"from":"0000-07-01"`, statement.ErrBadValue},
		{"a day in another form", dataset, `"from":"1998-07-01"`, `"from":"1998-7-1"`, statement.ErrBadValue},
		{"a time with an offset", training, `23:59:59Z`, `23:59:59+00:00`, statement.ErrBadValue},
		{"a time with a fraction", training, `23:59:59Z`, `23:59:59.0Z`, statement.ErrBadValue},
		{"a leap second", training, `23:59:59Z`, `23:59:60Z`, statement.ErrBadValue},
		{"a metric as a number", evaluation, `"value":"0.970"`, `"value":0.97`, statement.ErrWrongType},
		{"a metric in scientific notation", evaluation, `"0.970"`, `"9.7e-1"`, statement.ErrBadValue},
		{"a metric with a leading zero", evaluation, `"0.970"`, `"00.970"`, statement.ErrBadValue},
		{"a metric without its fraction", evaluation, `"0.970"`, `"0."`, statement.ErrBadValue},
		{"a metric that is negative zero", evaluation, `"-12.5"`, `"-0.0"`, statement.ErrBadValue},
		{"a metric with a plus", evaluation, `"0.970"`, `"+0.970"`, statement.ErrBadValue},
		{"a metric that is not a number", evaluation, `"0.970"`, `"NaN"`, statement.ErrBadValue},
		{"a benchmark with a space", evaluation, `acme/digits@1:test`, `acme digits`, statement.ErrBadValue},
		{"a base under a bad name", model, `acme/base@0.9`, `acme/base`, statement.ErrBadValue},
		// lists
		{"more files than may be listed", small, `"tensors"`, `"listed":[` + files(65) + `],"tensors"`, statement.ErrTooMany},
		{"files out of order", small, `"tensors"`, `"listed":[{"path":"b.gguf","sha256":"` + digest("f").String() + `","size":0},{"path":"a.gguf","sha256":"` + digest("f").String() + `","size":0}],"tensors"`, statement.ErrOrder},
		{"a weight file after another file", small, `"tensors"`, `"listed":[{"path":"a","sha256":"` + digest("f").String() + `","size":0},{"path":"b.gguf","sha256":"` + digest("f").String() + `","size":0}],"tensors"`, statement.ErrOrder},
		{"a path twice", small, `"tensors"`, `"listed":[` + files(1) + `,` + files(1) + `],"tensors"`, statement.ErrOrder},
		{"an element that is no object", small, `"tensors"`, `"listed":["a"],"tensors"`, statement.ErrWrongType},
		{"no metrics", evaluation, `"metrics":[{"name":"accuracy","value":"0.970"},{"name":"log-likelihood","value":"-12.5"}]`, `"metrics":[]`, statement.ErrTooMany},
		// subjects
		{"no subjects", small, subjectOf(small), ``, statement.ErrSubject},
		{"two subjects", small, subjectOf(small), subjectOf(small) + `,` + subjectOf(small), statement.ErrSubject},
		{"an output twice", training, `"subject":[`, `"subject":[` + strings.Split(subjectOf(training), `},{`)[0] + `},`, statement.ErrOrder},
		{"two digests of one subject", small, `"digest":{`, `"digest":{"sha256":"` + otherHex + `",`, statement.ErrSubject},
		{"no digest of a subject", small, subjectOf(small), `{"digest":{},"name":"acme/tiny@1.0.0"}`, statement.ErrSubject},
		{"a model called by sha256", small, `hallmarkModel1`, `sha256`, statement.ErrSubject},
		{"a model called a dataset", small, `hallmarkModel1`, `hallmarkDataset1`, statement.ErrSubject},
		{"a subject's digest with a prefix", small, `{"hallmarkModel1":"`, `{"hallmarkModel1":"sha256:`, statement.ErrBadValue},
		{"a bad name", small, `acme/tiny@1.0.0`, `acme/Tiny@1.0.0`, statement.ErrBadValue},
		{"a name without version", small, `acme/tiny@1.0.0`, `acme/tiny`, statement.ErrBadValue},
		{"a model without a name", small, `,"name":"acme/tiny@1.0.0"`, ``, statement.ErrBadValue},
		{"another model's digest", small, digestHex(small), otherHex, statement.ErrSubjectDigest},
		{"another count of bytes than the digest has", small, `"bytes":1100`, `"bytes":1101`, statement.ErrSubjectDigest},
		{"another dataset's digest", dataset, digestHex(dataset), otherHex, statement.ErrSubjectDigest},
		{"a dataset that claims to be salted", dataset, `"salted":false`, `"salted":true`, statement.ErrSubjectDigest},
		{"another namespace's digest", namespace, digestHex(namespace), otherHex, statement.ErrSubjectDigest},
		{"a namespace with a slash", namespace, `"name":"acme"`, `"name":"acme/tiny"`, statement.ErrBadValue},
		{"a status about a namespace", status, `hallmarkModel1`, `hallmarkNamespace1`, statement.ErrSubject},
		// members that contradict each other
		{"more bytes listed than there are", small, `"tensors"`, `"listed":[{"path":"a","sha256":"` + digest("f").String() + `","size":1101}],"tensors"`, statement.ErrInconsistent},
		{"all files listed, with too few bytes", small, `"tensors"`, `"listed":[{"path":"a","sha256":"` + digest("f").String() + `","size":1},{"path":"b","sha256":"` + digest("f").String() + `","size":1}],"tensors"`, statement.ErrInconsistent},
		{"more files listed than there are", small, `"tensors"`, `"listed":[` + files(3) + `],"tensors"`, statement.ErrInconsistent},
		{"a model made from itself", small, `"bytes"`, `"bases":[{"digest":"sha256:` + digestHex(small) + `","relation":"merge"}],"bytes"`, statement.ErrInconsistent},
		{"collected until before it began", dataset, `"from":"1998-07-01"`, `"from":"1998-07-02"`, statement.ErrInconsistent},
		{"ended before it started", training, `2026-03-01T`, `2026-02-01T`, statement.ErrInconsistent},
		{"revoked by something", status, `"superseded"`, `"revoked"`, statement.ErrInconsistent},
		{"superseded by itself", status, digest("out 3").String(), digest("out 1").String(), statement.ErrInconsistent},
		{"a first namespace statement with a previous one", namespace, `"sequence":1`, `"sequence":0`, statement.ErrInconsistent},
		{"a later namespace statement without a previous one", namespace, `"previous":"` + digest("previous").String() + `",`, ``, statement.ErrInconsistent},
		{"a threshold above the keys", namespace, `"threshold":2`, `"threshold":4`, statement.ErrInconsistent},
		{"a threshold of nobody", namespace, `"threshold":2`, `"threshold":0`, statement.ErrBadNumber},
		{"a key of an unknown algorithm", namespace, `"p256"`, `"rsa"`, statement.ErrBadValue},
		{"a key under another algorithm", namespace, `"p256"`, `"ed25519"`, statement.ErrBadValue},
		{"a key in base64 with a newline", namespace, `"key":"M`, `"key":"\nM`, statement.ErrBadValue},
	}
}

// digestHex returns the hex of the first subject's digest.
func digestHex(s *statement.Statement) string {
	return strings.TrimPrefix(s.Subjects[0].Digest.String(), "sha256:")
}

const slsa = `{
  "subject": [
    {"name": "model.safetensors", "digest": {"sha512": "00", "sha256": "2CF24DBA5FB0A30E26E83B2AC5B9E29E1B161E5C1FA7425E73043362938B9824"}},
    {"uri": "git+https://example.com/repo", "digest": {"gitCommit": "a9993e364706816aba3e25717850c26c9cd0d89d"}}
  ],
  "predicateType": "https://slsa.dev/provenance/v1",
  "predicate": {"buildDefinition": {"size": 1e3, "Size": 2}},
  "_type": "https://in-toto.io/Statement/v1"
}`

var foreigns = []struct {
	story    string
	old, new string
	want     string
}{
	{"SLSA provenance in its author's layout", "", "", "ok"},
	{"OpenSSF Model Signing v1.0", "https://slsa.dev/provenance/v1", "https://model_signing/signature/v1.0", "ok"},
	{"OpenSSF Model Signing v1.12.3", "https://slsa.dev/provenance/v1", "https://model_signing/signature/v1.12.3", "ok"},
	{"OpenSSF Model Signing v2", "https://slsa.dev/provenance/v1", "https://model_signing/signature/v2.0", "UNKNOWN_PREDICATE"},
	{"OpenSSF Model Signing v1 without a minor version", "https://slsa.dev/provenance/v1", "https://model_signing/signature/v1.", "UNKNOWN_PREDICATE"},
	{"OpenSSF Model Signing v1.x", "https://slsa.dev/provenance/v1", "https://model_signing/signature/v1.x", "UNKNOWN_PREDICATE"},
	{"OpenSSF Model Signing v0.1 digests", "https://slsa.dev/provenance/v1", "https://model_signing/Digests/v0.1", "UNKNOWN_PREDICATE"},
	{"SLSA provenance v0.2", "provenance/v1", "provenance/v0.2", "UNKNOWN_PREDICATE"},
	{"foreign, a member twice", `"size": 1e3`, `"size": 1e3, "size": 2`, "DUPLICATE_MEMBER"},
	{"foreign, a digest twice", `"sha512": "00"`, `"sha512": "00", "sha512": "01"`, "DUPLICATE_MEMBER"},
	{"foreign, a case variant of the subject", `"subject": [`, `"Subject": [], "subject": [`, "UNKNOWN_MEMBER"},
	{"foreign, a predicate that is no object", `{"buildDefinition": {"size": 1e3, "Size": 2}}`, `[]`, "WRONG_TYPE"},
	{"foreign, a digest that is a number", `"00"`, `0`, "WRONG_TYPE"},
	{"foreign, a subject that is a text", `{"uri":`, `"x", {"uri":`, "WRONG_TYPE"},
	{"foreign, a subject without a digest", `"digest": {"gitCommit"`, `"annotations": {"gitCommit"`, "MISSING_MEMBER"},
	{"foreign, a subject with no digest in its set", `{"gitCommit": "a9993e364706816aba3e25717850c26c9cd0d89d"}`, `{}`, "SUBJECT"},
	{"foreign, a sha256 of another length", `2CF24DBA`, `2CF24DBA00`, "BAD_VALUE"},
	{"foreign, trailing text", "\n}", "\n} x", "NOT_JSON"},
	{"foreign, invalid UTF-8", "buildDefinition", "build\xc0\xafDefinition", "NOT_UTF8"},
	{"foreign, as large as one may be", "buildDefinition", strings.Repeat("b", 60_000-len(slsa)+len("buildDefinition")), "ok"},
	{"foreign, too large", "buildDefinition", strings.Repeat("b", 60_001-len(slsa)+len("buildDefinition")), "TOO_LARGE"},
	{"foreign, nested as deep as it may be", `1e3`, strings.Repeat("[", 61) + strings.Repeat("]", 61), "ok"},
	{"foreign, nested too deep", `1e3`, strings.Repeat("[", 62) + strings.Repeat("]", 62), "TOO_DEEP"},
	{"foreign, nested so deep that recursion ends", `1e3`, strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000), "TOO_DEEP"},
	{"foreign, brackets in a text", `1e3`, `"\"` + strings.Repeat("[", 100) + `"`, "ok"},
	{"foreign, a bracket left open", `1e3`, `[`, "NOT_JSON"},
}

// oms is signed over in the layout of the Python implementation.
const oms = `{
  "_type": "https://in-toto.io/Statement/v1",
  "subject": [{"name": "tiny", "digest": {"sha256": "92745110b1ab4368471cbe31664e10174e954b113a3df333db860317b2c6dec4"}}],
  "predicateType": "https://model_signing/signature/v1.0",
  "predicate": {
    "resources": [
      {"digest": "bc9a717db6064a32cbe9eae6fc40651dd6d36ef1757183f590eff2b1765d7ebc", "algorithm": "sha256", "name": "a.bin"},
      {"digest": "32dcb1f8e1ae52d5963e56a6ba06ab58b424c15ed2a6b70d2feca1d089370028", "algorithm": "sha256", "name": "b.bin"}
    ],
    "serialization": {"method": "files", "hash_type": "sha256", "allow_symlinks": false, "ignore_paths": [".git"]}
  }
}`

// omsVectors change what is listed, and refuse nothing: the predicate is
// another's.
var omsVectors = []struct {
	story    string
	old, new string
	files    int
}{
	{"OpenSSF Model Signing, two files", "", "", 2},
	{"OpenSSF Model Signing, the same file twice", "32dcb1f8e1ae52d5963e56a6ba06ab58b424c15ed2a6b70d2feca1d089370028", "bc9a717db6064a32cbe9eae6fc40651dd6d36ef1757183f590eff2b1765d7ebc", 2},
	{"OpenSSF Model Signing, by shards", `"files"`, `"shards"`, 0},
	{"OpenSSF Model Signing, by another hash", `"hash_type": "sha256"`, `"hash_type": "blake2b"`, 0},
	{"OpenSSF Model Signing, one labelled with another hash", `"algorithm": "sha256", "name": "a.bin"`, `"algorithm": "blake2b", "name": "a.bin"`, 1},
	{"OpenSSF Model Signing, one in capitals", "bc9a717d", "BC9A717D", 1},
	{"OpenSSF Model Signing, one a digit short", "bc9a717d", "c9a717d", 1},
	{"OpenSSF Model Signing, one a number", `"bc9a717db6064a32cbe9eae6fc40651dd6d36ef1757183f590eff2b1765d7ebc"`, `1`, 1},
	{"OpenSSF Model Signing, one no object", `"resources": [`, `"resources": ["x", [{}],`, 2},
	{"OpenSSF Model Signing, resources no array", `"resources": [`, `"resources": {}, "others": [`, 0},
	{"OpenSSF Model Signing, serialization no object", `"serialization": {`, `"serialization": [], "others": {`, 0},
	{"OpenSSF Model Signing, no serialization", `"serialization": {`, `"others": {`, 0},
	{"OpenSSF Model Signing, a member name escaped", `"digest": "bc`, `"dige\u0073t": "bc`, 2},
	{"OpenSSF Model Signing, the file after the last that counts", `"resources": [`, `"resources": [` + strings.Repeat(`{},`, 511), 1},
}

// buildVectors returns the bodies with what they must meet. Bodies of tens of
// thousands of bytes are checked but not kept in the file.
func buildVectors(t testing.TB) (vs []vector) {
	t.Helper()
	goods := examples(t)
	for _, story := range slices.Sorted(keysOf(goods)) {
		body, err := goods[story].Marshal()
		if err != nil {
			t.Fatalf("%s: %v", story, err)
		}
		vs = append(vs, check(t, story, body, "ok"))
	}
	for _, e := range evils(t) {
		body, err := e.of.Marshal()
		if err != nil {
			t.Fatalf("%s: %v", e.story, err)
		}
		vs = append(vs, check(t, e.story, replace(t, e.story, body, e.old, e.new), string(e.want)))
	}
	for _, f := range foreigns {
		vs = append(vs, check(t, f.story, replace(t, f.story, []byte(slsa), f.old, f.new), f.want))
	}
	for _, o := range omsVectors {
		body := []byte(strings.Replace(oms, o.old, o.new, 1))
		v := check(t, o.story, body, "ok")
		if s, err := statement.Parse(body); err == nil && len(s.Files) != o.files {
			t.Errorf("%s: %d files listed, want %d", o.story, len(s.Files), o.files)
		}
		vs = append(vs, v)
	}
	const keepAtMost = 16 << 10
	return slices.DeleteFunc(vs, func(v vector) bool { return len(v.Body) > keepAtMost })
}

// replace returns body with the first old replaced, or new itself without one.
func replace(t testing.TB, story string, body []byte, old, new string) []byte {
	t.Helper()
	switch {
	case old == "" && strings.HasPrefix(story, "SLSA"):
		return body
	case old == "":
		return []byte(new)
	case !bytes.Contains(body, []byte(old)):
		t.Fatalf("%s: the body holds no %s:\n%s", story, old, body)
	}
	return bytes.Replace(body, []byte(old), []byte(new), 1)
}

func check(t testing.TB, story string, body []byte, want string) vector {
	t.Helper()
	v := judge(story, body)
	if v.Want != want {
		_, err := statement.Parse(body)
		t.Errorf("%s: got %s (%v), want %s", story, v.Want, err, want)
	}
	return v
}

func keysOf[V any](m map[string]V) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

func TestVectors(t *testing.T) {
	built := buildVectors(t)
	if *update {
		var text bytes.Buffer
		enc := json.NewEncoder(&text)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", " ")
		if err := enc.Encode(built); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(vectorFile, text.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	kept := readVectors(t)
	for _, v := range kept {
		if diff := cmp.Diff(v, judge(v.Story, v.body(t))); diff != "" {
			t.Errorf("%s (-vector +parsed):\n%s", v.Story, diff)
		}
	}
	if diff := cmp.Diff(built, kept); diff != "" && !t.Failed() {
		t.Errorf("%s is not what the tests build (-built +kept), rewrite it with -update:\n%s", vectorFile, diff)
	}
}
