package weights

import (
	"cmp"
	"math/bits"
	"slices"
	"strings"
)

// layout says how a dtype lays elements out: so many bits for each block of so many elements.
type layout struct{ block, bits uint64 }

// layouts returns the dtypes of a kind of file, by the text that a tensor leaf has for them.
func (k Kind) layouts() map[string]layout {
	switch k {
	case Safetensors:
		return safetensorsTypes
	case GGUF:
		return ggufTypes
	}
	return nil
}

// size is the number of bytes that elements of the given shape take. Blocks lie along the first dimension, as GGUF has
// it; in safetensors a block is one element, so that there the order is all the same.
func (l layout) size(dtype string, shape []uint64) (uint64, *FormatError) {
	n := l.bits
	for i, dim := range shape {
		if i == 0 {
			if dim%l.block != 0 {
				return 0, fault(ShapeMisaligned, "%s %v has rows of %d elements, want a multiple of %d", dtype, shape, dim, l.block)
			}
			dim /= l.block
		}
		over, product := bits.Mul64(n, dim)
		if over != 0 {
			return 0, fault(ShapeOverflow, "%s %v has more bits than 64 bits count", dtype, shape)
		}
		n = product
	}
	if len(shape) == 0 && l.block != 1 {
		return 0, fault(ShapeMisaligned, "%s of no dimension is one element, want a multiple of %d", dtype, l.block)
	}
	if n%8 != 0 {
		return 0, fault(ShapeMisaligned, "%s %v has %d bits, want whole bytes", dtype, shape, n)
	}
	return n / 8, nil
}

// check holds a tensor's offsets against its dtype and shape.
func (t *Tensor) check(k Kind) *FormatError {
	if t.Begin > t.End {
		return fault(OffsetOverflow, "begins at %d and ends at %d", t.Begin, t.End)
	}
	l, known := k.layouts()[t.Dtype]
	if !known {
		return fault(UnknownDtype, "unknown dtype %.200q", t.Dtype)
	}
	size, bad := l.size(t.Dtype, t.Shape)
	if bad != nil {
		return bad
	}
	if size != t.End-t.Begin {
		return fault(ShapeMismatch, "%s %v takes %d bytes, but the offsets hold %d", t.Dtype, t.Shape, size, t.End-t.Begin)
	}
	return nil
}

// byPlace is the order of tensors in a file. An empty tensor comes before the one that begins where it stands.
func byPlace(a, b Tensor) int {
	return cmp.Or(cmp.Compare(a.Begin, b.Begin), cmp.Compare(a.End, b.End), strings.Compare(a.Name, b.Name))
}

// checkPlaces puts the tensors into file order, and holds them against the dataSize bytes behind the header: each begins
// at the first multiple of align at which the one before has ended, and the file ends with the last one, or where a next
// one would begin. So the bytes of no tensor are fewer than align at a time, and where they are follows from the header.
func checkPlaces(k Kind, tensors []Tensor, dataSize, align uint64) error {
	slices.SortFunc(tensors, byPlace)
	var end uint64
	for i := range tensors {
		t := &tensors[i]
		bad := t.check(k)
		next := alignUp(end, align)
		switch {
		case bad != nil:
		case t.Begin%align != 0:
			bad = fault(OffsetMisaligned, "begins at %d, want a multiple of %d", t.Begin, align)
		case t.Begin > next:
			bad = fault(Hole, "begins at %d, but the tensor before ends at %d", t.Begin, end)
		case t.Begin < next:
			bad = fault(Overlap, "begins at %d, but the tensor before ends at %d", t.Begin, end)
		case t.End > dataSize:
			bad = fault(ShortFile, "ends at %d, but the file has %d bytes of tensor data", t.End, dataSize)
		}
		if bad != nil {
			bad.Tensor = t.Name
			return bad
		}
		end = t.End
	}
	if end != dataSize && (len(tensors) == 0 || alignUp(end, align) != dataSize) {
		return fault(TrailingBytes, "tensors end at %d, but the file has %d bytes of tensor data", end, dataSize)
	}
	return nil
}

// alignUp is the first multiple of align, a power of two, from n on. Both are far below 2^63.
func alignUp(n, align uint64) uint64 { return (n + align - 1) &^ (align - 1) }
