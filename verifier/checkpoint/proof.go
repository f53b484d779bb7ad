package checkpoint

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strconv"
)

const (
	proofHeader      = "c2sp.org/tlog-proof@v1"
	proofIndexPrefix = "index "
	// maxProofHashes is the depth of the largest tree, of 2^63-1 entries.
	maxProofHashes = 63
)

// Proof says that an entry stands at Index in the tree of a checkpoint (C2SP
// tlog-proof). It holds everything but the entry, and nothing in it is verified.
type Proof struct {
	// Index of the entry in the log, from 0; below 2^63.
	Index uint64
	// Hashes from the leaf's sibling up to the root's child, at most 63 (RFC
	// 6962, section 2.1.1).
	Hashes [][HashSize]byte
	// Checkpoint is the signed note, byte for byte.
	Checkpoint []byte
}

// ParseProof reads a tlog-proof in its only encoding, so that [Proof.Format]
// returns the same bytes. It fails with [ErrMalformed]. A line "extra", which
// the format allows and nobody signs, is refused: what it carries could be
// changed by anyone. The checkpoint is taken as it stands, for [Policy.Verify] to
// read; it aliases b.
func ParseProof(b []byte) (*Proof, error) {
	line, rest, _ := bytes.Cut(b, newline)
	if string(line) != proofHeader {
		return nil, fmt.Errorf("%w: first line is %q, want %q", ErrMalformed, clip(string(line)), proofHeader)
	}
	line, rest, ok := bytes.Cut(rest, newline)
	if bytes.HasPrefix(line, []byte("extra ")) {
		return nil, fmt.Errorf("%w: a line of extra data, which no signature covers", ErrMalformed)
	}
	digits, prefixed := bytes.CutPrefix(line, []byte(proofIndexPrefix))
	index, decimal := parseDecimal(string(digits))
	if !ok || !prefixed || !decimal {
		return nil, fmt.Errorf("%w: second line is %q, want \"index \" and a decimal number below 2^63", ErrMalformed, clip(string(line)))
	}
	hashes, note, err := parseHashes(rest)
	if err != nil {
		return nil, err
	}
	if len(note) == 0 || len(note) > MaxNoteSize {
		return nil, fmt.Errorf("%w: checkpoint of %d bytes, want 1 to %d", ErrMalformed, len(note), MaxNoteSize)
	}
	return &Proof{Index: index, Hashes: hashes, Checkpoint: note}, nil
}

var newline = []byte{'\n'}

// parseHashes reads lines of one hash each up to an empty line.
func parseHashes(b []byte) (hashes [][HashSize]byte, rest []byte, err error) {
	// The list is measured before it is read, so one allocation does.
	if end := bytes.Index(b, []byte("\n\n")); end >= hashTextSize && b[0] != '\n' {
		hashes = make([][HashSize]byte, 0, min((end+1)/(hashTextSize+1), maxProofHashes))
	}
	for {
		line, rest, ok := bytes.Cut(b, newline)
		if !ok {
			return nil, nil, fmt.Errorf("%w: no empty line behind the hashes", ErrMalformed)
		}
		if len(line) == 0 {
			return hashes, rest, nil
		}
		if len(hashes) == maxProofHashes {
			return nil, nil, fmt.Errorf("%w: more than %d hashes", ErrMalformed, maxProofHashes)
		}
		h, ok := parseHash(line)
		if !ok {
			return nil, nil, fmt.Errorf("%w: hash line %d is %q, want the base64 of 32 bytes", ErrMalformed, len(hashes)+1, clip(string(line)))
		}
		hashes, b = append(hashes, h), rest
	}
}

// Format returns the proof as text (C2SP tlog-proof, without extra data).
func (p *Proof) Format() []byte {
	size := len(proofHeader) + len("\nindex 18446744073709551615\n\n") + len(p.Hashes)*(hashTextSize+1) + len(p.Checkpoint)
	b := make([]byte, 0, size)
	b = append(b, proofHeader...)
	b = append(b, '\n')
	b = append(b, proofIndexPrefix...)
	b = strconv.AppendUint(b, p.Index, 10)
	b = append(b, '\n')
	for i := range p.Hashes {
		b = base64.StdEncoding.AppendEncode(b, p.Hashes[i][:])
		b = append(b, '\n')
	}
	b = append(b, '\n')
	return append(b, p.Checkpoint...)
}

// Verify checks that the entry with this leaf hash stands at the proof's index
// in the tree of c. It says nothing about c: take it from [Policy.Verify] of the
// proof's own checkpoint. It fails with [ErrInclusion].
func (p *Proof) Verify(leafHash [HashSize]byte, c Checkpoint) error {
	return VerifyInclusion(p.Index, c.Size, leafHash, p.Hashes, c.Root)
}
