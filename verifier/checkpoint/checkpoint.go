// Package checkpoint reads what a transparency log says about itself, and
// decides whether to believe it.
//
// A checkpoint is a few lines of text that commit to the whole log, signed by
// the log and cosigned by others who watched it grow:
//
//	log.example.com/models                              origin: which log
//	109482                                              size: how many entries
//	sFodV/vSp5O8n9a8QpW6PRY97tfOSW5bsc2Xl/EQi08=        root of their Merkle tree
//
//	— log.example.com/models hI2DJw...                  the log's own signature
//	— witness1.example mJirIk...                        a cosignature, with its time
//	— witness2.example TnKKVH...
//
// The log's signature says "this is my tree". It takes cosignatures to say
// "and it showed everybody the same one": each witness signs only a tree that
// extends the last it signed. Who has to sign is the verifier's own decision,
// written in a [Policy]; nothing that arrives with a checkpoint has a say in it.
//
// The data meets the package in this order:
//
//	tlog-proof bytes ──ParseProof──▶ Proof{Index, Hashes, Checkpoint}
//	                                    │                    │
//	                                    │        Policy.Verify (or Memo.Verify)
//	                                    │                    │
//	                                    │                    ▼
//	        entry's leaf hash ──▶ VerifyInclusion ◀── Verified{Size, Root, Time}
//
// The formats are those of C2SP: signed-note, tlog-checkpoint,
// tlog-cosignature, tlog-policy and tlog-proof, each read in one encoding only.
// The package holds no clock and touches neither disk nor network.
package checkpoint

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
)

// HashSize is the length in bytes of a root, a node and a leaf hash: SHA-256.
const HashSize = sha256.Size

// MaxOriginSize bounds an origin and a key name, in bytes. An ML-DSA
// cosignature carries both behind one length byte each (tlog-cosignature), so a
// longer one could not be cosigned.
const MaxOriginSize = 255

// entryPrefix begins the bytes that are signed in a log entry (the DSSE
// pre-authentication encoding). A log signs some entries with the key that signs
// its checkpoints; while no checkpoint text begins so, neither kind of
// signature can be passed off as the other.
//
// The messages of cosignatures need no such guard: the second line of a
// checkpoint is a number, theirs ("time ...", or a zero byte) is not.
const entryPrefix = "DSSEv1"

// emptyRoot is the root of a tree without entries, SHA-256 of nothing (RFC 6962,
// section 2.1).
var emptyRoot = sha256.Sum256(nil)

// Checkpoint is a tree head: the three things that a log commits to, and any
// extension lines.
type Checkpoint struct {
	// Origin names the log: 1 to 255 bytes of UTF-8, no control characters.
	Origin string
	// Size is the number of entries, at most 2^63-1.
	Size uint64
	// Root is the RFC 6962 tree hash of the first Size entries.
	Root [HashSize]byte
	// Extension is empty, or lines that each end in a newline. C2SP allows a log
	// to add such lines, so they are carried; nothing in this package reads
	// them, witnesses make no statement about them, and an ML-DSA signature does
	// not even cover them, which is why none is accepted beside them.
	Extension string
}

// ParseText reads the text of a checkpoint, without signatures: the part of a
// note up to and including the newline before its blank line (C2SP
// tlog-checkpoint). It fails with [ErrMalformed].
func ParseText(text []byte) (Checkpoint, error) {
	if err := checkCharacters(text); err != nil {
		return Checkpoint{}, err
	}
	return parseText(string(text))
}

// parseText is ParseText for text whose characters were checked already.
func parseText(text string) (Checkpoint, error) {
	origin, rest, ok1 := strings.Cut(text, "\n")
	size, rest, ok2 := strings.Cut(rest, "\n")
	root, extension, ok3 := strings.Cut(rest, "\n")
	if !ok1 || !ok2 || !ok3 {
		return Checkpoint{}, fmt.Errorf("%w: got %d lines, want at least origin, size and root", ErrMalformed, strings.Count(text, "\n"))
	}
	c := Checkpoint{Origin: origin, Extension: extension}
	if err := checkOrigin(origin); err != nil {
		return Checkpoint{}, fmt.Errorf("%w: %v", ErrMalformed, err)
	}
	var ok bool
	if c.Size, ok = parseDecimal(size); !ok {
		return Checkpoint{}, fmt.Errorf("%w: size line is %q, want a decimal number below 2^63 without leading zeros", ErrMalformed, clip(size))
	}
	if c.Root, ok = parseHash([]byte(root)); !ok {
		return Checkpoint{}, fmt.Errorf("%w: root line is %q, want the base64 of 32 bytes", ErrMalformed, clip(root))
	}
	if c.Size == 0 && c.Root != emptyRoot {
		return Checkpoint{}, fmt.Errorf("%w: an empty tree has root %s, want %s", ErrMalformed, root, base64.StdEncoding.EncodeToString(emptyRoot[:]))
	}
	if err := checkExtension(extension); err != nil {
		return Checkpoint{}, err
	}
	return c, nil
}

// Text returns the text that is signed, which ends in a newline. It is the
// inverse of [ParseText]; it does not check the fields.
func (c Checkpoint) Text() []byte {
	text := make([]byte, 0, len(c.Origin)+len("\n18446744073709551615\n\n")+base64.StdEncoding.EncodedLen(HashSize)+len(c.Extension))
	text = append(text, c.Origin...)
	text = append(text, '\n')
	text = strconv.AppendUint(text, c.Size, 10)
	text = append(text, '\n')
	text = base64.StdEncoding.AppendEncode(text, c.Root[:])
	text = append(text, '\n')
	return append(text, c.Extension...)
}

// checkOrigin holds an origin to its bounds.
func checkOrigin(origin string) error {
	switch {
	case origin == "":
		return fmt.Errorf("origin line is empty")
	case len(origin) > MaxOriginSize:
		return fmt.Errorf("origin has %d bytes, want at most %d", len(origin), MaxOriginSize)
	case strings.HasPrefix(origin, entryPrefix):
		return fmt.Errorf("origin %q begins with %q, which begins signed entries", origin, entryPrefix)
	}
	return nil
}

// checkExtension wants every extension line non-empty and terminated.
func checkExtension(extension string) error {
	if extension == "" {
		return nil
	}
	if extension[0] == '\n' || strings.Contains(extension, "\n\n") {
		return fmt.Errorf("%w: an extension line is empty", ErrMalformed)
	}
	if extension[len(extension)-1] != '\n' {
		return fmt.Errorf("%w: the last line %q does not end in a newline", ErrMalformed, clip(extension))
	}
	return nil
}

// parseDecimal reads an ASCII decimal below 2^63 in its only form. Others (the
// Go checksum database's tlog, torchwood) hold sizes in an int64, and a
// checkpoint must mean the same to all who read it.
func parseDecimal(s string) (n uint64, ok bool) {
	if len(s) > 1 && s[0] == '0' {
		return 0, false
	}
	n, err := strconv.ParseUint(s, 10, 63)
	return n, err == nil
}

// strictBase64 refuses stray bits after the last byte, so that 32 bytes have one
// encoding. Line breaks, which it would skip, never reach it.
var strictBase64 = base64.StdEncoding.Strict()

// hashTextSize is the length in bytes of a hash in base64, padding included.
const hashTextSize = (HashSize + 2) / 3 * 4

// parseHash reads one hash in base64.
func parseHash(s []byte) (h [HashSize]byte, ok bool) {
	if len(s) != hashTextSize {
		return h, false
	}
	var buf [hashTextSize / 4 * 3]byte
	n, err := strictBase64.Decode(buf[:], s)
	copy(h[:], buf[:])
	return h, err == nil && n == HashSize
}

// clip shortens what an error quotes: input may be a megabyte of anything.
func clip(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	return s[:most] + "..."
}
