package weights_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/hallmark-registry/hallmark/verifier/weights"
)

// ggufFile is a GGUF file to write: well formed unless a case says otherwise.
type ggufFile struct {
	magic   string // "GGUF"
	version uint32 // 3
	align   uint64 // 32, without a key that says so
	keys    []byte // written metadata, see key
	nkeys   int
	tensors []ggufTensor
	// tensorCount and keyCount, if set, are claimed in place of the true counts.
	tensorCount, keyCount *uint64
	// pad fills padding, and end says what to do behind the last tensor.
	pad byte
	end string // "" pads, "bare" does not
}

type ggufTensor struct {
	name   string
	typ    uint32
	dims   []uint64
	data   []byte
	offset *uint64 // claimed in place of where data stands
}

func le32(n uint32) []byte { return binary.LittleEndian.AppendUint32(nil, n) }
func le64(n uint64) []byte { return binary.LittleEndian.AppendUint64(nil, n) }
func ltext(s string) []byte {
	return append(le64(uint64(len(s))), s...)
}

// key adds one key with its type and the value's bytes.
func (g ggufFile) key(name string, typ uint32, value []byte) ggufFile {
	g.keys = slices.Concat(g.keys, ltext(name), le32(typ), value)
	g.nkeys++
	return g
}

func (g ggufFile) aligned(n uint32) ggufFile {
	g = g.key("general.alignment", 4, le32(n))
	g.align = uint64(n)
	return g
}

func (g ggufFile) bytes() []byte {
	if g.magic == "" {
		g.magic = "GGUF"
	}
	if g.version == 0 {
		g.version = 3
	}
	if g.align == 0 {
		g.align = 32
	}
	tensorCount, keyCount := uint64(len(g.tensors)), uint64(g.nkeys)
	if g.tensorCount != nil {
		tensorCount = *g.tensorCount
	}
	if g.keyCount != nil {
		keyCount = *g.keyCount
	}
	var infos, data []byte
	for i, t := range g.tensors {
		offset := uint64(len(data))
		if t.offset != nil {
			offset = *t.offset
		}
		infos = append(infos, ltext(t.name)...)
		infos = append(infos, le32(uint32(len(t.dims)))...)
		for _, d := range t.dims {
			infos = append(infos, le64(d)...)
		}
		infos = append(append(infos, le32(t.typ)...), le64(offset)...)
		data = append(data, t.data...)
		if i < len(g.tensors)-1 || g.end == "" {
			data = g.padded(data)
		}
	}
	header := slices.Concat([]byte(g.magic), le32(g.version), le64(tensorCount), le64(keyCount), g.keys, infos)
	if len(g.tensors) > 0 || g.end == "" {
		header = g.padded(header)
	}
	return append(header, data...)
}

func (g ggufFile) padded(b []byte) []byte {
	for uint64(len(b))%g.align != 0 {
		b = append(b, g.pad)
	}
	return b
}

func at(n uint64) *uint64 { return &n }

// gguf has two tensors with padding between and behind them, and one of each kind of metadata.
func goodGGUF() ggufFile {
	return ggufFile{tensors: []ggufTensor{
		{name: "token_embd.weight", typ: 8, dims: []uint64{32, 2}, data: bytes.Repeat([]byte("q"), 68)},
		{name: "output_norm.weight", typ: 0, dims: []uint64{3}, data: []byte("123456789012")},
	}}.key("general.architecture", 8, ltext("llama")).
		key("tokenizer.ggml.tokens", 9, slices.Concat(le32(8), le64(2), ltext("a"), ltext("\xff")))
}

func TestParseGGUF(t *testing.T) {
	f32 := func(name string, n int) ggufTensor {
		return ggufTensor{name: name, typ: 0, dims: []uint64{uint64(n)}, data: make([]byte, 4*n)}
	}
	with := func(list ...ggufTensor) ggufFile { return ggufFile{tensors: list} }
	none := ggufFile{}
	array := func(typ uint32, n uint64, values ...[]byte) []byte {
		return slices.Concat(le32(typ), le64(n), slices.Concat(values...))
	}
	nested := func(depth int) []byte {
		b := array(4, 1, le32(7))
		for range depth - 1 {
			b = array(9, 1, b)
		}
		return b
	}
	big := uint64(1) << 60

	for _, c := range []struct {
		story string
		file  ggufFile
		fault weights.Fault
	}{
		{"two tensors", goodGGUF(), ""},
		{"version 2", ggufFile{version: 2, tensors: goodGGUF().tensors}, ""},
		{"neither keys nor tensors", none, ""},
		{"no tensor, no padding", ggufFile{end: "bare"}, ""},
		{"metadata alone", none.key("a", 0, []byte{1}), ""},
		{"metadata alone, not padded", ggufFile{end: "bare"}.key("a", 0, []byte{1}), ""},
		{"no padding behind the last tensor", ggufFile{end: "bare", tensors: goodGGUF().tensors}, ""},
		{"an alignment of 8", with(f32("a", 1), f32("b", 1)).aligned(8), ""},
		{"an alignment of 1 MiB", with(f32("a", 1), f32("b", 1)).aligned(1 << 20), ""},
		{"every type of value", none.key("u8", 0, []byte{255}).key("i8", 1, []byte{255}).key("u16", 2, []byte("12")).key("i16", 3, []byte("12")).
			key("u32", 4, le32(1)).key("i32", 5, le32(1)).key("f32", 6, le32(1)).key("bool", 7, []byte{1}).key("string", 8, ltext("x")).
			key("array", 9, array(7, 3, []byte{0, 1, 0})).key("u64", 10, le64(1)).key("i64", 11, le64(1)).key("f64", 12, le64(1)), ""},
		{"an empty array", none.key("a", 9, array(8, 0)), ""},
		{"arrays nested four deep", none.key("a", 9, nested(4)), ""},
		{"a string longer than what is held at a time", none.key("a", 8, ltext(strings.Repeat("x", 200_000))), ""},
		{"the longest key", none.key(strings.Repeat("k", 65535), 0, []byte{1}), ""},
		{"the longest tensor name", with(f32(strings.Repeat("n", 64), 1)), ""},
		{"a tensor without a name", with(f32("", 1)), ""},
		{"a scalar", with(ggufTensor{name: "a", data: []byte("1234")}), ""},
		{"four dimensions", with(ggufTensor{name: "a", dims: []uint64{2, 1, 1, 2}, data: make([]byte, 16)}), ""},
		{"empty tensors beside another", with(f32("z", 0), f32("a", 1), f32("y", 0), f32("b", 0)), ""},
		{"a row of blocks", with(ggufTensor{name: "a", typ: 12, dims: []uint64{512, 3}, data: make([]byte, 6*144)}), ""},
		{"the name of the metadata in another format", with(f32("__metadata__", 1)), ""},

		{"another magic", ggufFile{magic: "GGML"}, weights.BadMagic},
		{"version 0", ggufFile{magic: "GGUF\x00\x00\x00\x00"}, weights.BadVersion},
		{"version 1", ggufFile{version: 1}, weights.BadVersion},
		{"version 4", ggufFile{version: 4}, weights.BadVersion},
		{"version 3 from the other end", ggufFile{version: 3 << 24}, weights.BigEndian},
		{"version 2 from the other end", ggufFile{version: 2 << 24}, weights.BigEndian},
		{"more keys than any model has", ggufFile{keyCount: at(65537)}, weights.TooManyKeys},
		{"2^60 keys", ggufFile{keyCount: at(big)}, weights.TooManyKeys},
		{"a key more than there is", ggufFile{keyCount: at(1), end: "bare"}, weights.ShortFile},
		{"2^60 tensors", ggufFile{tensorCount: at(big)}, weights.ShortFile},
		{"a key without a letter", none.key("", 0, []byte{1}), weights.BadKey},
		{"a key beyond ASCII", none.key("é", 0, []byte{1}), weights.BadKey},
		{"a key of 65,536 bytes", none.key(strings.Repeat("k", 65536), 0, []byte{1}), weights.BadKey},
		{"a key twice", none.key("a", 0, []byte{1}).key("a", 1, []byte{1}), weights.DuplicateKey},
		{"the alignment twice", none.aligned(32).aligned(32), weights.DuplicateKey},
		{"an unknown type of value", none.key("a", 13, []byte{1}), weights.BadValue},
		{"an unknown type in an array", none.key("a", 9, array(13, 0)), weights.BadValue},
		{"a truth value of 2", none.key("a", 7, []byte{2}), weights.BadValue},
		{"a truth value of 2 in an array", none.key("a", 9, array(7, 3, []byte{1, 0, 2})), weights.BadValue},
		{"arrays nested five deep", none.key("a", 9, nested(5)), weights.BadValue},
		{"a string of 2^60 bytes", none.key("a", 8, le64(big)), weights.ShortFile},
		{"an array of 2^60 bytes", none.key("a", 9, array(0, big)), weights.ShortFile},
		{"an array of 2^60 strings", none.key("a", 9, array(8, big)), weights.ShortFile},
		{"an array of 2^63 numbers, whose size wraps round to nothing", none.key("a", 9, array(10, 1<<63)), weights.ShortFile},
		{"an alignment of 0", none.key("general.alignment", 4, le32(0)), weights.BadAlignment},
		{"an alignment of 4", none.key("general.alignment", 4, le32(4)), weights.BadAlignment},
		{"an alignment of 24", none.key("general.alignment", 4, le32(24)), weights.BadAlignment},
		{"an alignment of 2 MiB", none.key("general.alignment", 4, le32(1<<21)), weights.BadAlignment},
		{"an alignment in 64 bits", none.key("general.alignment", 10, le64(32)), weights.BadAlignment},
		{"a tensor name too long", with(f32(strings.Repeat("n", 65), 1)), weights.NameTooLong},
		{"a tensor name that is not UTF-8", with(f32("\xff", 1)), weights.BadName},
		{"a tensor name with NUL", with(f32("a\x00b", 1)), weights.BadName},
		{"a tensor name twice", with(f32("a", 1), f32("b", 1), f32("a", 1)), weights.DuplicateName},
		{"five dimensions", with(ggufTensor{name: "a", dims: []uint64{1, 1, 1, 1, 1}, data: make([]byte, 4)}), weights.RankTooHigh},
		{"2^32-1 dimensions", ggufFile{tensorCount: at(1)}.key("a", 0, []byte{0}), weights.ShortFile},
		{"a dimension of 2^53", with(ggufTensor{name: "a", dims: []uint64{1 << 53}}), weights.ShapeOverflow},
		{"a product that wraps round to nothing", with(ggufTensor{name: "a", dims: []uint64{1 << 32, 1 << 32}}), weights.ShapeOverflow},
		{"more bytes than 2^53", with(ggufTensor{name: "a", dims: []uint64{1 << 30, 1 << 28}}), weights.OffsetOverflow},
		{"a type that was withdrawn", with(ggufTensor{name: "a", typ: 4, dims: []uint64{32}, data: make([]byte, 20)}), weights.UnknownDtype},
		{"a type that no one knows yet", with(ggufTensor{name: "a", typ: 1000, dims: []uint64{32}}), weights.UnknownDtype},
		{"part of a block", with(ggufTensor{name: "a", typ: 2, dims: []uint64{16, 2}, data: make([]byte, 18)}), weights.ShapeMisaligned},
		{"a scalar in blocks", with(ggufTensor{name: "a", typ: 2, data: make([]byte, 18)}), weights.ShapeMisaligned},
		{"an offset between the multiples", with(f32("a", 1), ggufTensor{name: "b", dims: []uint64{1}, data: make([]byte, 4), offset: at(16)}), weights.OffsetMisaligned},
		{"a hole at the front", with(ggufTensor{name: "a", dims: []uint64{1}, data: make([]byte, 36), offset: at(32)}), weights.Hole},
		{"a hole between tensors", with(f32("a", 1), ggufTensor{name: "b", dims: []uint64{1}, data: make([]byte, 36), offset: at(64)}), weights.Hole},
		{"two tensors in one place", with(f32("a", 1), ggufTensor{name: "b", dims: []uint64{1}, offset: at(0)}), weights.Overlap},
		{"a tensor that begins in another", with(f32("a", 9), ggufTensor{name: "b", dims: []uint64{1}, offset: at(32)}), weights.Overlap},
		{"tensors listed in another order than they stand in", with(ggufTensor{name: "a", dims: []uint64{1}, data: make([]byte, 4), offset: at(32)}, ggufTensor{name: "b", dims: []uint64{1}, data: make([]byte, 4), offset: at(0)}), weights.TensorOrder},
		{"an offset of 2^64-1", with(ggufTensor{name: "a", dims: []uint64{1}, offset: at(1<<64 - 1)}), weights.OffsetOverflow},
		{"the last tensor cut short", ggufFile{end: "bare", tensors: []ggufTensor{{name: "a", dims: []uint64{2}, data: make([]byte, 7)}}}, weights.ShortFile},
		{"padding behind the last tensor, but not to the multiple", ggufFile{end: "bare", tensors: []ggufTensor{{name: "a", dims: []uint64{2}, data: make([]byte, 9)}}}, weights.TrailingBytes},
		{"another multiple behind the last tensor", with(ggufTensor{name: "a", dims: []uint64{2}, data: make([]byte, 64)}), weights.TrailingBytes},
		{"padding of the header that is not zero", ggufFile{pad: 1, tensors: goodGGUF().tensors}, weights.PaddingNotZero},
	} {
		t.Run(c.story, func(t *testing.T) {
			file := c.file.bytes()
			header, tensors, err := weights.ParseGGUF(bytes.NewReader(file), uint64(len(file)))
			if got := faultOf(err); got != c.fault {
				t.Fatalf("got error %v (fault %q), want fault %q", err, got, c.fault)
			}
			if err != nil {
				return
			}
			data := 0
			for _, tensor := range c.file.tensors {
				data += len(tensor.data)
			}
			if len(tensors) != len(c.file.tensors) || header.Size > uint64(len(file)-data) {
				t.Errorf("got %d tensors and a header of %d bytes, want %d and at most %d", len(tensors), header.Size, len(c.file.tensors), len(file)-data)
			}
		})
	}
}

// TestParseGGUFOfAFileThatEnds before its size was reached: no fault of the format.
func TestParseGGUFOfAFileThatEnds(t *testing.T) {
	file := goodGGUF().bytes()
	header, _, err := weights.ParseGGUF(bytes.NewReader(file), uint64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	for n := range int(header.Size) {
		if _, _, err := weights.ParseGGUF(bytes.NewReader(file[:n]), uint64(len(file))); !errors.Is(err, weights.ErrChanged) {
			t.Errorf("after %d bytes: got error %v, want %v", n, err, weights.ErrChanged)
		}
		if _, _, err := weights.ParseGGUF(bytes.NewReader(file[:n]), uint64(n)); faultOf(err) != weights.ShortFile && faultOf(err) != weights.HeaderMissing {
			t.Errorf("of %d bytes: got error %v, want fault %q", n, err, weights.ShortFile)
		}
	}
}

// TestHeaderOfAHundredMillionBytes is as long as one may be, in one key that no one holds in memory.
func TestHeaderOfAHundredMillionBytes(t *testing.T) {
	for _, c := range []struct {
		size  int
		fault weights.Fault
	}{{weights.MaxHeader, ""}, {weights.MaxHeader + 32, weights.HeaderTooLong}} {
		file := ggufFile{}.key("a", 9, slices.Concat(le32(0), le64(uint64(c.size-24-9-16)), make([]byte, c.size-24-9-16))).bytes()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		header, _, err := weights.ParseGGUF(bytes.NewReader(file), uint64(len(file)))
		runtime.ReadMemStats(&after)
		if got := faultOf(err); got != c.fault || err == nil && header.Size != uint64(len(file)) {
			t.Errorf("%d bytes: got header %+v and error %v, want fault %q", c.size, header, err, c.fault)
		}
		if got := after.TotalAlloc - before.TotalAlloc; got > mib {
			t.Errorf("%d bytes: %d bytes allocated, want at most 1 MiB", c.size, got)
		}
	}
}

// TestClaimsAllocateNothing: counts and lengths are the file's word, and cost it nothing.
func TestClaimsAllocateNothing(t *testing.T) {
	huge := at(1 << 40)
	for _, file := range [][]byte{
		ggufFile{tensorCount: huge}.bytes(),
		ggufFile{keyCount: huge}.bytes(),
		ggufFile{}.key("a", 8, le64(1<<40)).bytes(),
		ggufFile{}.key("a", 9, slices.Concat(le32(8), le64(1<<40))).bytes(),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, _, err := weights.ParseGGUF(bytes.NewReader(file), 1<<50)
		runtime.ReadMemStats(&after)
		if err == nil {
			t.Errorf("%q: got no error", file)
		}
		if got := after.TotalAlloc - before.TotalAlloc; got > mib {
			t.Errorf("%q: %d bytes allocated, want at most 1 MiB", file, got)
		}
	}
}

// TestAMillionTensors in one file take memory for themselves and no more.
func TestAMillionTensors(t *testing.T) {
	if testing.Short() {
		t.Skip("writes a header of 50 MB")
	}
	const n = 1_000_000
	g := ggufFile{tensors: make([]ggufTensor, n)}.aligned(8)
	for i := range g.tensors {
		g.tensors[i] = ggufTensor{name: fmt.Sprintf("e.%07d", i), typ: 24, dims: []uint64{1}, data: []byte{byte(i)}}
	}
	file := g.bytes()
	m := digest(t, folder(map[string][]byte{"m.gguf": file}), weights.Options{Workers: 2, Fast: true})
	if m.TensorCount != n {
		t.Errorf("got %d tensors, want %d", m.TensorCount, n)
	}
	runtime.GC()
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	if most := uint64(len(file))*2 + n*256; mem.HeapAlloc > most {
		t.Errorf("got %d bytes in use, want at most %d", mem.HeapAlloc, most)
	}
	runtime.KeepAlive(m)
}

// TestPaddingIsHeldToBeZero wherever it stands: no leaf covers it.
func TestPaddingIsHeldToBeZero(t *testing.T) {
	good := goodGGUF().bytes()
	header, tensors, err := weights.ParseGGUF(bytes.NewReader(good), uint64(len(good)))
	if err != nil {
		t.Fatal(err)
	}
	gaps := 0
	for i := range good {
		file := slices.Clone(good)
		file[i] ^= 0x80
		m, err := weights.Digest(t.Context(), folder(map[string][]byte{"m.gguf": file}), weights.Options{Workers: 2})
		data := uint64(i) - header.Size
		within := func(tensor weights.Tensor) bool { return tensor.Begin <= data && data < tensor.End }
		if uint64(i) < header.Size || slices.ContainsFunc(tensors, within) {
			if err == nil && m.Digest == digest(t, folder(map[string][]byte{"m.gguf": good}), weights.Options{}).Digest {
				t.Errorf("byte %d: another byte, the same digest", i)
			}
			continue
		}
		if gaps++; faultOf(err) != weights.PaddingNotZero {
			t.Errorf("byte %d belongs to no tensor: got error %v, want fault %q", i, err, weights.PaddingNotZero)
		}
	}
	if gaps != 28+20 {
		t.Errorf("got %d bytes of padding, want 48", gaps)
	}
}

// randomGGUF has tensors of a few types and sizes around that of a chunk.
func randomGGUF(r *rand.Rand, prefix string) ggufFile {
	g := ggufFile{}.key("general.name", 8, ltext(prefix)).aligned([]uint32{8, 32, 4096}[r.IntN(3)])
	for i := range r.IntN(10) {
		typ := []uint32{0, 1, 2, 12, 24}[r.IntN(5)]
		layout := map[uint32][2]int{0: {1, 4}, 1: {1, 2}, 2: {32, 18}, 12: {256, 144}, 24: {1, 1}}[typ]
		blocks := []int{0, 1, 3, 100, mib / layout[1], mib/layout[1] + 1}[r.IntN(6)]
		g.tensors = append(g.tensors, ggufTensor{
			name: fmt.Sprintf("%s.%d", prefix, i), typ: typ, dims: []uint64{uint64(layout[0]), uint64(blocks)},
			data: noise(r, blocks*layout[1]),
		})
	}
	return g
}

// TestSplitGGUFKeepsWeightsRoot: five files, with another padding each, hold the same tensors as one.
func TestSplitGGUFKeepsWeightsRoot(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var list []ggufTensor
	for i := range 25 {
		list = append(list, ggufTensor{name: fmt.Sprintf("t%d", i), typ: 24, dims: []uint64{uint64(i * 1000)}, data: noise(r, i*1000)})
	}
	one := digest(t, folder(map[string][]byte{"m.gguf": ggufFile{tensors: list}.bytes()}), weights.Options{})

	r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	split := map[string][]byte{}
	for i := range 5 {
		split[fmt.Sprintf("m-%05d-of-00005.gguf", i+1)] = ggufFile{tensors: list[5*i : 5*i+5]}.aligned(8 << i).bytes()
	}
	five := digest(t, folder(split), weights.Options{})
	if one.WeightsRoot != five.WeightsRoot {
		t.Errorf("weights root: got %x in five files, want %x as in one", five.WeightsRoot, one.WeightsRoot)
	}
	if one.Digest == five.Digest {
		t.Errorf("model digest: got %x in five files and in one, want two", one.Digest)
	}
}

// FuzzParseGGUF looks for panics, and for tensors that don't account for every byte.
func FuzzParseGGUF(f *testing.F) {
	f.Add(goodGGUF().bytes())
	f.Add(goodGGUF().aligned(8).key("b", 9, slices.Concat(le32(9), le64(1), le32(7), le64(2), []byte{0, 1})).bytes())
	f.Add(ggufFile{end: "bare"}.bytes())
	f.Fuzz(func(t *testing.T, file []byte) {
		header, tensors, err := weights.ParseGGUF(bytes.NewReader(file), uint64(len(file)))
		if err != nil {
			if strings.HasPrefix(string(faultOf(err)), "unnamed") {
				t.Fatalf("error without a fault: %v", err)
			}
			return
		}
		end := header.Size
		for _, tensor := range tensors {
			if begin := header.Size + tensor.Begin; begin < end || begin-end >= mib {
				t.Fatalf("tensor %q begins at %d, behind one that ends at %d", tensor.Name, begin, end)
			}
			end = header.Size + tensor.End
		}
		if size := uint64(len(file)); end > size || size-end >= mib {
			t.Fatalf("header and tensors end at %d, want about %d", end, size)
		}
		m, err := weights.Digest(t.Context(), folder(map[string][]byte{"m.gguf": file}), weights.Options{})
		if err != nil {
			if faultOf(err) != weights.PaddingNotZero {
				t.Fatalf("parsed, but not hashed: %v", err)
			}
			return
		}
		manifest, err := m.Manifest()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := weights.ParseManifest(manifest.Bytes()); err != nil {
			t.Fatalf("hashed, but with a manifest that is refused: %v", err)
		}
	})
}
