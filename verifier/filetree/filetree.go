// Package filetree says which files a model or a data set consists of, and in which order their hashes are joined.
//
// Both digests of this verifier are taken over a folder, and both rest on the same three decisions, so the decisions
// stand here once:
//
//	which files     Walk: every regular file under a root, but for a short fixed list of names that tools leave
//	                behind, and for what the caller names. Symbolic links are refused unless asked for.
//	by which name   CheckPath: a path is bytes, "/"-separated, the same on every system. Nothing is normalised,
//	                so nothing can be normalised in two ways.
//	in which order  ascending by path bytes, which is not the order in which a folder is walked:
//	                "a-b" < "a.b" < "a/b", though a walk meets the folder "a" first.
//
// Tree then joins leaf hashes to the root of RFC 6962, section 2.1:
//
//	     root
//	    /    \
//	  n01     l2        n01 = SHA-256(0x01 ‖ l0 ‖ l1)
//	 /   \              l0  = SHA-256(0x00 ‖ leaf 0)
//	l0   l1             the root over nothing = SHA-256("")
//
// The package reads through io/fs alone: the caller decides what a disk path is. For a folder that others can write to
// while it is read, that should be os.Root's file system, which follows no link out of the folder at any time; what Walk
// says about a link holds for the moment at which it looked.
package filetree

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Options say where the files are and which of them count.
type Options struct {
	// Root is the folder, within the file system, whose files are walked; "" means ".". A Root that names a file
	// stands for a folder that holds this one file under its base name.
	Root string
	// Ignored names paths, relative to Root, that are left out together with everything below them. They belong
	// into the signed statement, because whoever ignores a file that its publisher counted gets another digest.
	Ignored []string
	// Bundle is the path, relative to Root and at its top level, of the bundle that is being written or verified.
	// It describes the folder and so cannot be part of it; it is left out and not listed. Only a regular file is: a
	// folder of that name counts with all that is in it.
	Bundle string
	// FollowLinks takes a symbolic link to a regular file for that file, under the link's own path. The target must
	// lie inside Root or inside one of LinkFolders. Links to folders are refused in any case.
	FollowLinks bool
	// LinkFolders are further folders of the file system (not relative to Root) in which targets may lie: "blobs" for
	// a Hugging Face cache whose Root is "snapshots/REVISION".
	LinkFolders []string
}

// File is one regular file of the tree.
type File struct {
	Path string // relative to the root; what is hashed
	Name string // within the file system; what is opened. Differs from Path by the root, and by links followed
	Size uint64 // bytes, when the folder was listed
}

// Listing is what a walk found.
type Listing struct {
	Files   []File   // ascending by path bytes
	Bytes   uint64   // sum of their sizes
	Ignored []string // those of Options.Ignored that exist, ascending
}

// ignoredAlways are the top-level names that version control and download tools leave in a model folder. The list is
// part of the format: it never grows within a version, or digests would change.
var ignoredAlways = []string{".git", ".gitattributes", ".github", ".gitignore", ".cache/huggingface"}

// Walk lists the files under o.Root. It opens folders but no file. A folder without files is refused, as are links
// (see Options.FollowLinks), devices, sockets and pipes, and names that CheckPath refuses: each is an *Error.
func Walk(fsys fs.FS, o Options) (*Listing, error) {
	w := walker{fsys: fsys, Options: o}
	if w.Root == "" {
		w.Root = "."
	}
	if err := w.checkOptions(); err != nil {
		return nil, err
	}
	if err := w.root(); err != nil {
		return nil, err
	}
	if len(w.listing.Files) == 0 {
		return nil, &Error{Path: w.Root, Fault: NoFiles, Detail: "holds no file to hash"}
	}
	slices.SortFunc(w.listing.Files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	slices.Sort(w.listing.Ignored)
	return &w.listing, nil
}

type walker struct {
	fsys fs.FS
	Options
	listing Listing
}

func (w *walker) checkOptions() error {
	if !fs.ValidPath(w.Root) {
		return fmt.Errorf("root %q is not a path within a file system (as io/fs.ValidPath has it)", w.Root)
	}
	if strings.Contains(w.Bundle, "/") {
		return fmt.Errorf("bundle %q is not at the top level of the folder", w.Bundle)
	}
	for _, p := range w.Ignored {
		if err := CheckPath(p); err != nil {
			return fmt.Errorf("ignored list: %w", err)
		}
	}
	return nil
}

// root takes the first step, which alone may find a file where a folder is expected.
func (w *walker) root() error {
	info, err := fs.Lstat(w.fsys, w.Root)
	if err != nil {
		return err
	}
	if info.IsDir() {
		return w.folder("")
	}
	base := path.Base(w.Root)
	folder := path.Dir(w.Root)
	w.Root = folder
	return w.visit(base, fs.FileInfoToDirEntry(info))
}

// folder walks one folder. Its depth is bounded by MaxPath, and links to folders are refused, so it ends.
func (w *walker) folder(rel string) error {
	entries, err := fs.ReadDir(w.fsys, path.Join(w.Root, rel))
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := w.visit(path.Join(rel, e.Name()), e); err != nil {
			return err
		}
	}
	return nil
}

func (w *walker) visit(rel string, e fs.DirEntry) error {
	if w.ignores(rel) || rel == w.Bundle && e.Type().IsRegular() {
		return nil
	}
	if err := CheckPath(rel); err != nil {
		return err
	}
	switch t := e.Type(); {
	case t.IsDir():
		return w.folder(rel)
	case t.IsRegular():
		info, err := e.Info()
		if err != nil {
			return err
		}
		w.add(rel, path.Join(w.Root, rel), info)
		return nil
	case t&fs.ModeSymlink != 0:
		return w.link(rel)
	default:
		return &Error{Path: rel, Fault: Irregular, Detail: fmt.Sprintf("is neither a file nor a folder (mode %v)", t)}
	}
}

func (w *walker) ignores(rel string) bool {
	if slices.Contains(ignoredAlways, rel) {
		return true
	}
	if !slices.Contains(w.Ignored, rel) {
		return false
	}
	if !slices.Contains(w.listing.Ignored, rel) {
		w.listing.Ignored = append(w.listing.Ignored, rel)
	}
	return true
}

func (w *walker) add(rel, name string, info fs.FileInfo) {
	size := uint64(max(info.Size(), 0))
	w.listing.Files = append(w.listing.Files, File{Path: rel, Name: name, Size: size})
	w.listing.Bytes += size
}

// link decides about a symbolic link: refused, or read in place of its target.
func (w *walker) link(rel string) error {
	if !w.FollowLinks {
		return &Error{Path: rel, Fault: Link, Detail: "is a symbolic link; links are refused unless following them is asked for"}
	}
	target, info, err := resolve(w.fsys, path.Join(w.Root, rel))
	var bad *Error
	if errors.As(err, &bad) {
		bad.Path = rel
	}
	if err != nil {
		return err
	}
	if !w.mayReach(target) {
		return &Error{Path: rel, Fault: LinkEscapes, Detail: fmt.Sprintf("is a symbolic link to %q, outside the folder", target)}
	}
	switch {
	case info.IsDir():
		return &Error{Path: rel, Fault: LinkToFolder, Detail: fmt.Sprintf("is a symbolic link to the folder %q; only links to files are followed", target)}
	case !info.Mode().IsRegular():
		return &Error{Path: rel, Fault: Irregular, Detail: fmt.Sprintf("is a symbolic link to %q, which is no file (mode %v)", target, info.Mode().Type())}
	}
	w.add(rel, target, info)
	return nil
}

func (w *walker) mayReach(target string) bool {
	return slices.ContainsFunc(append([]string{w.Root}, w.LinkFolders...), func(folder string) bool {
		return folder == "." || strings.HasPrefix(target, folder+"/")
	})
}

// maxLinkHops bounds the links met on the way to one target; 40 is what Linux itself allows (path_resolution(7)).
const maxLinkHops = 40

// resolve follows every link in name, component by component, and never leaves the file system: io/fs has no
// notion of a link's target, and an os.DirFS would follow one anywhere.
func resolve(fsys fs.FS, name string) (string, fs.FileInfo, error) {
	at, rest, hops := ".", strings.Split(name, "/"), 0
	for len(rest) > 0 {
		step := rest[0]
		rest = rest[1:]
		if step == ".." && at == "." {
			return "", nil, &Error{Path: name, Fault: LinkEscapes, Detail: "is a symbolic link that leaves the file system"}
		}
		next := path.Join(at, step) // takes care of "", "." and ".."
		target, err := readLink(fsys, next)
		if err != nil {
			return "", nil, err
		}
		if target == "" {
			at = next
			continue
		}
		if hops++; hops > maxLinkHops {
			return "", nil, &Error{Path: name, Fault: LinkLoops, Detail: fmt.Sprintf("leads over more than %d symbolic links", maxLinkHops)}
		}
		rest = append(strings.Split(target, "/"), rest...)
	}
	info, err := fs.Lstat(fsys, at)
	return at, info, err
}

// readLink returns where the link name points to, or "" when name is no link.
func readLink(fsys fs.FS, name string) (string, error) {
	info, err := fs.Lstat(fsys, name)
	if errors.Is(err, fs.ErrNotExist) {
		return "", &Error{Path: name, Fault: LinkDangles, Detail: fmt.Sprintf("is a symbolic link to %q, which does not exist", name)}
	}
	if err != nil || info.Mode()&fs.ModeSymlink == 0 {
		return "", err
	}
	target, err := fs.ReadLink(fsys, name)
	if err != nil {
		return "", err
	}
	if path.IsAbs(target) || target == "" {
		return "", &Error{Path: name, Fault: LinkEscapes, Detail: fmt.Sprintf("is a symbolic link to the absolute path %q", target)}
	}
	return target, nil
}
