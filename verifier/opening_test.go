package verifier_test

import (
	"context"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/hallmark-registry/hallmark/verifier"
	"github.com/hallmark-registry/hallmark/verifier/bundle"
	"github.com/hallmark-registry/hallmark/verifier/dataset"
	"github.com/hallmark-registry/hallmark/verifier/entry"
	"github.com/hallmark-registry/hallmark/verifier/statement"
)

// saltedRows logs a salted dataset in place of the world's model.
func saltedRows(t *testing.T, w *world) (rows fstest.MapFS, o dataset.Options, b *bundle.Bundle) {
	t.Helper()
	rows = fstest.MapFS{"a.csv": {Data: []byte("id\tname\nx\ny\n")}, "b.csv": {Data: []byte("z\n")}}
	o = dataset.Options{Split: dataset.Lines, Salts: dataset.NewSaltTree([32]byte{42})}
	d, err := dataset.Digest(context.Background(), rows, o)
	if err != nil {
		t.Fatal(err)
	}
	s := statement.NewDataset(statement.Name{Namespace: "acme", Name: "rows", Version: "1"}, &statement.Dataset{
		Root: d.Root, Records: d.Records, Files: uint64(len(d.Files)), Bytes: d.Bytes, Form: statement.FormLines, Salted: true, License: "CC-BY-4.0"})
	w.leaves[w.at] = w.sign(s).Raw()
	b = w.bundle(3)
	b.Manifest = nil
	return rows, o, b
}

func opened(t *testing.T, rows fstest.MapFS, o dataset.Options, record uint64) *dataset.Opening {
	t.Helper()
	opening, _, err := dataset.Open(t.Context(), rows, o, dataset.Position{Index: record})
	if err != nil {
		t.Fatal(err)
	}
	return opening
}

func TestOpening(t *testing.T) {
	w := newWorld(t)
	model := w.bundle(3)
	rows, o, b := saltedRows(t, w)
	good := opened(t, rows, o, 1)
	text := string(must(good.Marshal()))
	another := *good
	another.Record = []byte("X\n")
	foreign := o
	foreign.Salts = dataset.NewSaltTree([32]byte{43})

	for _, c := range []struct {
		story   string
		bundle  *bundle.Bundle
		opening string
		class   verifier.Class
		reason  string
		says    string
	}{
		{"a row of the dataset", b, text, verifier.ClassNone, "", `line 1 of "a.csv" (which has 3, counted from 0), 2 bytes, is in dataset`},
		{"a row with a tab", b, string(must(opened(t, rows, o, 0).Marshal())), verifier.ClassNone, "", ": id name"},
		{"another text for the row", b, string(must(another.Marshal())), verifier.ClassProof, "OPENING_INVALID", "another dataset"},
		{"a row under another seed", b, string(must(opened(t, rows, foreign, 1).Marshal())), verifier.ClassProof, "OPENING_INVALID", "another dataset"},
		{"no opening", b, "{}", verifier.ClassProof, "OPENING_MALFORMED", ""},
		{"an empty file", b, "", verifier.ClassProof, "OPENING_MALFORMED", ""},
		{"a row of a model", model, text, verifier.ClassUsage, "NOT_DATASET", "this is a model entry"},
	} {
		if c.bundle == model {
			w.leaves[w.at] = w.modelEntry().Raw()
			c.bundle = w.bundle(3)
		}
		r := w.verify(c.bundle, w.trust(), &verifier.Subject{Opening: []byte(c.opening)})
		check := r.Check("opening")
		if check == nil || check.Class != c.class || check.Reason != c.reason || !strings.Contains(check.Message, c.says) {
			t.Errorf("%s: want class %d, %s, %q:\n%s", c.story, c.class, c.reason, c.says, r.Text())
		}
		if r.Verified() != (c.class == verifier.ClassNone) || r.Check("files").Result != verifier.NotAsked {
			t.Errorf("%s: %s", c.story, r.Text())
		}
	}
}

// TestOpeningOfLinesWhereFilesWereSigned: the digest is that of the lines, and
// the statement says that a record is a whole file. Which is it, then?
func TestOpeningOfLinesWhereFilesWereSigned(t *testing.T) {
	w := newWorld(t)
	rows, o, b := saltedRows(t, w)
	s := must(statement.Parse(must(entry.Parse(b.Entry)).Body()))
	s.Dataset.Form = statement.FormFiles
	w.leaves[w.at] = w.sign(s).Raw()
	b.Proven = w.bundle(3).Proven
	r := w.verify(b, w.trust(), &verifier.Subject{Opening: must(opened(t, rows, o, 1).Marshal())})
	if c := r.Check("opening"); c.Reason != "OPENING_INVALID" || c.Got != "lines" || c.Want != "files" {
		t.Errorf("got %+v, want OPENING_INVALID, lines in place of files", c)
	}
}

func TestOpeningOfAnUnreadableEntryIsSkipped(t *testing.T) {
	w := newWorld(t)
	rows, o, b := saltedRows(t, w)
	b.Entry[len(b.Entry)-1] ^= 1
	r := w.verify(b, w.trust(), &verifier.Subject{Opening: must(opened(t, rows, o, 1).Marshal())})
	if c := r.Check("opening"); r.Verified() || c == nil || c.Result != verifier.Skipped {
		t.Errorf("want the opening skipped: %s", r.Text())
	}
}

// Whoever has no seed can't tell whether files are those of a salted dataset,
// and must not be told that they are.
func TestSaltedFilesCannotBeToldByAStranger(t *testing.T) {
	w := newWorld(t)
	rows, _, b := saltedRows(t, w)
	r := w.verify(b, w.trust(), &verifier.Subject{FS: rows})
	if d := r.Decisive(); d == nil || d.Name != "files" || d.Class != verifier.ClassUnknown || d.Reason != "DATASET_SALTED" {
		t.Errorf("want files to fail with DATASET_SALTED: %s", r.Text())
	}
	if r := w.verify(b, w.trust(), nil); !r.Verified() {
		t.Errorf("without files: %s", r.Text())
	}
}

func TestAnOpenedRecordDoesNotSteerTheTerminal(t *testing.T) {
	w := newWorld(t)
	_, o, _ := saltedRows(t, w)
	for record, want := range map[string]string{
		"\x1b[31mred\n":                      "not text",
		"\xff\n":                             "not text",
		"a\u202eb\n":                         "not text",
		strings.Repeat("ä", 40) + "\n":       ": " + strings.Repeat("ä", 32) + "…",
		"x" + strings.Repeat("ä", 40) + "\n": ": x" + strings.Repeat("ä", 31) + "…",
	} {
		rows := fstest.MapFS{"a": {Data: []byte(record)}}
		d, err := dataset.Digest(t.Context(), rows, o)
		if err != nil {
			t.Fatal(err)
		}
		s := statement.NewDataset(statement.Name{Namespace: "acme", Name: "rows", Version: "1"}, &statement.Dataset{
			Root: d.Root, Records: d.Records, Files: 1, Bytes: d.Bytes, Form: statement.FormLines, Salted: true, License: "MIT"})
		w.leaves[w.at] = w.sign(s).Raw()
		b := w.bundle(3)
		b.Manifest = nil
		r := w.verify(b, w.trust(), &verifier.Subject{Opening: must(opened(t, rows, o, 0).Marshal())})
		if c := r.Check("opening"); c.Result != verifier.OK || !strings.HasSuffix(c.Message, want) {
			t.Errorf("%q: got %q, want it to end in %q", record, c.Message, want)
		}
	}
}
