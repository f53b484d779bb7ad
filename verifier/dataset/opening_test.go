package dataset_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/hallmark-registry/hallmark/verifier/dataset"
)

// rows is a data set of lines of many lengths, in files of many lengths.
func rows() map[string]string {
	files := map[string]string{"empty": ""}
	for i := range 12 {
		var b strings.Builder
		for j := range i * i {
			fmt.Fprintf(&b, "row %d %s\n", j, strings.Repeat("z", j%7))
		}
		files[fmt.Sprintf("f%02d", i)] = strings.TrimSuffix(b.String(), "\n") // a last line without a newline
	}
	return files
}

func TestEveryRecordOpens(t *testing.T) {
	files := rows()
	for _, o := range []dataset.Options{
		{Split: dataset.Lines},
		{Split: dataset.Lines, Salts: dataset.NewSaltTree(testSeed), Workers: 3},
		{Split: dataset.WholeFiles, Salts: dataset.NewSaltTree(testSeed), Workers: 3},
		{Split: dataset.WholeFiles},
	} {
		d, err := dataset.Digest(t.Context(), folder(files), o)
		if err != nil {
			t.Fatal(err)
		}
		number := uint64(0)
		for i, f := range d.Files {
			for line := range f.Records {
				for _, at := range []dataset.Position{{Index: number}, {Path: f.Path, Index: line}} {
					opening, again, err := dataset.Open(t.Context(), folder(files), o, at)
					if err != nil {
						t.Fatal(err)
					}
					if again.Digest != d.Digest {
						t.Fatalf("%v: got dataset digest %x, want %x", at, again.Digest, d.Digest)
					}
					if opening.File.Path != f.Path || opening.File.Index != uint64(i) || opening.Index != line {
						t.Fatalf("%v: got record %d of %q, want %d of %q", at, opening.Index, opening.File.Path, line, f.Path)
					}
					want := files[f.Path]
					if o.Split == dataset.Lines {
						want = strings.SplitAfter(want, "\n")[line]
					}
					if string(opening.Record) != want {
						t.Fatalf("%v: got %q, want %q", at, opening.Record, want)
					}
					checkOpening(t, opening, d.Digest)
				}
				number++
			}
		}
		for _, at := range []dataset.Position{{Index: number}, {Index: 1 << 63}, {Path: "f00", Index: 1}, {Path: "nowhere"}} {
			if _, _, err := dataset.Open(t.Context(), folder(files), o, at); !errors.Is(err, dataset.ErrNoRecord) {
				t.Errorf("%v: got error %v, want %v", at, err, dataset.ErrNoRecord)
			}
		}
	}
}

// checkOpening writes, reads and checks an opening as its reader does.
func checkOpening(t *testing.T, o *dataset.Opening, want [32]byte) {
	t.Helper()
	text, err := o.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	read, err := dataset.ParseOpening(text)
	if err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	if got, err := read.Digest(); err != nil || got != want {
		t.Fatalf("got digest %x, %v; want %x: %s", got, err, want, text)
	}
}

// TestOpeningInManyExtents opens records around the ends of blocks, with more workers than one.
func TestOpeningInManyExtents(t *testing.T) {
	row := strings.Repeat("0123456789", 10) + "\n"
	fsys := folder(map[string]string{"a": "first\n", "b": strings.Repeat(row, 3<<20/len(row)), "c": "last"})
	o := dataset.Options{Split: dataset.Lines, Salts: dataset.NewSaltTree(testSeed), Workers: 4}
	last := uint64(3<<20/len(row)) - 1
	for _, line := range []uint64{0, 1, 1000, 2<<20/uint64(len(row)) - 1, 2 << 20 / uint64(len(row)), last - 1, last} {
		opening, d, err := dataset.Open(t.Context(), fsys, o, dataset.Position{Path: "b", Index: line})
		if err != nil {
			t.Fatal(err)
		}
		if string(opening.Record) != row {
			t.Errorf("line %d: got %q", line, opening.Record)
		}
		checkOpening(t, opening, d.Digest)
	}
}

func TestErase(t *testing.T) {
	files := map[string]string{"a": "1\n22\n333\n", "b": "4444\n55555"}
	o := dataset.Options{Split: dataset.Lines, Salts: dataset.NewSaltTree(testSeed), Workers: 2}
	before, err := dataset.Digest(t.Context(), folder(files), o)
	if err != nil {
		t.Fatal(err)
	}
	erased, d, err := dataset.Erase(t.Context(), folder(files), o,
		dataset.Position{Index: 4}, dataset.Position{Index: 1}, dataset.Position{Path: "a", Index: 1}, dataset.Position{Path: "b", Index: 1})
	if err != nil || d.Digest != before.Digest {
		t.Fatalf("got digest %x, %v; want %x", d.Digest, err, before.Digest)
	}
	for i, want := range []uint64{4, 1, 1, 4} {
		if erased[i].Record != want {
			t.Errorf("erased %d is record %d, want %d", i, erased[i].Record, want)
		}
	}
	o.Salts.Erase(erased...)

	for _, after := range []map[string]string{
		files, // nobody is made to delete the text first
		{"a": "1\n\n333\n", "b": "4444\n\n"},
		{"a": "1\n" + strings.Repeat("x", 100) + "\n333\n", "b": "4444\nx"},
	} {
		d, err := dataset.Digest(t.Context(), folder(after), o)
		if err != nil || d.Digest != before.Digest || d.Bytes != before.Bytes {
			t.Errorf("%q: got digest %x of %d bytes, %v; want %x of %d", after, d.Digest, d.Bytes, err, before.Digest, before.Bytes)
		}
		for r := range uint64(5) {
			opening, _, err := dataset.Open(t.Context(), folder(after), o, dataset.Position{Index: r})
			if r == 1 || r == 4 {
				if !errors.Is(err, dataset.ErrErased) {
					t.Errorf("%q: opening record %d: got error %v, want %v", after, r, err, dataset.ErrErased)
				}
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			checkOpening(t, opening, before.Digest)
		}
		again, _, err := dataset.Erase(t.Context(), folder(after), o, dataset.Position{Index: 1})
		if err != nil || again[0] != erased[1] {
			t.Errorf("%q: erased again: got %+v, %v; want %+v", after, again, err, erased[1])
		}
	}
	gone := map[string]string{"a": "1\n333\n", "b": "4444\n\n"} // the line is gone, not emptied
	if d, err := dataset.Digest(t.Context(), folder(gone), o); err != nil || d.Digest == before.Digest {
		t.Errorf("a line cut out: got digest %x, %v, want another", d.Digest, err)
	}
	if _, _, err := dataset.Erase(t.Context(), folder(files), o, dataset.Position{Index: 5}); !errors.Is(err, dataset.ErrNoRecord) {
		t.Errorf("erasing what is not there: got error %v, want %v", err, dataset.ErrNoRecord)
	}
	if _, _, err := dataset.Erase(t.Context(), folder(files), dataset.Options{Split: dataset.Lines}, dataset.Position{}); err == nil {
		t.Error("erasing in an open data set: got no error")
	}
}

// TestErasedWholeFile has a file of which nothing is left but its place.
func TestErasedWholeFile(t *testing.T) {
	files := map[string]string{"a.png": "image", "b.png": "picture"}
	o := dataset.Options{Salts: dataset.NewSaltTree(testSeed)}
	erased, before, err := dataset.Erase(t.Context(), folder(files), o, dataset.Position{Path: "b.png"})
	if err != nil {
		t.Fatal(err)
	}
	o.Salts.Erase(erased...)
	files["b.png"] = ""
	d, err := dataset.Digest(t.Context(), folder(files), o)
	if err != nil || d.Digest != before.Digest {
		t.Errorf("got digest %x, %v; want %x", d.Digest, err, before.Digest)
	}
}

func TestLargeRecordsDoNotOpen(t *testing.T) {
	if testing.Short() {
		t.Skip("hashes 64 MiB")
	}
	large := fstest.MapFS{"a": {Data: make([]byte, dataset.MaxLine+1)}}
	if _, _, err := dataset.Open(t.Context(), large, dataset.Options{}, dataset.Position{}); !errors.Is(err, dataset.ErrTooLarge) {
		t.Errorf("got error %v, want %v", err, dataset.ErrTooLarge)
	}
}

const openingsFile = "../testdata/vectors/dataset/openings.json"

// openingVector is what a reader is given: an opening, and the digest of the data set that its record is to be in.
type openingVector struct {
	Name          string `json:"name"`
	DatasetDigest string `json:"datasetDigest"`
	Opening       string `json:"opening"`
	Result        string `json:"result"` // ok, malformed, or other: it is of another data set
	Record        []byte `json:"record,omitempty"`
}

func TestOpeningVectors(t *testing.T) {
	if *update {
		writeOpenings(t)
	}
	b, err := os.ReadFile(openingsFile)
	if err != nil {
		t.Fatal(err)
	}
	var all struct {
		About string          `json:"about"`
		Cases []openingVector `json:"cases"`
	}
	if err := json.Unmarshal(b, &all); err != nil {
		t.Fatal(err)
	}
	for _, c := range all.Cases {
		result, record := "malformed", []byte(nil)
		if o, err := dataset.ParseOpening([]byte(c.Opening)); err == nil {
			result = "other"
			if digest, err := o.Digest(); err == nil && fmt.Sprintf("sha256:%x", digest) == c.DatasetDigest {
				result, record = "ok", o.Record
			}
		} else if !errors.Is(err, dataset.ErrOpening) {
			t.Errorf("%s: got error %v, want %v", c.Name, err, dataset.ErrOpening)
		}
		if result != c.Result || !bytes.Equal(record, c.Record) {
			t.Errorf("%s: got %s %q, want %s %q", c.Name, result, record, c.Result, c.Record)
		}
	}
}

func writeOpenings(t *testing.T) {
	files := folder(map[string]string{"a.jsonl": "{\"a\":1}\n{\"a\":2}\n{\"a\":3}\n", "b.jsonl": "{\"b\":1}\n{\"b\":2}", "c.jsonl": ""})
	salted := dataset.Options{Split: dataset.Lines, Salts: dataset.NewSaltTree(testSeed)}
	var cases []openingVector
	open := func(o dataset.Options, at dataset.Position) (dataset.Opening, string) {
		opening, d, err := dataset.Open(t.Context(), files, o, at)
		if err != nil {
			t.Fatal(err)
		}
		return *opening, fmt.Sprintf("sha256:%x", d.Digest)
	}
	marshal := func(o dataset.Opening) string {
		text, err := o.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	add := func(name, digest, opening, result string, record []byte) {
		cases = append(cases, openingVector{name, digest, opening, result, record})
	}
	for _, c := range []struct {
		name string
		o    dataset.Options
		at   dataset.Position
	}{
		{"a line of a salted data set", salted, dataset.Position{Index: 1}},
		{"the last line, without a newline", salted, dataset.Position{Path: "b.jsonl", Index: 1}},
		{"a line of an open data set", dataset.Options{Split: dataset.Lines}, dataset.Position{Index: 2}},
		{"a whole file", dataset.Options{}, dataset.Position{Path: "a.jsonl"}},
		{"a whole file, empty and salted", dataset.Options{Salts: salted.Salts}, dataset.Position{Path: "c.jsonl"}},
	} {
		o, digest := open(c.o, c.at)
		add(c.name, digest, marshal(o), "ok", o.Record)
	}

	good, digest := open(salted, dataset.Position{Index: 1})
	text := marshal(good)
	other, _ := open(salted, dataset.Position{Index: 2})
	for _, c := range []struct {
		name   string
		change func(o *dataset.Opening)
	}{
		{"another salt", func(o *dataset.Opening) { o.Salt[31] ^= 1 }},
		{"the salt of another row", func(o *dataset.Opening) { o.Salt = other.Salt }},
		{"another row", func(o *dataset.Opening) { o.Record = []byte("{\"a\":9}\n") }},
		{"another row of the same data set", func(o *dataset.Opening) { o.Record = other.Record }},
		{"another position", func(o *dataset.Opening) { o.Index = 0 }},
		{"another path", func(o *dataset.Opening) { o.Proof = [][32]byte{o.Proof[1], o.Proof[0]} }},
		{"another file's name", func(o *dataset.Opening) { o.File.Path = "A.jsonl" }},
		{"another place of the file", func(o *dataset.Opening) { o.File.Index = 1 }},
		{"another size of the file", func(o *dataset.Opening) { o.File.Size-- }},
		{"another size of the data set", func(o *dataset.Opening) { o.Bytes++ }},
		{"said to be open", func(o *dataset.Opening) { o.Salted, o.Salt = false, [32]byte{} }},
	} {
		o := good
		c.change(&o)
		add(c.name, digest, marshal(o), "other", nil)
	}

	first, _, _ := strings.Cut(text[strings.Index(text, `"index":1,"proof":[`)+len(`"index":1,"proof":[`):], ",")
	for _, c := range []struct{ name, old, new string }{
		{"a path cut short", first + ",", ""},
		{"a path too long", first + ",", first + "," + first + ","},
		{"white space", `{"dataset"`, `{ "dataset"`},
		{"something behind it", `"}}`, `"}}` + "\n"},
		{"a member twice", `{"dataset":{`, `{"dataset":{"bytes":39,`},
		{"an unknown member", `"salted":true`, `"salted":true,"seed":"00"`},
		{"a missing member", `,"salted":true`, ``},
		{"members in another order", `"bytes":39,"files":3`, `"files":3,"bytes":39`},
		{"another version", "version=1", "version=2"},
		{"a number as a string", `"files":3`, `"files":"3"`},
		{"a number with a fraction", `"files":3`, `"files":3.0`},
		{"a negative number", `"files":3`, `"files":-3`},
		{"a number above 2^53-1", `"bytes":39`, `"bytes":9007199254740992`},
		{"a split that is none", `"split":"lines"`, `"split":"words"`},
		{"lines said to be whole files", `"split":"lines"`, `"split":"files"`},
		{"a hash in upper case", first, strings.ToUpper(first[:len(first)-1]) + `"`},
		{"an escape where none is needed", `"path":"a`, `"path":"\u0061`},
		{"a path that is none", `"path":"a.jsonl"`, `"path":"../a.jsonl"`},
		{"base64 without padding", `fQo="`, `fQo"`},
		{"a record of two lines", `"bytes":"eyJhIjoyfQo="`, `"bytes":"eyJhIjoyfQoK"`},
		{"a line without a newline that is not the last", `"bytes":"eyJhIjoyfQo="`, `"bytes":"eyJhIjoyfQ=="`},
		{"an empty line without a newline", `"bytes":"eyJhIjoyfQo="`, `"bytes":""`},
		{"a record beyond its file", `"record":{"bytes":"eyJhIjoyfQo=","index":1`, `"record":{"bytes":"eyJhIjoyfQo=","index":3`},
		{"a file beyond the data set", `"file":{"index":0`, `"file":{"index":3`},
		{"more records in the file than in all", `"records":5`, `"records":2`},
		{"no files", `"files":3`, `"files":0`},
		{"a salt in an open data set", `"salted":true`, `"salted":false`},
		{"a salt with a prefix", `"salt":"`, `"salt":"sha256:`},
	} {
		if !strings.Contains(text, c.old) {
			t.Fatalf("%s: %q is not in %s", c.name, c.old, text)
		}
		add(c.name, digest, strings.Replace(text, c.old, c.new, 1), "malformed", nil)
	}
	writeJSON(t, openingsFile, map[string]any{
		"about": "Openings, each to be held against a data set's digest. result: ok, and record is shown to be in the data set; malformed: " +
			"no data set has such an opening; other: it may be an opening, and not of this data set.",
		"cases": cases,
	})
}

func FuzzParseOpening(f *testing.F) {
	fsys := folder(map[string]string{"a": "1\n2\n3", "b": "x"})
	for _, o := range []dataset.Options{{Split: dataset.Lines}, {Salts: dataset.NewSaltTree(testSeed)}} {
		opening, _, err := dataset.Open(f.Context(), fsys, o, dataset.Position{Path: "a"})
		if err != nil {
			f.Fatal(err)
		}
		text, err := opening.Marshal()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		o, err := dataset.ParseOpening(text)
		if err != nil {
			if !errors.Is(err, dataset.ErrOpening) {
				t.Fatalf("got error %v, want %v", err, dataset.ErrOpening)
			}
			return
		}
		if again, err := o.Marshal(); err != nil || !bytes.Equal(again, text) {
			t.Fatalf("read %q, wrote %q, %v", text, again, err)
		}
		if _, err := o.Digest(); err != nil {
			t.Fatalf("%q has no digest: %v", text, err)
		}
	})
}
