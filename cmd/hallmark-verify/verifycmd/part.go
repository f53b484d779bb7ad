package verifycmd

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/hallmark-registry/hallmark/cmd/internal/cli"
	"github.com/hallmark-registry/hallmark/verifier"
)

// maxChunks bounds a chunk list, in bytes: 32 for each MiB, so enough for one
// tensor of 2 TiB.
const maxChunks = 64 << 20

// readPart takes the flags that name one part of a model. It returns nil when
// all of it was asked for.
func (o *options) readPart() (*verifier.Part, error) {
	p := &verifier.Part{}
	switch {
	case o.tensor == nil && o.span == "":
		if o.chunks != "" {
			return nil, cli.Usage("--chunks without --range")
		}
		return nil, nil
	case o.path == "":
		return nil, cli.Usage("--tensor and --range are about the files in PATH, and there is no PATH")
	case o.tensor != nil && o.span != "":
		return nil, cli.Usage("both --tensor and --range")
	case o.tensor != nil && o.chunks != "":
		return nil, cli.Usage("--chunks with --tensor: a tensor is read as a whole, a chunk list is for --range")
	case o.tensor != nil:
		p.Tensor = *o.tensor
		return p, nil
	}
	var err error
	if p.Range, err = parseRange(o.span); err != nil || o.chunks == "" {
		return p, err
	}
	if p.Chunks, err = readBounded(o.chunks, maxChunks); err != nil {
		return nil, cli.Fail(cli.ExitUnknown, "CHUNKS_UNREADABLE", "reading the chunk list", err)
	}
	return p, nil
}

// parseRange reads FILE:START:END. The name of a file may have colons in it.
func parseRange(s string) (*verifier.Range, error) {
	rest, last, ok1 := cutLast(s)
	path, first, ok2 := cutLast(rest)
	begin, err1 := strconv.ParseUint(first, 10, 64)
	end, err2 := strconv.ParseUint(last, 10, 64)
	if !ok1 || !ok2 || err1 != nil || err2 != nil {
		return nil, cli.Usage("--range %q, want FILE:START:END, such as model.safetensors:0:4096", s)
	}
	return &verifier.Range{Path: path, Begin: begin, End: end}, nil
}

func cutLast(s string) (before, after string, found bool) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}

// CacheView finds the view of a path in the Hugging Face cache whose files are
// links out of snapshots/REVISION into the sibling folder blobs: the folder that
// holds both, the path within it, and where else targets may lie. ok is false
// for a path of any other place.
func CacheView(path string) (folder, root string, targets []string, ok bool) {
	const blobs = "blobs"
	for at := filepath.Dir(path); at != filepath.Dir(at); at = filepath.Dir(at) {
		if filepath.Base(at) != "snapshots" {
			continue
		}
		folder = filepath.Dir(at)
		root, err := filepath.Rel(folder, path)
		info, err2 := os.Stat(filepath.Join(folder, blobs))
		if err == nil && err2 == nil && info.IsDir() {
			return folder, filepath.ToSlash(root), []string{blobs}, true
		}
	}
	return "", "", nil, false
}
