package checkpoint

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// MaxNoteSize bounds a note, in bytes. The largest that a policy can ask for
	// holds 64 ML-DSA cosignatures of some 3.5 kB each in base64, with their
	// names, and the log's own.
	MaxNoteSize = 256 << 10
	// MaxNoteSignatures bounds the signature lines of a note. C2SP wants at
	// least 16 accepted; 100 is what x/mod/sumdb/note accepts, so both refuse
	// the same notes.
	MaxNoteSignatures = 100
)

const (
	signaturePrefix = "— " // U+2014 and a space
	keyIDSize       = 4
)

// Note is a checkpoint with its signatures, taken apart. Nothing in it is
// verified: [Policy.Verify] does that.
type Note struct {
	Checkpoint
	// Signatures in the order of their lines; at least one.
	Signatures []Signature
}

// Signature is one signature line of a note.
type Signature struct {
	// Name and KeyID together name the key (C2SP signed-note).
	Name  string
	KeyID uint32
	// Bytes follow the key id: the signature, preceded by a time when it is a
	// cosignature.
	Bytes []byte
}

// Parse reads a signed checkpoint (C2SP signed-note and tlog-checkpoint). It
// accepts one encoding only, so [Note.Format] returns the same bytes; it fails
// with [ErrMalformed]. It verifies no signature.
func Parse(note []byte) (*Note, error) {
	if len(note) > MaxNoteSize {
		return nil, fmt.Errorf("%w: note has %d bytes, want at most %d", ErrMalformed, len(note), MaxNoteSize)
	}
	if err := checkCharacters(note); err != nil {
		return nil, err
	}
	// One copy of the input: every string below is a piece of it.
	s := string(note)
	split := strings.LastIndex(s, "\n\n")
	if split < 0 {
		return nil, fmt.Errorf("%w: no blank line between text and signatures", ErrMalformed)
	}
	c, err := parseText(s[:split+1])
	if err != nil {
		return nil, err
	}
	signatures, err := parseSignatures(s[split+2:])
	if err != nil {
		return nil, err
	}
	return &Note{Checkpoint: c, Signatures: signatures}, nil
}

// Format returns the note's bytes: text, blank line, signature lines.
func (n *Note) Format() []byte {
	note := append(n.Text(), '\n')
	for _, s := range n.Signatures {
		note = appendSignatureLine(note, s)
	}
	return note
}

// appendSignatureLine appends "— name base64(key id || bytes)\n".
func appendSignatureLine(dst []byte, s Signature) []byte {
	raw := binary.BigEndian.AppendUint32(make([]byte, 0, keyIDSize+len(s.Bytes)), s.KeyID)
	raw = append(raw, s.Bytes...)
	dst = append(dst, signaturePrefix...)
	dst = append(dst, s.Name...)
	dst = append(dst, ' ')
	dst = base64.StdEncoding.AppendEncode(dst, raw)
	return append(dst, '\n')
}

// parseSignatures reads the lines behind the blank line.
func parseSignatures(block string) ([]Signature, error) {
	count := strings.Count(block, "\n")
	if count == 0 || block[len(block)-1] != '\n' {
		return nil, fmt.Errorf("%w: the signatures do not end in a newline", ErrMalformed)
	}
	if count > MaxNoteSignatures {
		return nil, fmt.Errorf("%w: %d signatures, want at most %d", ErrMalformed, count, MaxNoteSignatures)
	}
	signatures := make([]Signature, 0, count)
	buf := make([]byte, 0, base64.StdEncoding.DecodedLen(len(block)))
	for line := range strings.Lines(block) {
		s, rest, err := parseSignature(strings.TrimSuffix(line, "\n"), buf)
		if err != nil {
			return nil, fmt.Errorf("%w: signature %d: %v", ErrMalformed, len(signatures)+1, err)
		}
		signatures, buf = append(signatures, s), rest
	}
	return signatures, nil
}

// parseSignature reads one line. The signature's bytes go to the free capacity
// of buf; what is left of it is returned.
func parseSignature(line string, buf []byte) (Signature, []byte, error) {
	body, ok := strings.CutPrefix(line, signaturePrefix)
	if !ok {
		return Signature{}, nil, fmt.Errorf("line %q does not begin with an em dash and a space", clip(line))
	}
	name, encoded, ok := strings.Cut(body, " ")
	if !ok {
		return Signature{}, nil, fmt.Errorf("line %q has no signature behind the name", clip(line))
	}
	if err := checkKeyName(name); err != nil {
		return Signature{}, nil, err
	}
	raw, err := strictBase64.AppendDecode(buf, []byte(encoded))
	if err != nil {
		return Signature{}, nil, fmt.Errorf("signature by %q is not canonical base64", name)
	}
	if len(raw) <= keyIDSize {
		return Signature{}, nil, fmt.Errorf("signature by %q has %d bytes, want a key id of 4 and more", name, len(raw))
	}
	s := Signature{Name: name, KeyID: binary.BigEndian.Uint32(raw), Bytes: raw[keyIDSize:len(raw):len(raw)]}
	return s, raw[len(raw):], nil
}

// checkCharacters wants UTF-8 without control characters other than newline.
func checkCharacters(note []byte) error {
	if !utf8.Valid(note) {
		return fmt.Errorf("%w: not UTF-8", ErrMalformed)
	}
	for i, b := range note {
		if b < 0x20 && b != '\n' {
			return fmt.Errorf("%w: control character 0x%02x at byte %d", ErrMalformed, b, i)
		}
	}
	return nil
}

// checkKeyName holds a key name to the rules of C2SP signed-note, and to a
// length that every cosignature can carry.
func checkKeyName(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("key name is empty")
	case len(name) > MaxOriginSize:
		return fmt.Errorf("key name has %d bytes, want at most %d", len(name), MaxOriginSize)
	case !utf8.ValidString(name):
		return fmt.Errorf("key name %q is not UTF-8", name)
	case strings.Contains(name, "+") || strings.ContainsFunc(name, unicode.IsSpace):
		return fmt.Errorf("key name %q contains a space or a plus", name)
	}
	return nil
}
