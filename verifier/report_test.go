package verifier_test

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/hallmark-registry/hallmark/verifier"
	"github.com/hallmark-registry/hallmark/verifier/entry"
	"github.com/hallmark-registry/hallmark/verifier/statement"
)

// TestNamesDoNotSteerTheReader: what others named is shown so that it can be
// taken for nothing else, and in JSON whatever the file system says of it.
func TestNamesDoNotSteerTheReader(t *testing.T) {
	w := newWorld(t)
	w.folder["evil\u202e.py"] = &fstest.MapFile{Data: []byte("x")}
	st := must(statement.Parse(w.modelEntry().Body()))
	st.Model.Ignored = []string{"evil\u202e.py"}
	w.leaves[w.at] = w.sign(st).Raw()
	got := w.verify(w.bundle(3), w.trust(), w.subject()).Text()
	if strings.Contains(got, "\u202e") || !strings.Contains(got, `publisher signed: "evil\u202e.py"`) {
		t.Errorf("an ignored path: %q", got)
	}

	body := `{"_type":"https://in-toto.io/Statement/v1","predicate":{},"predicateType":"https://slsa.dev/provenance/v1","subject":[{"digest":{"sha256":"` +
		strings.Repeat("ab", 32) + `"},"name":"x\u202e\u2028 ok   publisher   acme, pinned"}]}`
	w.leaves[w.at] = must(entry.Sign(entry.TypeStatement, []byte(body), w.publisher)).Raw()
	b := w.bundle(3)
	b.Manifest = nil
	got = w.verify(b, w.trust(), nil).Text()
	if strings.ContainsAny(got, "\u202e\u2028") || !strings.Contains(got, `"x\u202e\u2028 ok   publisher   acme, pinned"`) {
		t.Errorf("a foreign name: %q", got)
	}
}

func TestReportOfANameThatIsNotUTF8(t *testing.T) {
	w := newWorld(t)
	s := w.subject()
	s.FS = deniedFS{w.folder}
	r := w.verify(w.bundle(3), w.trust(), s)
	text, err := r.MarshalJSON()
	if err != nil || !json.Valid(text) || !bytes.Contains(text, []byte("blobs/\uFFFD")) {
		t.Errorf("got %s and error %v, want JSON", text, err)
	}
	if strings.Contains(r.Text(), "\xff") {
		t.Errorf("got text that is no UTF-8: %q", r.Text())
	}
}

// deniedFS cannot read a file, and says so of the place where a link leads.
type deniedFS struct{ fstest.MapFS }

func (d deniedFS) Open(name string) (fs.File, error) {
	if name == "config.json" {
		return nil, &fs.PathError{Op: "open", Path: "blobs/\xff", Err: fs.ErrPermission}
	}
	return d.MapFS.Open(name)
}

func TestReportThatNobodyMadeVerifiesNothing(t *testing.T) {
	r := &verifier.Report{}
	if r.Verified() || strings.HasPrefix(r.Text(), "verified") {
		t.Errorf("an empty report is verified: %s", r.Text())
	}
}

func TestNothingSteersTheTerminal(t *testing.T) {
	w := newWorld(t)
	b := w.bundle(3)
	b.Proof = bytes.Replace(b.Proof, []byte(origin), []byte("log\u009b31m"), 1)
	text := w.verify(b, w.trust(), nil).Text()
	for _, r := range text {
		if r != '\n' && (r < ' ' || r >= 0x7f && r < 0xa0) {
			t.Fatalf("the report holds the control character %U: %q", r, text)
		}
	}
}

func TestJSONIsStable(t *testing.T) {
	w := newWorld(t)
	for story, r := range map[string]*verifier.Report{
		"verified":       w.verify(w.bundle(3), w.trust(), w.subject()),
		"quorum not met": w.verify(w.bundle(0), w.trust(), nil),
	} {
		text, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		var got struct {
			MediaType *string
			Verified  *bool
			ExitCode  *int
			Reason    *string
			Checks    []map[string]any
			Facts     map[string]any
			Trace     map[string]any
		}
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatal(err)
		}
		if got.MediaType == nil || *got.MediaType != verifier.ReportMediaType || got.Verified == nil || *got.Verified != r.Verified() || got.ExitCode == nil || got.Reason == nil {
			t.Errorf("%s: head of %s", story, text)
		}
		for _, c := range got.Checks {
			for _, m := range []string{"name", "result", "class", "reason", "message", "got", "want", "hint"} {
				if _, ok := c[m]; !ok {
					t.Errorf("%s: a check without %q: %v", story, m, c)
				}
			}
		}
		for _, m := range []string{"origin", "index", "size", "entryId", "statementId", "kind", "name", "digest", "signers", "time"} {
			if _, ok := got.Facts[m]; !ok {
				t.Errorf("%s: facts without %q: %v", story, m, got.Facts)
			}
		}
	}
}
