package weights

import (
	"context"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/hallmark-registry/hallmark/verifier/filetree"
)

// indexSuffix ends the path of the file that says which tensor is in which of a model's safetensors files.
const indexSuffix = ".safetensors.index.json"

// checkIndexes holds each index in the folder against the headers of the files that it names. A loader goes by the index:
// one that contradicts the files makes a model that some programs load in part, and others not at all.
func checkIndexes(ctx context.Context, fsys fs.FS, jobs []*job, raw []string) error {
	for _, j := range jobs {
		if err := ctx.Err(); err != nil {
			return err
		}
		if !strings.HasSuffix(j.file.Path, indexSuffix) || slices.Contains(raw, j.file.Path) {
			continue
		}
		if err := j.checkIndex(fsys, jobs); err != nil {
			return inFile(err, j.file.Path)
		}
	}
	return nil
}

func (j *job) checkIndex(fsys fs.FS, jobs []*job) error {
	weightMap, err := j.readIndex(fsys)
	if err != nil {
		return err
	}
	files := make([]string, 0, len(weightMap))
	for name := range weightMap {
		files = append(files, name)
	}
	slices.Sort(files)
	for _, name := range files {
		f, err := indexed(path.Dir(j.file.Path), name, jobs)
		if err != nil {
			return err
		}
		if err := checkIndexed(f, weightMap[name]); err != nil {
			return err
		}
	}
	return nil
}

// readIndex reads the index, and remembers the root over what it read: what is hashed later must be the same.
func (j *job) readIndex(fsys fs.FS) (map[string][]string, error) {
	if j.file.Size > MaxHeader {
		return nil, fault(HeaderTooLong, "index has %d bytes, want at most %d", j.file.Size, MaxHeader)
	}
	f, err := filetree.Open(fsys, j.listed)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	limited := &io.LimitedReader{R: f, N: int64(j.file.Size)}
	chunks := newChunkWriter()
	weightMap, err := parseIndex(io.TeeReader(limited, chunks))
	switch {
	case err != nil && limited.N > 0 && errors.Is(err, io.ErrUnexpectedEOF):
		return nil, ErrChanged
	case err != nil:
		return nil, err
	}
	root := chunks.root()
	j.want = &root
	return weightMap, nil
}

// ParseIndex reads the index of a sharded model, the file model.safetensors.index.json, and returns the names of the
// tensors that it has for each file, as they stand in its weight_map. Other members are read past. The error is a
// *FormatError without a path, or wraps what r returned.
func ParseIndex(r io.Reader) (map[string][]string, error) {
	out, err := parseIndex(io.LimitReader(r, MaxHeader+1))
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, fault(BadJSON, "index: %v", err)
	}
	return out, err
}

// parseIndex leaves an input cut short to its caller, who knows whether it was.
func parseIndex(r io.Reader) (map[string][]string, error) {
	x := indexReader{jsontext.NewDecoder(r)} // refuses duplicate names and invalid UTF-8
	out, err := x.file()
	var syntax *jsontext.SyntacticError
	switch {
	case err == nil || errors.Is(err, io.ErrUnexpectedEOF):
		return out, err
	case errors.Is(err, io.EOF):
		return nil, fault(BadJSON, "index is empty, want an object")
	case errors.Is(err, jsontext.ErrDuplicateName):
		return nil, fault(DuplicateName, "index: %v", err)
	case errors.As(err, &syntax):
		return nil, fault(BadJSON, "index: %v", err)
	}
	return nil, err
}

type indexReader struct{ *jsontext.Decoder }

func (x indexReader) file() (weightMap map[string][]string, err error) {
	if err := x.open("index"); err != nil {
		return nil, err
	}
	for x.PeekKind() != jsontext.KindEndObject {
		member, err := x.ReadToken()
		if err != nil {
			return nil, err
		}
		if member.String() != "weight_map" {
			if err := x.SkipValue(); err != nil {
				return nil, err
			}
			continue
		}
		if weightMap, err = x.weightMap(); err != nil {
			return nil, err
		}
	}
	if _, err := x.ReadToken(); err != nil {
		return nil, err
	}
	if weightMap == nil {
		return nil, fault(BadIndex, "index has no weight_map")
	}
	if token, err := x.ReadToken(); err == nil {
		return nil, fault(BadIndex, "index has %v behind its object", token.Kind())
	} else if !errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, err
	}
	return weightMap, nil
}

func (x indexReader) weightMap() (map[string][]string, error) {
	if err := x.open("weight_map"); err != nil {
		return nil, err
	}
	out := make(map[string][]string)
	for x.PeekKind() != jsontext.KindEndObject {
		token, err := x.ReadToken()
		if err != nil {
			return nil, err
		}
		tensor := token.String() // the token is valid until the next
		token, err = x.ReadToken()
		if err != nil {
			return nil, err
		}
		if token.Kind() != jsontext.KindString {
			return nil, fault(BadIndex, "weight_map has %v for tensor %.200q, want the name of a file", token.Kind(), tensor)
		}
		file := token.String()
		out[file] = append(out[file], tensor)
	}
	_, err := x.ReadToken()
	return out, err
}

func (x indexReader) open(what string) error {
	token, err := x.ReadToken()
	if err == nil && token.Kind() != jsontext.KindBeginObject {
		err = fault(BadIndex, "%s is %v, want an object", what, token.Kind())
	}
	return err
}

// indexed finds the file that an index in folder calls name. The jobs are in the order of their paths.
func indexed(folder, name string, jobs []*job) (*File, error) {
	full := name
	if folder != "." {
		full = folder + "/" + name
	}
	if err := filetree.CheckPath(full); err != nil {
		return nil, fault(BadIndex, "weight_map names the file %.200q: %v", name, err)
	}
	i, found := slices.BinarySearchFunc(jobs, full, func(j *job, p string) int { return strings.Compare(j.file.Path, p) })
	switch {
	case !found:
		return nil, fault(IndexedFile, "weight_map names the file %q, which is not there", full)
	case jobs[i].file.Kind != Safetensors:
		return nil, fault(IndexedFile, "weight_map names the file %q, which is %v, want safetensors", full, jobs[i].file.Kind)
	}
	return &jobs[i].file, nil
}

// checkIndexed compares the tensors of a file with those that the index has for it.
func checkIndexed(f *File, listed []string) error {
	slices.Sort(listed)
	have := make([]string, len(f.Tensors))
	for i := range f.Tensors {
		have[i] = f.Tensors[i].Name
	}
	slices.Sort(have)
	var bad *FormatError
	pair(listed, have, func(s *string) string { return *s }, func(l, h *string) {
		switch {
		case bad != nil:
		case h == nil:
			bad = &FormatError{Tensor: *l, Fault: IndexedTensor, Detail: fmt.Sprintf("is not in %q, for which weight_map lists it", f.Path)}
		case l == nil:
			bad = &FormatError{Tensor: *h, Fault: IndexedTensor, Detail: fmt.Sprintf("is in %q, but weight_map does not list it there", f.Path)}
		}
	})
	if bad != nil {
		return bad
	}
	return nil
}

// chunkWriter computes the root over the chunks of what is written to it.
type chunkWriter struct {
	tree filetree.Tree
	leaf hash.Hash
	size int // of the chunk begun, without its prefix
}

func newChunkWriter() *chunkWriter {
	return &chunkWriter{leaf: newChunkHash()}
}

func (w *chunkWriter) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		if w.size == ChunkSize {
			w.end()
		}
		n := min(ChunkSize-w.size, len(rest))
		w.leaf.Write(rest[:n])
		w.size += n
		rest = rest[n:]
	}
	return len(p), nil
}

func (w *chunkWriter) end() {
	w.tree.Add(sum(w.leaf))
	w.leaf, w.size = newChunkHash(), 0
}

func (w *chunkWriter) root() [32]byte {
	if w.size > 0 {
		w.end()
	}
	return w.tree.Root()
}
