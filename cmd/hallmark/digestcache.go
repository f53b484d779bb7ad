package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/hallmark-registry/hallmark/verifier/filetree"
	"github.com/hallmark-registry/hallmark/verifier/weights"
)

// A digestCache remembers what files hashed to, so that a folder of which one
// file changed is not hashed as a whole again. An entry is a file:
//
//	hallmark digest cache v1
//	9f86d081...                       SHA-256 of all that follows
//	"/models/a.safetensors" 64 safetensors 1048612 1763800000123456789 ...
//	{"files":[{...}],...}             a manifest of this one file
//
// The third line is what the file was when it was hashed: path, kind, size, and
// what its file system says of it (identity). A file is taken to be the same
// while all of that is the same. The change time is part of it, which no program
// can set, so a file that was written to and given its old time back is another.
//
// An entry that cannot be read, or not to the last byte, is none, and an entry
// that cannot be written is not: a cache never fails a command. Whoever can
// write to it can make this user publish a wrong digest, as whoever can write
// to the models themselves; nobody else's verification looks at it.
type digestCache struct {
	dir  string // of the entries
	root string // of the file system that is hashed
	now  time.Time
	seen map[string]string // description of a file before it was hashed, by its path in the model
	hits int
}

const (
	cacheMagic = "hallmark digest cache v1\n"
	// cacheMin is the smallest file that is remembered: hashing a smaller one is
	// no more work than looking it up.
	cacheMin = 1 << 20
	// settled is how long ago a file must have been written to. One that is younger
	// may be written to again within the same tick of its file system's clock.
	settled = 2 * time.Second
	// maxCached bounds what is read of an entry: its manifest, and three lines.
	maxCached = weights.MaxManifest + 64<<10
)

// openDigestCache returns the cache for files under root, or nil where there is
// no place for one.
func openDigestCache(root string, now time.Time) *digestCache {
	dir := os.Getenv("XDG_CACHE_HOME")
	if !filepath.IsAbs(dir) { // as the XDG specification has it
		home := os.Getenv("HOME")
		if !filepath.IsAbs(home) {
			return nil
		}
		dir = filepath.Join(home, ".cache")
	}
	return &digestCache{dir: filepath.Join(dir, "hallmark", "digests"), root: root, now: now, seen: make(map[string]string)}
}

// known returns what the cache has of a file, and notes what the file is now.
func (c *digestCache) known(f filetree.File, kind weights.Kind) *weights.File {
	if f.Size < cacheMin {
		return nil
	}
	key, at, ok := c.describe(f, kind)
	if !ok {
		return nil
	}
	text, err := readBounded(at, maxCached)
	if err == nil {
		if file := parseCached(text, key); file != nil {
			c.hits++
			return file
		}
	}
	c.seen[f.Path] = key
	return nil
}

// describe says what a file is now, and where its entry would be. ok is false
// for a file which may change without that being seen.
func (c *digestCache) describe(f filetree.File, kind weights.Kind) (key, at string, ok bool) {
	path := filepath.Join(c.root, filepath.FromSlash(f.Name))
	info, err := os.Lstat(path)
	if err != nil || !info.Mode().IsRegular() || uint64(info.Size()) != f.Size {
		return "", "", false
	}
	id, changed, ok := identity(info)
	if !ok || c.now.Sub(info.ModTime()) < settled || c.now.Sub(changed) < settled {
		return "", "", false
	}
	name := fmt.Sprintf("%q %v", path, kind)
	key = fmt.Sprintf("%s %d %d %s\n", name, f.Size, info.ModTime().UnixNano(), id)
	return key, filepath.Join(c.dir, fmt.Sprintf("%x", sha256.Sum256([]byte(name)))), true
}

// parseCached returns the file of an entry if it is whole and of that key.
func parseCached(text []byte, key string) *weights.File {
	rest, ok := bytes.CutPrefix(text, []byte(cacheMagic))
	if !ok {
		return nil
	}
	sum, rest, ok := bytes.Cut(rest, []byte("\n"))
	if !ok || string(sum) != fmt.Sprintf("%x", sha256.Sum256(rest)) {
		return nil
	}
	manifest, ok := bytes.CutPrefix(rest, []byte(key))
	if !ok {
		return nil
	}
	m, err := weights.ParseManifest(manifest)
	if err != nil || len(m.Files) != 1 {
		return nil
	}
	return &m.Files[0]
}

// store remembers the files of a model that were hashed and are still what they
// were before.
func (c *digestCache) store(fsys fs.FS, tree filetree.Options, m *weights.Model) {
	listing, err := filetree.Walk(fsys, tree)
	if err != nil || len(c.seen) == 0 || os.MkdirAll(c.dir, 0o700) != nil {
		return
	}
	names := make(map[string]filetree.File, len(listing.Files))
	for _, f := range listing.Files {
		names[f.Path] = f
	}
	for i := range m.Files {
		f := &m.Files[i]
		key, at, ok := c.describe(names[f.Path], f.Kind)
		if !ok || c.seen[f.Path] != key {
			continue
		}
		one := weights.Manifest{Files: m.Files[i : i+1]}
		rest := append([]byte(key), one.Bytes()...)
		text := append(fmt.Appendf([]byte(cacheMagic), "%x\n", sha256.Sum256(rest)), rest...)
		if err := writeAtomic(at, text, 0o600); err != nil {
			return // a full disk is full for the next one too
		}
	}
}
