package weights_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"sort"
	"strings"
)

// reference computes a model digest a second time, from the format's definition and nothing else: whole files in memory,
// the recursion of RFC 6962 as it stands there, another JSON reader, no stream and no goroutine. It trusts its
// input to be well formed.
type reference struct {
	digest, fileRoot, weightsRoot, sha256 []byte
}

func referenceModel(files map[string][]byte, raw ...string) reference {
	paths := make([]string, 0, len(files))
	for p := range files {
		paths = append(paths, p)
	}
	sort.Strings(paths)
	var fileLeaves [][]byte
	var tensors []referenceTensor
	var size uint64
	whole := sha256.New()
	for _, p := range paths {
		content := files[p]
		size += uint64(len(content))
		kind, leaves := byte(0), chunks(content)
		if strings.HasSuffix(p, ".safetensors") && !contains(raw, p) {
			kind = 1
			var own []referenceTensor
			leaves, own = referenceTensors(content)
			tensors = append(tensors, own...)
		}
		if strings.HasSuffix(p, ".gguf") && !contains(raw, p) {
			kind = 2
			var own []referenceTensor
			leaves, own = referenceGGUF(content)
			tensors = append(tensors, own...)
		}
		fileLeaves = append(fileLeaves, concat("hallmark/file/v1\n", u16(len(p)), p, []byte{kind}, u64(len(content)), u64(len(leaves)), mth(leaves)))
		sum := sha256.Sum256(content)
		whole.Write(sum[:])
	}
	sort.Slice(tensors, func(i, j int) bool {
		a, b := tensors[i], tensors[j]
		if a.name != b.name {
			return a.name < b.name
		}
		return bytes.Compare(leafHash(a.leaf), leafHash(b.leaf)) < 0
	})
	var tensorLeaves [][]byte
	for _, t := range tensors {
		tensorLeaves = append(tensorLeaves, t.leaf)
	}
	r := reference{fileRoot: mth(fileLeaves), weightsRoot: mth(tensorLeaves), sha256: whole.Sum(nil)}
	digest := sha256.Sum256(concat("hallmark/model/v1\n", u64(len(files)), u64(int(size)), r.fileRoot, u64(len(tensors)), r.weightsRoot))
	r.digest = digest[:]
	return r
}

type referenceTensor struct {
	name       string
	begin, end int
	leaf       []byte
}

func referenceTensors(content []byte) (leaves [][]byte, tensors []referenceTensor) {
	data := 8 + int(binary.LittleEndian.Uint64(content))
	var header map[string]json.RawMessage
	if err := json.Unmarshal(content[8:data], &header); err != nil {
		panic(err)
	}
	delete(header, "__metadata__")
	for name, raw := range header {
		var t struct {
			Dtype   string `json:"dtype"`
			Shape   []int  `json:"shape"`
			Offsets []int  `json:"data_offsets"`
		}
		if err := json.Unmarshal(raw, &t); err != nil {
			panic(err)
		}
		begin, end := t.Offsets[0], t.Offsets[1]
		var dims []byte
		for _, d := range t.Shape {
			dims = append(dims, u64(d)...)
		}
		root := mth(chunks(content[data+begin : data+end]))
		leaf := concat("hallmark/tensor/v1\n", u16(len(name)), name, []byte{byte(len(t.Dtype))}, t.Dtype, []byte{byte(len(t.Shape))}, dims, u64(end-begin), root)
		tensors = append(tensors, referenceTensor{name, begin, end, leaf})
	}
	return referenceLeaves(content[:data], tensors), tensors
}

// referenceGGUF knows the values that the tests write: strings and arrays of them, and 32-bit numbers.
func referenceGGUF(content []byte) (leaves [][]byte, tensors []referenceTensor) {
	at := 8
	u32 := func() int { at += 4; return int(binary.LittleEndian.Uint32(content[at-4:])) }
	u64le := func() int { at += 8; return int(binary.LittleEndian.Uint64(content[at-8:])) }
	text := func() string { n := u64le(); at += n; return string(content[at-n : at]) }
	align, count := 32, u64le()
	for keys := u64le(); keys > 0; keys-- {
		switch key, typ := text(), u32(); {
		case key == "general.alignment":
			align = u32()
		case typ == 8:
			text()
		case typ == 9:
			u32() // 8
			for n := u64le(); n > 0; n-- {
				text()
			}
		default:
			panic(key)
		}
	}
	for range count {
		name, bytes := text(), 1
		var dims []byte
		rank := u32()
		for range rank {
			d := u64le()
			bytes *= d
			dims = append(dims, u64(d)...)
		}
		typ := u32()
		begin := u64le()
		dtype := map[int]string{0: "GGML:F32", 1: "GGML:F16", 2: "GGML:Q4_0", 8: "GGML:Q8_0", 12: "GGML:Q4_K", 24: "GGML:I8"}[typ]
		layout := map[int][2]int{0: {1, 4}, 1: {1, 2}, 2: {32, 18}, 8: {32, 34}, 12: {256, 144}, 24: {1, 1}}[typ]
		bytes = bytes / layout[0] * layout[1]
		leaf := concat("hallmark/tensor/v1\n", u16(len(name)), name, []byte{byte(len(dtype))}, dtype, []byte{byte(rank)}, dims, u64(bytes))
		tensors = append(tensors, referenceTensor{name, begin, begin + bytes, leaf})
	}
	if count > 0 {
		at = (at + align - 1) / align * align
	} else {
		at = len(content)
	}
	for i, t := range tensors {
		tensors[i].leaf = append(t.leaf, mth(chunks(content[at+t.begin:at+t.end]))...)
	}
	return referenceLeaves(content[:at], tensors), tensors
}

func referenceLeaves(header []byte, tensors []referenceTensor) [][]byte {
	sort.Slice(tensors, func(i, j int) bool {
		a, b := tensors[i], tensors[j]
		if a.begin != b.begin {
			return a.begin < b.begin
		}
		if a.end != b.end {
			return a.end < b.end
		}
		return a.name < b.name
	})
	leaves := [][]byte{concat("hallmark/header/v1\n", header)}
	for _, t := range tensors {
		leaves = append(leaves, t.leaf)
	}
	return leaves
}

func chunks(content []byte) (leaves [][]byte) {
	for len(content) > 0 {
		n := min(len(content), 1<<20)
		leaves = append(leaves, concat("hallmark/chunk/v1\n", content[:n]))
		content = content[n:]
	}
	return leaves
}

// mth is the Merkle tree hash of RFC 6962, section 2.1.
func mth(leaves [][]byte) []byte {
	switch len(leaves) {
	case 0:
		h := sha256.Sum256(nil)
		return h[:]
	case 1:
		return leafHash(leaves[0])
	}
	k := 1
	for 2*k < len(leaves) {
		k *= 2
	}
	h := sha256.Sum256(concat("\x01", mth(leaves[:k]), mth(leaves[k:])))
	return h[:]
}

func leafHash(leaf []byte) []byte {
	h := sha256.Sum256(concat("\x00", leaf))
	return h[:]
}

func concat(parts ...any) (out []byte) {
	for _, p := range parts {
		switch p := p.(type) {
		case string:
			out = append(out, p...)
		case []byte:
			out = append(out, p...)
		}
	}
	return out
}

func u16(n int) []byte { return binary.BigEndian.AppendUint16(nil, uint16(n)) }
func u64(n int) []byte { return binary.BigEndian.AppendUint64(nil, uint64(n)) }

func contains(list []string, s string) bool {
	for _, l := range list {
		if l == s {
			return true
		}
	}
	return false
}
