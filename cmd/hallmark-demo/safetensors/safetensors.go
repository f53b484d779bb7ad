// Package safetensors writes model weights as a safetensors file, so that equal
// tensors give equal bytes on every machine:
//
//	┌──────────────┬─────────────────────────────────────┬──────────────────────┐
//	│ u64, little- │ JSON, names ascending, spaces up to │ float32, little-     │
//	│ endian: n    │ a multiple of 8; n bytes            │ endian, in name order│
//	└──────────────┴─────────────────────────────────────┴──────────────────────┘
//
// The format leaves the writer several choices (order, padding, white space,
// metadata); this one makes each of them once. It writes F32 only and shares no
// code with the registry's reader, so that the two check each other.
//
// Source: https://github.com/huggingface/safetensors#format
package safetensors

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

const (
	// headerMax is the longest header that readers accept.
	headerMax = 100_000_000
	// nameMax is far more than a layer's name needs.
	nameMax = 256
	// alignment of the data: readers map the file and use the numbers in place.
	alignment = 8
	floatSize = 4
)

// A Tensor is a named array of float32 in row-major order. Its number of values
// is the product of Shape; an empty shape is a single value.
type Tensor struct {
	Name  string
	Shape []int
	Data  []float32
}

// Marshal returns the file that holds the tensors, in whatever order they come.
// It refuses a name that is empty, too long, repeated, reserved, or that JSON
// would have to escape; a shape that does not match the data; and a value that
// is not finite, since weights with one are a training gone wrong.
func Marshal(tensors []Tensor) ([]byte, error) {
	sorted := slices.Clone(tensors)
	slices.SortStableFunc(sorted, func(a, b Tensor) int { return strings.Compare(a.Name, b.Name) })
	for i, t := range sorted {
		if err := t.check(); err != nil {
			return nil, fmt.Errorf("tensor %q: %w", t.Name, err)
		}
		if i > 0 && t.Name == sorted[i-1].Name {
			return nil, fmt.Errorf("tensor %q: name given twice, want it once", t.Name)
		}
	}

	header := appendHeader(nil, sorted)
	if len(header) > headerMax {
		return nil, fmt.Errorf("header of %d bytes, want at most %d", len(header), headerMax)
	}
	file := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	file = append(file, header...)
	for _, t := range sorted {
		for _, v := range t.Data {
			file = binary.LittleEndian.AppendUint32(file, math.Float32bits(v))
		}
	}
	return file, nil
}

// appendHeader writes JSON by hand: names are checked to need no escape, and the
// order of members is part of the bytes.
func appendHeader(b []byte, tensors []Tensor) []byte {
	begin := 0
	b = append(b, '{')
	for i, t := range tensors {
		if i > 0 {
			b = append(b, ',')
		}
		end := begin + floatSize*len(t.Data)
		b = append(b, '"')
		b = append(b, t.Name...)
		b = append(b, `":{"dtype":"F32","shape":`...)
		b = appendInts(b, t.Shape)
		b = append(b, `,"data_offsets":`...)
		b = appendInts(b, []int{begin, end})
		b = append(b, '}')
		begin = end
	}
	b = append(b, '}')
	for len(b)%alignment != 0 {
		b = append(b, ' ')
	}
	return b
}

func appendInts(b []byte, ns []int) []byte {
	b = append(b, '[')
	for i, n := range ns {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, int64(n), 10)
	}
	return append(b, ']')
}

func (t Tensor) check() error {
	if len(t.Name) == 0 || len(t.Name) > nameMax {
		return fmt.Errorf("name of %d bytes, want 1 to %d", len(t.Name), nameMax)
	}
	if t.Name == "__metadata__" {
		return fmt.Errorf("name is reserved by the format, want another")
	}
	if i := strings.IndexFunc(t.Name, needsEscape); i >= 0 {
		return fmt.Errorf("name has %q at byte %d, want letters, digits, '.', '_', '-'", t.Name[i], i)
	}
	if err := checkShape(t.Shape, len(t.Data)); err != nil {
		return err
	}
	for i, v := range t.Data {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return fmt.Errorf("value %d is %v, want a finite number", i, v)
		}
	}
	return nil
}

func needsEscape(r rune) bool {
	switch {
	case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '.', r == '_', r == '-':
		return false
	}
	return true
}

// checkShape holds when the product of the dimensions is count. Dividing count
// instead of multiplying dimensions cannot overflow.
func checkShape(shape []int, count int) error {
	left := count
	for _, dim := range shape {
		if dim < 1 || left%dim != 0 {
			return fmt.Errorf("shape %v with %d values, want positive dimensions whose product they are", shape, count)
		}
		left /= dim
	}
	if left != 1 {
		return fmt.Errorf("shape %v with %d values, want positive dimensions whose product they are", shape, count)
	}
	return nil
}
