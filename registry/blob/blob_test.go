package blob_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/hallmark-registry/hallmark/registry/blob"
)

const (
	large = 1 << 20 // more than a chunk, and no multiple of one with the byte that tests add
	roomy = 64 << 20
)

func open(t *testing.T, dir string, total int64) *blob.Store {
	t.Helper()
	s, err := blob.Open(dir, total)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func content(n int) []byte { return bytes.Repeat([]byte("hallmark"), n/8+1)[:n] }

func put(t *testing.T, s *blob.Store, b []byte) [32]byte {
	t.Helper()
	digest := sha256.Sum256(b)
	if err := s.Put(t.Context(), digest, large*2, bytes.NewReader(b)); err != nil {
		t.Fatal(err)
	}
	return digest
}

func get(s *blob.Store, digest [32]byte) ([]byte, error) {
	r, size, err := s.Get(context.Background(), digest)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err == nil && int64(len(b)) != size {
		err = errors.New("size is not what was read")
	}
	return b, err
}

// files lists what lies in a store, by path below it.
func files(t *testing.T, dir string) (found []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(dir, path)
			found = append(found, filepath.ToSlash(rel))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestPutGet(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "blobs")
	s := open(t, dir, roomy)
	var want []string
	for _, n := range []int{0, 1, 256<<10 - 1, 256 << 10, 256<<10 + 1, large + 1} {
		b := content(n)
		digest := put(t, s, b)
		got, err := get(s, digest)
		if err != nil || !bytes.Equal(got, b) {
			t.Errorf("Get of %d bytes: %d bytes, %v", n, len(got), err)
		}
		if ok, err := s.Has(t.Context(), digest); !ok || err != nil {
			t.Errorf("Has of %d bytes: %v, %v", n, ok, err)
		}
		name := hex.EncodeToString(digest[:])
		want = append(want, name[:2]+"/"+name)
	}
	slices.Sort(want)
	if got := files(t, dir); !slices.Equal(got, want) {
		t.Errorf("files: got %q, want %q", got, want)
	}
	used := s.Used()
	if got := open(t, dir, roomy).Used(); got != used || got == 0 {
		t.Errorf("after reopening %d bytes are used, want %d", got, used)
	}
}

func TestAbsent(t *testing.T) {
	s := open(t, t.TempDir(), roomy)
	digest := sha256.Sum256([]byte("nothing"))
	if _, err := get(s, digest); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("Get: got error %v, want %v", err, blob.ErrNotFound)
	}
	if err := s.Delete(t.Context(), digest); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("Delete: got error %v, want %v", err, blob.ErrNotFound)
	}
	if ok, err := s.Has(t.Context(), digest); ok || err != nil {
		t.Errorf("Has: %v, %v, want false", ok, err)
	}
}

func TestPutRefuses(t *testing.T) {
	broken := errors.New("connection reset")
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	b := content(large + 1)
	for _, c := range []struct {
		story   string
		ctx     context.Context
		total   int64
		max     int64
		content io.Reader
		want    error
	}{
		{"other bytes", t.Context(), roomy, roomy, strings.NewReader("something else"), blob.ErrDigest},
		{"a byte more", t.Context(), roomy, roomy, io.MultiReader(bytes.NewReader(b), strings.NewReader("x")), blob.ErrDigest},
		{"a byte less", t.Context(), roomy, roomy, bytes.NewReader(b[:large]), blob.ErrDigest},
		{"a byte more than allowed", t.Context(), roomy, large, bytes.NewReader(b), blob.ErrTooLarge},
		{"content without end", t.Context(), roomy, large, endless{}, blob.ErrTooLarge},
		{"a byte more than there is room for", t.Context(), large, roomy, bytes.NewReader(b), blob.ErrFull},
		{"content that breaks off", t.Context(), roomy, roomy, io.MultiReader(bytes.NewReader(b[:large]), iotest.ErrReader(broken)), broken},
		{"a caller who went away", cancelled, roomy, roomy, bytes.NewReader(b), context.Canceled},
	} {
		t.Run(c.story, func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, dir, c.total)
			err := s.Put(c.ctx, sha256.Sum256(b), c.max, c.content)
			if !errors.Is(err, c.want) {
				t.Errorf("Put: got error %v, want %v", err, c.want)
			}
			if got := files(t, dir); len(got) != 0 || s.Used() != 0 {
				t.Errorf("left behind: %q, %d bytes used", got, s.Used())
			}
			if c.total == roomy {
				put(t, s, b)
			}
		})
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func TestPutAgain(t *testing.T) {
	s := open(t, t.TempDir(), roomy)
	digest := put(t, s, content(100))
	if err := s.Put(t.Context(), digest, roomy, iotest.ErrReader(errors.New("was read"))); err != nil {
		t.Errorf("Put of what is stored: %v, want nil and nothing read", err)
	}
	if s.Used() != 100 {
		t.Errorf("%d bytes used, want 100", s.Used())
	}
}

func TestDelete(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, large+1)
	b := content(large + 1)
	digest := put(t, s, b)
	r, _, err := s.Get(t.Context(), digest)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := s.Delete(t.Context(), digest); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, b) {
		t.Errorf("a reader that had it open: %d bytes, %v", len(got), err)
	}
	if _, err := get(s, digest); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("Get: got error %v, want %v", err, blob.ErrNotFound)
	}
	if got := files(t, dir); len(got) != 0 || s.Used() != 0 {
		t.Errorf("left behind: %q, %d bytes used", got, s.Used())
	}
	put(t, s, b) // there is room for it again
}

// TestCrash has what a kill leaves at each point of a Put: part of a file, or a whole one without its name.
func TestCrash(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, roomy)
	digest := put(t, s, content(100))
	if err := os.WriteFile(filepath.Join(dir, "incoming", "123456"), content(5000), 0o600); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, roomy)
	if got := files(t, dir); len(got) != 1 || s.Used() != 100 {
		t.Errorf("after reopening: files %q, %d bytes used, want one of 100", got, s.Used())
	}
	if got, err := get(s, digest); err != nil || len(got) != 100 {
		t.Errorf("the blob from before: %d bytes, %v", len(got), err)
	}
}

func TestStrangersFiles(t *testing.T) {
	dir := t.TempDir()
	stranger := filepath.Join(dir, "ab", "notes.txt")
	if err := os.MkdirAll(filepath.Dir(stranger), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(stranger, content(100), 0o600); err != nil {
		t.Fatal(err)
	}
	if s := open(t, dir, roomy); s.Used() != 0 {
		t.Errorf("%d bytes used, want a stranger's file not to count", s.Used())
	}
	if _, err := os.Stat(stranger); err != nil {
		t.Errorf("a stranger's file: %v, want it left alone", err)
	}
}

func TestDamagedBlob(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, roomy)
	b := content(large)
	digest := put(t, s, b)
	for story, damaged := range map[string][]byte{
		"a flipped bit": append([]byte{b[0] ^ 1}, b[1:]...), "cut short": b[:large-1], "emptied": {}, "longer": append(bytes.Clone(b), 0),
	} {
		if err := os.WriteFile(filepath.Join(dir, files(t, dir)[0]), damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := get(s, digest); !errors.Is(err, blob.ErrDigest) {
			t.Errorf("%s: got error %v, want %v", story, err, blob.ErrDigest)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := blob.Open(path, roomy); err == nil {
		t.Error("opening a file: no error")
	}
}

// TestConcurrent has many callers put, read and erase the same few blobs. At the end what is counted is what is there.
func TestConcurrent(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, roomy)
	var callers sync.WaitGroup
	for i := range 8 {
		callers.Go(func() {
			for j := range 30 {
				b := content(1000 + (i+j)%3)
				digest := sha256.Sum256(b)
				if err := s.Put(t.Context(), digest, roomy, bytes.NewReader(b)); err != nil {
					t.Errorf("Put: %v", err)
				}
				if got, err := get(s, digest); err != nil && !errors.Is(err, blob.ErrNotFound) || err == nil && !bytes.Equal(got, b) {
					t.Errorf("Get: %d bytes, %v", len(got), err)
				}
				if j%5 == 0 {
					if err := s.Delete(t.Context(), digest); err != nil && !errors.Is(err, blob.ErrNotFound) {
						t.Errorf("Delete: %v", err)
					}
				}
			}
		})
	}
	callers.Wait()
	if used, counted := s.Used(), open(t, dir, roomy).Used(); used != counted {
		t.Errorf("%d bytes used, %d stored", used, counted)
	}
}
