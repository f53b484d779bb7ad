package tlog_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hallmark-registry/hallmark/registry/tlog"
)

func TestGuardState(t *testing.T) {
	state := &tlog.GuardState{Origin: origin, Size: 3, Peaks: []tlog.Hash{{1}, {2}}}
	raw := state.Marshal()
	if got, err := tlog.ParseGuardState(raw); err != nil || got.Root() != state.Root() || got.Size != 3 || got.Origin != origin {
		t.Fatalf("got %+v, %v, want %+v", got, err, state)
	}
	for name, bad := range map[string]string{
		"nothing":           "",
		"another version":   strings.Replace(string(raw), "v1", "v2", 1),
		"a byte behind":     string(raw) + "\n",
		"cut off":           string(raw[:len(raw)-1]),
		"a line too few":    string(raw[:len(raw)-45]),
		"a line too many":   string(raw) + string(raw[len(raw)-45:]),
		"another size":      strings.Replace(string(raw), "\n3\n", "\n5\n", 1),
		"a leading zero":    strings.Replace(string(raw), "\n3\n", "\n03\n", 1),
		"a flipped bit":     strings.Replace(string(raw), "\nAQ", "\nAR", 1),
		"peaks in disorder": string(raw[:len(raw)-90]) + string(raw[len(raw)-45:]) + string(raw[len(raw)-90:len(raw)-45]),
		"far too long":      string(raw) + strings.Repeat("x", 5000),
	} {
		if got, err := tlog.ParseGuardState([]byte(bad)); err == nil {
			t.Errorf("%s was taken for %+v", name, got)
		}
	}
}

func FuzzParseGuardState(f *testing.F) {
	f.Add((&tlog.GuardState{Origin: origin}).Marshal())
	f.Add((&tlog.GuardState{Origin: origin, Size: 3, Peaks: []tlog.Hash{{1}, {2}}}).Marshal())
	f.Fuzz(func(t *testing.T, raw []byte) {
		if s, err := tlog.ParseGuardState(raw); err == nil && !bytes.Equal(s.Marshal(), raw) {
			t.Errorf("%q is taken for %+v, which is written %q", raw, s, s.Marshal())
		}
	})
}

func TestGuardFolder(t *testing.T) {
	ctx := context.Background()
	dir := filepath.Join(t.TempDir(), "a", "guard")
	store, err := tlog.OpenGuardFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Load(ctx); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Load of a new folder: got %v, want %v", err, fs.ErrNotExist)
	}
	if _, err := tlog.OpenGuardFolder(dir); !errors.Is(err, tlog.ErrLocked) {
		t.Errorf("second open: got %v, want %v", err, tlog.ErrLocked)
	}
	first := &tlog.GuardState{Origin: origin}
	second := &tlog.GuardState{Origin: origin, Size: 1, Peaks: []tlog.Hash{{1}}}
	for _, step := range []struct {
		name     string
		old, new *tlog.GuardState
		err      error
	}{
		{"swap before creation", first, second, tlog.ErrGuardConflict},
		{"create", nil, first, nil},
		{"create again", nil, first, tlog.ErrGuardConflict},
		{"swap from another", second, first, tlog.ErrGuardConflict},
		{"swap", first, second, nil},
	} {
		if err := store.CompareAndSwap(ctx, step.old, step.new); !errors.Is(err, step.err) {
			t.Fatalf("%s: got %v, want %v", step.name, err, step.err)
		}
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	store, err = tlog.OpenGuardFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if got, err := store.Load(ctx); err != nil || got.Size != 1 {
		t.Errorf("after reopening: got %+v, %v, want size 1", got, err)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 2 {
		t.Errorf("got files %v, %v, want lock and state", files, err)
	}
	if info, err := os.Stat(filepath.Join(dir, "state")); err != nil || info.Mode() != 0o600 {
		t.Errorf("state: got mode %v, %v, want 0600", info.Mode(), err)
	}
	if err := os.WriteFile(filepath.Join(dir, "state"), []byte("hallmark sign guard v1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Load(ctx); err == nil {
		t.Error("a damaged state was loaded")
	}
}
