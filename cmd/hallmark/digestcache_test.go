package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hallmark-registry/hallmark/verifier/filetree"
	"github.com/hallmark-registry/hallmark/verifier/weights"
)

// TestDigestCache hashes one folder again and again, after each story with a
// cache of its own. Its hours are made up: change times can't be.
func TestDigestCache(t *testing.T) {
	later := time.Now().Add(time.Hour)
	for _, c := range []struct {
		story  string
		first  time.Time // now, when the folder was hashed at first
		change func(t *testing.T, model, cache string)
		hits   int
		same   bool // digest
	}{
		{story: "nothing changed", first: later, hits: 1, same: true},
		{story: "files too young to be remembered", first: time.Now(), hits: 0, same: true},
		{story: "a byte changed, the time put back", first: later, change: func(t *testing.T, model, _ string) {
			info := must(os.Stat(model))
			b := must(os.ReadFile(model))
			b[5] ^= 1
			check(t, os.WriteFile(model, b, 0o644))
			check(t, os.Chtimes(model, info.ModTime(), info.ModTime()))
		}, hits: 0, same: false},
		{story: "another file in its place", first: later, change: func(t *testing.T, model, _ string) {
			check(t, os.WriteFile(model+".new", bytes.Repeat([]byte("y"), cacheMin), 0o644))
			check(t, os.Rename(model+".new", model))
		}, hits: 0, same: false},
		{story: "another time, the same bytes", first: later, change: func(t *testing.T, model, _ string) {
			check(t, os.Chtimes(model, time.Unix(1e9, 0), time.Unix(1e9, 0)))
		}, hits: 0, same: true},
		{story: "an entry with a bit turned", first: later, change: func(t *testing.T, _, entry string) {
			b := must(os.ReadFile(entry))
			b[len(b)-10] ^= 1
			check(t, os.WriteFile(entry, b, 0o600))
		}, hits: 0, same: true},
		{story: "an entry cut short", first: later, change: func(t *testing.T, _, entry string) {
			check(t, os.Truncate(entry, 100))
		}, hits: 0, same: true},
		{story: "an empty entry", first: later, change: func(t *testing.T, _, entry string) {
			check(t, os.Truncate(entry, 0))
		}, hits: 0, same: true},
	} {
		t.Run(c.story, func(t *testing.T) {
			dir := t.TempDir()
			t.Setenv("XDG_CACHE_HOME", filepath.Join(dir, "cache"))
			root := filepath.Join(dir, "model")
			check(t, os.Mkdir(root, 0o755))
			large := filepath.Join(root, "large")
			check(t, os.WriteFile(large, bytes.Repeat([]byte("x"), cacheMin), 0o644))
			check(t, os.WriteFile(filepath.Join(root, "small"), []byte("x"), 0o644))

			hash := func(now time.Time) (*weights.Model, int) {
				cache := openDigestCache(root, now)
				m, err := weights.Digest(t.Context(), os.DirFS(root), weights.Options{Known: cache.known})
				check(t, err)
				cache.store(os.DirFS(root), filetree.Options{}, m)
				return m, cache.hits
			}
			before, hits := hash(c.first)
			if hits != 0 {
				t.Fatalf("at first: got %d files from the cache, want none", hits)
			}
			if c.change != nil {
				entries := must(filepath.Glob(filepath.Join(dir, "cache/hallmark/digests/*")))
				if len(entries) != 1 {
					t.Fatalf("got entries %v, want one", entries)
				}
				c.change(t, large, entries[0])
			}
			after, hits := hash(later)
			if hits != c.hits || (after.Digest == before.Digest) != c.same {
				t.Errorf("got %d files from the cache and the digest %x, want %d and (same: %t) %x", hits, after.Digest, c.hits, c.same, before.Digest)
			}
			if _, hits := hash(later); hits != 1 {
				t.Errorf("then: got %d files from the cache, want 1", hits)
			}
		})
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// FuzzParseCached: what is taken for an entry has a key and a manifest.
func FuzzParseCached(f *testing.F) {
	f.Add([]byte(cacheMagic), "key\n")
	f.Fuzz(func(t *testing.T, text []byte, key string) {
		if file := parseCached(text, key); file != nil && !bytes.Contains(text, []byte(key)) {
			t.Fatalf("an entry without its key: %q", text)
		}
	})
}
