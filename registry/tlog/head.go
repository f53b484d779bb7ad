package tlog

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// ErrOtherOrigin says that a folder, a guard state or a key belongs to a log of another name.
var ErrOtherOrigin = errors.New("belongs to a log of another origin")

// head is the signed text of a checkpoint (C2SP tlog-checkpoint): origin, size and root, each on its line.
type head struct {
	origin string
	size   uint64
	root   Hash
}

// text returns the bytes that a log signs.
func (h head) text() string {
	return fmt.Sprintf("%s\n%d\n%s\n", h.origin, h.size, base64.StdEncoding.EncodeToString(h.root[:]))
}

// parseHead reads what the log itself signs. It takes no extension line: ours has none, and what the guard
// doesn't understand it does not sign. Equality with the re-encoded text refuses every other spelling of
// the number and the hash.
func parseHead(text string) (head, error) {
	lines := strings.Split(text, "\n")
	if len(lines) != 4 || lines[3] != "" {
		return head{}, fmt.Errorf("checkpoint text: got %d line ends, want 3", len(lines)-1)
	}
	h := head{origin: lines[0]}
	if err := checkOrigin(h.origin); err != nil {
		return head{}, fmt.Errorf("checkpoint text: %w", err)
	}
	size, err := strconv.ParseUint(lines[1], 10, 64)
	if err != nil {
		return head{}, fmt.Errorf("checkpoint text: size %q: want a decimal number", lines[1])
	}
	h.size = size
	root, err := base64.StdEncoding.DecodeString(lines[2])
	if err != nil || len(root) != hashSize {
		return head{}, fmt.Errorf("checkpoint text: root %q: want %d bytes in base64", lines[2], hashSize)
	}
	copy(h.root[:], root)
	if got := h.text(); got != text {
		return head{}, fmt.Errorf("checkpoint text is not canonical: got %q, want %q", text, got)
	}
	return h, nil
}

// checkOrigin refuses names under which the text of a checkpoint could be taken for something else that the
// same key signs: entries are signed over a text that begins with "DSSEv1".
func checkOrigin(origin string) error {
	if origin == "" || strings.HasPrefix(origin, "DSSEv1") || strings.Contains(origin, "\n") {
		return fmt.Errorf("origin %q: want one line that is not empty and does not begin with DSSEv1", origin)
	}
	return nil
}

// openHead verifies a stored checkpoint with the log's own key and returns what it says. Cosignatures are
// not its business: they were waited for before publication and are judged by the verifier's policy.
func openHead(raw []byte, v note.Verifier) (head, error) {
	n, err := note.Open(raw, note.VerifierList(v))
	if err != nil {
		return head{}, fmt.Errorf("opening checkpoint as %s: %w", v.Name(), err)
	}
	h, err := parseHead(n.Text)
	if err != nil {
		return head{}, err
	}
	if h.origin != v.Name() {
		return head{}, fmt.Errorf("checkpoint: %w: got %q, want %q", ErrOtherOrigin, h.origin, v.Name())
	}
	return h, nil
}

// peekHead returns what a stored checkpoint says without any check of its signatures.
func peekHead(raw []byte) (head, error) {
	text, _, ok := strings.Cut(string(raw), "\n\n")
	if !ok {
		return head{}, fmt.Errorf("checkpoint is no signed note: no empty line")
	}
	return parseHead(text + "\n")
}
