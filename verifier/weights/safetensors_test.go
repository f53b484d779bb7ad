package weights_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/hallmark-registry/hallmark/verifier/weights"
)

func faultOf(err error) weights.Fault {
	var bad *weights.FormatError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &bad):
		return bad.Fault
	}
	return weights.Fault(fmt.Sprintf("unnamed: %v", err))
}

func TestParseHeader(t *testing.T) {
	entry := func(name, dtype, shape string, begin, end any) string {
		return fmt.Sprintf(`"%s":{"dtype":"%s","shape":%s,"data_offsets":[%v,%v]}`, name, dtype, shape, begin, end)
	}
	object := func(members ...string) string { return "{" + strings.Join(members, ",") + "}" }
	dims := func(n int) string { return "[" + strings.TrimSuffix(strings.Repeat("1,", n), ",") + "]" }
	a := entry("a", "U8", "[4]", 0, 4)

	for _, c := range []struct {
		story  string
		header string
		data   int
		fault  weights.Fault
	}{
		{"no tensor", "{}", 0, ""},
		{"one tensor", object(a), 4, ""},
		{"padding with spaces", object(a) + "      ", 4, ""},
		{"white space within the JSON", "{\n\t" + a + "\r\n}", 4, ""},
		{"members in any order", `{"a":{"data_offsets":[0,4],"shape":[4],"dtype":"U8"}}`, 4, ""},
		{"metadata", object(`"__metadata__":{"format":"pt","x":""}`, a), 4, ""},
		{"empty metadata", object(`"__metadata__":{}`), 0, ""},
		{"tensors in any order", object(entry("b", "U8", "[1]", 4, 5), a), 5, ""},
		{"a scalar", object(entry("a", "F32", "[]", 0, 4)), 4, ""},
		{"an empty tensor", object(entry("a", "F32", "[0,9007199254740991]", 0, 0)), 0, ""},
		{"empty tensors beside another", object(entry("z", "F32", "[0]", 0, 0), a, entry("y", "F32", "[0]", 4, 4)), 4, ""},
		{"four bits, twice", object(entry("a", "F4", "[2]", 0, 1)), 1, ""},
		{"six bits, four times", object(entry("a", "F6_E2M3", "[2,2]", 0, 3)), 3, ""},
		{"255 dimensions", object(entry("a", "U8", dims(255), 0, 1)), 1, ""},
		{"a tensor without a name", object(entry("", "U8", "[1]", 0, 1)), 1, ""},
		{"the longest name", object(entry(strings.Repeat("n", 65535), "U8", "[1]", 0, 1)), 1, ""},

		{"no JSON", "", 0, weights.NotObject},
		{"an array", "[]", 0, weights.NotObject},
		{"a space before the JSON", " {}", 0, weights.NotObject},
		{"a tensor that is no object", `{"a":[]}`, 0, weights.NotObject},
		{"cut short", `{"a":{"dtype":"U8"`, 0, weights.BadJSON},
		{"a comma too many", `{"__metadata__":{},}`, 0, weights.BadJSON},
		{"invalid UTF-8", "{\"\xff\":{}}", 0, weights.BadJSON},
		{"half of a surrogate pair", `{"\ud800":{}}`, 0, weights.BadJSON},
		{"a name twice", object(a, a), 4, weights.DuplicateName},
		{"a name twice, escaped the second time", object(a, entry(`\u0061`, "U8", "[4]", 0, 4)), 4, weights.DuplicateName},
		{"metadata twice", object(`"__metadata__":{}`, `"__metadata__":{}`), 0, weights.DuplicateName},
		{"a metadata key twice", object(`"__metadata__":{"a":"","a":""}`), 0, weights.DuplicateName},
		{"a member twice", `{"a":{"dtype":"U8","dtype":"U8","shape":[4],"data_offsets":[0,4]}}`, 4, weights.DuplicateName},
		{"a newline behind the JSON", "{}\n", 0, weights.HeaderTrailing},
		{"more JSON behind the JSON", "{}  {}", 0, weights.HeaderTrailing},
		{"zeros behind the JSON", "{}\x00", 0, weights.HeaderTrailing},
		{"something behind very much padding", "{}" + strings.Repeat(" ", 200_000) + "x", 0, weights.HeaderTrailing},
		{"metadata is null", `{"__metadata__":null}`, 0, weights.BadMetadata},
		{"metadata holds a number", `{"__metadata__":{"a":1}}`, 0, weights.BadMetadata},
		{"metadata holds an object", `{"__metadata__":{"a":{}}}`, 0, weights.BadMetadata},
		{"an unknown member", `{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4],"x":1}}`, 4, weights.UnknownMember},
		{"a member in other letters", `{"a":{"Dtype":"U8","shape":[4],"data_offsets":[0,4]}}`, 4, weights.UnknownMember},
		{"no dtype", `{"a":{"shape":[4],"data_offsets":[0,4]}}`, 4, weights.MissingMember},
		{"no member", `{"a":{}}`, 0, weights.MissingMember},
		{"dtype is a number", `{"a":{"dtype":1,"shape":[4],"data_offsets":[0,4]}}`, 4, weights.BadMember},
		{"shape is null", `{"a":{"dtype":"U8","shape":null,"data_offsets":[0,4]}}`, 4, weights.BadMember},
		{"shape holds a string", object(entry("a", "U8", `["4"]`, 0, 4)), 4, weights.BadMember},
		{"one offset", `{"a":{"dtype":"U8","shape":[4],"data_offsets":[4]}}`, 4, weights.BadMember},
		{"three offsets", `{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4,4]}}`, 4, weights.BadMember},
		{"a negative dimension", object(entry("a", "U8", "[-4]", 0, 4)), 4, weights.BadNumber},
		{"minus zero", object(entry("a", "U8", "[4]", "-0", 4)), 4, weights.BadNumber},
		{"a fraction", object(entry("a", "U8", "[4.0]", 0, 4)), 4, weights.BadNumber},
		{"an exponent", object(entry("a", "U8", "[4e0]", 0, 4)), 4, weights.BadNumber},
		{"an unknown dtype", object(entry("a", "U128", "[1]", 0, 16)), 16, weights.UnknownDtype},
		{"a dtype in other letters", object(entry("a", "u8", "[4]", 0, 4)), 4, weights.UnknownDtype},
		{"a name too long", object(entry(strings.Repeat("n", 65536), "U8", "[1]", 0, 1)), 1, weights.NameTooLong},
		{"256 dimensions", object(entry("a", "U8", dims(256), 0, 1)), 1, weights.RankTooHigh},
		{"a dimension of 2^53", object(entry("a", "U8", "[9007199254740992]", 0, 0)), 0, weights.ShapeOverflow},
		{"a dimension beyond 64 bits", object(entry("a", "U8", "[99999999999999999999]", 0, 0)), 0, weights.ShapeOverflow},
		{"a product beyond 64 bits", object(entry("a", "U8", "[4294967296,4294967296]", 0, 0)), 0, weights.ShapeOverflow},
		{"a product that wraps round to the right size", object(entry("a", "U8", "[2833,813922700040132]", 0, 4)), 4, weights.ShapeOverflow},
		{"half a byte left over", object(entry("a", "F4", "[3]", 0, 2)), 2, weights.ShapeMisaligned},
		{"six bits, once", object(entry("a", "F6_E3M2", "[1]", 0, 1)), 1, weights.ShapeMisaligned},
		{"more bytes than the shape takes", object(entry("a", "U8", "[3]", 0, 4)), 4, weights.ShapeMismatch},
		{"fewer bytes than the dtype takes", object(entry("a", "F32", "[2]", 0, 4)), 4, weights.ShapeMismatch},
		{"offsets the wrong way round", object(entry("a", "U8", "[4]", 4, 0)), 4, weights.OffsetOverflow},
		{"an offset of 2^53", object(entry("a", "U8", "[4]", 0, "9007199254740992")), 4, weights.OffsetOverflow},
		{"an offset beyond 64 bits", object(entry("a", "U8", "[4]", 0, "18446744073709551620")), 4, weights.OffsetOverflow},
		{"a hole at the front", object(entry("a", "U8", "[4]", 1, 5)), 5, weights.Hole},
		{"a hole between tensors", object(a, entry("b", "U8", "[4]", 5, 9)), 9, weights.Hole},
		{"two tensors in one place", object(a, entry("b", "U8", "[4]", 0, 4)), 4, weights.Overlap},
		{"tensors that overlap by a byte", object(a, entry("b", "U8", "[4]", 3, 7)), 7, weights.Overlap},
		{"an empty tensor inside another", object(a, entry("b", "U8", "[0]", 2, 2)), 4, weights.Overlap},
		{"a byte missing at the end", object(a), 3, weights.ShortFile},
		{"no data at all", object(a), 0, weights.ShortFile},
		{"a byte too many", object(a), 5, weights.TrailingBytes},
		{"data without tensors", "{}", 1, weights.TrailingBytes},
	} {
		t.Run(c.story, func(t *testing.T) {
			file := withHeader(c.header, make([]byte, c.data))
			r := bytes.NewReader(file)
			header, _, err := weights.ParseHeader(r, uint64(len(file)))
			if got := faultOf(err); got != c.fault {
				t.Fatalf("header %.200q and %d bytes: got error %v (fault %q), want fault %q", c.header, c.data, err, got, c.fault)
			}
			if err != nil {
				return
			}
			if want := uint64(len(file) - c.data); header.Size != want || r.Len() != c.data {
				t.Errorf("got header of %d bytes and %d bytes unread, want %d and %d", header.Size, r.Len(), want, c.data)
			}
		})
	}
}

// TestParseHeaderLength has the faults before any JSON is read.
func TestParseHeaderLength(t *testing.T) {
	for _, c := range []struct {
		story string
		file  string
		size  uint64
		fault weights.Fault
	}{
		{"an empty file", "", 0, weights.HeaderMissing},
		{"seven bytes", "\x02\x00\x00\x00\x00\x00\x00", 7, weights.HeaderMissing},
		{"a header beyond the file", "\x03\x00\x00\x00\x00\x00\x00\x00{}", 10, weights.ShortFile},
		{"a header of 100,000,001 bytes", "\x01\xe1\xf5\x05\x00\x00\x00\x00{}", 1 << 40, weights.HeaderTooLong},
		{"a header of 2^64-1 bytes", "\xff\xff\xff\xff\xff\xff\xff\xff{}", 1 << 40, weights.HeaderTooLong},
	} {
		t.Run(c.story, func(t *testing.T) {
			_, _, err := weights.ParseHeader(strings.NewReader(c.file), c.size)
			if got := faultOf(err); got != c.fault {
				t.Errorf("got error %v (fault %q), want fault %q", err, got, c.fault)
			}
		})
	}
}

// TestParseHeaderOfAFileThatEnds before its size was reached: no fault of the format.
func TestParseHeaderOfAFileThatEnds(t *testing.T) {
	file := withHeader(`{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}   `, []byte("1234"))
	for n := range len(file) - 4 {
		if _, _, err := weights.ParseHeader(bytes.NewReader(file[:n]), uint64(len(file))); !errors.Is(err, weights.ErrChanged) {
			t.Errorf("after %d bytes: got error %v, want %v", n, err, weights.ErrChanged)
		}
	}
}

// FuzzParseHeader looks for panics, and for tensors that don't account for every byte.
func FuzzParseHeader(f *testing.F) {
	f.Add([]byte(`{}`), uint16(0))
	f.Add([]byte(`{"__metadata__":{"a":"b"},"w":{"dtype":"F4","shape":[2,1],"data_offsets":[0,1]}}  `), uint16(1))
	f.Add([]byte(`{"a":{"dtype":"F32","shape":[],"data_offsets":[2,6]},"b":{"data_offsets":[0,2],"shape":[1],"dtype":"I16"}}`), uint16(6))
	f.Fuzz(func(t *testing.T, header []byte, data uint16) {
		file := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
		file = append(append(file, header...), make([]byte, data)...)
		got, tensors, err := weights.ParseHeader(bytes.NewReader(file), uint64(len(file)))
		if err != nil {
			if strings.HasPrefix(string(faultOf(err)), "unnamed") {
				t.Fatalf("error without a fault: %v", err)
			}
			return
		}
		end := uint64(0)
		for _, tensor := range tensors {
			if tensor.Begin != end {
				t.Fatalf("tensor %q begins at %d, want %d", tensor.Name, tensor.Begin, end)
			}
			end = tensor.End
		}
		if got.Size+end != uint64(len(file)) {
			t.Fatalf("header of %d and tensors of %d bytes, want %d in all", got.Size, end, len(file))
		}
	})
}

// BenchmarkParseHeader reads the header of a model of 10,000 tensors.
func BenchmarkParseHeader(b *testing.B) {
	var list []tensor
	for i := range 10_000 {
		list = append(list, tensor{fmt.Sprintf("model.layers.%d.mlp.experts.%d.down_proj.weight", i/100, i%100), "BF16", []int{1, 1}, []byte{0, 0}})
	}
	file := safetensors(list)
	b.SetBytes(int64(len(file)))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := weights.ParseHeader(io.NewSectionReader(bytes.NewReader(file), 0, int64(len(file))), uint64(len(file))); err != nil {
			b.Fatal(err)
		}
	}
}
