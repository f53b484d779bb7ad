package tlog_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/hallmark-registry/hallmark/registry/tlog"
	"github.com/hallmark-registry/hallmark/registry/tlog/tlogtest"
)

func TestFsck(t *testing.T) {
	for _, size := range []int{0, 1, 255, 256, 257, 1000, 66_000} {
		s := newScene(t)
		s.log = grown(t, size)
		s.log.Signer = s.keys.Signer
		if err := s.log.Publish(); err != nil {
			t.Fatal(err)
		}
		s.grow(30) // placed, not published: none of fsck's business
		report, err := tlog.Fsck(context.Background(), s.log, s.keys.Verifier)
		if err != nil {
			t.Fatalf("size %d: %v", size, err)
		}
		bytes := uint64(0)
		for _, e := range s.log.Entries[:size] {
			bytes += uint64(len(e))
		}
		tiles := uint64(0)
		for n := size; n > 0; n /= 256 {
			tiles += uint64(n+255) / 256
		}
		want := tlog.FsckReport{
			Size: uint64(size), Root: tlog.Hash(tlogtest.Root(s.log.Leaves[:size])),
			Bundles: uint64(size+255) / 256, Tiles: tiles, Bytes: bytes,
		}
		if *report != want {
			t.Errorf("size %d: got %+v, want %+v", size, *report, want)
		}
	}
}

// spoiledTile serves one tile with a flipped bit.
type spoiledTile struct {
	*tlogtest.Memory
	level, index uint64
}

func (s spoiledTile) ReadTile(ctx context.Context, level, index uint64, p uint8) ([]byte, error) {
	raw, err := s.Memory.ReadTile(ctx, level, index, p)
	if level == s.level && index == s.index && err == nil {
		raw[32*3] ^= 1
	}
	return raw, err
}

func TestFsckFinds(t *testing.T) {
	const size = 66_600
	keys := tlogtest.NewKeys(t, origin)
	whole := grown(t, size)
	whole.Signer = keys.Signer
	if err := whole.Publish(); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name  string
		spoil func(*tlogtest.Memory) tlog.Reader
		err   string
	}{
		{"a flipped bit in an entry", func(m *tlogtest.Memory) tlog.Reader { m.Entries[1234] = flipped(m.Entries[1234]); return m }, "tile/0/004 at entry 1234"},
		{"a flipped bit in a leaf hash", func(m *tlogtest.Memory) tlog.Reader { return spoiledTile{m, 0, 7} }, "tile/0/007 at entry 1795"},
		{"a flipped bit in an inner hash", func(m *tlogtest.Memory) tlog.Reader { return spoiledTile{m, 1, 0} }, "tile/1/000 at entry 768"},
		{"a flipped bit in the last tile", func(m *tlogtest.Memory) tlog.Reader { return spoiledTile{m, 0, 260} }, "tile/0/260.p/40 at entry 66563"},
		{"a missing entry", func(m *tlogtest.Memory) tlog.Reader { m.Entries = m.Entries[:size-1]; return m }, "reading tile/entries/260.p/40"},
		{"missing tiles", func(m *tlogtest.Memory) tlog.Reader { m.Leaves = m.Leaves[:255]; return m }, "reading tile/0/000"},
		{"a consistent other history", func(m *tlogtest.Memory) tlog.Reader {
			m.Leaves[9] = m.Leaves[8]
			m.Entries[9] = m.Entries[8]
			return m
		}, "the checkpoint has another root"},
		{"a cut off bundle", func(m *tlogtest.Memory) tlog.Reader { return cutBundle{m} }, "malformed tile/entries/000: entry 255 cut off"},
		{"another log's checkpoint", func(m *tlogtest.Memory) tlog.Reader {
			m.Checkpoint = bytes.ReplaceAll(m.Checkpoint, []byte(origin), []byte("log.example/other"))
			return m
		}, "no verifiable signatures"},
	} {
		t.Run(test.name, func(t *testing.T) {
			log := &tlogtest.Memory{Entries: slices.Clone(whole.Entries), Leaves: slices.Clone(whole.Leaves), Checkpoint: whole.Checkpoint}
			_, err := tlog.Fsck(context.Background(), test.spoil(log), keys.Verifier)
			var finding *tlog.FsckError
			if !errors.As(err, &finding) || !strings.Contains(err.Error(), test.err) {
				t.Fatalf("got %v, want a finding with %q", err, test.err)
			}
			path, err := tlog.WriteEvidence(t.TempDir(), &finding.Evidence)
			if err != nil {
				t.Fatal(err)
			}
			if raw, err := os.ReadFile(path); err != nil || !bytes.Contains(raw, []byte(`"kind": "fsck"`)) {
				t.Errorf("evidence: got %s, %v", raw, err)
			}
		})
	}
}

func flipped(e []byte) []byte {
	e = bytes.Clone(e)
	e[0] ^= 1
	return e
}

// cutBundle serves bundles without their last byte.
type cutBundle struct{ *tlogtest.Memory }

func (c cutBundle) ReadEntryBundle(ctx context.Context, index uint64, p uint8) ([]byte, error) {
	raw, err := c.Memory.ReadEntryBundle(ctx, index, p)
	return raw[:max(0, len(raw)-1)], err
}

func TestFsckCannotRead(t *testing.T) {
	s := newScene(t)
	s.grow(10)
	s.mustPublish()
	broken := errors.New("input/output error")
	s.faults.err = broken
	_, err := tlog.Fsck(context.Background(), s.faults, s.keys.Verifier)
	var finding *tlog.FsckError
	if !errors.Is(err, broken) || errors.As(err, &finding) {
		t.Errorf("got %v, want %v and no finding", err, broken)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := tlog.Fsck(ctx, s.log, s.keys.Verifier); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: got %v, want %v", err, context.Canceled)
	}
}

func TestEvidenceIsWrittenOnce(t *testing.T) {
	dir := t.TempDir()
	for i := range 3 {
		for range 2 {
			if _, err := tlog.WriteEvidence(dir, &tlog.Evidence{Kind: "fsck", Reason: fmt.Sprint(i)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 3 {
		t.Errorf("got %v, %v, want 3 files", files, err)
	}
}
