package house

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/mod/modfile"

	"github.com/hallmark-registry/hallmark/cmd/internal/cli"
)

// A table's row begins with a code span: | `name` | ...
var codeRow = regexp.MustCompile("(?m)^\\| `([^`]+)` \\|(.*)$")

func TestEveryDependencyHasItsReason(t *testing.T) {
	t.Parallel()
	const doc = "registry/docs/explanation/dependencies.md"
	mod, err := modfile.Parse("go.mod", read(t, "go.mod"), nil)
	if err != nil {
		t.Fatal(err)
	}
	unexplained := make(map[string]bool)
	for _, r := range mod.Require {
		if !r.Indirect {
			unexplained[r.Mod.Path] = true
		}
	}
	for _, row := range codeRow.FindAllStringSubmatch(string(read(t, doc)), -1) {
		if !unexplained[row[1]] {
			t.Errorf("%s explains %s, which go.mod does not require (or it is there twice): a list that is half true is not read", doc, row[1])
		}
		delete(unexplained, row[1])
	}
	for _, missing := range slices.Sorted(maps.Keys(unexplained)) {
		t.Errorf("go.mod requires %s, %s doesn't say why: each dependency is a guest with a reason", missing, doc)
	}
}

// A module that is required for nothing, or used and called indirect, makes the
// list above wrong without anybody having touched it.
func TestDirectRequirementsAreThoseThatAreUsed(t *testing.T) {
	t.Parallel()
	mod, err := modfile.Parse("go.mod", read(t, "go.mod"), nil)
	if err != nil {
		t.Fatal(err)
	}
	unused := make(map[string]bool)
	for _, r := range mod.Require {
		if !r.Indirect {
			unused[r.Mod.Path] = true
		}
	}
	for _, p := range product(t) {
		for _, imp := range slices.Concat(p.Imports, p.TestImports, p.XTestImports) {
			r := providerOf(mod, imp)
			if r == nil {
				continue
			}
			delete(unused, r.Mod.Path)
			if r.Indirect {
				t.Errorf("%s imports %s, but go.mod calls %s indirect: run go mod tidy", p.rel(), imp, r.Mod.Path)
			}
		}
	}
	for _, module := range slices.Sorted(maps.Keys(unused)) {
		t.Errorf("go.mod requires %s, which nothing imports: run go mod tidy", module)
	}
}

// providerOf returns the requirement whose module holds a package, or nil.
func providerOf(mod *modfile.File, importPath string) *modfile.Require {
	var found *modfile.Require
	for _, r := range mod.Require {
		if under(importPath, r.Mod.Path) && (found == nil || len(r.Mod.Path) > len(found.Mod.Path)) {
			found = r
		}
	}
	return found
}

func TestExitCodesAreDocumented(t *testing.T) {
	t.Parallel()
	const doc = "registry/docs/reference/exit-codes.md"
	documented := make(map[string]string)
	for _, row := range codeRow.FindAllStringSubmatch(string(read(t, doc)), -1) {
		if _, err := strconv.Atoi(row[1]); err != nil {
			continue // a row of another table
		}
		meaning, _, _ := strings.Cut(row[2], "|")
		documented[row[1]] = strings.TrimSpace(meaning)
	}
	_, rows, _ := strings.Cut(cli.ExitHelp, "\n") // the first line is its heading
	for line := range strings.Lines(rows) {
		code, meaning, ok := strings.Cut(strings.TrimSpace(line), " ")
		if !ok {
			continue
		}
		if got, want := documented[code], strings.TrimSpace(meaning); got != want {
			t.Errorf("%s, exit code %s: got %q, want %q as --help says: scripts are written by the one and run against the other", doc, code, got, want)
		}
		delete(documented, code)
	}
	for code := range documented {
		t.Errorf("%s documents exit code %s, which no command uses", doc, code)
	}
}
