package weights

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/hallmark-registry/hallmark/verifier/filetree"
)

// Change says how a file or tensor that was found differs from what was wanted.
type Change string

// The ways of differing.
const (
	Missing Change = "missing" // wanted, not there
	Extra   Change = "extra"   // there, not wanted
	Changed Change = "changed"
)

// Difference is one thing in which a folder is not what a manifest says.
type Difference struct {
	Path   string
	Tensor string // "" when the difference is not in one tensor
	Change Change
	Detail string // what was got and wanted; "" unless Change is Changed
}

func (d Difference) String() string {
	s := filetree.Show(d.Path) + ": "
	if d.Tensor != "" {
		s += "tensor " + filetree.Show(d.Tensor) + ": "
	}
	s += string(d.Change)
	if d.Detail != "" {
		s += ": " + d.Detail
	}
	return s
}

// Diff names every file, and within files of one kind every tensor, in which got differs from want. It returns nothing
// exactly when both have the same model digest and got has no SHA-256 that want contradicts. Chunk lists and offsets of
// unchanged bytes are not compared: what follows from a difference named is not named again.
func Diff(want *Manifest, got *Model) []Difference {
	var all []Difference
	pair(want.Files, got.Files, func(f *File) string { return f.Path }, func(w, g *File) {
		switch {
		case g == nil:
			all = append(all, Difference{Path: w.Path, Change: Missing})
		case w == nil:
			all = append(all, Difference{Path: g.Path, Change: Extra})
		default:
			all = append(all, diffFile(w, g)...)
		}
	})
	return all
}

func diffFile(w, g *File) []Difference {
	changed := func(format string, args ...any) Difference {
		return Difference{Path: w.Path, Change: Changed, Detail: fmt.Sprintf(format, args...)}
	}
	switch {
	case w.Kind != g.Kind:
		return []Difference{changed("kind is %v, want %v", g.Kind, w.Kind)}
	case w.Root == g.Root && w.Size == g.Size:
		if g.SHA256 != w.SHA256 && g.SHA256 != [32]byte{} {
			return []Difference{changed("sha256 is %x, manifest says %x", g.SHA256, w.SHA256)}
		}
		return nil
	case w.Kind == Raw && w.Size != g.Size:
		return []Difference{changed("size is %d, want %d", g.Size, w.Size)}
	case w.Kind == Raw:
		return []Difference{changed("content root is %x, want %x", g.Root, w.Root)}
	}
	var all []Difference
	if w.Header != g.Header {
		all = append(all, changed("header is %x (%d bytes), want %x (%d bytes)", g.Header.Leaf, g.Header.Size, w.Header.Leaf, w.Header.Size))
	}
	return append(all, diffTensors(w, g)...)
}

func diffTensors(w, g *File) []Difference {
	byName := func(a, b Tensor) int { return strings.Compare(a.Name, b.Name) }
	wanted := slices.SortedFunc(slices.Values(w.Tensors), byName)
	found := slices.SortedFunc(slices.Values(g.Tensors), byName)
	var all []Difference
	pair(wanted, found, func(t *Tensor) string { return t.Name }, func(wt, gt *Tensor) {
		switch {
		case gt == nil:
			all = append(all, Difference{Path: w.Path, Tensor: wt.Name, Change: Missing})
		case wt == nil:
			all = append(all, Difference{Path: w.Path, Tensor: gt.Name, Change: Extra})
		default:
			if detail := wt.differs(gt); detail != "" {
				all = append(all, Difference{Path: w.Path, Tensor: wt.Name, Change: Changed, Detail: detail})
			}
		}
	})
	return all
}

// differs says in what got is another tensor than t, wherever either stands in its file.
func (t *Tensor) differs(got *Tensor) string {
	switch {
	case t.Dtype != got.Dtype || !slices.Equal(t.Shape, got.Shape):
		return fmt.Sprintf("is %s %v, want %s %v", got.Dtype, got.Shape, t.Dtype, t.Shape)
	case t.Root != got.Root:
		return fmt.Sprintf("content root is %x, want %x", got.Root, t.Root)
	}
	return ""
}

// pair walks two lists, each ascending by key without duplicates, and visits equal keys together; nil stands for what
// only the other list has.
func pair[T any](a, b []T, key func(*T) string, visit func(a, b *T)) {
	for len(a) > 0 || len(b) > 0 {
		var order int
		switch {
		case len(a) == 0:
			order = 1
		case len(b) == 0:
			order = -1
		default:
			order = cmp.Compare(key(&a[0]), key(&b[0]))
		}
		switch {
		case order < 0:
			visit(&a[0], nil)
			a = a[1:]
		case order > 0:
			visit(nil, &b[0])
			b = b[1:]
		default:
			visit(&a[0], &b[0])
			a, b = a[1:], b[1:]
		}
	}
}
