package oms

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hallmark-registry/hallmark/verifier/filetree"
)

// A Folder is a model on disk: a folder, or one file. It is read through an
// os.Root, so that no link, whoever puts it there and whenever, leads out of it.
type Folder struct {
	root *os.Root
	name string // base name of what was opened
	file string // the one file, or empty
}

// OpenFolder opens the folder or file at a path of the system.
func OpenFolder(name string) (*Folder, error) {
	abs, err := filepath.Abs(name)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(abs)
	if err != nil {
		return nil, err
	}
	f := &Folder{name: filepath.Base(abs)}
	folder := abs
	if !info.IsDir() {
		f.file, folder = f.name, filepath.Dir(abs)
	}
	f.root, err = os.OpenRoot(folder)
	return f, err
}

// Close closes the folder.
func (f *Folder) Close() error { return f.root.Close() }

// Name returns the base name of the folder or file.
func (f *Folder) Name() string { return f.name }

// Inside returns where a path of the system lies inside the folder, as paths are
// signed; ok is false if it lies outside. Neither need exist.
func (f *Folder) Inside(name string) (rel string, ok bool) {
	abs, err := filepath.Abs(name)
	if err != nil {
		return "", false
	}
	rel, err = filepath.Rel(linkless(f.root.Name()), filepath.Join(linkless(filepath.Dir(abs)), filepath.Base(abs)))
	if err != nil || !filepath.IsLocal(rel) || rel == "." {
		return "", false
	}
	return filepath.ToSlash(rel), true
}

// linkless resolves the links on the way to a folder, so that two ways to one
// folder compare equal. A folder that is not there stays as it is.
func linkless(folder string) string {
	if real, err := filepath.EvalSymlinks(folder); err == nil {
		return real
	}
	return folder
}

// A found is something in the folder that is no folder.
type found struct {
	path  string
	size  uint64 // bytes
	fault *Error // why it cannot be hashed, or nil
}

// list walks the folder. What is ignored is left out with all below it. A link
// counts as the file that it leads to, if links are followed and it leads to a
// file inside the folder; else it is found with a fault.
func (f *Folder) list(out ignored, links bool) ([]found, error) {
	if f.file != "" {
		one, err := f.look(f.file, links)
		return []found{one}, err
	}
	var all []found
	err := fs.WalkDir(f.root.FS(), ".", func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case p == ".":
			return nil
		case out[p] && d.IsDir():
			return fs.SkipDir
		case out[p] || d.IsDir():
			return nil
		}
		one, err := f.look(p, links)
		all = append(all, one)
		return err
	})
	return all, err
}

func (f *Folder) look(p string, links bool) (found, error) {
	info, err := f.root.Lstat(p)
	if err != nil {
		return found{}, err
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		if !links {
			return found{path: p, fault: fault(ErrLink, p, "a symbolic link, and the signature does not follow them")}, nil
		}
		if info, err = f.root.Stat(p); err != nil {
			return found{path: p, fault: fault(ErrLink, p, "a symbolic link that leads to no file inside the folder: %v", err)}, nil
		}
	}
	if !info.Mode().IsRegular() {
		return found{path: p, fault: fault(ErrIrregular, p, "leads to what is no file (mode %v)", info.Mode().Type())}, nil
	}
	return found{path: p, size: uint64(info.Size())}, nil
}

// gitPaths are left out at the top level whatever a signature says (6.2).
var gitPaths = []string{".git", ".gitattributes", ".github", ".gitignore"}

// ignored are paths that are left out with all below them.
type ignored map[string]bool

func newIgnored(paths ...[]string) ignored {
	out := make(ignored)
	for _, p := range slices.Concat(paths...) {
		out[p] = true
	}
	return out
}

// above returns the path by which p is left out, or nothing.
func (out ignored) above(p string) string {
	for ; p != "." && p != "/"; p = path.Dir(p) {
		if out[p] {
			return p
		}
	}
	return ""
}

func (out ignored) sorted() []string { return slices.Sorted(maps.Keys(out)) }

// CheckIgnored holds an ignored path to its form (6.2.1): relative to the model,
// with "/" between its parts, and no pattern.
func CheckIgnored(p string) error {
	if strings.ContainsAny(p, "*?[") {
		return fmt.Errorf("%q has the form of a pattern, and patterns are not understood", p)
	}
	return filetree.CheckPath(p)
}
