package registry_test

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hallmark-registry/hallmark/registry"
	"github.com/hallmark-registry/hallmark/registry/tlog"
)

// Index and fold can be deleted, separately and together, and come back the
// same.
func TestProjectionsAreRebuilt(t *testing.T) {
	dir := t.TempDir()
	s := openSite(t, dir, options{})
	ctx := context.Background()
	for i := range 40 {
		s.publish(s.dataset(fmt.Sprintf("acme/rows@1.0.%d", i), uint64(i+1)))
	}
	before, err := s.Supply(ctx)
	if err != nil {
		t.Fatal(err)
	}
	s.close()
	for _, gone := range [][]string{{"state.db"}, {"index.db"}, {"index.db", "state.db"}, {}} {
		for _, name := range gone {
			for _, suffix := range []string{"", "-wal", "-shm"} {
				if err := os.RemoveAll(filepath.Join(dir, name) + suffix); err != nil {
					t.Fatal(err)
				}
			}
		}
		s := openSite(t, dir, options{})
		if err := s.CatchUp(ctx); err != nil {
			t.Fatalf("without %q: %v", gone, err)
		}
		after, err := s.Supply(ctx)
		if err != nil || after.Digest != before.Digest || after.Size != before.Size {
			t.Errorf("without %q: size %d, digest %x, %v; want %d, %x", gone, after.Size, after.Digest, err, before.Size, before.Digest)
		}
		v, err := s.Entry(ctx, "acme/rows@1.0.39")
		if err != nil || v.Code != "ACCEPTED" {
			t.Errorf("without %q: %+v, %v", gone, v, err)
		}
		s.close()
	}
}

// A prover that reads wrong tiles makes proofs that do not verify: publishing
// fails and no receipt leaves.
func TestTamperedProofBuilder(t *testing.T) {
	s := openSite(t, t.TempDir(), options{tiles: func(r tlog.Reader) tlog.Reader { return flippedTiles{r} }})
	_, err := s.Publish(context.Background(), s.dataset("acme/rows@1.0.0", 1), registry.PublishOptions{})
	if reason(err) != "SELF_CHECK_FAILED" {
		t.Errorf("publishing: %v, want SELF_CHECK_FAILED", err)
	}
	if s.Healthy() == nil {
		t.Error("healthy after a receipt that does not verify")
	}
}

type flippedTiles struct{ tlog.Reader }

func (f flippedTiles) ReadTile(ctx context.Context, level, index uint64, p uint8) ([]byte, error) {
	tile, err := f.Reader.ReadTile(ctx, level, index, p)
	if err == nil {
		tile[0] ^= 1
	}
	return tile, err
}

// One byte of a stored entry flipped between append and signature: the guard
// refuses, and whoever waits is told at once.
func TestFlippedByteStopsTheLog(t *testing.T) {
	dir := t.TempDir()
	s := openSite(t, dir, options{disk: func(disk fs.FS) fs.FS { return flippedDisk{disk} }})
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	_, err := s.Publish(ctx, s.dataset("acme/sabotaged@1.0.0", 1), registry.PublishOptions{})
	if reason(err) != "GUARD_REFUSED" {
		t.Fatalf("publishing: %v, want GUARD_REFUSED", err)
	}
	if ctx.Err() != nil {
		t.Error("the publisher was left waiting")
	}
	if s.Healthy() == nil {
		t.Error("healthy after the guard refused")
	}
	found, err := os.ReadDir(filepath.Join(dir, "evidence"))
	if err != nil || len(found) == 0 {
		t.Errorf("no evidence was written: %v", err)
	}
}

// flippedDisk gives one byte of one entry back otherwise than it was written.
type flippedDisk struct{ fs.FS }

func (d flippedDisk) ReadFile(name string) ([]byte, error) {
	data, err := fs.ReadFile(d.FS, name)
	return bytes.Replace(data, []byte("sabotaged"), []byte("Sabotaged"), 1), err
}
