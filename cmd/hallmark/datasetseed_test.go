package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/hallmark-registry/hallmark/verifier/dataset"
)

func testSeed(t *testing.T) seedFile {
	t.Helper()
	name := seedFile(filepath.Join(t.TempDir(), "rows.seed"))
	seed, err := name.readOrMake(newSession(nil, io.Discard, io.Discard), dataset.Lines)
	if err != nil {
		t.Fatal(err)
	}
	if other := (&dataset.SeedFile{Split: dataset.Lines, Salts: dataset.NewSaltTree([32]byte{})}); bytes.Equal(seed.Marshal(), other.Marshal()) {
		t.Fatal("the seed that was drawn is zeros")
	}
	return name
}

func readText(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// The bytes that led to an erased salt are overwritten where they stood: a
// second name of the old file shows what is there.
func TestReplacingASeedOverwritesTheOldOne(t *testing.T) {
	name := testSeed(t)
	old := string(name) + ".old"
	if err := os.Link(string(name), old); err != nil {
		t.Skipf("no second name for a file here: %v", err)
	}
	size := len(readText(t, old))
	if err := name.bind([32]byte{1}); err != nil {
		t.Fatal(err)
	}
	if got := readText(t, old); !bytes.Equal(got, make([]byte, size)) {
		t.Errorf("the old file still holds %d bytes that are not all zero", len(got))
	}
	seed, err := name.read()
	if err != nil || seed.Dataset != [32]byte{1} {
		t.Errorf("got dataset %x, %v; want 01...", seed.Dataset, err)
	}
	if info, err := os.Stat(string(name)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got mode %v, %v; want 0600", info.Mode(), err)
	}
}

func TestAChangeThatFailsLeavesTheSeed(t *testing.T) {
	name := testSeed(t)
	before := readText(t, string(name))
	fault := errors.New("no")
	if err := name.replace(func(*dataset.SeedFile) error { return fault }); !errors.Is(err, fault) {
		t.Errorf("got error %v, want %v", err, fault)
	}
	if !bytes.Equal(readText(t, string(name)), before) {
		t.Error("the seed changed")
	}
	if _, err := os.Lstat(string(name) + ".new"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the lock is still there: %v", err)
	}
}

// Two that erase at once must not undo each other: the second finds the lock.
func TestASeedIsChangedByOneAtATime(t *testing.T) {
	name := testSeed(t)
	err := name.replace(func(seed *dataset.SeedFile) error {
		if err := name.bind([32]byte{2}); err == nil {
			t.Error("a second change within the first: got no error")
		}
		seed.Dataset = [32]byte{1}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if seed, err := name.read(); err != nil || seed.Dataset != [32]byte{1} {
		t.Errorf("got dataset %x, %v; want that of the first", seed.Dataset, err)
	}
}
