package weights

import (
	"crypto/sha256"
	"slices"
)

// AppendChunks appends a chunk list as it is stored: 32 bytes a chunk, in order. Root is its name: the root over it.
func AppendChunks(b []byte, list [][32]byte) []byte {
	for i := range list {
		b = append(b, list[i][:]...)
	}
	return b
}

// ParseChunks reads the chunk list of a raw file or tensor of size bytes whose root is given, and refuses any other one. The
// error is a *FormatError.
func ParseChunks(b []byte, size uint64, root [32]byte) ([][32]byte, error) {
	if want := chunkCount(size) * sha256.Size; uint64(len(b)) != want {
		return nil, fault(BadChunkList, "chunk list has %d bytes, want %d for %d bytes in chunks", len(b), want, size)
	}
	list := make([][32]byte, 0, len(b)/sha256.Size)
	for c := range slices.Chunk(b, sha256.Size) {
		list = append(list, [32]byte(c))
	}
	if got := ChunkRoot(list); got != root {
		return nil, fault(RootMismatch, "chunk list has the root %x, want %x", got, root)
	}
	return list, nil
}

// UseChunks gives the raw file or tensor in which the bytes from begin to before end lie its chunk list, so that CheckRange
// and VerifiedReader go by it. The error is a *FormatError; the range must be one of the file.
func (f *File) UseChunks(begin, end uint64, b []byte) error {
	parts := f.parts()
	i := slices.IndexFunc(parts, func(p span) bool { return p.begin <= begin && end <= p.end })
	if i < 0 {
		return inFile(fault(BadChunkList, "bytes %d to %d are not all in one raw file or tensor, which a chunk list is of", begin, end), f.Path)
	}
	list, err := ParseChunks(b, parts[i].end-parts[i].begin, f.partRoot(i))
	if err != nil {
		return inFile(err, f.Path)
	}
	if f.Kind == Raw {
		f.Chunks = list
	} else {
		f.Tensors[i].Chunks = list
	}
	return nil
}

func chunkCount(size uint64) uint64 { return (size + ChunkSize - 1) / ChunkSize }

// partRoot and chunkList are those of a part: of the raw file, or of the tensor of that number.
func (f *File) partRoot(part int) [32]byte {
	if f.Kind == Raw {
		return f.Root
	}
	return f.Tensors[part].Root
}

func (f *File) chunkList(part int) [][32]byte {
	if f.Kind == Raw {
		return f.Chunks
	}
	return f.Tensors[part].Chunks
}
