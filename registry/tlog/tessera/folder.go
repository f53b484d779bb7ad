package tessera

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"
	"k8s.io/klog/v2"

	"github.com/hallmark-registry/hallmark/registry/tlog"
)

const (
	// stateDir is where Tessera keeps its private state, below the root of the log.
	stateDir = ".state"

	// fileCheck is how often the checkpoint file is looked at. A clock set back costs that much delay.
	fileCheck = 250 * time.Millisecond

	// writeCheck is how often it looks.
	writeCheck = 2 * time.Millisecond
)

// Fsck checks a log folder that nobody has open: first against the guard, as Open does, then everything in it
// by [tlog.Fsck]. It writes nothing. Errors are those of Open, and *[tlog.FsckError].
func Fsck(ctx context.Context, dir string, guard *tlog.Guard, v note.Verifier) (_ *tlog.FsckReport, err error) {
	lock, err := lockFolder(dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, lock.Release()) }()
	if err := checkFolder(ctx, dir, guard); err != nil {
		return nil, err
	}
	return tlog.Fsck(ctx, tlog.NewFolder(os.DirFS(dir)), v)
}

func lockFolder(dir string) (*tlog.Lock, error) {
	lock, err := tlog.AcquireLock(filepath.Join(dir, stateDir, "writer.lock"))
	if err != nil {
		return nil, fmt.Errorf("opening log folder: %w", err)
	}
	return lock, nil
}

// checkFolder has the guard check what lies in the folder. A folder without Tessera's state would be taken for
// a new log, so its size counts as 0.
func checkFolder(ctx context.Context, dir string, guard *tlog.Guard) error {
	size, err := integratedSize(dir)
	if err == nil {
		err = guard.CheckStart(ctx, size)
	}
	if err != nil {
		return fmt.Errorf("opening log folder %s: %w", dir, err)
	}
	return nil
}

// integratedSize returns the size of the tree that Tessera would append to, 0 for a folder that isn't
// Tessera's yet. It reads Tessera's own file (as of its folder version 1), because Tessera itself begins to
// write before it tells.
func integratedSize(dir string) (uint64, error) {
	path := filepath.Join(dir, stateDir, "treeState")
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	var state struct {
		Size *uint64 `json:"size"`
	}
	if err := json.Unmarshal(raw, &state); err != nil {
		return 0, fmt.Errorf("%s: %w", path, err)
	}
	if state.Size == nil {
		return 0, fmt.Errorf("%s: got no size in %.100q", path, raw)
	}
	return *state.Size, nil
}

// writeGrace is how long a checkpoint that has been signed may take to be written: milliseconds, on a busy disk
// a second, and what the witnesses take.
func (o Options) writeGrace() time.Duration {
	if len(o.WitnessPolicy) == 0 {
		return time.Second
	}
	return time.Second + o.WitnessTimeout
}

// signer is the guard, and remembers what it signed last for those who wait to see it written.
type signer struct {
	*tlog.Guard

	mu   sync.Mutex
	last []byte // text
}

// Sign implements note.Signer.
func (s *signer) Sign(text []byte) ([]byte, error) {
	sig, err := s.Guard.Sign(text)
	if err == nil {
		s.mu.Lock()
		s.last = bytes.Clone(text)
		s.mu.Unlock()
	}
	return sig, err
}

// awaitWritten waits until the checkpoint that was signed last is in its file, so that no goroutine of
// Tessera's, whose end can't be awaited, writes there once the folder is released. It must be called after
// the guard was closed. A checkpoint that the witnesses did not cosign is never written.
func (l *Log) awaitWritten(ctx context.Context) {
	l.signer.mu.Lock()
	text := l.signer.last
	l.signer.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, l.o.writeGrace())
	defer cancel()
	ticker := time.NewTicker(writeCheck)
	defer ticker.Stop()
	for {
		if raw, err := l.ReadCheckpoint(ctx); err == nil && bytes.HasPrefix(raw, text) {
			return
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// watchFile watches over the checkpoint file until ctx ends.
func (l *Log) watchFile(ctx context.Context) {
	ticker := time.NewTicker(fileCheck)
	defer ticker.Stop()
	var w written
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		err := errors.Join(l.mendTime(), l.checkWritten(ctx, &w))
		l.mu.Lock()
		l.fileErr = err
		l.mu.Unlock()
	}
}

// written is what the last look at the checkpoint file saw.
type written struct {
	raw    []byte
	behind time.Time // since when the file has lacked what was signed, without any change; zero if it doesn't
}

// checkWritten reports a checkpoint that was signed and does not get published: no quorum of witnesses, or
// a file that can't be written. Tessera tries again and again, and says so nowhere but in its own log.
func (l *Log) checkWritten(ctx context.Context, w *written) error {
	l.signer.mu.Lock()
	text := l.signer.last
	l.signer.mu.Unlock()
	raw, err := l.ReadCheckpoint(ctx)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("reading the checkpoint file: %w", err)
	}
	switch {
	case bytes.HasPrefix(raw, text):
		w.behind = time.Time{}
	case w.behind.IsZero() || !bytes.Equal(raw, w.raw):
		w.behind = now()
	}
	w.raw = raw
	if lag := now().Sub(w.behind); !w.behind.IsZero() && lag > l.o.writeGrace() {
		return fmt.Errorf("a checkpoint has been signed but not published for %v: no witness quorum, or its file can't be written", lag.Round(time.Second))
	}
	return nil
}

// mendTime sets the checkpoint file's time to now if it lies in the future. Tessera takes that time for the
// moment of the last publication and publishes nothing before it is an interval old, so a clock that was an
// hour ahead would silence the log for an hour. Nobody else reads it: a checkpoint's own time comes from its
// cosignatures. Should Tessera replace the file meanwhile, the new one gets about the time that it has.
func (l *Log) mendTime() error {
	path := filepath.Join(l.o.Dir, "checkpoint")
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("watching the checkpoint's time: %w", err)
	}
	present := now()
	if info.ModTime().Sub(present) < l.o.CheckpointInterval {
		return nil
	}
	if err := os.Chtimes(path, present, present); err != nil {
		return fmt.Errorf("checkpoint file is of the future (%v): nothing is published until then: %w", info.ModTime(), err)
	}
	return nil
}

var quietOnce sync.Once

// quiet sends Tessera's messages, which by default go to stderr, to the given logger or nowhere. klog's
// logger must not be changed while anybody logs, so only the first call counts.
func quiet(logger *slog.Logger) {
	quietOnce.Do(func() {
		if logger == nil {
			logger = slog.New(slog.DiscardHandler)
		}
		klog.SetSlogLogger(logger)
	})
}
