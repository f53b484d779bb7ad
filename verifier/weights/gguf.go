package weights

import (
	"crypto/sha256"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	ggufMagic = "GGUF"
	// ggufFixed is the size of what every GGUF file begins with: magic, version, two counts.
	ggufFixed = 4 + 4 + 8 + 8
	// alignmentKey is the one key of the metadata that says where bytes are.
	alignmentKey = "general.alignment"
	// defaultAlignment holds in a file without that key.
	defaultAlignment = 32
	// minAlignment is the least that the format's specification allows.
	minAlignment = 8
	// maxAlignment keeps the padding between two tensors within what is read at a time. Writers take 32, and rarely the size
	// of a page.
	maxAlignment = ChunkSize

	// maxKeys bounds the names that are held to find one that stands twice. Models have some dozens.
	maxKeys = 1 << 16
	// maxKey is the longest key that the format allows, in bytes.
	maxKey = 1<<16 - 1
	// maxDepth bounds how deep arrays nest. The format sets no bound, and its own readers read no array in an array.
	maxDepth = 4
	// maxGGUFName is the longest name of a tensor that the format allows, in bytes.
	maxGGUFName = 64
	// maxGGUFRank is the most dimensions.
	maxGGUFRank = 4
)

// The types of metadata values that are not of one fixed size, and the one that has only two values.
const (
	ggufBool   = 7
	ggufString = 8
	ggufArray  = 9
	ggufUint32 = 4
)

// ggufSizes has the sizes of metadata values by type, in bytes: for a string or an array the least that one takes, for an
// unknown type 0.
var ggufSizes = [...]uint64{1, 1, 2, 2, 4, 4, 4, 1, 8, 12, 8, 8, 8}

// ParseGGUF reads the header of a little-endian GGUF file, version 2 or 3, of size bytes from r: all that stands before
// the tensor data, padding included. The tensors come ascending by (Begin, End, Name), without roots. Together with
// size they account for every byte: what belongs to no tensor is padding, which Digest holds to be zero.
//
//	"GGUF" | version | counts | metadata: key, type, value ... | tensors: name, shape, type, offset ... | 0 0 0 | data
//
// Nothing is allocated by a number that the file claims: what is held is the tensors and keys found so far, and 64 KiB of
// the header, of which at most MaxHeader bytes are read. r may have been read beyond the header. The error is a
// *FormatError without a path, or wraps what r returned.
func ParseGGUF(r io.Reader, size uint64) (Header, []Tensor, error) {
	return parseGGUF(r, size, io.Discard)
}

// parseGGUF also shows each byte of the header to listener.
func parseGGUF(r io.Reader, size uint64, listener io.Writer) (Header, []Tensor, error) {
	if size < ggufFixed {
		return Header{}, nil, fault(HeaderMissing, "file has %d bytes, want at least %d for what every GGUF file begins with", size, ggufFixed)
	}
	leaf := sha256.New()
	leaf.Write([]byte(headerPrefix))
	g := ggufReader{headerStream: newHeaderStream(r, size, io.MultiWriter(leaf, listener)), align: defaultAlignment}
	tensors := g.file()
	g.flush()
	if g.err != nil {
		return Header{}, nil, g.err
	}
	if err := g.check(tensors, size-g.offset); err != nil {
		return Header{}, nil, err
	}
	return Header{Size: g.offset, Leaf: sum(leaf)}, tensors, nil
}

// ggufReader reads one header. Its first error sticks, and every later read returns a zero value.
type ggufReader struct {
	*headerStream
	align uint64
}

func (g *ggufReader) file() []Tensor {
	if magic := g.bytes(4); g.err == nil && string(magic) != ggufMagic {
		g.fail(fault(BadMagic, "file begins with %q, want %q", magic, ggufMagic))
	}
	switch version := g.u32(); {
	case g.err != nil:
	case version&0xffff == 0 && version != 0: // 2 or 3, read from the wrong end
		g.fail(fault(BigEndian, "version is %#x: the file is big-endian, want little-endian", version))
	case version != 2 && version != 3:
		g.fail(fault(BadVersion, "version is %d, want 2 or 3", version))
	}
	tensorCount, keyCount := g.u64(), g.u64()
	g.metadata(keyCount)
	var tensors []Tensor
	for i := uint64(0); i < tensorCount && g.err == nil; i++ {
		tensors = append(tensors, g.tensor())
	}
	if g.err == nil && (len(tensors) > 0 || g.offset != g.size) {
		g.padding(alignUp(g.offset, g.align) - g.offset)
	}
	return tensors
}

func (g *ggufReader) metadata(count uint64) {
	if g.err == nil && count > maxKeys {
		g.fail(fault(TooManyKeys, "metadata has %d keys, want at most %d", count, maxKeys))
	}
	seen := make(map[string]struct{})
	for i := uint64(0); i < count && g.err == nil; i++ {
		key := g.text("key", maxKey, BadKey)
		switch _, twice := seen[key]; {
		case g.err != nil:
			return
		case key == "" || strings.ContainsFunc(key, func(r rune) bool { return r < 0x20 || r > 0x7e }):
			g.fail(fault(BadKey, "metadata has the key %.200q, want printable ASCII", key))
		case twice:
			g.fail(fault(DuplicateKey, "metadata has the key %.200q twice", key))
		}
		seen[key] = struct{}{}
		if typ := g.u32(); key == alignmentKey {
			g.alignment(typ)
		} else {
			g.value(key, typ, 1, 0)
		}
	}
}

func (g *ggufReader) alignment(typ uint32) {
	if typ != ggufUint32 && g.err == nil {
		g.fail(fault(BadAlignment, "%s has type %d, want %d (u32)", alignmentKey, typ, ggufUint32))
	}
	g.align = uint64(g.u32())
	if g.err == nil && (g.align < minAlignment || g.align > maxAlignment || g.align&(g.align-1) != 0) {
		g.fail(fault(BadAlignment, "%s is %d, want a power of two from %d to %d", alignmentKey, g.align, minAlignment, maxAlignment))
	}
}

// value reads past count values of one type, which the header leaf covers.
func (g *ggufReader) value(key string, typ uint32, count uint64, depth int) {
	if g.err != nil {
		return
	}
	if typ >= uint32(len(ggufSizes)) {
		g.fail(fault(BadValue, "key %.200q has a value of the unknown type %d", key, typ))
		return
	}
	least := ggufSizes[typ]
	if count > g.left()/least {
		g.fail(fault(ShortFile, "key %.200q has %d values of at least %d bytes, but %d bytes follow", key, count, least, g.left()))
		return
	}
	switch typ {
	case ggufString:
		for range count {
			g.skip(g.u64())
			if g.err != nil {
				return
			}
		}
	case ggufBool:
		g.bools(key, count)
	case ggufArray:
		if depth == maxDepth {
			g.fail(fault(BadValue, "key %.200q has arrays nested more than %d deep", key, maxDepth))
			return
		}
		for range count {
			if g.value(key, g.u32(), g.u64(), depth+1); g.err != nil {
				return
			}
		}
	default:
		g.skip(count * least)
	}
}

func (g *ggufReader) bools(key string, count uint64) {
	g.each(count, func(b []byte) {
		if i := slices.IndexFunc(b, func(c byte) bool { return c > 1 }); i >= 0 {
			g.fail(fault(BadValue, "key %.200q has the truth value %d, want 0 or 1", key, b[i]))
		}
	})
}

func (g *ggufReader) tensor() (t Tensor) {
	t.Name = g.text("name of a tensor", maxGGUFName, NameTooLong)
	if err := g.tensorInfo(&t); err != nil && g.err == nil {
		err.Tensor = t.Name
		g.fail(err)
	}
	return t
}

func (g *ggufReader) tensorInfo(t *Tensor) *FormatError {
	if !utf8.ValidString(t.Name) || strings.ContainsRune(t.Name, 0) { // a reader written in C would see the name end there
		return fault(BadName, "has a name that is not UTF-8 without NUL")
	}
	rank := g.u32()
	if rank > maxGGUFRank {
		return fault(RankTooHigh, "has %d dimensions, want at most %d", rank, maxGGUFRank)
	}
	for range rank {
		dim := g.u64()
		if dim > MaxNumber {
			return fault(ShapeOverflow, "has the dimension %d, want at most %d", dim, uint64(MaxNumber))
		}
		t.Shape = append(t.Shape, dim)
	}
	typ := g.u32()
	t.Begin = g.u64()
	if g.err != nil {
		return nil
	}
	dtype, known := ggufNames[typ]
	if !known {
		return fault(UnknownDtype, "has the unknown GGML type %d", typ)
	}
	t.Dtype = dtype
	size, bad := ggufTypes[dtype].size(dtype, t.Shape)
	if bad != nil {
		return bad
	}
	if t.Begin > MaxNumber || size > MaxNumber-t.Begin {
		return fault(OffsetOverflow, "has %d bytes from %d on, want an end of at most %d", size, t.Begin, uint64(MaxNumber))
	}
	t.End = t.Begin + size
	return nil
}

// check holds the tensors against each other. They must stand in the header as they stand in the file, which is
// what GGML's own reader demands: then sorting moves empty tensors alone.
func (g *ggufReader) check(tensors []Tensor, dataSize uint64) error {
	for i := 1; i < len(tensors); i++ {
		if a, b := &tensors[i-1], &tensors[i]; b.Begin < a.Begin {
			bad := fault(TensorOrder, "begins at %d, but the tensor before in the header at %d", b.Begin, a.Begin)
			bad.Tensor = b.Name
			return bad
		}
	}
	if name, twice := duplicate(tensors); twice {
		return &FormatError{Tensor: name, Fault: DuplicateName, Detail: "stands twice in one file"}
	}
	return checkPlaces(GGUF, tensors, dataSize, g.align)
}

// duplicate finds a name that two tensors have. It sorts numbers: a set of millions of names would take more memory than
// the tensors do.
func duplicate(tensors []Tensor) (string, bool) {
	order := make([]uint32, len(tensors))
	for i := range order {
		order[i] = uint32(i)
	}
	slices.SortFunc(order, func(a, b uint32) int { return strings.Compare(tensors[a].Name, tensors[b].Name) })
	for i := 1; i < len(order); i++ {
		if name := tensors[order[i]].Name; name == tensors[order[i-1]].Name {
			return name, true
		}
	}
	return "", false
}
