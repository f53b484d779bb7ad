package main

import (
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/hallmark-registry/hallmark/cmd/hallmark-verify/verifycmd"
	"github.com/hallmark-registry/hallmark/cmd/internal/cli"
	"github.com/hallmark-registry/hallmark/verifier/filetree"
)

// A source is the folder or file that is to be hashed. The verifier knows no
// disk paths: it is given a file system and a root within it.
type source struct {
	dir  string // where fsys is on disk
	fsys fs.FS
	tree filetree.Options
}

// sourceFlags are the flags by which a publisher says which files count.
type sourceFlags struct {
	ignore, raw []string
	followLinks bool
	noCache     bool
	keepChunks  bool // set by digest --chunks
}

func (f *sourceFlags) define(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringArrayVar(&f.ignore, "ignore", nil, "path inside the folder to leave out, with all below it; stands in the signed statement")
	flags.StringArrayVar(&f.raw, "raw", nil, "path inside the folder to hash as plain bytes in spite of its suffix; stands in the signed statement")
	flags.BoolVar(&f.noCache, "no-cache", false, "hash every file, though it did not change since it was last hashed")
	f.defineLinks(cmd)
}

func (f *sourceFlags) defineLinks(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.followLinks, "follow-links", false, "read the targets of symbolic links that stay inside the folder (and the blobs of its Hugging Face cache)")
}

// openSource finds what path names. A bundle that is written into the folder's
// top level describes the folder and is no part of it.
func openSource(path, bundle string, f sourceFlags) (*source, error) {
	root, err := filepath.Abs(path)
	if err != nil {
		return nil, cli.Fail(cli.ExitUnknown, "FILES_UNREADABLE", "finding "+path, err)
	}
	info, err := os.Stat(root)
	if err != nil {
		return nil, cli.Fail(cli.ExitUnknown, "FILES_UNREADABLE", "reading the files", err)
	}
	src := &source{dir: root, tree: filetree.Options{Root: ".", Ignored: f.ignore, FollowLinks: f.followLinks}}
	if folder, within, targets, ok := verifycmd.CacheView(root); ok && f.followLinks {
		src.dir, src.tree.Root, src.tree.LinkFolders = folder, within, targets
	} else if !info.IsDir() {
		src.dir, src.tree.Root = filepath.Dir(root), filepath.Base(root)
	}
	src.fsys = os.DirFS(src.dir)
	if info.IsDir() {
		src.tree.Bundle = insideTop(root, bundle)
	}
	return src, nil
}

// insideTop returns the name of a file that lies at a folder's top level, else "".
func insideTop(folder, file string) string {
	if file == "" {
		return ""
	}
	abs, err := filepath.Abs(file)
	if err != nil || filepath.Dir(abs) != folder {
		return ""
	}
	return filepath.Base(abs)
}
