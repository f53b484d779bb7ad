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
	part int // which tensor; 0 in a raw file; padding
	size int // bytes, at least 1
}

// padding stands for the part of a chunk that is of no tensor. It is held to be zero, and has no leaf.
const padding = -1

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

// hash computes the leaf hash of each chunk; that of padding is left zero.
func (b *block) hash(h hash.Hash) error {
	data := b.data
	for _, c := range b.chunks {
		if c.part == padding {
			if i := nonZero(data[:c.size]); i >= 0 {
				at := b.offset + int64(len(b.data)-len(data)+i)
				return fault(PaddingNotZero, "byte %d belongs to no tensor and is %#x, want zero", at, data[i])
			}
			b.leaves = append(b.leaves, [32]byte{})
			data = data[c.size:]
			continue
		}
		h.Reset()
		h.Write([]byte(chunkPrefix))
		h.Write(data[:c.size])
		b.leaves = append(b.leaves, sum(h))
		data = data[c.size:]
	}
	return nil
}

// span is a stretch of a file, from begin to before end.
type span struct{ begin, end uint64 }

// cutter cuts a file's content into chunks and packs them into blocks.
type cutter struct {
	parts  []span // each cut by itself, ascending; what lies between and behind them is padding
	part   int
	offset uint64 // within the file; all before is cut
	end    uint64 // of the file
}

// more says whether next has anything left to cut; it steps over empty parts, which have no chunk.
func (c *cutter) more() bool {
	for c.part < len(c.parts) && c.offset == c.parts[c.part].end {
		c.part++
	}
	return c.offset < c.end
}

// stretch returns the part at the offset, and where it ends.
func (c *cutter) stretch() (part int, end uint64) {
	switch {
	case c.part == len(c.parts):
		return padding, c.end
	case c.offset < c.parts[c.part].begin:
		return padding, c.parts[c.part].begin
	}
	return c.part, c.parts[c.part].end
}

// next lays out the next block in b, and returns its size in bytes.
func (c *cutter) next(b *block) int {
	*b = block{offset: int64(c.offset), data: b.data, chunks: b.chunks[:0], leaves: b.leaves[:0]}
	total := 0
	for c.more() && len(b.chunks) < maxBlockChunks {
		part, end := c.stretch()
		size := int(min(end-c.offset, ChunkSize))
		if total+size > ChunkSize {
			break
		}
		b.chunks = append(b.chunks, chunk{part: part, size: size})
		c.offset += uint64(size)
		total += size
	}
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
