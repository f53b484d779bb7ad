package state_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"github.com/hallmark-registry/hallmark/registry/state"
)

// FuzzOpen opens files whose checksum is right, so that what stands before it is read. None of them may stop a
// server from starting.
func FuzzOpen(f *testing.F) {
	const magic = "hallmark/snapshot/v2\n"
	path := filepath.Join(f.TempDir(), "seed")
	seed, err := state.Open(path, origin, roots)
	if err != nil {
		f.Fatal(err)
	}
	if err := seed.Snapshot(); err != nil {
		f.Fatal(err)
	}
	file, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(file[len(magic) : len(file)-sha256.Size])
	f.Fuzz(func(t *testing.T, body []byte) {
		file := append([]byte(magic), body...)
		sum := sha256.Sum256(file)
		path := filepath.Join(t.TempDir(), "state.db")
		if err := os.WriteFile(path, append(file, sum[:]...), 0o600); err != nil {
			t.Fatal(err)
		}
		fold, err := state.Open(path, origin, roots)
		if err != nil {
			t.Fatalf("opening a file of %d bytes: %v", len(file), err)
		}
		if fold.Discarded() == nil && !bytes.HasPrefix(body, binary.BigEndian.AppendUint64(nil, fold.Position())) {
			t.Errorf("at %d, the file says %x", fold.Position(), body[:8])
		}
		if fold.Discarded() != nil && fold.Position() != 0 {
			t.Errorf("discarded, and at %d", fold.Position())
		}
	})
}
