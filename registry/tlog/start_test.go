package tlog_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"github.com/hallmark-registry/hallmark/registry/tlog"
	"github.com/hallmark-registry/hallmark/registry/tlog/tlogtest"
)

func TestCheckStart(t *testing.T) {
	const size = 66_000 // three levels of tiles
	for _, test := range []struct {
		name       string
		spoil      func(*scene)
		integrated uint64
		err        string // empty: may start
		cause      error
	}{
		{"as it was left", func(*scene) {}, size, "", nil},
		{"entries that were never signed", func(s *scene) { s.grow(100) }, size + 100, "", nil},
		{"a checkpoint file one step behind", func(s *scene) { s.log.Checkpoint = s.sign(size - 1) }, size, "", nil},
		{"no checkpoint file", func(s *scene) { s.log.Checkpoint = nil }, size, "", nil},
		{"an older copy", func(s *scene) { s.truncate(size - 1) }, size - 1, "log folder is older than the sign guard (rollback)", nil},
		{"an older copy whose state file is new", func(s *scene) { s.truncate(size - 1) }, size, "log folder is older than the sign guard (rollback)", nil},
		{"an older state file over new tiles", func(*scene) {}, size - 1, "log folder is older than the sign guard (rollback)", nil},
		{"an empty folder", func(s *scene) { s.truncate(0); s.log.Checkpoint = nil }, 0, "log folder is older than the sign guard (rollback)", nil},
		{"another history", func(s *scene) { s.log.Leaves[3] = bytes.Repeat([]byte{1}, 32) }, size, "differs from the sign guard", nil},
		{"a flipped bit in an entry on the edge", func(s *scene) { s.log.Entries[size-1][0] ^= 1 }, size, "entry 65999", nil},
		{"a flipped bit in a tile on the edge", func(s *scene) { s.log.Leaves[size-1] = bytes.Repeat([]byte{1}, 32) }, size, "differs from the sign guard", nil},
		{"a checkpoint of another log", func(s *scene) {
			s.log.Checkpoint = []byte("log.example/other\n1\n" + strings.Repeat("A", 43) + "=\n\n— x y\n")
		}, size, `got "log.example/other", want "log.example/guarded"`, tlog.ErrOtherOrigin},
		{"a restored guard", func(s *scene) { s.store.state = (&tlog.GuardState{Origin: origin}).Marshal() }, size, "differs from the sign guard", nil},
		{"a checkpoint file of another root", func(s *scene) {
			text := tlogtest.CheckpointText(origin, size, bytes.Repeat([]byte{1}, 32))
			s.log.Checkpoint, _ = note.Sign(&note.Note{Text: text}, s.keys.Signer)
		}, size, "differs from the sign guard", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newScene(t)
			for range size / 4000 {
				s.grow(4000)
			}
			s.grow(size % 4000)
			s.mustPublish()
			test.spoil(s)
			s.restart()
			err := s.guard.CheckStart(context.Background(), test.integrated)
			if test.err == "" {
				if err != nil {
					t.Fatalf("got %v, want none", err)
				}
				s.mustPublish()
				return
			}
			var refusal *tlog.GuardError
			if !errors.As(err, &refusal) || !strings.Contains(err.Error(), test.err) {
				t.Fatalf("got %v, want a refusal with %q", err, test.err)
			}
			if test.cause != nil && !errors.Is(err, test.cause) {
				t.Errorf("got %v, want %v", err, test.cause)
			}
			if _, err := os.Stat(refusal.Path); err != nil {
				t.Errorf("evidence: %v", err)
			}
			if err := s.publish(); err == nil {
				t.Error("signed after a refused start")
			}
		})
	}
}

// sign makes a checkpoint of the first n entries, past the guard.
func (s *scene) sign(n int) []byte {
	s.t.Helper()
	text := tlogtest.CheckpointText(origin, uint64(n), tlogtest.Root(s.log.Leaves[:n]))
	signed, err := note.Sign(&note.Note{Text: text}, s.keys.Signer)
	if err != nil {
		s.t.Fatal(err)
	}
	return signed
}

func TestCheckStartPassingFault(t *testing.T) {
	s := newScene(t)
	s.grow(10)
	s.mustPublish()
	s.restart()
	broken := errors.New("input/output error")
	s.faults.err = broken
	err := s.guard.CheckStart(context.Background(), 10)
	var refusal *tlog.GuardError
	if !errors.Is(err, broken) || errors.As(err, &refusal) {
		t.Errorf("got %v, want %v and no refusal", err, broken)
	}
	s.faults.err = nil
	if err := s.guard.CheckStart(context.Background(), 10); err != nil {
		t.Errorf("once it can be read again: %v", err)
	}
}
