package weights

import "fmt"

// Fault is a short stable code of what is wrong with a file or a manifest, shared with the test vectors.
type Fault string

// What can be wrong with a safetensors file, and with a GGUF file likewise.
const (
	HeaderMissing   Fault = "header-missing"   // fewer bytes than the header's length takes
	HeaderTooLong   Fault = "header-too-long"  // more than MaxHeader
	ShortFile       Fault = "short-file"       // the file ends before its header or its last tensor does
	NotObject       Fault = "not-object"       // the header does not begin with "{", or a member is no object
	BadJSON         Fault = "bad-json"         // syntax, or invalid UTF-8
	DuplicateName   Fault = "duplicate-name"   // of a tensor, or of a member
	HeaderTrailing  Fault = "header-trailing"  // anything but spaces behind the JSON
	BadMetadata     Fault = "bad-metadata"     // "__metadata__" is not an object of strings
	UnknownMember   Fault = "unknown-member"   // a tensor has something other than dtype, shape, data_offsets
	MissingMember   Fault = "missing-member"   // or lacks one of them
	BadMember       Fault = "bad-member"       // or one has the wrong type or length
	BadNumber       Fault = "bad-number"       // not a whole number, or negative
	NameTooLong     Fault = "name-too-long"    // more than 65,535 bytes; GGUF: 64
	RankTooHigh     Fault = "rank-too-high"    // more than 255 dimensions; GGUF: 4
	UnknownDtype    Fault = "unknown-dtype"    //
	ShapeOverflow   Fault = "shape-overflow"   // a dimension beyond MaxNumber, or more bits than 64 bits count
	ShapeMisaligned Fault = "shape-misaligned" // the elements do not fill their last byte, or block
	ShapeMismatch   Fault = "shape-mismatch"   // the offsets hold another number of bytes than dtype and shape
	OffsetOverflow  Fault = "offset-overflow"  // begin > end, or beyond MaxNumber
	Hole            Fault = "hole"             // bytes of no tensor
	Overlap         Fault = "overlap"          // bytes of two tensors
	TrailingBytes   Fault = "trailing-bytes"   // behind the last tensor
)

// What else can be wrong with a GGUF file.
const (
	BadMagic         Fault = "bad-magic"
	BadVersion       Fault = "bad-version"       // neither 2 nor 3
	BigEndian        Fault = "big-endian"        //
	TooManyKeys      Fault = "too-many-keys"     // more than 65,536
	BadKey           Fault = "bad-key"           // not 1 to 65,535 printable ASCII characters
	DuplicateKey     Fault = "duplicate-key"     //
	BadValue         Fault = "bad-value"         // of unknown type, neither true nor false, or nested too deep
	BadAlignment     Fault = "bad-alignment"     // no power of two from 8 to 1 MiB
	BadName          Fault = "bad-name"          // not UTF-8 without NUL
	OffsetMisaligned Fault = "offset-misaligned" // no multiple of the alignment
	PaddingNotZero   Fault = "padding-not-zero"  //
)

// What else can be wrong with the index of a sharded model.
const (
	BadIndex      Fault = "bad-index"      // not an object whose weight_map has a file for each tensor
	IndexedFile   Fault = "indexed-file"   // a file that it names is no safetensors file of the model
	IndexedTensor Fault = "indexed-tensor" // a file that it names has not just the tensors that it lists there
)

// What else can be wrong with a manifest, or a chunk list.
const (
	ManifestTooLong Fault = "manifest-too-long"
	ManifestSyntax  Fault = "manifest-syntax" // a wrong type, an unknown or a missing member
	NotCanonical    Fault = "not-canonical"   // the same content would be written differently
	BadKind         Fault = "bad-kind"        // unknown, or not the one that the path's suffix asks for
	BadPath         Fault = "bad-path"        // see filetree.CheckPath
	FileOrder       Fault = "file-order"      // not ascending, or a path twice
	TensorOrder     Fault = "tensor-order"    // not ascending by begin, end, name; in a GGUF header, by offset
	BadHeaderSize   Fault = "bad-header-size" // impossible for the kind of file
	RootMismatch    Fault = "root-mismatch"   // a root is not the one over what it names
	BadChunkList    Fault = "bad-chunk-list"  // not 32 bytes for each chunk
)

// FormatError says that a file, or a manifest, is not well formed. It names the fault where it lies.
type FormatError struct {
	Path   string // of the file; "" when the fault is in no one file, or when only a header was at hand
	Tensor string // "" when the fault is in no one tensor
	Fault  Fault
	Detail string
}

func (e *FormatError) Error() string {
	s := e.Detail
	if e.Tensor != "" {
		s = fmt.Sprintf("tensor %.200q: %s", e.Tensor, s)
	}
	if e.Path != "" {
		s = fmt.Sprintf("%q: %s", e.Path, s)
	}
	return s
}

func fault(f Fault, format string, args ...any) *FormatError {
	return &FormatError{Fault: f, Detail: fmt.Sprintf(format, args...)}
}
