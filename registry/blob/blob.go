// Package blob keeps what entries name by digest and the log does not hold: manifests, cards, evidence.
//
//	DIR/3f/3f9a...c21e     a blob, its name the SHA-256 of its bytes
//	DIR/incoming/...       blobs on their way in
//
// A blob comes in under a name of its own, is hashed while it is written, is fsynced, and only then renamed to its
// digest. So whatever has a digest for its name was whole when it was put there; a crash leaves nothing but files in
// incoming, which Open removes. Reading hashes again, because disks forget.
//
// Deleting a blob is how something is erased: the log keeps its digest, which says nothing once the bytes are gone.
package blob

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// Errors to branch on.
var (
	// ErrNotFound says that the blob is not stored: it never was, or was erased.
	ErrNotFound = errors.New("blob is not stored")

	// ErrDigest says that the bytes do not have the digest that they should have.
	ErrDigest = errors.New("blob does not have its digest")

	// ErrTooLarge says that the blob is larger than its caller allows.
	ErrTooLarge = errors.New("blob is too large")

	// ErrFull says that the store has no room for the blob.
	ErrFull = errors.New("blob store is full")
)

const (
	incoming = "incoming"

	// chunkSize is how much is read, hashed, paid for and written at a time: the size of a chunk on the wire.
	chunkSize = 256 << 10
)

// A Store is a folder of blobs. One process uses a folder at a time, which the caller sees to. It is safe for
// concurrent use.
type Store struct {
	dir   string
	total int64

	mu   sync.Mutex
	used int64 // bytes stored and coming in
}

// Open opens the store in dir, makes it if it is not there, and sweeps what a crash left. All blobs together hold at
// most total bytes. Files that the store did not write are left alone.
func Open(dir string, total int64) (*Store, error) {
	s := &Store{dir: dir, total: total}
	if err := s.open(); err != nil {
		return nil, fmt.Errorf("opening blob store %s: %w", dir, err)
	}
	return s, nil
}

func (s *Store) open() error {
	if err := os.RemoveAll(filepath.Join(s.dir, incoming)); err != nil {
		return err
	}
	for _, dir := range []string{s.dir, filepath.Join(s.dir, incoming)} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	if err := errors.Join(syncDir(s.dir), syncDir(filepath.Dir(s.dir))); err != nil {
		return err
	}
	for b := range 256 {
		size, err := sizeOf(s.fan(byte(b)))
		if err != nil {
			return err
		}
		s.used += size
	}
	return nil
}

// sizeOf adds up the blobs of one folder of the fan.
func sizeOf(dir string) (size int64, err error) {
	files, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, err
	}
	for _, f := range files {
		if name := f.Name(); !f.Type().IsRegular() || len(name) != 2*sha256.Size || strings.Trim(name, "0123456789abcdef") != "" {
			continue
		}
		info, err := f.Info()
		if err != nil {
			return 0, err
		}
		size += info.Size()
	}
	return size, nil
}

func (s *Store) fan(b byte) string { return filepath.Join(s.dir, hex.EncodeToString([]byte{b})) }

func (s *Store) path(digest [32]byte) string {
	return filepath.Join(s.fan(digest[0]), hex.EncodeToString(digest[:]))
}

// Put stores the blob of a digest, which is durable when it returns nil. A blob that is stored already is left as it
// is, and content is not read. Otherwise content is read to its end: more than maxSize bytes are ErrTooLarge, more
// than the store has room for ErrFull, other bytes than the digest's ErrDigest, and of all these nothing stays.
func (s *Store) Put(ctx context.Context, digest [32]byte, maxSize int64, content io.Reader) error {
	ok, err := s.Has(ctx, digest)
	if err == nil && ok {
		return syncDir(s.fan(digest[0])) // whoever put it may not have come that far
	}
	if err == nil {
		err = s.put(ctx, digest, maxSize, content)
	}
	if err != nil {
		return fmt.Errorf("storing blob sha256:%x: %w", digest, err)
	}
	return nil
}

func (s *Store) put(ctx context.Context, digest [32]byte, maxSize int64, content io.Reader) (err error) {
	if err := s.makeFan(digest[0]); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Join(s.dir, incoming), "") // mode 0600
	if err != nil {
		return err
	}
	size, err := s.receive(ctx, f, digest, maxSize, content)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = s.rename(f.Name(), digest, size)
	}
	// If we die up to here, Open sweeps the file away.
	if err != nil {
		s.release(size)
		return errors.Join(err, ignoreNotExist(os.Remove(f.Name())))
	}
	// From here on the blob is there, and a crash of the machine may still undo it: whoever got no answer puts it
	// again.
	return syncDir(s.fan(digest[0]))
}

func (s *Store) makeFan(b byte) error {
	err := os.Mkdir(s.fan(b), 0o700)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return syncDir(s.dir)
}

// receive writes content to f and returns how many bytes it has reserved, also when it fails.
func (s *Store) receive(ctx context.Context, f *os.File, digest [32]byte, maxSize int64, content io.Reader) (size int64, err error) {
	h := sha256.New()
	chunk := make([]byte, chunkSize)
	for end := false; !end; {
		if err := ctx.Err(); err != nil {
			return size, err
		}
		n, err := io.ReadFull(content, chunk)
		end = errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		if err != nil && !end {
			return size, fmt.Errorf("reading its content: %w", err)
		}
		if size+int64(n) > maxSize {
			return size, fmt.Errorf("%w: more than %d bytes", ErrTooLarge, maxSize)
		}
		if err := s.reserve(int64(n)); err != nil {
			return size, err
		}
		size += int64(n)
		h.Write(chunk[:n])
		if _, err := f.Write(chunk[:n]); err != nil {
			return size, err
		}
	}
	if got := h.Sum(nil); [32]byte(got) != digest {
		return size, fmt.Errorf("%w: got sha256:%x of %d bytes", ErrDigest, got, size)
	}
	return size, nil
}

// rename gives a whole, fsynced file the name of its digest, and counts a blob once that two callers put at once.
func (s *Store) rename(file string, digest [32]byte, size int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err := os.Lstat(s.path(digest))
	if errors.Is(err, fs.ErrNotExist) {
		return os.Rename(file, s.path(digest))
	}
	if err == nil { // the other caller's, which has the same bytes
		err = os.Remove(file)
	}
	if err == nil {
		s.used -= size
	}
	return err
}

func (s *Store) reserve(n int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.used+n > s.total {
		return fmt.Errorf("%w: it holds %d of at most %d bytes", ErrFull, s.used, s.total)
	}
	s.used += n
	return nil
}

func (s *Store) release(n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used -= n
}

// Used returns how many bytes are stored and coming in.
func (s *Store) Used() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.used
}

// Has reports whether a blob is stored.
func (s *Store) Has(ctx context.Context, digest [32]byte) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	_, err := os.Lstat(s.path(digest))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// Get opens a blob and returns its size in bytes, or ErrNotFound. The reader checks the digest on the way: if the
// bytes have changed on the disk, its last Read fails with ErrDigest in place of io.EOF. The caller closes it.
func (s *Store) Get(ctx context.Context, digest [32]byte) (io.ReadCloser, int64, error) {
	if err := ctx.Err(); err != nil {
		return nil, 0, err
	}
	f, err := os.Open(s.path(digest))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, fmt.Errorf("%w: sha256:%x", ErrNotFound, digest)
	}
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	return &reader{file: f, hash: sha256.New(), digest: digest}, info.Size(), nil
}

// Delete erases a blob, or is ErrNotFound. When it returns nil the blob has no name any more, durably; readers that
// have it open read on. What the disk below keeps of deleted files is the disk's matter.
func (s *Store) Delete(ctx context.Context, digest [32]byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.remove(digest); err != nil {
		return fmt.Errorf("erasing blob sha256:%x: %w", digest, err)
	}
	return syncDir(s.fan(digest[0]))
}

func (s *Store) remove(digest [32]byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	info, err := os.Lstat(s.path(digest))
	if errors.Is(err, fs.ErrNotExist) {
		return ErrNotFound
	}
	if err != nil {
		return err
	}
	if err := os.Remove(s.path(digest)); err != nil {
		return err
	}
	s.used -= info.Size()
	return nil
}

// A reader hashes what it reads.
type reader struct {
	file   *os.File
	hash   hash.Hash
	digest [32]byte
}

func (r *reader) Read(p []byte) (int, error) {
	n, err := r.file.Read(p)
	r.hash.Write(p[:n])
	if err == io.EOF {
		if got := r.hash.Sum(nil); [32]byte(got) != r.digest {
			return n, fmt.Errorf("%w: stored sha256:%x has become sha256:%x", ErrDigest, r.digest, got)
		}
	}
	return n, err
}

func (r *reader) Close() error { return r.file.Close() }

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func ignoreNotExist(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
