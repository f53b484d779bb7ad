package safetensors_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/hallmark-registry/hallmark/cmd/hallmark-demo/safetensors"
)

// header is a tensor as the format's description words it.
type header struct {
	DType   string `json:"dtype"`
	Shape   []int  `json:"shape"`
	Offsets [2]int `json:"data_offsets"`
}

// read is a second, independent reading of the format: header length, JSON,
// data without hole, overlap or rest.
func read(file []byte) (map[string]safetensors.Tensor, error) {
	if len(file) < 8 {
		return nil, fmt.Errorf("file of %d bytes, want at least 8", len(file))
	}
	n := binary.LittleEndian.Uint64(file)
	if n%8 != 0 || n > uint64(len(file)-8) {
		return nil, fmt.Errorf("header of %d bytes in a file of %d", n, len(file))
	}
	text, data := file[8:8+n], file[8+n:]
	headers := map[string]header{}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&headers); err != nil {
		return nil, err
	}
	if rest := text[dec.InputOffset():]; len(bytes.Trim(rest, " ")) > 0 {
		return nil, fmt.Errorf("header ends in %q, want spaces", rest)
	}
	return cut(headers, data)
}

func cut(headers map[string]header, data []byte) (map[string]safetensors.Tensor, error) {
	tensors := map[string]safetensors.Tensor{}
	at := 0
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		h := headers[name]
		count := 1
		for _, dim := range h.Shape {
			count *= dim
		}
		begin, end := h.Offsets[0], h.Offsets[1]
		if h.DType != "F32" || begin != at || end-begin != 4*count || end > len(data) {
			return nil, fmt.Errorf("tensor %s: %+v at %d of %d", name, h, at, len(data))
		}
		values := make([]float32, count)
		for i := range values {
			values[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[begin+4*i:]))
		}
		tensors[name] = safetensors.Tensor{Name: name, Shape: h.Shape, Data: values}
		at = end
	}
	if at != len(data) {
		return nil, fmt.Errorf("tensors take %d of %d bytes", at, len(data))
	}
	return tensors, nil
}

var two = []safetensors.Tensor{
	{Name: "layers.1.bias", Shape: []int{2}, Data: []float32{1, -2}},
	{Name: "layers.0.weight", Shape: []int{2, 3}, Data: []float32{0, 1, 2, 3, 4, 0.5}},
}

func TestMarshalWritesTheseBytes(t *testing.T) {
	file, err := safetensors.Marshal(two[:1])
	if err != nil {
		t.Fatal(err)
	}
	want := "\x48\x00\x00\x00\x00\x00\x00\x00" +
		`{"layers.1.bias":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}` + "      " +
		"\x00\x00\x80\x3f" + "\x00\x00\x00\xc0"
	if string(file) != want {
		t.Errorf("got  %q\nwant %q", file, want)
	}
}

func TestMarshalledFileReadsBack(t *testing.T) {
	for _, tt := range []struct {
		story   string
		tensors []safetensors.Tensor
	}{
		{"no tensors", nil},
		{"two, given out of order", two},
		{"one value without dimensions", []safetensors.Tensor{{Name: "scale", Shape: []int{}, Data: []float32{7}}}},
		{"extremes", []safetensors.Tensor{{Name: "x", Shape: []int{3}, Data: []float32{
			math.MaxFloat32, math.SmallestNonzeroFloat32, float32(math.Copysign(0, -1))}}}},
	} {
		t.Run(tt.story, func(t *testing.T) {
			file, err := safetensors.Marshal(tt.tensors)
			if err != nil {
				t.Fatal(err)
			}
			got, err := read(file)
			if err != nil {
				t.Fatalf("reading %q: %v", file, err)
			}
			if len(got) != len(tt.tensors) {
				t.Fatalf("got %d tensors, want %d", len(got), len(tt.tensors))
			}
			for _, want := range tt.tensors {
				if g := got[want.Name]; !slices.Equal(g.Shape, want.Shape) || !sameBits(g.Data, want.Data) {
					t.Errorf("got %+v, want %+v", g, want)
				}
			}
		})
	}
}

func sameBits(a, b []float32) bool {
	return slices.EqualFunc(a, b, func(x, y float32) bool { return math.Float32bits(x) == math.Float32bits(y) })
}

func TestOrderOfTensorsIsNotInTheBytes(t *testing.T) {
	a, err := safetensors.Marshal(two)
	if err != nil {
		t.Fatal(err)
	}
	b, err := safetensors.Marshal([]safetensors.Tensor{two[1], two[0]})
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a, b) {
		t.Errorf("two orders gave\n%q\n%q", a, b)
	}
	if two[0].Name != "layers.1.bias" {
		t.Error("Marshal reordered its argument")
	}
}

func TestMarshalRefuses(t *testing.T) {
	one := func(name string, shape []int, data ...float32) []safetensors.Tensor {
		return []safetensors.Tensor{{Name: name, Shape: shape, Data: data}}
	}
	for _, tt := range []struct {
		story   string
		tensors []safetensors.Tensor
		err     string
	}{
		{"a name twice", append(one("a", nil, 1), one("a", nil, 2)...), `tensor "a": name given twice`},
		{"no name", one("", nil, 1), "name of 0 bytes, want 1 to 256"},
		{"a long name", one(strings.Repeat("n", 257), nil, 1), "name of 257 bytes"},
		{"the reserved name", one("__metadata__", nil, 1), "name is reserved"},
		{"a name that needs an escape", one(`a"b`, nil, 1), `name has '"' at byte 1`},
		{"a name that is no text", one("a\xff", nil, 1), "at byte 1"},
		{"too few values", one("a", []int{2, 3}, 1, 2, 3), "shape [2 3] with 3 values"},
		{"too many values", one("a", []int{2}, 1, 2, 3, 4), "shape [2] with 4 values"},
		{"a dimension of zero", one("a", []int{0}), "shape [0] with 0 values"},
		{"negative dimensions", one("a", []int{-1, -1}, 1), "shape [-1 -1] with 1 values"},
		{"dimensions that overflow to the count", one("a", []int{1 << 30, 1 << 30, 16}), "with 0 values"},
		{"a value that is no number", one("a", nil, float32(math.NaN())), "value 0 is NaN"},
		{"an infinite value", one("a", []int{2}, 0, float32(math.Inf(-1))), "value 1 is -Inf"},
	} {
		t.Run(tt.story, func(t *testing.T) {
			_, err := safetensors.Marshal(tt.tensors)
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("got error %v, want %q", err, tt.err)
			}
		})
	}
}
