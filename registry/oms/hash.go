package oms

import (
	"context"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"runtime"
	"sync"

	"golang.org/x/crypto/blake2b"
	"golang.org/x/sync/errgroup"
	"lukechampine.com/blake3"
)

// DefaultHash is the algorithm that every implementation has.
const DefaultHash = "sha256"

// An algorithm is one of the registry of OMS (algorithm-registry.md).
type algorithm struct {
	size int // bytes
	make func() hash.Hash
}

// hashOf returns the algorithm of a hash_type.
func hashOf(name string) (algorithm, error) {
	switch name {
	case "sha256":
		return algorithm{sha256.Size, sha256.New}, nil
	case "blake2b":
		return algorithm{blake2b.Size, newBLAKE2b}, nil
	case hashBLAKE3:
		return algorithm{blake3Size, newBLAKE3}, nil
	}
	return algorithm{}, fault(ErrSerialization, "/predicate/serialization/hash_type", "got %q, want sha256, blake2b or %s", name, hashBLAKE3)
}

// BLAKE3 is a tree already, and cuts a file up by itself: see Serialization.check.
const (
	hashBLAKE3 = "blake3"
	blake3Size = 32 // bytes; it can be of any size, and this is that of the registry
)

func newBLAKE3() hash.Hash { return blake3.New(blake3Size, nil) }

// newBLAKE2b returns BLAKE2b-512 without a key. Only a key can be refused.
func newBLAKE2b() hash.Hash {
	h, err := blake2b.New512(nil)
	if err != nil {
		panic("oms: BLAKE2b without a key: " + err.Error())
	}
	return h
}

// bufferSize is how many bytes are read at once: enough for the disk, and small
// enough for a cache beside the hash's own state.
const bufferSize = 1 << 20

// A job is a piece of a file that is to be hashed.
type job struct {
	path     string
	size     uint64 // of the file
	from, to uint64
	digest   []byte // the result
}

// hashAll fills in the digests. It reads each byte once, as many files and shards
// at a time as there are processors. progress, if any, is told how many bytes of
// how many are done, by one goroutine at a time.
func (f *Folder) hashAll(ctx context.Context, how algorithm, jobs []job, progress func(done, total uint64)) error {
	var total uint64
	for _, j := range jobs {
		total += j.to - j.from
	}
	var mu sync.Mutex // guards done, and calls of progress
	var done uint64
	count := func(n int) {
		mu.Lock()
		defer mu.Unlock()
		done += uint64(n)
		if progress != nil {
			progress(done, total)
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.NumCPU())
	for i := range jobs {
		g.Go(func() error { return f.hash(ctx, how, &jobs[i], count) })
	}
	return g.Wait()
}

func (f *Folder) hash(ctx context.Context, how algorithm, j *job, count func(int)) error {
	src, err := f.root.Open(j.path)
	if err != nil {
		return err
	}
	defer src.Close()
	info, err := src.Stat()
	switch {
	case err != nil:
		return err
	case !info.Mode().IsRegular() || uint64(info.Size()) != j.size:
		return changed(j, info)
	}
	if _, err := src.Seek(int64(j.from), io.SeekStart); err != nil {
		return err
	}
	h, buf, left := how.make(), make([]byte, min(bufferSize, j.to-j.from)), j.to-j.from
	for left > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := io.ReadFull(src, buf[:min(uint64(len(buf)), left)])
		if err != nil {
			return fmt.Errorf("reading %s: %w", j.path, err)
		}
		h.Write(buf[:n])
		left -= uint64(n)
		count(n)
	}
	if j.to == j.size { // it must end where it ended
		if n, err := src.Read(make([]byte, 1)); n > 0 {
			return changed(j, info)
		} else if err != nil && err != io.EOF {
			return fmt.Errorf("reading %s: %w", j.path, err)
		}
	}
	j.digest = h.Sum(nil)
	return nil
}

func changed(j *job, info fs.FileInfo) error {
	return fault(ErrChanged, j.path, "got %d bytes (mode %v), it had %d when the folder was listed", info.Size(), info.Mode().Type(), j.size)
}
