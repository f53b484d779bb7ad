package ledger

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// A reader takes fixed-width fields off the front of a body. Its first failure
// sticks, so that a parser reads like the layout table it implements; what it
// returns after a failure is zero and must not be used.
type reader struct {
	rest []byte
	err  error
}

var errShort = errors.New("ends too early")

// take returns the next n bytes, or nil when there are fewer.
func (r *reader) take(n int) []byte {
	if r.err != nil {
		return nil
	}
	if n > len(r.rest) {
		r.err = fmt.Errorf("%w: %d bytes left, want %d", errShort, len(r.rest), n)
		return nil
	}
	b := r.rest[:n:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

func (r *reader) u8() uint8 {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) u16() uint16 {
	if b := r.take(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (r *reader) u32() uint32 {
	if b := r.take(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (r *reader) u64() uint64 {
	if b := r.take(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

func (r *reader) amount() Amount { return Amount{Hi: r.u64(), Lo: r.u64()} }

func (r *reader) hash() (h [32]byte) {
	copy(h[:], r.take(len(h)))
	return h
}

func (r *reader) account() (a AccountID) {
	copy(a[:], r.take(len(a)))
	return a
}

// bytes reads a field behind its two-byte length.
func (r *reader) bytes() []byte { return r.take(int(r.u16())) }

func (r *reader) text() string { return string(r.bytes()) }

// flag reads a byte that is 0 or 1.
func (r *reader) flag() bool {
	b := r.u8()
	if b > 1 {
		r.fail(fmt.Errorf("flag %d, want 0 or 1", b))
	}
	return b == 1
}

// end returns the first failure, or one that says what is left over.
func (r *reader) end() error {
	if r.err == nil && len(r.rest) != 0 {
		r.err = fmt.Errorf("%d bytes after the last field", len(r.rest))
	}
	return r.err
}

// A writer appends fields; it is the mirror of reader.
type writer []byte

func (w *writer) u8(v uint8)          { *w = append(*w, v) }
func (w *writer) u16(v uint16)        { *w = binary.BigEndian.AppendUint16(*w, v) }
func (w *writer) u32(v uint32)        { *w = binary.BigEndian.AppendUint32(*w, v) }
func (w *writer) u64(v uint64)        { *w = binary.BigEndian.AppendUint64(*w, v) }
func (w *writer) amount(v Amount)     { w.u64(v.Hi); w.u64(v.Lo) }
func (w *writer) hash(v [32]byte)     { *w = append(*w, v[:]...) }
func (w *writer) account(v AccountID) { *w = append(*w, v[:]...) }
func (w *writer) raw(v []byte)        { *w = append(*w, v...) }
func (w *writer) bytes(v []byte)      { w.u16(uint16(len(v))); w.raw(v) }
func (w *writer) text(v string)       { w.u16(uint16(len(v))); *w = append(*w, v...) }

func (w *writer) flag(v bool) {
	if v {
		w.u8(1)
	} else {
		w.u8(0)
	}
}
