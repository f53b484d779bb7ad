package weights

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash"
	"io"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

const (
	// MaxHeader is the longest JSON header of a safetensors file, in bytes: the limit of the format's own reader. A
	// GGUF header, which has none, is held to the same. It also bounds how many tensors a file can have, since each
	// takes some fifty bytes of it.
	MaxHeader = 100_000_000
	// lengthSize is the size of the header's length, which stands before it.
	lengthSize = 8
	// metadataName is the one name in a header that is no tensor's.
	metadataName = "__metadata__"

	maxName = 1<<16 - 1 // a tensor leaf has two bytes for the length of the name
	maxRank = 1<<8 - 1  // and one for the number of dimensions
)

// safetensorsTypes has the size of one element, for each dtype of the format (huggingface/safetensors, tensor.rs).
var safetensorsTypes = map[string]layout{
	"BOOL": {1, 8}, "U8": {1, 8}, "I8": {1, 8}, "U16": {1, 16}, "I16": {1, 16}, "U32": {1, 32}, "I32": {1, 32}, "U64": {1, 64}, "I64": {1, 64},
	"F16": {1, 16}, "BF16": {1, 16}, "F32": {1, 32}, "F64": {1, 64}, "C64": {1, 64},
	"F8_E5M2": {1, 8}, "F8_E4M3": {1, 8}, "F8_E8M0": {1, 8}, "F8_E4M3FNUZ": {1, 8}, "F8_E5M2FNUZ": {1, 8},
	"F4": {1, 4}, "F6_E2M3": {1, 6}, "F6_E3M2": {1, 6},
}

// ParseHeader reads the header of a safetensors file of size bytes from r, and leaves r at the first byte of tensor
// data. The tensors come ascending by (Begin, End, Name), without roots. Together with size they account for every byte:
// no hole, no overlap, nothing behind the last tensor.
//
// The JSON streams through: what is held at a time is the tensors found so far, and never the header. The error is a
// *FormatError without a path, or wraps what r returned.
func ParseHeader(r io.Reader, size uint64) (Header, []Tensor, error) {
	if size < lengthSize {
		return Header{}, nil, fault(HeaderMissing, "file has %d bytes, want at least %d for the length of its header", size, lengthSize)
	}
	leaf := sha256.New()
	leaf.Write([]byte(headerPrefix))
	r = io.TeeReader(r, leaf)
	var length [lengthSize]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return Header{}, nil, changed(err)
	}
	n := binary.LittleEndian.Uint64(length[:])
	switch {
	case n > MaxHeader:
		return Header{}, nil, fault(HeaderTooLong, "header has %d bytes, want at most %d", n, MaxHeader)
	case n > size-lengthSize:
		return Header{}, nil, fault(ShortFile, "file has %d bytes, want %d for its header alone", size, lengthSize+n)
	}
	tensors, err := parseHeaderJSON(r, int64(n))
	if err != nil {
		return Header{}, nil, err
	}
	if err := checkPlaces(Safetensors, tensors, size-lengthSize-n, 1); err != nil {
		return Header{}, nil, err
	}
	return Header{Size: lengthSize + n, Leaf: sum(leaf)}, tensors, nil
}

// changed says what an end of file means where the file's size promised more.
func changed(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return ErrChanged
	}
	return err
}

func sum(h hash.Hash) (out [32]byte) {
	h.Sum(out[:0])
	return out
}

// headerReader reads the JSON of one header.
type headerReader struct {
	*jsontext.Decoder // refuses duplicate names and invalid UTF-8
}

func parseHeaderJSON(r io.Reader, n int64) ([]Tensor, error) {
	limited := &io.LimitedReader{R: r, N: n}
	buffered := bufio.NewReaderSize(limited, 64<<10) // fewer, larger writes to the hashes that listen to r
	if first, err := buffered.Peek(1); err == io.EOF && n == 0 {
		return nil, fault(NotObject, "header is empty, want an object")
	} else if err != nil {
		return nil, changed(err)
	} else if first[0] != '{' {
		return nil, fault(NotObject, "header begins with %q, want '{'", first[0])
	}
	h := headerReader{jsontext.NewDecoder(buffered)}
	tensors, err := h.tensors()
	if err != nil {
		return nil, jsonFault(err, limited.N > 0)
	}
	if err := h.padding(buffered); err != nil {
		return nil, err
	}
	if limited.N > 0 {
		return nil, ErrChanged
	}
	return tensors, nil
}

// jsonFault names what the decoder found. cut says that r had to hold more bytes.
func jsonFault(err error, cut bool) error {
	var syntax *jsontext.SyntacticError
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF) && cut:
		return ErrChanged
	case errors.Is(err, jsontext.ErrDuplicateName):
		return fault(DuplicateName, "header: %v", err)
	case errors.As(err, &syntax), errors.Is(err, io.ErrUnexpectedEOF):
		return fault(BadJSON, "header: %v", err)
	}
	return err
}

// padding reads the rest of the header: spaces, with which writers align the tensor data.
func (h headerReader) padding(rest io.Reader) error {
	rest = io.MultiReader(bytes.NewReader(h.UnreadBuffer()), rest)
	var buf [4096]byte
	for {
		n, err := rest.Read(buf[:])
		if other := strings.TrimLeft(string(buf[:n]), " "); other != "" {
			return fault(HeaderTrailing, "header has %q behind its JSON, want spaces", other[0])
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (h headerReader) tensors() ([]Tensor, error) {
	if _, err := h.ReadToken(); err != nil { // the '{' that was peeked at
		return nil, err
	}
	var tensors []Tensor
	for h.PeekKind() != jsontext.KindEndObject {
		name, err := h.ReadToken()
		if err != nil {
			return nil, err
		}
		if name.String() == metadataName {
			if err := h.metadata(); err != nil {
				return nil, err
			}
			continue
		}
		t := Tensor{Name: name.String()}
		if err := h.tensor(&t); err != nil {
			var bad *FormatError
			if errors.As(err, &bad) {
				bad.Tensor = t.Name
			}
			return nil, err
		}
		tensors = append(tensors, t)
	}
	_, err := h.ReadToken()
	return tensors, err
}

// metadata reads past free text, which the header leaf covers.
func (h headerReader) metadata() error {
	if err := h.expect(jsontext.KindBeginObject, BadMetadata, `"__metadata__"`); err != nil {
		return err
	}
	for h.PeekKind() != jsontext.KindEndObject {
		if _, err := h.ReadToken(); err != nil {
			return err
		}
		if err := h.expect(jsontext.KindString, BadMetadata, `a value in "__metadata__"`); err != nil {
			return err
		}
	}
	_, err := h.ReadToken()
	return err
}

func (h headerReader) tensor(t *Tensor) error {
	if len(t.Name) > maxName {
		return fault(NameTooLong, "name has %d bytes, want at most %d", len(t.Name), maxName)
	}
	if err := h.expect(jsontext.KindBeginObject, NotObject, "tensor"); err != nil {
		return err
	}
	seen := 0
	for h.PeekKind() != jsontext.KindEndObject {
		member, err := h.ReadToken()
		if err != nil {
			return err
		}
		if err := h.member(member.String(), t); err != nil {
			return err
		}
		seen++
	}
	if seen != 3 { // names are distinct and known, so three are all
		return fault(MissingMember, "tensor has %d members, want dtype, shape and data_offsets", seen)
	}
	_, err := h.ReadToken()
	return err
}

func (h headerReader) member(name string, t *Tensor) error {
	switch name {
	case "dtype":
		return h.dtype(t)
	case "shape":
		shape, err := h.numbers("shape", maxRank, RankTooHigh, ShapeOverflow)
		t.Shape = shape
		return err
	case "data_offsets":
		offsets, err := h.numbers("data_offsets", 2, BadMember, OffsetOverflow)
		if err != nil {
			return err
		}
		if len(offsets) != 2 {
			return fault(BadMember, "data_offsets has %d numbers, want 2", len(offsets))
		}
		t.Begin, t.End = offsets[0], offsets[1]
		return nil
	}
	return fault(UnknownMember, "unknown member %.200q, want dtype, shape or data_offsets", name)
}

func (h headerReader) dtype(t *Tensor) error {
	token, err := h.ReadToken()
	if err != nil {
		return err
	}
	if token.Kind() != jsontext.KindString {
		return fault(BadMember, "dtype is %v, want a string", token.Kind())
	}
	t.Dtype = token.String()
	if _, ok := safetensorsTypes[t.Dtype]; !ok {
		return fault(UnknownDtype, "unknown dtype %.200q", t.Dtype)
	}
	return nil
}

// numbers reads an array of at most limit whole numbers; more are the fault tooMany, one too large is tooLarge.
func (h headerReader) numbers(what string, limit int, tooMany, tooLarge Fault) ([]uint64, error) {
	if err := h.expect(jsontext.KindBeginArray, BadMember, what); err != nil {
		return nil, err
	}
	var list []uint64
	for h.PeekKind() != jsontext.KindEndArray {
		token, err := h.ReadToken()
		if err != nil {
			return nil, err
		}
		if token.Kind() != jsontext.KindNumber {
			return nil, fault(BadMember, "%s holds %v, want numbers", what, token.Kind())
		}
		n, err := token.Uint() // refuses a sign, a fraction and an exponent
		switch {
		case errors.Is(err, strconv.ErrRange), err == nil && n > MaxNumber:
			return nil, fault(tooLarge, "%s holds %.40s, want at most %d", what, token, uint64(MaxNumber))
		case err != nil:
			return nil, fault(BadNumber, "%s holds %.40s, want whole numbers", what, token)
		case len(list) == limit:
			return nil, fault(tooMany, "%s has more than %d numbers", what, limit)
		}
		list = append(list, n)
	}
	_, err := h.ReadToken()
	return list, err
}

// expect reads one token of the kind that what must be or begin with.
func (h headerReader) expect(kind jsontext.Kind, otherwise Fault, what string) error {
	token, err := h.ReadToken()
	if err != nil {
		return err
	}
	if token.Kind() != kind {
		return fault(otherwise, "%s is %v, want %v", what, token.Kind(), kind)
	}
	return nil
}
