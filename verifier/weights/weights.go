// Package weights turns a model folder into one digest, and says which file, tensor or byte range another folder
// differs in.
//
// A model is a typed Merkle tree. Its leaves are chunks of at most 1 MiB, so that hashing runs in parallel and a
// byte range can be proven by itself; a tensor is a root over its chunks, a file a root over its tensors:
//
//	model digest = SHA-256( file root, weights root, counts )
//	                 |                        |
//	          files by path           tensors by name: the same however
//	          /           \           they are split into files
//	   config.json   model.safetensors
//	     /    \        /       |      \
//	  chunk  chunk  header  tensor  tensor
//	                         /   \     |
//	                     chunk chunk chunk
//
// Every leaf begins with its type and is hashed as RFC 6962 has it, so no chunk can be passed off as a tensor, nor a
// tensor as a file. The file root names paths, headers and all bytes: it is what "the same folder" means. The weights
// root names tensors alone: it survives resharding and a new comment in a header.
//
// Digest reads a folder, each byte once. Manifest is the tree written down, from which anyone recomputes the model
// digest without the weights. Diff compares the two. SPEC.md, "Model tree" and "Manifest", has the bytes.
package weights

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/hallmark-registry/hallmark/verifier/filetree"
)

// MaxNumber is the greatest size, offset, dimension and count: every JSON reader keeps whole numbers up to it exact
// (RFC 8785, section 3.2.2.3, by way of IEEE 754).
const MaxNumber = 1<<53 - 1

// ErrChanged says that a file was not of the size it had when the folder was listed.
var ErrChanged = filetree.ErrChanged

// Kind says how a file is cut into leaves.
type Kind uint8

// The kinds, with the numbers that stand in a file leaf.
const (
	Raw         Kind = 0
	Safetensors Kind = 1
	GGUF        Kind = 2
)

func (k Kind) String() string {
	switch k {
	case Raw:
		return "raw"
	case Safetensors:
		return "safetensors"
	case GGUF:
		return "gguf"
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// Model is a folder's tree: its digests, and what they were computed from.
type Model struct {
	Digest      [32]byte // names the model
	FileRoot    [32]byte // over Files
	WeightsRoot [32]byte // over the tensors of all files, by name
	Files       []File   // ascending by path bytes
	TensorCount uint64
	ByteCount   uint64
	Ignored     []string // those paths of Options.Ignored that exist, ascending
}

// File is one file of a model.
type File struct {
	Path    string
	Kind    Kind
	Size    uint64     // bytes
	SHA256  [32]byte   // of the plain bytes, as sha256sum has it; zero when Options.Fast left it out
	Root    [32]byte   // content root: over chunks (raw), or over the header and the tensors
	Header  Header     // zero in a raw file
	Tensors []Tensor   // ascending by (Begin, End, Name)
	Chunks  [][32]byte // leaf hashes of a raw file's chunks, if Options.Chunks asked for them
}

// Header is all of a file that stands before its tensor data.
type Header struct {
	Size uint64 // bytes; the tensor data begins here
	Leaf [32]byte
}

// Tensor is one tensor of a file.
type Tensor struct {
	Name   string
	Dtype  string   // as a safetensors header has it; "GGML:" and the type's name in a GGUF file
	Shape  []uint64 // in the order of the header
	Begin  uint64   // of its bytes, counted from the end of the header
	End    uint64
	Root   [32]byte   // over its chunks
	Chunks [][32]byte // leaf hashes, if Options.Chunks asked for them
}

// Options say what to hash and how. None of them but Tree and Raw changes a digest, so
// long as Known tells the truth.
type Options struct {
	Tree filetree.Options
	// Raw names paths that are hashed as plain bytes although their suffix promises a format. The list belongs into
	// the signed statement.
	Raw []string
	// Fast leaves out the SHA-256 of each file, which takes half of the time and can't be split over cores.
	Fast bool
	// Chunks keeps the chunk lists, 32 bytes for each MiB, with which a byte range can be proven.
	Chunks bool
	// Known, if set, is asked for each file what an earlier Digest found of it, and returns nil where it can't vouch that the
	// file is the same still. What it returns is believed: the file is not read. It is not asked with Chunks.
	Known func(filetree.File, Kind) *File
	// Workers is how many goroutines hash: the number of cores. It is taken as 1 to 32; each worker holds 2 MiB.
	Workers int
	// Progress, if set, is told how many bytes of the total are hashed. Calls don't overlap, and hold up the work.
	Progress func(done, total uint64)
}

// Digest hashes the folder (or single file) o.Tree.Root of fsys. It reads each byte once (headers, and an index of shards, twice). The
// headers of safetensors and GGUF files, and the indexes, are all read and checked first, so that a malformed one is reported before hours of hashing.
//
// The error is a *filetree.Error for a path or link that is refused, a *FormatError for a malformed file, or wraps
// ErrChanged, what fsys returned, or ctx.Err().
func Digest(ctx context.Context, fsys fs.FS, o Options) (*Model, error) {
	for _, p := range o.Raw {
		if err := filetree.CheckPath(p); err != nil {
			return nil, fmt.Errorf("raw list: %w", err)
		}
	}
	listing, err := filetree.Walk(fsys, o.Tree)
	if err != nil {
		return nil, err
	}
	if listing.Bytes > MaxNumber {
		return nil, fmt.Errorf("folder has %d bytes, want at most %d", listing.Bytes, uint64(MaxNumber))
	}
	jobs := make([]*job, len(listing.Files))
	for i, f := range listing.Files {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if jobs[i], err = newJob(fsys, f, o); err != nil {
			return nil, err
		}
	}
	if err := checkIndexes(ctx, fsys, jobs, o.Raw); err != nil {
		return nil, err
	}
	unknown := slices.DeleteFunc(slices.Clone(jobs), func(j *job) bool { return j.known })
	if err := hashAll(ctx, fsys, unknown, listing.Bytes, o); err != nil {
		return nil, err
	}
	files := make([]File, len(jobs))
	for i, j := range jobs {
		files[i] = j.file
	}
	m := join(files)
	m.Ignored = listing.Ignored
	return m, nil
}

// kindOf goes by the exact suffix, which is what loaders go by. A model whose publisher says that a file is raw says so
// in the signed statement.
func kindOf(path string, raw []string) Kind {
	if slices.Contains(raw, path) {
		return Raw
	}
	return suffixKind(path)
}

func suffixKind(path string) Kind {
	for _, k := range []Kind{Safetensors, GGUF} {
		if strings.HasSuffix(path, "."+k.String()) {
			return k
		}
	}
	return Raw
}

// join computes a model's digests from its files, whose roots (and whose tensors' roots) are known.
func join(files []File) *Model {
	m := &Model{Files: files}
	type named struct {
		name string
		leaf [32]byte
	}
	var tensors []named
	var fileTree, weightsTree filetree.Tree
	for i := range files {
		f := &files[i]
		m.ByteCount += f.Size
		fileTree.Add(fileLeaf(f))
		for j := range f.Tensors {
			tensors = append(tensors, named{f.Tensors[j].Name, tensorLeaf(&f.Tensors[j])})
		}
	}
	slices.SortFunc(tensors, func(a, b named) int {
		return cmp.Or(strings.Compare(a.name, b.name), slices.Compare(a.leaf[:], b.leaf[:]))
	})
	for _, t := range tensors {
		weightsTree.Add(t.leaf)
	}
	m.TensorCount = uint64(len(tensors))
	m.FileRoot = fileTree.Root()
	m.WeightsRoot = weightsTree.Root()
	m.Digest = modelDigest(m)
	return m
}
