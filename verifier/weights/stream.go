package weights

import (
	"encoding/binary"
	"io"
)

// streamBuffer is how much of a header is held at a time: enough for the longest text that is looked at.
const streamBuffer = 1 << 16

// headerStream reads a header whose length only its end tells. It reads ahead from r, and shows the listener what was
// consumed and nothing beyond. Its first error sticks, and every later read returns a zero value.
type headerStream struct {
	r        io.Reader
	listener io.Writer
	size     uint64 // of the file
	offset   uint64 // within it; all before is consumed
	err      error

	buf   [streamBuffer]byte
	shown int // buf[:shown] is consumed, and the listener has seen it
	at    int // buf[:at] is consumed
	end   int // buf[at:end] is read ahead
}

func newHeaderStream(r io.Reader, size uint64, listener io.Writer) *headerStream {
	return &headerStream{r: r, listener: listener, size: size}
}

func (h *headerStream) fail(err error) {
	if h.err == nil {
		h.err = err
	}
}

// left is how many bytes of the file are not consumed.
func (h *headerStream) left() uint64 { return h.size - h.offset }

// allow refuses to consume n bytes which the file does not have, or which no header may have.
func (h *headerStream) allow(n uint64) bool {
	switch {
	case h.err != nil:
	case n > h.left():
		h.fail(fault(ShortFile, "file has %d bytes, but its header goes on", h.size))
	case n > MaxHeader-h.offset:
		h.fail(fault(HeaderTooLong, "header has more than %d bytes", MaxHeader))
	}
	return h.err == nil
}

// bytes consumes n bytes, at most streamBuffer. They are valid until the next call; nil after an error.
func (h *headerStream) bytes(n int) []byte {
	if !h.allow(uint64(n)) {
		return nil
	}
	if h.end-h.at < n {
		h.flush()
		copy(h.buf[:], h.buf[h.at:h.end])
		h.shown, h.at, h.end = 0, 0, h.end-h.at
		more, err := io.ReadAtLeast(h.r, h.buf[h.end:], n-h.end)
		h.end += more
		if err != nil {
			h.fail(changed(err))
			return nil
		}
	}
	b := h.buf[h.at : h.at+n]
	h.at += n
	h.offset += uint64(n)
	return b
}

// flush shows the listener what it has not seen.
func (h *headerStream) flush() {
	h.listener.Write(h.buf[h.shown:h.at]) // a hash, which never fails
	h.shown = h.at
}

// each consumes n bytes and visits them piece by piece.
func (h *headerStream) each(n uint64, visit func([]byte)) {
	for n > 0 && h.allow(n) {
		b := h.bytes(int(min(n, streamBuffer)))
		visit(b)
		n -= uint64(len(b))
	}
}

func (h *headerStream) skip(n uint64) { h.each(n, func([]byte) {}) }

// padding consumes n bytes, which must be zero.
func (h *headerStream) padding(n uint64) {
	h.each(n, func(b []byte) {
		if i := nonZero(b); i >= 0 {
			h.fail(fault(PaddingNotZero, "header ends in padding with the byte %#x, want zeros", b[i]))
		}
	})
}

func (h *headerStream) u32() uint32 {
	if b := h.bytes(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (h *headerStream) u64() uint64 {
	if b := h.bytes(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

// text consumes a length of eight bytes and a text of at most so many; a longer one is the fault tooLong.
func (h *headerStream) text(what string, most uint64, tooLong Fault) string {
	n := h.u64()
	if n > most && h.err == nil {
		h.fail(fault(tooLong, "%s has %d bytes, want at most %d", what, n, most))
	}
	if h.err != nil {
		return ""
	}
	return string(h.bytes(int(n)))
}

// nonZero returns the index of the first byte that is not zero, or -1.
func nonZero(b []byte) int {
	for i, c := range b {
		if c != 0 {
			return i
		}
	}
	return -1
}
