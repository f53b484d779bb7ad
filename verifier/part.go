package verifier

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/hallmark-registry/hallmark/verifier/filetree"
	"github.com/hallmark-registry/hallmark/verifier/statement"
	"github.com/hallmark-registry/hallmark/verifier/weights"
)

// A Part is the one part of a model that is compared in place of all of it, so
// that a layer of a very large model can be used before the rest was read, or
// without it. It rests on the bundle's manifest.
type Part struct {
	Tensor string // by name, in whichever files have it; not asked when Range is set
	Range  *Range
	// Chunks is the chunk list of the raw file or tensor that Range lies in. With
	// it whole chunks are read in place of all that Range touches. nil: none.
	Chunks []byte
}

// A Range is bytes of one file, from Begin to before End.
type Range struct {
	Path       string
	Begin, End uint64
}

// modelPart asks of one part what modelFiles asks of all, and says that it did
// not ask about the rest.
func (v *verification) modelPart(s *Subject) {
	m, ok := v.partManifest()
	if !ok {
		return
	}
	listing, err := filetree.Walk(s.FS, s.tree(v.stmt.Model.Ignored))
	if err != nil {
		v.unreadable(err)
		return
	}
	p := partCheck{v: v, fsys: s.FS, manifest: m, found: listing.Files}
	if s.Part.Range != nil {
		p.byteRange(*s.Part.Range, s.Part.Chunks)
	} else {
		p.tensor(s.Part.Tensor)
	}
}

// partManifest returns the bundle's manifest if it is the one of the signed
// model; else it reports why there is nothing to compare a part with.
func (v *verification) partManifest() (*weights.Manifest, bool) {
	if v.bundle.Manifest == nil {
		v.report.add(Check{Name: "files", Result: Failed, Class: ClassUsage, Reason: "MANIFEST_MISSING",
			Message: "the bundle carries no manifest, by which alone a part of a model can be compared",
			Hint:    "leave out which part, or fetch the bundle with its manifest"})
		return nil, false
	}
	m, err := v.manifest()
	if err != nil {
		v.report.fail("files", ClassProof, "MANIFEST_INVALID", err)
	}
	return m, err == nil
}

// manifest returns the bundle's manifest if it proves to be the one of the
// signed model: by its own digest if that was signed, by the model's, and by the
// list of files that are raw.
func (v *verification) manifest() (*weights.Manifest, error) {
	if want := v.stmt.Model.Manifest; !want.IsZero() {
		if got := statement.Digest(sha256.Sum256(v.bundle.Manifest)); got != want {
			return nil, fmt.Errorf("the manifest is %s, and %s was signed", got, want)
		}
	}
	m, err := weights.ParseManifest(v.bundle.Manifest)
	if err != nil {
		return nil, err
	}
	if got, want := m.Model().Digest, v.stmt.Subjects[0].Digest; got != want {
		return nil, fmt.Errorf("the manifest is that of the model %s, want %s", statement.Digest(got), want)
	}
	return m, m.CheckRaw(v.stmt.Model.Raw)
}

// A partCheck compares one part.
type partCheck struct {
	v        *verification
	fsys     fs.FS
	manifest *weights.Manifest
	found    []filetree.File
}

// usage reports a question that does not fit the model.
func (p *partCheck) usage(reason, format string, args ...any) {
	p.v.report.add(Check{Name: "files", Result: Failed, Class: ClassUsage, Reason: reason, Message: fmt.Sprintf(format, args...)})
}

func (p *partCheck) tensor(name string) {
	files := 0
	var size uint64
	what := ""
	for i := range p.manifest.Files {
		f := &p.manifest.Files[i]
		for j := range f.Tensors {
			t := &f.Tensors[j]
			if t.Name != name {
				continue
			}
			if !p.compare(f, func(at string) ([]weights.Difference, error) {
				return weights.CheckTensor(p.v.ctx, p.fsys, at, f, t)
			}) {
				return
			}
			files++
			size += t.End - t.Begin
			what = fmt.Sprintf("tensor %s (%s %v, %s) of %s", filetree.Show(name), t.Dtype, t.Shape, Bytes(t.End-t.Begin), filetree.Show(f.Path))
		}
	}
	switch {
	case files == 0:
		p.usage("NO_SUCH_TENSOR", "the model has no tensor %q", name)
	case files > 1:
		what = fmt.Sprintf("tensor %s (%s) in each of %d files", filetree.Show(name), Bytes(size), files)
		fallthrough
	default:
		p.proven(what)
	}
}

func (p *partCheck) byteRange(r Range, chunks []byte) {
	i := slices.IndexFunc(p.manifest.Files, func(f weights.File) bool { return f.Path == r.Path })
	if i < 0 {
		p.usage("NO_SUCH_FILE", "the model has no file %q", r.Path)
		return
	}
	f := &p.manifest.Files[i]
	if r.Begin >= r.End || r.End > f.Size {
		p.usage("NO_SUCH_RANGE", "bytes %d to %d of %s, want at least one byte of its %d", r.Begin, r.End, filetree.Show(r.Path), f.Size)
		return
	}
	if chunks != nil {
		if err := f.UseChunks(r.Begin, r.End, chunks); err != nil {
			p.v.report.fail("files", ClassProof, "CHUNKS_INVALID", err)
			return
		}
	}
	if p.compare(f, func(at string) ([]weights.Difference, error) {
		return weights.CheckRange(p.v.ctx, p.fsys, at, f, r.Begin, r.End)
	}) {
		p.proven(fmt.Sprintf("bytes %d to %d (%s) of %s", r.Begin, r.End, Bytes(r.End-r.Begin), filetree.Show(r.Path)))
	}
}

// compare finds the file and asks about a part of it. It reports whatever is
// not as it should be.
func (p *partCheck) compare(f *weights.File, ask func(at string) ([]weights.Difference, error)) bool {
	i := slices.IndexFunc(p.found, func(l filetree.File) bool { return l.Path == f.Path })
	differences := []weights.Difference{{Path: f.Path, Change: weights.Missing}}
	if i >= 0 {
		var err error
		if differences, err = ask(p.found[i].Name); err != nil {
			p.v.unreadable(err)
			return false
		}
	}
	if len(differences) > 0 {
		p.v.report.fail("files", ClassDifference, "FILES_DIFFER", errors.New(differences[0].String()))
	}
	return len(differences) == 0
}

func (p *partCheck) proven(what string) {
	p.v.report.ok("files", "%s as published; nothing else of its %d files and %d tensors was compared",
		what, len(p.manifest.Files), p.v.stmt.Model.Tensors)
}
