package weights

import (
	"fmt"
	"hash"
	"io"
	"sync"
)

// maxBlockChunks bounds the chunks of one block, and with them its memory, for files of very many tiny tensors.
const maxBlockChunks = 4096

// block is up to 1 MiB of whole consecutive chunks of one file.
type block struct {
	offset int64 // within the file
	data   []byte
	chunks []chunk
	leaves [][32]byte // of chunks, once hashed
	hashed bool
	fed    bool // to the file's own SHA-256
}

type chunk struct {
	part int // which tensor; 0 in a raw file
	size int // bytes, at least 1
}

// read fills the block from its file.
func (b *block) read(source io.ReaderAt) error {
	n, err := source.ReadAt(b.data, b.offset)
	if n == len(b.data) {
		return nil
	}
	if err == io.EOF {
		return fmt.Errorf("%w: got %d bytes, want more", ErrChanged, b.offset+int64(n))
	}
	return err
}

// hash computes the leaf hash of each chunk.
func (b *block) hash(h hash.Hash) {
	data := b.data
	for _, c := range b.chunks {
		h.Reset()
		h.Write([]byte(chunkPrefix))
		h.Write(data[:c.size])
		b.leaves = append(b.leaves, sum(h))
		data = data[c.size:]
	}
}

// cutter cuts a file's content into chunks and packs them into blocks.
type cutter struct {
	sizes  []uint64 // of the parts, each cut by itself
	part   int
	done   uint64 // bytes of the part that are cut already
	offset uint64 // within the file
}

// more says whether next has anything left to cut; it steps over empty parts, which have no chunk.
func (c *cutter) more() bool {
	for c.part < len(c.sizes) && c.done == c.sizes[c.part] {
		c.part++
		c.done = 0
	}
	return c.part < len(c.sizes)
}

// next lays out the next block in b, and returns its size in bytes.
func (c *cutter) next(b *block) int {
	*b = block{offset: int64(c.offset), data: b.data, chunks: b.chunks[:0], leaves: b.leaves[:0]}
	total := 0
	for c.more() && len(b.chunks) < maxBlockChunks {
		size := int(min(c.sizes[c.part]-c.done, ChunkSize))
		if total+size > ChunkSize {
			break
		}
		b.chunks = append(b.chunks, chunk{part: c.part, size: size})
		c.done += uint64(size)
		total += size
	}
	c.offset += uint64(total)
	return total
}

// sequence lets a file that can only be read from front to back be read by several workers: each waits for its turn.
// Turns come, since blocks are claimed in file order and a claimed block is always read, or the sequence fails.
type sequence struct {
	r io.Reader

	mu   sync.Mutex
	turn sync.Cond // pos or err changed
	pos  int64
	err  error // sticky
}

func newSequence(r io.Reader) *sequence {
	s := &sequence{r: r}
	s.turn.L = &s.mu
	return s
}

func (s *sequence) skip(n int64) error {
	_, err := io.CopyN(io.Discard, s.r, n)
	s.pos = n
	return changed(err)
}

func (s *sequence) ReadAt(p []byte, offset int64) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.err == nil && s.pos != offset {
		s.turn.Wait()
	}
	if s.err != nil {
		return 0, s.err
	}
	n, err := io.ReadFull(s.r, p)
	s.pos += int64(n)
	if err == io.ErrUnexpectedEOF {
		err = io.EOF
	}
	s.err = err
	s.turn.Broadcast()
	return n, err
}
