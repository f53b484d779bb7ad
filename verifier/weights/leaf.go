package weights

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"

	"github.com/transparency-dev/merkle/rfc6962"

	"github.com/hallmark-registry/hallmark/verifier/filetree"
)

// ChunkSize is the most bytes in a chunk. At 1 MiB a proof for a byte range carries 32 bytes for each MiB of its file,
// and the cost of the tree above the chunks can't be measured.
const ChunkSize = 1 << 20

// Each type of leaf begins with its name and version. The first two are hashed as they stream by, so they carry the
// byte 0x00 that RFC 6962 puts before any leaf.
const (
	chunkPrefix  = "\x00hallmark/chunk/v1\n"
	headerPrefix = "\x00hallmark/header/v1\n"
	tensorPrefix = "hallmark/tensor/v1\n"
	filePrefix   = "hallmark/file/v1\n"
	modelPrefix  = "hallmark/model/v1\n"
)

// tensorLeaf holds no offset: a tensor is the same wherever it stands in a file.
func tensorLeaf(t *Tensor) [32]byte {
	b := appendText16([]byte(tensorPrefix), t.Name)
	b = append(b, byte(len(t.Dtype)))
	b = append(b, t.Dtype...)
	b = append(b, byte(len(t.Shape)))
	for _, dim := range t.Shape {
		b = binary.BigEndian.AppendUint64(b, dim)
	}
	b = binary.BigEndian.AppendUint64(b, t.End-t.Begin)
	b = append(b, t.Root[:]...)
	return hashLeaf(b)
}

func fileLeaf(f *File) [32]byte {
	b := appendText16([]byte(filePrefix), f.Path)
	b = append(b, byte(f.Kind))
	b = binary.BigEndian.AppendUint64(b, f.Size)
	b = binary.BigEndian.AppendUint64(b, f.leafCount())
	b = append(b, f.Root[:]...)
	return hashLeaf(b)
}

// leafCount is the number of leaves under the file's content root.
func (f *File) leafCount() uint64 {
	if f.Kind == Raw {
		return (f.Size + ChunkSize - 1) / ChunkSize
	}
	return 1 + uint64(len(f.Tensors))
}

// tensorsRoot is the content root of a file that has a header: over the header leaf, then the tensors' leaves.
func (f *File) tensorsRoot() [32]byte {
	var tree filetree.Tree
	tree.Add(f.Header.Leaf)
	for i := range f.Tensors {
		tree.Add(tensorLeaf(&f.Tensors[i]))
	}
	return tree.Root()
}

func modelDigest(m *Model) [32]byte {
	b := []byte(modelPrefix)
	b = binary.BigEndian.AppendUint64(b, uint64(len(m.Files)))
	b = binary.BigEndian.AppendUint64(b, m.ByteCount)
	b = append(b, m.FileRoot[:]...)
	b = binary.BigEndian.AppendUint64(b, m.TensorCount)
	b = append(b, m.WeightsRoot[:]...)
	return sha256.Sum256(b)
}

// ChunkRoot is the root over a chunk list: what a tensor's Root, or a raw file's, must equal for the list to be its.
func ChunkRoot(chunks [][32]byte) [32]byte {
	var tree filetree.Tree
	for _, c := range chunks {
		tree.Add(c)
	}
	return tree.Root()
}

// newChunkHash is the hash of a chunk leaf, begun.
func newChunkHash() hash.Hash {
	h := sha256.New()
	h.Write([]byte(chunkPrefix))
	return h
}

func hashLeaf(leaf []byte) [32]byte { return [32]byte(rfc6962.DefaultHasher.HashLeaf(leaf)) }

// appendText16 appends s behind its length in two bytes. Paths and tensor names are bounded where they are read.
func appendText16(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
}
