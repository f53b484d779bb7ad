package oms

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
)

// Options say what of a folder a verification passes over. The zero value passes
// over nothing but what the specification does.
type Options struct {
	// Ignore are paths relative to the model, left out besides those that the
	// signer left out: the signature itself, if it lies inside, and what the
	// caller says. A file that was signed cannot be ignored.
	Ignore []string

	// IgnoreUnsigned lets files stand in the folder that nobody signed.
	IgnoreUnsigned bool

	// Progress, if any, is told how many bytes of how many are hashed.
	Progress func(done, total uint64)
}

// A Report is what was found, as far as the verification came.
type Report struct {
	Signer   *Signer
	Manifest *Manifest

	Files       int    // signed files that are as they were signed
	Bytes       uint64 // in them
	Ignored     []string
	Unsigned    []string // present, not signed, and let pass
	Differences []Difference
	Warnings    []string
}

// A Difference is a file that is not as it was signed.
type Difference struct {
	Path string
	What string // missing, changed, or unsigned
}

// String returns "path: what".
func (d Difference) String() string { return d.Path + ": " + d.What }

// Verify checks that b is a signature by somebody whom t names, over exactly what
// is in the folder. The report is never nil; it is only as true as the error is
// nil. An error is an *Error, or one of reading the folder.
func (b *Bundle) Verify(ctx context.Context, t Trust, f *Folder, o Options) (*Report, error) {
	r := new(Report)
	var err error
	if r.Signer, err = b.Authenticate(t); err != nil {
		return r, err
	}
	r.Warnings = r.Signer.Warnings
	if r.Manifest, err = ParseManifest(b.Payload); err != nil {
		return r, err
	}
	return r, r.compare(ctx, f, o)
}

// compare enumerates the folder as the signer did.
func (r *Report) compare(ctx context.Context, f *Folder, o Options) error {
	m := r.Manifest
	signed := make(map[string]*signedFile, len(m.files))
	for i := range m.files {
		file := &m.files[i]
		if file.path == singleFile && f.file != "" {
			file.path = f.file
		}
		signed[file.path] = file
	}
	out, err := r.leaveOut(signed, o.Ignore)
	if err != nil {
		return err
	}
	there, err := f.list(out, m.AllowSymlinks)
	if err != nil {
		return fmt.Errorf("listing the model: %w", err)
	}
	jobs, pieces, err := r.plan(there, signed, o)
	if err != nil {
		return err
	}
	how, err := hashOf(m.Hash)
	if err != nil {
		return err
	}
	if err := f.hashAll(ctx, how, jobs, o.Progress); err != nil {
		return err
	}
	r.judge(jobs, pieces)
	return r.conclude()
}

// leaveOut decides what is not looked at: what the signer says, what the caller
// says, and the files of git (6.2.1). A signer who signed those has them checked.
func (r *Report) leaveOut(signed map[string]*signedFile, callers []string) (ignored, error) {
	out := newIgnored(r.Manifest.IgnorePaths, callers)
	own := newIgnored(callers)
	for p := range signed {
		if by := own.above(p); by != "" {
			return nil, fault(ErrIgnored, p, "was signed, and cannot be ignored (as %q)", by)
		}
	}
	for _, p := range gitPaths {
		isSigned := func(q string) bool { return q == p || strings.HasPrefix(q, p+"/") }
		if !slices.ContainsFunc(r.Manifest.files, func(s signedFile) bool { return isSigned(s.path) }) {
			out[p] = true
		}
	}
	r.Ignored = out.sorted()
	return out, nil
}

// plan sorts what is there into what is to be hashed, and what differs already.
func (r *Report) plan(there []found, signed map[string]*signedFile, o Options) (jobs []job, pieces []Resource, err error) {
	present := make(map[string]bool, len(there))
	empty := 0
	for _, f := range there {
		s := signed[f.path]
		switch {
		case s == nil && o.IgnoreUnsigned:
			r.Unsigned = append(r.Unsigned, f.path)
			continue
		case s == nil && f.fault == nil && f.size == 0 && r.Manifest.ShardSize != 0:
			empty++ // has no shard, so nobody could have signed it (6.3.2)
			continue
		case s == nil:
			r.differ(f.path, "unsigned")
			continue
		case f.fault != nil:
			return nil, nil, f.fault
		}
		present[f.path] = true
		if last := s.pieces[len(s.pieces)-1]; last.End != 0 && last.End != f.size {
			r.differ(f.path, "changed")
			continue
		}
		for _, p := range s.pieces {
			j := job{path: f.path, size: f.size, from: p.Start, to: p.End}
			if r.Manifest.ShardSize == 0 {
				j.to = f.size
			}
			jobs, pieces = append(jobs, j), append(pieces, p)
		}
	}
	for p := range signed {
		if !present[p] {
			r.differ(p, "missing")
		}
	}
	if empty > 0 {
		r.Warnings = append(r.Warnings, fmt.Sprintf("%d empty files are in the folder: a signature by shards says nothing about empty files", empty))
	}
	return jobs, pieces, nil
}

// judge compares what was hashed with what was signed, file by file.
func (r *Report) judge(jobs []job, pieces []Resource) {
	for i := 0; i < len(jobs); {
		same, file := true, jobs[i]
		for ; i < len(jobs) && jobs[i].path == file.path; i++ {
			same = same && bytes.Equal(jobs[i].digest, pieces[i].Digest)
		}
		if !same {
			r.differ(file.path, "changed")
			continue
		}
		r.Files++
		r.Bytes += file.size
	}
}

func (r *Report) differ(path, what string) {
	r.Differences = append(r.Differences, Difference{path, what})
}

func (r *Report) conclude() error {
	slices.SortFunc(r.Differences, func(a, b Difference) int { return strings.Compare(a.Path, b.Path) })
	switch n := len(r.Differences); n {
	case 0:
		return nil
	case 1:
		return fault(ErrFiles, "", "%s", r.Differences[0])
	default:
		return fault(ErrFiles, "", "%s, and %d more", r.Differences[0], n-1)
	}
}
