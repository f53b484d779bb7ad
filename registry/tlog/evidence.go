package tlog

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// Head is a tree named by size and root.
type Head struct {
	Size uint64 `json:"size"`
	Root Hash   `json:"-"`
}

// MarshalJSON writes the root in base64, as a checkpoint does.
func (h Head) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Size uint64 `json:"size"`
		Root string `json:"root"`
	}{h.Size, encodeHash(h.Root)})
}

// Evidence is what is written down when a log turns out not to be what was signed, so that somebody can
// look into it after the process has ended. It accuses nobody by itself: it holds no signature.
type Evidence struct {
	Kind       string      `json:"kind"` // sign, start or fsck: what was under way
	Reason     string      `json:"reason"`
	Origin     string      `json:"origin"`
	Guard      *Head       `json:"guard,omitempty"`      // what was signed last
	Offered    *Head       `json:"offered,omitempty"`    // what was to be signed, or what the checkpoint says
	Recomputed *Head       `json:"recomputed,omitempty"` // what the stored entries give
	Note       string      `json:"note,omitempty"`       // text that was to be signed, or the checkpoint
	First      *Difference `json:"firstDifference,omitempty"`
}

// Difference is one place where two parts of a log's storage contradict each other.
type Difference struct {
	Path  string `json:"path"`  // below the log's root
	Entry uint64 `json:"entry"` // index of the first entry under the differing hash
	Got   string `json:"got,omitempty"`
	Want  string `json:"want,omitempty"` // as recomputed from the entries
}

func (d *Difference) String() string {
	return fmt.Sprintf("%s at entry %d: got %s, want %s", d.Path, d.Entry, d.Got, d.Want)
}

// WriteEvidence writes ev as a JSON file into dir, which is made when needed, and returns its path. The name
// ends in a digest of the content, so that a log which is asked again and again fills no disk.
func WriteEvidence(dir string, ev *Evidence) (string, error) {
	raw, err := json.MarshalIndent(ev, "", "  ")
	if err != nil {
		return "", fmt.Errorf("encoding evidence: %w", err)
	}
	raw = append(raw, '\n')
	if err := mkdirDurably(dir, 0o700); err != nil {
		return "", fmt.Errorf("writing evidence: %w", err)
	}
	digest := sha256.Sum256(raw)
	path := filepath.Join(dir, fmt.Sprintf("evidence-%s-%x.json", ev.Kind, digest[:4]))
	if _, err := os.Lstat(path); err == nil {
		return path, nil
	}
	if err := writeFileDurably(path, raw); err != nil {
		return "", fmt.Errorf("writing evidence: %w", err)
	}
	return path, nil
}
