package house

import (
	"bytes"
	"go/format"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// topLevel is all that lies at the top, apart from files whose name begins with
// a dot.
var topLevel = []string{"LICENSE", "Makefile", "README.md", "cmd", "go.mod", "go.sum", "proto", "registry", "verifier"}

func TestTopLevel(t *testing.T) {
	t.Parallel()
	found := make(map[string]bool)
	for _, f := range committed(t) {
		if top, _, _ := strings.Cut(f, "/"); !strings.HasPrefix(top, ".") {
			found[top] = true
		}
	}
	if got := slices.Sorted(maps.Keys(found)); !slices.Equal(got, topLevel) {
		t.Errorf("top level: got %q, want %q: a newcomer reads the product's four parts off it; what is new belongs into one of them", got, topLevel)
	}
}

// strays are things that only the place where the code was written knows. They
// are put together here so that this file holds none of them.
var strays = map[string]string{
	"a host of a package registry; whoever builds chooses where modules come from": strings.Join([]string{
		`proxy\.` + `golang\.org`, `sum\.` + `golang\.org`, `goproxy\.` + `(io|cn)`, `registry\.` + `npmjs\.org`,
		`registry\.` + `yarnpkg\.com`, `files\.` + `pythonhosted\.org`, `pypi\.org/` + `simple`,
	}, "|"),
	"a path on the machine of a developer": strings.Join([]string{
		`(^|[^\w.])/` + `work/`, `(^|[^\w.])/` + `root/`, `/tmp/` + `brief`,
	}, "|"),
}

func TestRepositorySpeaksOfTheProductAlone(t *testing.T) {
	t.Parallel()
	for why, pattern := range strays {
		stray := regexp.MustCompile("(?m)" + pattern)
		for _, f := range committed(t) {
			src := read(t, f)
			if bytes.IndexByte(src, 0) >= 0 {
				continue // not text
			}
			if at := stray.FindIndex(src); at != nil {
				line := bytes.Count(src[:at[0]], []byte("\n")) + 1
				t.Errorf("%s:%d: %q is %s", f, line, bytes.TrimSpace(src[at[0]:at[1]]), why)
			}
		}
	}
}

// maxLines is where a file has stopped being a chapter that can be read at one
// sitting.
const maxLines = 600

func TestGoFilesAreShortAndFormatted(t *testing.T) {
	t.Parallel()
	for file, src := range committedGo(t) {
		if n := bytes.Count(src, []byte("\n")); n > maxLines {
			t.Errorf("%s has %d lines, want at most %d: one thought a file, or nobody reads it whole", file, n, maxLines)
		}
		switch formatted, err := format.Source(src); {
		case err != nil:
			t.Errorf("%s: %v", file, err)
		case !bytes.Equal(formatted, src):
			t.Errorf("%s is not formatted: run gofmt -w %s", file, file)
		}
	}
}

func TestPackagesIntroduceThemselves(t *testing.T) {
	t.Parallel()
	for _, p := range product(t) {
		if len(p.GoFiles) == 0 || under(p.rel(), "proto") { // proto's definitions carry the comments
			continue
		}
		want := "Package " + p.Name + " "
		if p.Name == "main" {
			want = "Command " + path.Base(p.ImportPath) + " "
		}
		if !strings.HasPrefix(p.Doc+" ", want) {
			t.Errorf("%s: package comment begins %q, want %q: it is the first thing that a reader sees", p.rel(), p.Doc, want+"...")
		}
	}
}

// leftovers are marks of work that was put off.
var leftovers = regexp.MustCompile(`\b(` + "TO" + "DO|FIX" + "ME|X" + `XX)\b`)

// sourceNames are the files that people program in.
var sourceNames = regexp.MustCompile(`(\.(go|proto|sh|py|mk|ya?ml)|/run|Makefile)$`)

func TestNothingIsPutOff(t *testing.T) {
	t.Parallel()
	for _, f := range committed(t) {
		if !sourceNames.MatchString(f) {
			continue
		}
		src := read(t, f)
		if at := leftovers.FindIndex(src); at != nil && !generated(src) {
			line := bytes.Count(src[:at[0]], []byte("\n")) + 1
			t.Errorf("%s:%d: %s: do it, or leave it out and say in the documentation that it isn't there", f, line, src[at[0]:at[1]])
		}
	}
}
