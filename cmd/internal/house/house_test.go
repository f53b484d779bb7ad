// Package house holds the rules of the house as tests: which package may
// import which, what the offline verifier may link, what lies at the top level
// and how a source file looks. A rule that only a page of prose knows is
// broken within a month; one that fails with its reason is kept.
//
//	cmd  -->  registry  -->  verifier       an arrow points at what may be imported
//	  \          |
//	   \-->    proto                        by registry/rpc and registry/client alone
//
// The package has no code of its own. It asks the go command and git what there
// is, so a new package is under the rules from its first day.
package house

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// module is the path that all of the product's packages begin with.
const module = "github.com/hallmark-registry/hallmark"

// root is the module's folder, seen from the folder that a test runs in.
const root = "../../.."

// A pkg is what the rules need of `go list -json`.
type pkg struct {
	ImportPath   string
	Dir          string
	Name         string
	Doc          string
	Standard     bool
	GoFiles      []string
	Imports      []string
	TestImports  []string
	XTestImports []string
}

// rel is the package's path below the module, "" for packages of others.
func (p *pkg) rel() string {
	return strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
}

// ours reports whether an import path lies in the module.
func ours(importPath string) bool { return importPath == module || under(importPath, module) }

// under reports whether an import path lies below one of the given ones, or is one.
func under(importPath string, tops ...string) bool {
	return slices.ContainsFunc(tops, func(top string) bool {
		return importPath == top || strings.HasPrefix(importPath, top+"/")
	})
}

// A platform is what build constraints are decided by.
type platform struct{ goos, goarch string }

// env is the environment of a build for p, always without cgo: with it, the
// same package can import other things.
func (p platform) env() []string {
	return append(os.Environ(), "GOOS="+p.goos, "GOARCH="+p.goarch, "CGO_ENABLED=0", "GOWORK=off")
}

var (
	linux = platform{"linux", "amd64"}
	wasm  = platform{"js", "wasm"}
)

// list returns what `go list` says of the patterns, with all that they depend
// on when deps is set. With -e it goes on past a package that does not build:
// the compiler says that better than these tests can.
func list(t *testing.T, p platform, deps bool, patterns ...string) []*pkg {
	t.Helper()
	args := []string{"list", "-e", "-json=ImportPath,Dir,Name,Doc,Standard,GoFiles,Imports,TestImports,XTestImports"}
	if deps {
		args = append(args, "-deps")
	}
	cmd := exec.Command("go", append(append(args, "--"), patterns...)...)
	cmd.Dir, cmd.Env = root, p.env()
	var pkgs []*pkg
	dec := json.NewDecoder(bytes.NewReader(output(t, cmd)))
	for {
		p := new(pkg)
		if err := dec.Decode(p); errors.Is(err, io.EOF) {
			return pkgs
		} else if err != nil {
			t.Fatalf("reading the output of go list: %v", err)
		}
		pkgs = append(pkgs, p)
	}
}

// product returns the module's own packages as built for linux.
func product(t *testing.T) []*pkg {
	t.Helper()
	listed.Do(func() { listed.pkgs = list(t, linux, false, "./...") })
	if len(listed.pkgs) == 0 {
		t.Fatal("go list ./... found no package")
	}
	return listed.pkgs
}

var listed struct {
	sync.Once
	pkgs []*pkg
}

// committed returns the paths of the files in git, below root, that exist. With
// -c safe.directory the checkout may belong to another user, as it does in many
// a container.
func committed(t *testing.T) []string {
	t.Helper()
	if _, err := os.Stat(filepath.Join(root, ".git")); err != nil {
		t.Skipf("not a checkout, so what is committed can't be told: %v", err)
	}
	cmd := exec.Command("git", "-c", "safe.directory=*", "ls-files", "-z")
	cmd.Dir = root
	var files []string
	for f := range strings.SplitSeq(string(output(t, cmd)), "\x00") {
		if f == "" {
			continue
		}
		if _, err := os.Lstat(filepath.Join(root, f)); !errors.Is(err, fs.ErrNotExist) {
			files = append(files, f)
		}
	}
	return files
}

// committedGo returns the committed Go files that a person wrote.
func committedGo(t *testing.T) map[string][]byte {
	t.Helper()
	sources := make(map[string][]byte)
	for _, f := range committed(t) {
		if path.Ext(f) != ".go" {
			continue
		}
		if src := read(t, f); !generated(src) {
			sources[f] = src
		}
	}
	return sources
}

// generated reports whether a Go file says that a tool wrote it
// (https://go.dev/s/generatedcode).
func generated(src []byte) bool {
	for line := range bytes.Lines(src) {
		line = bytes.TrimSpace(line)
		if bytes.HasPrefix(line, []byte("// Code generated ")) && bytes.HasSuffix(line, []byte(" DO NOT EDIT.")) {
			return true
		}
		if bytes.HasPrefix(line, []byte("package ")) {
			return false
		}
	}
	return false
}

// read returns a file's bytes, by its path below root.
func read(t *testing.T, file string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, file))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// output runs cmd and returns its standard output.
func output(t *testing.T, cmd *exec.Cmd) []byte {
	t.Helper()
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(cmd.Args, " "), err, &stderr)
	}
	return out
}
