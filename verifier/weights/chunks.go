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
