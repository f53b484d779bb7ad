package verifier

import (
	"errors"
	"fmt"
	"strings"

	"github.com/hallmark-registry/hallmark/verifier/dataset"
	"github.com/hallmark-registry/hallmark/verifier/filetree"
	"github.com/hallmark-registry/hallmark/verifier/statement"
	"github.com/hallmark-registry/hallmark/verifier/weights"
)

// files asks whether the folder is the one that was logged. What counts as a
// part of it, and how it is cut into leaves, stands in the signed statement.
func (v *verification) files(s *Subject) {
	r := v.report
	switch {
	case s == nil || s.FS == nil:
		r.notAsked("files", "no folder was given to compare")
	case v.stmt == nil && r.Check("entry").Result != OK:
		r.skip("files", "the statement cannot be read")
	case v.stmt != nil && v.stmt.Kind == statement.KindModel:
		v.modelFiles(s)
	case v.stmt != nil && v.stmt.Kind == statement.KindDataset:
		v.datasetFiles(s)
	default:
		r.add(Check{Name: "files", Result: Failed, Class: ClassUsage, Reason: "NOT_FILES",
			Message: fmt.Sprintf("this is a %s entry: it names no files to compare with", r.Facts.Kind),
			Hint:    "leave the path out"})
	}
}

func (s *Subject) tree(ignored []string) filetree.Options {
	return filetree.Options{Root: s.Root, Ignored: ignored, Bundle: s.Bundle, FollowLinks: s.FollowLinks, LinkFolders: s.LinkFolders}
}

func (v *verification) modelFiles(s *Subject) {
	if s.Part != nil {
		v.modelPart(s)
		return
	}
	r, m := v.report, v.stmt.Model
	got, err := weights.Digest(v.ctx, s.FS, weights.Options{
		Tree: s.tree(m.Ignored), Raw: m.Raw, Workers: s.Workers, Progress: s.Progress})
	if err != nil {
		v.unreadable(err)
		return
	}
	if want := v.stmt.Subjects[0].Digest; got.Digest != want {
		lines := v.differences(got)
		r.add(Check{Name: "files", Result: Failed, Class: ClassDifference, Reason: "FILES_DIFFER",
			Message: strings.Join(lines, "; "), Lines: lines,
			Got: statement.Digest(got.Digest).String(), Want: want.String()})
		return
	}
	msg := fmt.Sprintf("%d files, %d tensors, %s, model digest %s", len(got.Files), got.TensorCount, Bytes(got.ByteCount), short(got.Digest[:]))
	if len(got.Ignored) > 0 {
		shown := make([]string, len(got.Ignored))
		for i, path := range got.Ignored {
			shown[i] = filetree.Show(path)
		}
		msg += "; not counted, as its publisher signed: " + strings.Join(shown, ", ")
	}
	r.ok("files", "%s", msg)
}

func (v *verification) datasetFiles(s *Subject) {
	r, d := v.report, v.stmt.Dataset
	if s.Part != nil {
		r.add(Check{Name: "files", Result: Failed, Class: ClassUsage, Reason: "NOT_FILES",
			Message: "a part was asked for, and only a model has tensors and ranges", Hint: "leave out which part"})
		return
	}
	if d.Salted {
		r.add(Check{Name: "files", Result: Failed, Class: ClassUnknown, Reason: "DATASET_SALTED",
			Message: "the dataset is salted: only who holds its seed can compute its digest",
			Hint:    "its owner can, with hallmark dataset check; a single record is shown by an opening"})
		return
	}
	got, err := dataset.Digest(v.ctx, s.FS, dataset.Options{Tree: s.tree(nil), Split: splitOf(d), Workers: s.Workers, Progress: s.Progress})
	if err != nil {
		v.unreadable(err)
		return
	}
	if want := v.stmt.Subjects[0].Digest; got.Digest != want {
		r.add(Check{Name: "files", Result: Failed, Class: ClassDifference, Reason: "FILES_DIFFER",
			Message: fmt.Sprintf("another dataset: %d records in %d files, logged were %d in %d", got.Records, len(got.Files), d.Records, d.Files),
			Got:     statement.Digest(got.Digest).String(), Want: want.String()})
		return
	}
	r.ok("files", "%d records in %d files, %s, dataset digest %s", got.Records, len(got.Files), Bytes(got.Bytes), short(got.Digest[:]))
}

// splitOf is how the statement says that its dataset was cut into records.
func splitOf(d *statement.Dataset) dataset.Split {
	if d.Form == statement.FormLines {
		return dataset.Lines
	}
	return dataset.WholeFiles
}

// unreadable reports a folder that has no digest. What was logged had one, so
// a malformed file or a refused path is a difference; a disk that fails is not.
func (v *verification) unreadable(err error) {
	var format *weights.FormatError
	var path *filetree.Error
	if errors.As(err, &format) || errors.As(err, &path) {
		v.report.fail("files", ClassDifference, "FILES_DIFFER", err)
		return
	}
	v.report.fail("files", ClassUnknown, "FILES_UNREADABLE", err)
}

// maxNamed bounds the differences that a report names.
const maxNamed = 8

// differences names what differs, as far as the bundle lets it: by the
// manifest, if one is there and proves to be this model's; else by the files
// that the statement lists.
func (v *verification) differences(got *weights.Model) []string {
	names := v.byManifest(got)
	if names == nil {
		names = v.byListedFiles(got)
	}
	switch {
	case len(names) == 0:
		return []string{"another model; the bundle's manifest would say which file, and it carries none"}
	case len(names) > maxNamed:
		names = append(names[:maxNamed], fmt.Sprintf("and %d more", len(names)-maxNamed))
	}
	return names
}

func (v *verification) byManifest(got *weights.Model) []string {
	if v.bundle.Manifest == nil {
		return nil
	}
	m, err := v.manifest()
	if err != nil {
		return nil
	}
	var names []string
	for _, d := range weights.Diff(m, got) {
		names = append(names, d.String())
	}
	return names
}

func (v *verification) byListedFiles(got *weights.Model) []string {
	have := make(map[string]*weights.File, len(got.Files))
	for i := range got.Files {
		have[got.Files[i].Path] = &got.Files[i]
	}
	var names []string
	for _, f := range v.stmt.Model.Listed {
		switch g := have[f.Path]; {
		case g == nil:
			names = append(names, fmt.Sprintf("%q is missing", f.Path))
		case statement.Digest(g.SHA256) != f.SHA256:
			names = append(names, fmt.Sprintf("%q differs", f.Path))
		}
	}
	if n := uint64(len(got.Files)); n != v.stmt.Model.Files {
		names = append(names, fmt.Sprintf("%d files, logged were %d", n, v.stmt.Model.Files))
	}
	return names
}

// Bytes shows a byte count as people read it.
func Bytes(n uint64) string {
	const units = "kMGTPE"
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	v, i := float64(n)/1000, 0
	for v >= 999.95 && i < len(units)-1 {
		v, i = v/1000, i+1
	}
	return fmt.Sprintf("%.1f %cB", v, units[i])
}
