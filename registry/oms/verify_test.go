package oms_test

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hallmark-registry/hallmark/registry/oms"
)

// signed describes what a statement of the tests is over.
func signedFiles(texts map[string]string) (list []resource) {
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		list = append(list, resource{name, "sha256", sha256Of(texts[name])})
	}
	return list
}

func TestComparesTheFolder(t *testing.T) {
	ab := map[string]string{"a": "1", "d/b": "22"}
	with := func(more map[string]string) map[string]string {
		all := maps.Clone(ab)
		maps.Copy(all, more)
		return all
	}
	const links = `{"method":"files","hash_type":"sha256","allow_symlinks":true}`
	for _, c := range []struct {
		story         string
		serialization string
		signed        map[string]string // with their contents
		there         map[string]string
		options       oms.Options
		want          oms.Fault
		differences   []string
		unsigned      []string
	}{
		{story: "as it was signed", signed: ab, there: ab},
		{story: "a file changed", signed: ab, there: with(map[string]string{"a": "2"}), want: oms.ErrFiles, differences: []string{"a: changed"}},
		{story: "a file missing", signed: ab, there: map[string]string{"a": "1"}, want: oms.ErrFiles, differences: []string{"d/b: missing"}},
		{story: "a file more", signed: ab, there: with(map[string]string{"d/c": ""}), want: oms.ErrFiles, differences: []string{"d/c: unsigned"}},
		{story: "a file renamed", signed: ab, there: map[string]string{"A": "1", "d/b": "22"}, want: oms.ErrFiles, differences: []string{"A: unsigned", "a: missing"}},
		{story: "a file become a folder", signed: ab, there: map[string]string{"a/x": "1", "d/b": "22"}, want: oms.ErrFiles, differences: []string{"a: missing", "a/x: unsigned"}},
		{story: "a file more that is let pass", signed: ab, there: with(map[string]string{"c": "", "l": "->a"}),
			options: oms.Options{IgnoreUnsigned: true}, unsigned: []string{"c", "l"}},
		{story: "a file missing where more may stand", signed: ab, there: map[string]string{"a": "1", "c": ""},
			options: oms.Options{IgnoreUnsigned: true}, want: oms.ErrFiles, differences: []string{"d/b: missing"}, unsigned: []string{"c"}},
		{story: "what the caller ignores", signed: ab, there: with(map[string]string{"logs/x": "", "model.sig": ""}),
			options: oms.Options{Ignore: []string{"logs", "model.sig"}}},
		{story: "the caller ignores what was signed", signed: ab, there: ab, options: oms.Options{Ignore: []string{"d"}}, want: oms.ErrIgnored},
		{story: "what the signer ignored", serialization: `{"method":"files","hash_type":"sha256","allow_symlinks":false,"ignore_paths":["logs"]}`,
			signed: ab, there: with(map[string]string{"logs/x": "", "logs/y/z": ""})},
		{story: "what the signer ignored, elsewhere", serialization: `{"method":"files","hash_type":"sha256","allow_symlinks":false,"ignore_paths":["logs"]}`,
			signed: ab, there: with(map[string]string{"d/logs": ""}), want: oms.ErrFiles, differences: []string{"d/logs: unsigned"}},
		{story: "git's files at the top", signed: ab, there: with(map[string]string{".git/HEAD": "", ".gitignore": "", ".gitattributes": "", ".github/x": ""})},
		{story: "git's files further down", signed: ab, there: with(map[string]string{"d/.git/HEAD": "", "d/.gitignore": ""}),
			want: oms.ErrFiles, differences: []string{"d/.git/HEAD: unsigned", "d/.gitignore: unsigned"}},
		{story: "git's files, when they were signed", serialization: `{"method":"files","hash_type":"sha256","allow_symlinks":false,"ignore_paths":[]}`,
			signed: with(map[string]string{".gitignore": "x"}), there: with(map[string]string{".gitignore": "y"}), want: oms.ErrFiles, differences: []string{".gitignore: changed"}},
		{story: "a link in place of a file", signed: ab, there: map[string]string{"a": "->c", "c": "1", "d/b": "22"}, want: oms.ErrLink},
		{story: "a link more", signed: ab, there: with(map[string]string{"l": "->a"}), want: oms.ErrFiles, differences: []string{"l: unsigned"}},
		{story: "links that are followed", serialization: links, signed: with(map[string]string{"l": "1", "m": "22"}), there: with(map[string]string{"l": "->a", "m": "->d/../d/b"})},
		{story: "a link out of the folder", serialization: links, signed: with(map[string]string{"l": "1"}), there: with(map[string]string{"l": "->../outside"}), want: oms.ErrLink},
		{story: "a link to an absolute path", serialization: links, signed: with(map[string]string{"l": "1"}), there: with(map[string]string{"l": "->/etc/passwd"}), want: oms.ErrLink},
		{story: "links in a circle", serialization: links, signed: with(map[string]string{"l": "1"}), there: with(map[string]string{"l": "->m", "m": "->l"}), want: oms.ErrLink},
		{story: "a link to nothing", serialization: links, signed: with(map[string]string{"l": "1"}), there: with(map[string]string{"l": "->x"}), want: oms.ErrLink},
		{story: "a link to a folder", serialization: links, signed: with(map[string]string{"l": "1"}), there: with(map[string]string{"l": "->d"}), want: oms.ErrIrregular},
		{story: "names that differ in their composition only", signed: map[string]string{"\u00e9": "1"}, there: map[string]string{"e\u0301": "1"},
			want: oms.ErrFiles, differences: []string{"e\u0301: unsigned", "\u00e9: missing"}},
	} {
		t.Run(c.story, func(t *testing.T) {
			if c.serialization == "" {
				c.serialization = filesSHA256
			}
			dir := write(t, c.there)
			if err := os.WriteFile(filepath.Join(filepath.Dir(dir), "outside"), []byte("1"), 0o644); err != nil {
				t.Fatal(err)
			}
			bundle := signStatement(statement(c.serialization, signedFiles(c.signed)...))
			r, err := verify(t.Context(), bundle, byKey(signer), openFolder(t, dir), c.options)
			wantFault(t, err, c.want)
			var differences []string
			for _, d := range r.Differences {
				differences = append(differences, d.String())
			}
			if !slices.Equal(differences, c.differences) || !slices.Equal(r.Unsigned, c.unsigned) {
				t.Errorf("differences %q, unsigned %q; want %q, %q", differences, r.Unsigned, c.differences, c.unsigned)
			}
			if c.want == "" && r.Files != len(c.signed) {
				t.Errorf("%d files hold, want %d", r.Files, len(c.signed))
			}
		})
	}
}

func TestComparesShards(t *testing.T) {
	const shards = `{"method":"shards","hash_type":"sha256","shard_size":4,"allow_symlinks":false}`
	shard := func(name, text string) resource { return resource{name, "sha256", sha256Of(text)} }
	long := strings.Repeat("abcd", 11) + "e"
	var list []resource // by number, as Python writes it: in the order of names 12:16 would stand before 4:8
	for i := 0; i < len(long); i += 4 {
		end := min(i+4, len(long))
		list = append(list, shard("x:y:"+itoa(i)+":"+itoa(end), long[i:end]))
	}
	python := slices.Clone(list)
	for i := range python {
		python[i].Algorithm = "sha256-sharded-4"
	}
	mislabelled := slices.Clone(python)
	mislabelled[3].Algorithm = "sha256-sharded-5"
	byName := slices.SortedFunc(slices.Values(list), func(a, b resource) int { return strings.Compare(a.Name, b.Name) })
	for _, c := range []struct {
		story       string
		list        []resource
		size        string // instead of 4
		there       string
		more        map[string]string
		want        oms.Fault
		differences string
	}{
		{story: "by number", list: list, there: long},
		{story: "by name", list: byName, there: long},
		{story: "as the Python implementation writes them", list: python, size: "4.0", there: long},
		{story: "one labelled with another size", list: mislabelled, there: long, want: oms.ErrAlgorithm},
		{story: "one changed in the middle", list: list, there: long[:9] + "X" + long[10:], want: oms.ErrFiles, differences: "x:y: changed"},
		{story: "cut short", list: list, there: long[:44], want: oms.ErrFiles, differences: "x:y: changed"},
		{story: "longer", list: list, there: long + "e", want: oms.ErrFiles, differences: "x:y: changed"},
		{story: "an empty file more, which shards can't see", list: list, there: long, more: map[string]string{"empty": ""}},
		{story: "another file more", list: list, there: long, more: map[string]string{"full": "1"}, want: oms.ErrFiles, differences: "full: unsigned"},
	} {
		t.Run(c.story, func(t *testing.T) {
			serialization := shards
			if c.size != "" {
				serialization = swap(shards, `"shard_size":4`, `"shard_size":`+c.size)
			}
			files := map[string]string{"x:y": c.there}
			maps.Copy(files, c.more)
			r, err := verify(t.Context(), signStatement(statement(serialization, c.list...)), byKey(signer), openFolder(t, write(t, files)), oms.Options{})
			wantFault(t, err, c.want)
			if len(r.Differences) > 0 && r.Differences[0].String() != c.differences {
				t.Errorf("differences %v, want %q", r.Differences, c.differences)
			}
			if _, empty := c.more["empty"]; empty != (len(r.Warnings) == 1) {
				t.Errorf("warnings %q, want one exactly if an empty file is there", r.Warnings)
			}
		})
	}
}

// The Python implementation sorts by the folders of a path. Its bundles are the
// most common ones, and "onnx/model.onnx" beside "onnx.json" is no rare folder.
func TestTakesTheOrderByFolders(t *testing.T) {
	files := map[string]string{"onnx/m": "1", "onnx.json": "2", "onnx-x": "3"}
	list := []resource{{"onnx/m", "sha256", sha256Of("1")}, {"onnx-x", "sha256", sha256Of("3")}, {"onnx.json", "sha256", sha256Of("2")}}
	if _, err := verify(t.Context(), signStatement(statement(filesSHA256, list...)), byKey(signer), openFolder(t, write(t, files)), oms.Options{}); err != nil {
		t.Errorf("sorted by folders: %v", err)
	}
	slices.SortFunc(list, func(a, b resource) int { return strings.Compare(a.Name, b.Name) })
	if _, err := verify(t.Context(), signStatement(statement(filesSHA256, list...)), byKey(signer), openFolder(t, write(t, files)), oms.Options{}); err != nil {
		t.Errorf("sorted by name: %v", err)
	}
	list[0], list[1] = list[1], list[0]
	_, err := verify(t.Context(), signStatement(statement(filesSHA256, list...)), byKey(signer), openFolder(t, write(t, files)), oms.Options{})
	wantFault(t, err, oms.ErrResourceOrder)
}

func TestSingleFile(t *testing.T) {
	dir := write(t, map[string]string{"m.bin": "1", "other": "2"})
	f := openFolder(t, filepath.Join(dir, "m.bin"))
	for name, want := range map[string]oms.Fault{"m.bin": "", ".": "", "other": oms.ErrFiles} {
		_, err := verify(t.Context(), signStatement(statement(filesSHA256, resource{name, "sha256", sha256Of("1")})), byKey(signer), f, oms.Options{})
		if want == "" && err != nil || want != "" && !errors.Is(err, want) {
			t.Errorf("signed as %q: got %v, want %q", name, err, want)
		}
	}
}

// The digest is RFC 7693, appendix A.
func TestComparesByBLAKE2b(t *testing.T) {
	const abc = "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d17d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923"
	bundle := signStatement(statement(`{"method":"files","hash_type":"blake2b","allow_symlinks":false}`, resource{"a", "blake2b", abc}))
	for text, want := range map[string]oms.Fault{"abc": "", "abd": oms.ErrFiles} {
		_, err := verify(t.Context(), bundle, byKey(signer), openFolder(t, write(t, map[string]string{"a": text})), oms.Options{})
		wantFault(t, err, want)
	}
}

// The digests are of the reference implementation: of nothing, of a text, and
// across the edge of a chunk, where the hash becomes a tree.
func TestComparesByBLAKE3(t *testing.T) {
	long := make([]byte, 1025)
	for i := range long {
		long[i] = byte(i % 251)
	}
	for text, sum := range map[string]string{
		"":                  "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262",
		"abc":               "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85",
		string(long[:1024]): "42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7",
		string(long):        "d00278ae47eb27b34faecf67b4fe263f82d5412916c1ffd97c8cb7fb814b8444",
	} {
		bundle := signStatement(statement(filesBLAKE3, resource{"a", "blake3", sum}))
		for there, want := range map[string]oms.Fault{text: "", text + "x": oms.ErrFiles} {
			r, err := verify(t.Context(), bundle, byKey(signer), openFolder(t, write(t, map[string]string{"a": there})), oms.Options{})
			wantFault(t, err, want)
			if r == nil || r.Manifest.Hash != "blake3" {
				t.Errorf("%d bytes: got the report %+v, want one that names blake3", len(there), r)
			}
		}
	}
}

func TestStopsWhenToldTo(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	f := openFolder(t, write(t, map[string]string{"a": "1"}))
	_, err := verify(ctx, signStatement(statement(filesSHA256, resource{"a", "sha256", sha256Of("1")})), byKey(signer), f, oms.Options{})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

func TestInside(t *testing.T) {
	dir := write(t, map[string]string{"a": "1", "d/b": "2"})
	f := openFolder(t, dir)
	for name, want := range map[string]string{"a": "a", "d/b": "d/b", "d/x": "d/x", ".": "", "../model.sig": "", "d/../../x": ""} {
		if got, ok := f.Inside(filepath.Join(dir, name)); got != want || ok != (want != "") {
			t.Errorf("%s: got %q, %t; want %q", name, got, ok, want)
		}
	}
}
