package tlog

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
)

// ErrLocked says that somebody, in this process or another, holds the lock.
var ErrLocked = errors.New("locked by a running server or command")

// Lock is an exclusive hold on a file, for life. It is an flock: the kernel drops it when the process dies,
// however it dies, so there is never a stale one to clean up by hand. The file itself means nothing and
// stays.
type Lock struct {
	f        *os.File
	id       fileID
	released bool // guarded by held.mu
}

type fileID struct{ dev, ino uint64 }

// held has the locks of this process. flock alone tells two opens of one process apart on a local disk, but
// not on every network file system, where it becomes a lock per process.
var held = struct {
	mu    sync.Mutex
	files map[fileID]bool
}{files: make(map[fileID]bool)}

// AcquireLock locks the file at path, which it makes when needed. It doesn't wait: the error is ErrLocked
// when the lock is held.
func AcquireLock(path string) (*Lock, error) {
	if err := mkdirDurably(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("locking %s: %w", path, err)
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("locking: %w", err)
	}
	id, err := lockFile(f)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("locking %s: %w", path, err), f.Close())
	}
	return &Lock{f: f, id: id}, nil
}

// Release gives the lock up. Releasing it again does nothing: by then it may be another's.
func (l *Lock) Release() error {
	held.mu.Lock()
	defer held.mu.Unlock()
	if l.released {
		return nil
	}
	l.released = true
	delete(held.files, l.id)
	return l.f.Close()
}

func lockFile(f *os.File) (fileID, error) {
	held.mu.Lock()
	defer held.mu.Unlock()
	info, err := f.Stat()
	if err != nil {
		return fileID{}, err
	}
	stat := info.Sys().(*syscall.Stat_t)
	id := fileID{uint64(stat.Dev), stat.Ino}
	if held.files[id] {
		return fileID{}, ErrLocked
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); errors.Is(err, syscall.EWOULDBLOCK) {
		return fileID{}, ErrLocked
	} else if err != nil {
		return fileID{}, err
	}
	// Had the file been removed and made anew since it was opened, two processes would each hold a lock.
	if now, err := os.Stat(f.Name()); err != nil || !os.SameFile(info, now) {
		return fileID{}, ErrLocked
	}
	held.files[id] = true
	return id, nil
}
