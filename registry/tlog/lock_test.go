package tlog_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/hallmark-registry/hallmark/registry/tlog"
)

func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "lock")
	lock, err := tlog.AcquireLock(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tlog.AcquireLock(path); !errors.Is(err, tlog.ErrLocked) {
		t.Errorf("second lock: got %v, want %v", err, tlog.ErrLocked)
	}
	link := path + ".link"
	if err := os.Link(path, link); err != nil {
		t.Fatal(err)
	}
	if _, err := tlog.AcquireLock(link); !errors.Is(err, tlog.ErrLocked) {
		t.Errorf("the same file by another name: got %v, want %v", err, tlog.ErrLocked)
	}
	if err := lock.Release(); err != nil {
		t.Fatal(err)
	}
	again, err := tlog.AcquireLock(path)
	if err != nil {
		t.Fatalf("after release: %v", err)
	}
	if err := lock.Release(); err != nil {
		t.Fatal(err)
	}
	if _, err := tlog.AcquireLock(path); !errors.Is(err, tlog.ErrLocked) {
		t.Errorf("a second release of the old lock gave up the new one: %v", err)
	}
	if err := again.Release(); err != nil {
		t.Fatal(err)
	}
}
