package weights

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Comparison says what two models have in common. Tensors are compared by name, in whichever files they are, as the weights
// root has them; files by path.
type Comparison struct {
	Tensors, Files Tally
	// Differences are the tensors that are not identical, by name; then the files, by path.
	Differences []Difference
}

// Tally counts what two models have in common and what not.
type Tally struct {
	Identical, Changed, Added, Removed Count
}

// Count is a number of tensors or files, and their bytes: those of the second model, but for what only the first one has.
type Count struct {
	Number, Bytes uint64
}

func (c *Count) add(bytes uint64) {
	c.Number++
	c.Bytes += bytes
}

// Compare compares the second model with the first. Where a name stands for several tensors of a model, equal ones are paired,
// and then the others in the order of their leaf hashes.
func Compare(first, second *Manifest) *Comparison {
	c := new(Comparison)
	pair(groups(first), groups(second), func(g *group) string { return g.name }, c.tensors)
	pair(first.Files, second.Files, func(f *File) string { return f.Path }, c.file)
	return c
}

// group is all tensors of a model that have one name, by leaf hash.
type group struct {
	name string
	list []placed
}

// placed is a tensor, its leaf hash, and where it is.
type placed struct {
	*Tensor
	leaf [32]byte
	path string
}

func (p placed) size() uint64 { return p.End - p.Begin }

func groups(m *Manifest) []group {
	var all []placed
	for i := range m.Files {
		f := &m.Files[i]
		for j := range f.Tensors {
			all = append(all, placed{&f.Tensors[j], tensorLeaf(&f.Tensors[j]), f.Path})
		}
	}
	slices.SortStableFunc(all, func(a, b placed) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), slices.Compare(a.leaf[:], b.leaf[:]))
	})
	var out []group
	for len(all) > 0 {
		n := 1
		for n < len(all) && all[n].Name == all[0].Name {
			n++
		}
		out = append(out, group{all[0].Name, all[:n]})
		all = all[n:]
	}
	return out
}

// tensors compares what has one name.
func (c *Comparison) tensors(a, b *group) {
	var first, second []placed // those that are not identical
	var x, y []placed
	if a != nil {
		x = a.list
	}
	if b != nil {
		y = b.list
	}
	for len(x) > 0 && len(y) > 0 {
		switch order := slices.Compare(x[0].leaf[:], y[0].leaf[:]); {
		case order < 0:
			first, x = append(first, x[0]), x[1:]
		case order > 0:
			second, y = append(second, y[0]), y[1:]
		default:
			c.Tensors.Identical.add(y[0].size())
			x, y = x[1:], y[1:]
		}
	}
	first, second = append(first, x...), append(second, y...)
	changed := min(len(first), len(second))
	for i := range changed {
		c.Tensors.Changed.add(second[i].size())
		c.differ(second[i].path, second[i].Name, Changed, tensorDetail(first[i], second[i]))
	}
	for _, p := range first[changed:] {
		c.Tensors.Removed.add(p.size())
		c.differ(p.path, p.Name, Missing, "")
	}
	for _, p := range second[changed:] {
		c.Tensors.Added.add(p.size())
		c.differ(p.path, p.Name, Extra, "")
	}
}

func (c *Comparison) file(a, b *File) {
	switch {
	case a == nil:
		c.Files.Added.add(b.Size)
		c.differ(b.Path, "", Extra, "")
	case b == nil:
		c.Files.Removed.add(a.Size)
		c.differ(a.Path, "", Missing, "")
	case a.Kind == b.Kind && a.Size == b.Size && a.Root == b.Root:
		c.Files.Identical.add(b.Size)
	default:
		c.Files.Changed.add(b.Size)
		c.differ(b.Path, "", Changed, fileDetail(a, b))
	}
}

func fileDetail(a, b *File) string {
	switch {
	case a.Kind != b.Kind:
		return fmt.Sprintf("kind is %v, was %v", b.Kind, a.Kind)
	case a.Size != b.Size:
		return fmt.Sprintf("size is %d, was %d", b.Size, a.Size)
	}
	return "other bytes"
}

func tensorDetail(a, b placed) string {
	if a.Dtype != b.Dtype || !slices.Equal(a.Shape, b.Shape) {
		return fmt.Sprintf("is %s %v, was %s %v", b.Dtype, b.Shape, a.Dtype, a.Shape)
	}
	return "other values"
}

func (c *Comparison) differ(path, tensor string, how Change, detail string) {
	c.Differences = append(c.Differences, Difference{Path: path, Tensor: tensor, Change: how, Detail: detail})
}
