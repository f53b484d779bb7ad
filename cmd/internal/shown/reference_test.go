package shown

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hallmark-registry/hallmark/registry/index"
	"github.com/hallmark-registry/hallmark/verifier"
	"github.com/hallmark-registry/hallmark/verifier/ledger"
)

var update = flag.Bool("update", false, "rewrite reference/cli.md from what the programs say")

// reference is the folder of the pages that these tests hold to the code.
const reference = "registry/docs/reference/"

func readPage(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, reference+name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

const cliHead = `# Command lines

What every program says for ` + "`--help`" + `, in one place. This page is written by ` + "`go test ./cmd/internal/shown -update`" + `.

Flags may stand before, between or after arguments, and all commands share [their exit codes](exit-codes.md). A REF is explained in [formats](formats.md#names-and-references),
settings in [configuration](config.md).
`

// cliPage writes the page from the programs' own help.
func cliPage(all map[string]*command) string {
	var b strings.Builder
	b.WriteString(cliHead)
	for _, p := range programs {
		for _, name := range slices.Sorted(maps.Keys(all)) {
			c := all[name]
			if c.path[0] != p || (len(c.path) > 1 && p != "hallmark") || (len(c.path) > 1 && !strings.Contains(c.help, "\nUsage:\n")) {
				continue
			}
			help := c.help
			if len(c.path) > 1 { // they stand once, in the help of the program
				help, _, _ = strings.Cut(help, "\nGlobal Flags:\n")
			}
			help, _, _ = strings.Cut(help, "Exit codes:\n")
			fmt.Fprintf(&b, "\n%s %s\n\n```\n%s\n```\n", strings.Repeat("#", min(len(c.path)+1, 3)), name, strings.TrimSpace(help))
		}
	}
	return b.String()
}

func TestCommandLinesAreDocumented(t *testing.T) {
	all, err := commands()
	if err != nil {
		t.Fatal(err)
	}
	want := cliPage(all)
	if *update {
		if err := os.WriteFile(filepath.Join(root, reference+"cli.md"), []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got := strings.Split(readPage(t, "cli.md"), "\n")
	for i, line := range strings.Split(want, "\n") {
		if i >= len(got) || got[i] != line {
			t.Fatalf("%scli.md:%d: the programs say %q: go test ./cmd/internal/shown -update", reference, i+1, line)
		}
	}
}

// A row of a table begins with one or more code spans.
var tableRow = regexp.MustCompile("(?m)^\\| `([^`]+)`[^|]*\\|(.*)\\|$")

// rows returns the first code span of every row of a page's tables, and the text
// of the last cell.
func rows(t *testing.T, name string) map[string]string {
	t.Helper()
	found := make(map[string]string)
	for _, m := range tableRow.FindAllStringSubmatch(readPage(t, name), -1) {
		cells := strings.Split(m[2], "|")
		found[m[1]] = strings.TrimSpace(cells[len(cells)-1])
	}
	return found
}

// wantRows compares the names that a page documents with those that there are.
func wantRows(t *testing.T, name string, names []string) {
	t.Helper()
	got := slices.Sorted(maps.Keys(rows(t, name)))
	slices.Sort(names)
	for _, n := range names {
		if !slices.Contains(got, n) {
			t.Errorf("%s%s does not document %s", reference, name, n)
		}
	}
	for _, n := range got {
		if !slices.Contains(names, n) {
			t.Errorf("%s%s documents %s, which is not there", reference, name, n)
		}
	}
}

func TestFilterFieldsAreDocumented(t *testing.T) {
	names, says := index.Fields()
	documented := rows(t, "filters.md")
	for i, n := range names {
		if documented[n] != says[i] {
			t.Errorf("%sfilters.md, %s: got %q, want %q as --help says", reference, n, documented[n], says[i])
		}
	}
	wantRows(t, "filters.md", names)
}

func TestCodesAreDocumented(t *testing.T) {
	var names []string
	for _, c := range ledger.Codes() {
		names = append(names, c.String())
	}
	wantRows(t, "codes.md", names)
}

func TestReportMembersAreDocumented(t *testing.T) {
	r := &verifier.Report{Checks: []verifier.Check{{}}, Trace: &verifier.Trace{Steps: []verifier.Step{{}}}}
	text, err := r.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	var value any
	if err := json.Unmarshal(text, &value); err != nil {
		t.Fatal(err)
	}
	wantRows(t, "report-json.md", slices.Collect(maps.Keys(members(value, map[string]bool{}))))
}

// members collects the names of all members in a JSON value.
func members(value any, found map[string]bool) map[string]bool {
	switch v := value.(type) {
	case map[string]any:
		for name, inner := range v {
			found[name] = true
			members(inner, found)
		}
	case []any:
		for _, inner := range v {
			members(inner, found)
		}
	}
	return found
}

// The definitions are read as text: the generated code is for the packages that
// speak gRPC alone.
func TestMethodsAreDocumented(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(root, "proto/hallmark/v1/*.proto"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d definitions: %v", len(files), err)
	}
	var methods []string
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?m)^  rpc (\w+)\(`).FindAllStringSubmatch(string(text), -1) {
			methods = append(methods, m[1])
		}
	}
	wantRows(t, "grpc.md", methods)
}

func TestSettingsAreDocumented(t *testing.T) {
	all, err := commands()
	if err != nil {
		t.Fatal(err)
	}
	documented := rows(t, "config.md")
	for _, m := range regexp.MustCompile(`(?m)^  (--[a-z]+) +(HALLMARK_[A-Z]+) +"([a-z]+)" +(\S+)$`).FindAllStringSubmatch(all["hallmark environment"].help, -1) {
		if got := strings.Trim(documented[m[1]], "`"); got != m[4] {
			t.Errorf("%sconfig.md, %s: default %q, want %q as --help says", reference, m[1], got, m[4])
		}
	}
	if documented["--server"] == "" {
		t.Errorf("%sconfig.md does not document --server", reference)
	}
}
