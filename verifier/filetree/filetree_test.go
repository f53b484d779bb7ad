package filetree_test

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/transparency-dev/merkle/rfc6962"

	"github.com/hallmark-registry/hallmark/verifier/filetree"
)

func file(content string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(content)} }
func link(target string) *fstest.MapFile {
	return &fstest.MapFile{Data: []byte(target), Mode: fs.ModeSymlink}
}

func TestBundleBelowTheTopLevelIsRefused(t *testing.T) {
	fsys := fstest.MapFS{"m": file(""), "d/evil.py": file("")}
	if l, err := filetree.Walk(fsys, filetree.Options{Bundle: "d/evil.py"}); err == nil {
		t.Errorf("got %v, want an error", l.Files)
	}
}

func TestWalk(t *testing.T) {
	for _, c := range []struct {
		story   string
		fsys    fstest.MapFS
		options filetree.Options
		files   []string // "path" or "path<name"
		ignored []string
		fault   filetree.Fault
	}{
		{
			story: "paths are ordered by their bytes, not as folders nest",
			fsys:  fstest.MapFS{"a/b": file(""), "a.b": file(""), "a-b": file(""), "B": file(""), "é": file("")},
			files: []string{"B", "a-b", "a.b", "a/b", "é"},
		},
		{
			story: "what tools leave behind is ignored at the top level only",
			fsys: fstest.MapFS{
				".git/HEAD": file(""), ".gitattributes": file(""), ".gitignore": file(""), ".github/x/y": file(""),
				".cache/huggingface/x": file(""), ".cache/other": file(""), ".gitmodules": file(""),
				"sub/.gitignore": file(""), "sub/.git/HEAD": file(""), "m": file(""),
			},
			files: []string{".cache/other", ".gitmodules", "m", "sub/.git/HEAD", "sub/.gitignore"},
		},
		{
			story:   "what the caller ignores is left out with all below it, and listed when it exists",
			fsys:    fstest.MapFS{"m": file(""), "logs/a": file(""), "logs/b/c": file(""), "logs2": file(""), "x": file("")},
			options: filetree.Options{Ignored: []string{"x", "logs", "absent"}},
			files:   []string{"logs2", "m"},
			ignored: []string{"logs", "x"},
		},
		{
			story:   "the bundle that describes the folder is no part of it",
			fsys:    fstest.MapFS{"m": file(""), "m.hallmark": file(""), "sub/m.hallmark": file("")},
			options: filetree.Options{Bundle: "m.hallmark"},
			files:   []string{"m", "sub/m.hallmark"},
		},
		{
			story:   "a folder is no bundle",
			fsys:    fstest.MapFS{"m": file(""), "d/evil.py": file("")},
			options: filetree.Options{Bundle: "d"},
			files:   []string{"d/evil.py", "m"},
		},
		{
			story:   "a root below the file system's own",
			fsys:    fstest.MapFS{"models/a/m": file(""), "models/a/.git/HEAD": file(""), "models/b": file("")},
			options: filetree.Options{Root: "models/a"},
			files:   []string{"m<models/a/m"},
		},
		{
			story:   "a file is a folder of one under its base name",
			fsys:    fstest.MapFS{"models/a/m": file(""), "models/a/n": file("")},
			options: filetree.Options{Root: "models/a/m"},
			files:   []string{"m<models/a/m"},
		},
		{story: "a folder of ignored names alone has no files", fsys: fstest.MapFS{".git/HEAD": file("")}, fault: filetree.NoFiles},
		{story: "a backslash is refused", fsys: fstest.MapFS{`a\b`: file("")}, fault: filetree.PathCharacter},
		{
			story:   "a refused name may be ignored away when it is below an ignored folder",
			fsys:    fstest.MapFS{`x/a\b`: file(""), "m": file("")},
			options: filetree.Options{Ignored: []string{"x"}},
			files:   []string{"m"}, ignored: []string{"x"},
		},
		{story: "a pipe is refused", fsys: fstest.MapFS{"p": {Mode: fs.ModeNamedPipe}}, fault: filetree.Irregular},
		{story: "a link is refused", fsys: fstest.MapFS{"m": file(""), "l": link("m")}, fault: filetree.Link},
		{
			story:   "a link that is followed counts under its own path",
			fsys:    fstest.MapFS{"m": file("12"), "sub/l": link("../sub2/../m"), "sub2/x": file("")},
			options: filetree.Options{FollowLinks: true},
			files:   []string{"m", "sub/l<m", "sub2/x"},
		},
		{
			story:   "a Hugging Face cache: links from the snapshot into its sibling blobs",
			fsys:    fstest.MapFS{"snapshots/r/m": link("../../blobs/ab"), "blobs/ab": file("123")},
			options: filetree.Options{Root: "snapshots/r", FollowLinks: true, LinkFolders: []string{"blobs"}},
			files:   []string{"m<blobs/ab"},
		},
		{
			story:   "one file of a Hugging Face cache",
			fsys:    fstest.MapFS{"snapshots/r/m": link("../../blobs/ab"), "blobs/ab": file("123")},
			options: filetree.Options{Root: "snapshots/r/m", FollowLinks: true, LinkFolders: []string{"blobs"}},
			files:   []string{"m<blobs/ab"},
		},
		{
			story:   "a link out of the root, within the file system",
			fsys:    fstest.MapFS{"r/m": link("../secret"), "secret": file("")},
			options: filetree.Options{Root: "r", FollowLinks: true}, fault: filetree.LinkEscapes,
		},
		{
			story:   "a link to a folder whose name the root begins with",
			fsys:    fstest.MapFS{"r/m": link("../r2/secret"), "r2/secret": file("")},
			options: filetree.Options{Root: "r", FollowLinks: true}, fault: filetree.LinkEscapes,
		},
		{
			story:   "a link out of the root over a second link within it",
			fsys:    fstest.MapFS{"r/m": link("n"), "r/n": link("../secret"), "secret": file("")},
			options: filetree.Options{Root: "r", FollowLinks: true}, fault: filetree.LinkEscapes,
		},
		{
			story:   "a link out of the file system",
			fsys:    fstest.MapFS{"m": link("../../etc/passwd")},
			options: filetree.Options{FollowLinks: true}, fault: filetree.LinkEscapes,
		},
		{
			story:   "an absolute link",
			fsys:    fstest.MapFS{"m": link("/etc/passwd")},
			options: filetree.Options{FollowLinks: true}, fault: filetree.LinkEscapes,
		},
		{
			story:   "a link to a folder",
			fsys:    fstest.MapFS{"l": link("d"), "d/x": file("")},
			options: filetree.Options{FollowLinks: true}, fault: filetree.LinkToFolder,
		},
		{
			story:   "a link to nothing",
			fsys:    fstest.MapFS{"l": link("d")},
			options: filetree.Options{FollowLinks: true}, fault: filetree.LinkDangles,
		},
		{
			story:   "links in a circle",
			fsys:    fstest.MapFS{"l": link("k"), "k": link("l")},
			options: filetree.Options{FollowLinks: true}, fault: filetree.LinkLoops,
		},
	} {
		t.Run(c.story, func(t *testing.T) {
			got, err := filetree.Walk(c.fsys, c.options)
			if fault := faultOf(err); fault != c.fault {
				t.Fatalf("got error %v (fault %q), want fault %q", err, fault, c.fault)
			}
			if err != nil {
				return
			}
			var files []string
			var bytes uint64
			for _, f := range got.Files {
				if f.Name == f.Path {
					files = append(files, f.Path)
				} else {
					files = append(files, f.Path+"<"+f.Name)
				}
				bytes += f.Size
				if want := uint64(len(c.fsys[f.Name].Data)); f.Size != want {
					t.Errorf("%s: got size %d, want %d", f.Path, f.Size, want)
				}
			}
			if !slices.Equal(files, c.files) {
				t.Errorf("got files %q, want %q", files, c.files)
			}
			if !slices.Equal(got.Ignored, c.ignored) {
				t.Errorf("got ignored %q, want %q", got.Ignored, c.ignored)
			}
			if got.Bytes != bytes {
				t.Errorf("got %d bytes, want %d", got.Bytes, bytes)
			}
		})
	}
}

func TestWalkRefusesOptions(t *testing.T) {
	fsys := fstest.MapFS{"m": file("")}
	for _, o := range []filetree.Options{
		{Root: "../x"}, {Root: "/x"}, {Root: "absent"}, {Ignored: []string{"a/"}}, {Ignored: []string{""}},
	} {
		if got, err := filetree.Walk(fsys, o); err == nil {
			t.Errorf("Walk(%+v): got %v, want an error", o, got)
		}
	}
}

func TestCheckPath(t *testing.T) {
	for _, c := range []struct {
		path  string
		fault filetree.Fault
	}{
		{"model.safetensors", ""},
		{"a/b/c", ""},
		{"with space, + and ☃.txt", ""},
		{"...", ""},
		{"a/..b", ""},
		{"é", ""},       // U+00E9
		{"e\u0301", ""}, // the same to a reader, another path to us
		{"\u00a0", ""},
		{strings.Repeat("x", filetree.MaxPath), ""},
		{"", filetree.PathEmpty},
		{strings.Repeat("x", filetree.MaxPath+1), filetree.PathTooLong},
		{"a\xff", filetree.PathNotUTF8},
		{"\xed\xa0\x80", filetree.PathNotUTF8}, // an encoded surrogate
		{"/a", filetree.PathSegment},
		{"a/", filetree.PathSegment},
		{"a//b", filetree.PathSegment},
		{".", filetree.PathSegment},
		{"..", filetree.PathSegment},
		{"a/./b", filetree.PathSegment},
		{"a/../b", filetree.PathSegment},
		{`a\b`, filetree.PathCharacter},
		{"a\x00b", filetree.PathCharacter},
		{"a\nb", filetree.PathCharacter},
		{"a\x7f", filetree.PathCharacter},
		{"a\u0085", filetree.PathCharacter},
		{"a\u009f", filetree.PathCharacter},
	} {
		if fault := faultOf(filetree.CheckPath(c.path)); fault != c.fault {
			t.Errorf("CheckPath(%.40q): got fault %q, want %q", c.path, fault, c.fault)
		}
	}
}

func faultOf(err error) filetree.Fault {
	var e *filetree.Error
	switch {
	case err == nil:
		return ""
	case errors.As(err, &e):
		return e.Fault
	}
	return filetree.Fault(fmt.Sprintf("unnamed: %v", err))
}

// TestTree compares the streaming root with the definition of RFC 6962, section 2.1, word for word.
func TestTree(t *testing.T) {
	var tree filetree.Tree
	var leaves [][32]byte
	for n := range 130 {
		if got, want := tree.Root(), definition(leaves); got != want {
			t.Fatalf("root over %d leaves: got %x, want %x", n, got, want)
		}
		leaf := [32]byte(rfc6962.DefaultHasher.HashLeaf([]byte{byte(n)}))
		leaves = append(leaves, leaf)
		tree.Add(leaf)
	}
}

// definition is MTH, but over leaf hashes: k is the largest power of two smaller than n.
func definition(leaves [][32]byte) [32]byte {
	n := len(leaves)
	switch n {
	case 0:
		return [32]byte(rfc6962.DefaultHasher.EmptyRoot())
	case 1:
		return leaves[0]
	}
	k := 1
	for 2*k < n {
		k *= 2
	}
	left, right := definition(leaves[:k]), definition(leaves[k:])
	return [32]byte(rfc6962.DefaultHasher.HashChildren(left[:], right[:]))
}
