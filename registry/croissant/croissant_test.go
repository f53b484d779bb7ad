package croissant_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hallmark-registry/hallmark/registry/croissant"
	"github.com/hallmark-registry/hallmark/verifier/dataset"
)

// TestDocumentsOfOthers reads published documents and holds the files beside
// them against them.
func TestDocumentsOfOthers(t *testing.T) {
	for _, c := range []struct {
		name, license, source string
		files                 int
	}{
		{"titanic", "afl-3.0", "https://www.openml.org/d/40945", 3},
		{"simple-join", "CC-BY-4.0", "https://mlcommons.org", 1},
	} {
		dir := filepath.Join("../../../shared/corpora/croissant", c.name)
		text, err := os.ReadFile(filepath.Join(dir, "metadata.json"))
		if err != nil {
			t.Skipf("corpus not at hand: %v", err)
		}
		d, err := croissant.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if license, err := d.License(); err != nil || license != c.license {
			t.Errorf("%s: got licence %q, %v; want %q", c.name, license, err, c.license)
		}
		if d.Version != "1.0" || !slices.Equal(d.Sources, []string{c.source}) || d.Digest != sha256.Sum256(text) {
			t.Errorf("%s: got %+v", c.name, d)
		}
		hashed, err := dataset.Digest(t.Context(), os.DirFS(dir), dataset.Options{})
		if err != nil {
			t.Fatal(err)
		}
		files := map[string][32]byte{}
		for _, f := range hashed.Files {
			files[f.Path] = f.SHA256
		}
		checked, faults := d.Compare(files, path.Clean)
		if checked != c.files || faults != nil {
			t.Errorf("%s: got %d files, %v; want %d", c.name, checked, faults, c.files)
		}
	}
}

// document returns one with the members given in place of its own.
func document(members string) string {
	return `{"@type":"sc:Dataset","conformsTo":"http://mlcommons.org/croissant/1.1"` + members + `}`
}

func TestParse(t *testing.T) {
	sum := strings.Repeat("ab", 32)
	d, err := croissant.Parse([]byte(`{
		"@type": ["https://schema.org/Dataset", "x:Other"],
		"dct:conformsTo": ["http://mlcommons.org/croissant/RAI/1.0", "https://mlcommons.org/croissant/1.1"],
		"sc:license": {"@type": "CreativeWork", "name": "Some licence", "url": "https://spdx.org/licenses/MIT.html"},
		"url": "https://example.com/data",
		"isBasedOn": {"@id": "https://example.com/older"},
		"prov:wasDerivedFrom": [{"@id": "https://example.com/raw"}, {"@id": "https://example.com/data"}, 7],
		"distribution": [
			{"@type": "cr:FileObject", "@id": "zip", "contentUrl": "https://example.com/data.zip", "sha256": "` + strings.ToUpper(sum) + `"},
			{"@type": "cr:FileObject", "@id": "inner", "contentUrl": "inner.csv", "containedIn": {"@id": "zip"}},
			{"@type": "cr:FileSet", "@id": "all", "includes": "*.csv"}
		]}`))
	if err != nil {
		t.Fatal(err)
	}
	if license, err := d.License(); license != "MIT" || err != nil || d.Version != "1.1" {
		t.Errorf("got licence %q, %v, version %q", license, err, d.Version)
	}
	if want := []string{"https://example.com/data", "https://example.com/older", "https://example.com/raw"}; !slices.Equal(d.Sources, want) {
		t.Errorf("got sources %q, want %q", d.Sources, want)
	}
	if len(d.Files) != 2 || fmt.Sprintf("%x", d.Files[0].SHA256) != sum || d.Files[0].Contained || !d.Files[1].Contained || d.Files[1].Hashed {
		t.Errorf("got files %+v", d.Files)
	}
}

func TestParseRefuses(t *testing.T) {
	for _, c := range []struct{ story, text string }{
		{"nothing", ""},
		{"no object", "[]"},
		{"something behind it", document("") + "{}"},
		{"a member twice", document(`,"license":"MIT","license":"Apache-2.0"`)},
		{"a member twice, deep inside", document(`,"recordSet":[{"data":{"a":1,"a":2}}]`)},
		{"another type", `{"@type":"sc:Person","conformsTo":"http://mlcommons.org/croissant/1.0"}`},
		{"no version", `{"@type":"sc:Dataset"}`},
		{"a version to come", `{"@type":"sc:Dataset","conformsTo":"http://mlcommons.org/croissant/2.0"}`},
		{"a name in another case", `{"@TYPE":"sc:Dataset","conformsTo":"http://mlcommons.org/croissant/1.0"}`},
		{"a file of another type", document(`,"distribution":[{"@type":"sc:Thing","@id":"a","contentUrl":"a"}]`)},
		{"a file that is a text", document(`,"distribution":["a"]`)},
		{"a file without an address", document(`,"distribution":[{"@type":"cr:FileObject","@id":"a"}]`)},
		{"a file without a name", document(`,"distribution":[{"@type":"cr:FileObject","contentUrl":"a"}]`)},
		{"half a hash", document(`,"distribution":[{"@type":"cr:FileObject","@id":"a","contentUrl":"a","sha256":"0b033707ea49365a5ffdd14615825511"}]`)},
		{"a hash that is none", document(`,"distribution":[{"@type":"cr:FileObject","@id":"a","contentUrl":"a","sha256":"` + strings.Repeat("zz", 32) + `"}]`)},
		{"two hashes", document(`,"distribution":[{"@type":"cr:FileObject","@id":"a","contentUrl":"a","sha256":["` + strings.Repeat("aa", 32) + `","` + strings.Repeat("bb", 32) + `"]}]`)},
	} {
		if _, err := croissant.Parse([]byte(c.text)); !errors.Is(err, croissant.ErrMalformed) {
			t.Errorf("%s: got error %v, want %v", c.story, err, croissant.ErrMalformed)
		}
	}
}

func TestLicense(t *testing.T) {
	for license, want := range map[string]string{
		`"https://creativecommons.org/licenses/by/4.0/"`:                "CC-BY-4.0",
		`"http://creativecommons.org/licenses/by-nc-sa/3.0/deed.en"`:    "CC-BY-NC-SA-3.0",
		`"https://creativecommons.org/publicdomain/zero/1.0/"`:          "CC0-1.0",
		`"https://spdx.org/licenses/ODbL-1.0.html"`:                     "ODbL-1.0",
		`"https://choosealicense.com/licenses/mit/"`:                    "mit",
		`"https://opensource.org/license/bsd-3-clause"`:                 "bsd-3-clause",
		`"https://www.apache.org/licenses/LICENSE-2.0"`:                 "Apache-2.0",
		`"MIT OR Apache-2.0"`:                                           "MIT OR Apache-2.0",
		`["MIT"]`:                                                       "MIT",
		`["MIT","Apache-2.0"]`:                                          "", // all of them, or any?
		`"public domain"`:                                               "",
		`"https://example.com/licenses/MIT"`:                            "",
		`"https://creativecommons.org/licenses/by-anything/4.0/"`:       "",
		`"https://spdx.org/licenses/"`:                                  "",
		`{"@type":"CreativeWork","name":"a licence of our own making"}`: "",
	} {
		d, err := croissant.Parse([]byte(document(`,"license":` + license)))
		if err != nil {
			t.Fatal(err)
		}
		got, err := d.License()
		if missing := new(croissant.LicenseError); got != want || (want == "") != errors.As(err, &missing) {
			t.Errorf("%s: got %q, %v; want %q", license, got, err, want)
		}
	}
}

func TestCompare(t *testing.T) {
	content := func(s string) [32]byte { return sha256.Sum256([]byte(s)) }
	file := func(url, text string, more string) string {
		sum := ""
		if text != "" {
			sum = fmt.Sprintf(`,"sha256":"%x"`, content(text))
		}
		return `{"@type":"cr:FileObject","@id":"f","contentUrl":"` + url + `"` + sum + more + `}`
	}
	const inside = `,"containedIn":{"@id":"zip"}`
	files := map[string][32]byte{"a.csv": content("a"), "b c.csv": content("b"), "sub/d.csv": content("d")}
	for _, c := range []struct {
		story, file string
		checked     int
		fault       string
	}{
		{"as described", file("data/a.csv", "a", ""), 1, ""},
		{"with escapes", file("data/b%20c.csv", "b", ""), 1, ""},
		{"with a dot", file("./data/sub/d.csv", "d", ""), 1, ""},
		{"another content", file("data/a.csv", "x", ""), 0, `"a.csv": got sha256 ca97`},
		{"not there", file("data/e.csv", "e", ""), 0, `"f" (data/e.csv) is missing`},
		{"outside the data set", file("../a.csv", "a", ""), 0, "is missing"},
		{"without a hash", file("data/a.csv", "", ""), 0, ""},
		{"without a hash, and not there", file("data/e.csv", "", ""), 0, "is missing"},
		{"at an address", file("https://example.com/x?y=z", "a", ""), 1, ""},
		{"at an address, another content", file("https://example.com/a.csv?download=1", "x", ""), 0, `"a.csv": got sha256`},
		{"at an address, not there", file("https://example.com/e.csv", "e", ""), 0, "is missing"},
		{"at an address without a hash", file("https://example.com/e.csv", "", ""), 0, ""},
		{"in an archive that is unpacked", file("elsewhere/a.csv", "a", inside), 1, ""},
		{"in an archive", file("elsewhere/e.csv", "e", inside), 0, ""},
	} {
		d, err := croissant.Parse([]byte(document(`,"distribution":` + c.file)))
		if err != nil {
			t.Fatal(err)
		}
		checked, faults := d.Compare(files, func(p string) string {
			if rest, ok := strings.CutPrefix(path.Clean(p), "data/"); ok {
				return rest
			}
			return ""
		})
		if checked != c.checked || len(faults) > 1 || (c.fault == "") != (len(faults) == 0) {
			t.Errorf("%s: got %d checked, %v; want %d, %q", c.story, checked, faults, c.checked, c.fault)
		} else if c.fault != "" && !strings.Contains(faults[0].Error(), c.fault) {
			t.Errorf("%s: got %q, want %q", c.story, faults[0], c.fault)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(document(`,"license":["MIT"],"distribution":[{"@type":"cr:FileObject","@id":"a","contentUrl":"a%20b","sha256":"` + strings.Repeat("aa", 32) + `"}]`)))
	f.Add([]byte(document(`,"url":{"@id":{}},"distribution":{"@type":["cr:FileSet",7]}`)))
	f.Fuzz(func(t *testing.T, text []byte) {
		d, err := croissant.Parse(text)
		if err != nil {
			if !errors.Is(err, croissant.ErrMalformed) {
				t.Fatalf("got error %v, want %v", err, croissant.ErrMalformed)
			}
			return
		}
		d.License()
		d.Compare(map[string][32]byte{"a b": {1}}, path.Clean)
	})
}
