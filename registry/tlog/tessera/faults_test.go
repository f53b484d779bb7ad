package tessera_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hallmark-registry/hallmark/registry/tlog"
	"github.com/hallmark-registry/hallmark/registry/tlog/tessera"
	"github.com/hallmark-registry/hallmark/registry/tlog/tlogtest"
)

const origin = "log.example/tessera"

// patience bounds waits that would otherwise hang a broken test.
const patience = time.Minute

// running is an open log with its watcher.
type running struct {
	*tlogtest.Opened
	t   *testing.T
	ctx context.Context
	pub *tlog.Publication
}

func run(t *testing.T, dir string, keys tlogtest.Keys, o tessera.Options) *running {
	t.Helper()
	opened, err := openWith(dir, keys, o)
	if err != nil {
		t.Fatal(err)
	}
	return watch(t, opened, keys)
}

func watch(t *testing.T, opened *tlogtest.Opened, keys tlogtest.Keys) *running {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	pub, err := tlog.NewPublication(ctx, opened.Log, keys.Verifier, opened.Guard)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		pub.Close()
		opened.Log.Close(ctx)
		cancel()
	})
	return &running{opened, t, ctx, pub}
}

// publish appends n leaves and waits until they are published.
func (r *running) publish(n int) error {
	positions, err := r.Log.Append(r.ctx, tlogtest.LeavesOf(n))
	if err != nil {
		return err
	}
	_, err = r.pub.Await(r.ctx, slices.Max(positions))
	return err
}

func (r *running) mustPublish(n int) {
	r.t.Helper()
	if err := r.publish(n); err != nil {
		r.t.Fatal(err)
	}
}

func (r *running) close() {
	r.t.Helper()
	r.pub.Close()
	if err := r.Log.Close(r.ctx); err != nil {
		r.t.Fatalf("Close: %v", err)
	}
}

func TestRestoredFolder(t *testing.T) {
	for _, test := range []struct {
		name    string
		restore []string // what comes back from the backup, below the log's folder
		err     string
	}{
		{"whole", []string{"."}, "log folder is older than the sign guard (rollback)"},
		{"its state alone", []string{".state"}, "log folder is older than the sign guard (rollback)"},
		{"all but its state", []string{"tile", "checkpoint"}, "log folder is older than the sign guard (rollback)"},
		{"its checkpoint alone", []string{"checkpoint"}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir, keys := t.TempDir(), tlogtest.NewKeys(t, origin)
			log, backup := filepath.Join(dir, "log"), filepath.Join(dir, "backup")
			r := run(t, dir, keys, tessera.Options{})
			r.mustPublish(300)
			r.close()
			if err := os.CopyFS(backup, os.DirFS(log)); err != nil {
				t.Fatal(err)
			}
			r = run(t, dir, keys, tessera.Options{})
			r.mustPublish(50)
			r.close()
			for _, path := range test.restore {
				restore(t, filepath.Join(backup, path), filepath.Join(log, path))
			}
			opened, err := open(t, dir, keys)
			if test.err == "" {
				if err != nil {
					t.Fatalf("got %v, want none", err)
				}
				watch(t, opened, keys).mustPublish(1)
				return
			}
			var refusal *tlog.GuardError
			if !errors.As(err, &refusal) || !strings.Contains(err.Error(), test.err) {
				t.Fatalf("got %v, want a refusal with %q", err, test.err)
			}
			if _, err := os.Stat(refusal.Path); err != nil {
				t.Errorf("evidence: %v", err)
			}
		})
	}
}

// restore replaces a file or folder by its copy.
func restore(t *testing.T, from, to string) {
	t.Helper()
	if err := os.RemoveAll(to); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(from)
	if err != nil {
		t.Fatal(err)
	}
	if info.IsDir() {
		err = os.CopyFS(to, os.DirFS(from))
	} else {
		var raw []byte
		if raw, err = os.ReadFile(from); err == nil {
			err = os.WriteFile(to, raw, 0o644)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

// hooked is the guard's reader with a hook that runs once, between append and signature.
type hooked struct {
	tlog.Folder
	mu   sync.Mutex
	hook func()
}

func (h *hooked) ReadEntryBundle(ctx context.Context, index uint64, p uint8) ([]byte, error) {
	h.mu.Lock()
	if h.hook != nil {
		h.hook()
		h.hook = nil
	}
	h.mu.Unlock()
	return h.Folder.ReadEntryBundle(ctx, index, p)
}

func (h *hooked) arm(hook func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.hook = hook
}

// runHooked opens a new log whose guard reads through a hook.
func runHooked(t *testing.T) (*running, *hooked, string) {
	t.Helper()
	ctx, dir, keys := context.Background(), t.TempDir(), tlogtest.NewKeys(t, origin)
	store, err := tlog.OpenGuardFolder(filepath.Join(dir, "guard"))
	if err != nil {
		t.Fatal(err)
	}
	if err := tlog.CreateGuard(ctx, store, origin); err != nil {
		t.Fatal(err)
	}
	log := filepath.Join(dir, "log")
	reader := &hooked{Folder: tlog.NewFolder(os.DirFS(log))}
	guard := tlog.NewGuard(keys.Signer, store, reader, filepath.Join(dir, "evidence"))
	l, err := tessera.Open(ctx, tessera.Options{Dir: log, Guard: guard})
	if err != nil {
		t.Fatal(err)
	}
	return watch(t, &tlogtest.Opened{Log: closer{l, store}, Guard: guard}, keys), reader, log
}

func TestRefusalWhileRunning(t *testing.T) {
	for _, test := range []struct {
		name  string
		spoil func(t *testing.T, log string)
		err   string
	}{
		{
			"a byte of a stored entry flips between append and signature",
			func(t *testing.T, log string) {
				flip(t, filepath.Join(log, "tile/entries/001.p/94"))
			},
			"first difference: tile/0/001.p/94 at entry 349",
		}, {
			"a stored bundle vanishes between append and signature",
			func(t *testing.T, log string) {
				if err := os.RemoveAll(filepath.Join(log, "tile/entries/001.p")); err != nil {
					t.Error(err)
				}
			},
			"entries to be signed are not in storage",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, reader, log := runHooked(t)
			r.mustPublish(300)
			reader.arm(func() { test.spoil(t, log) })
			err := r.publish(50)
			var refusal *tlog.GuardError
			if !errors.As(err, &refusal) || !strings.Contains(err.Error(), test.err) {
				t.Fatalf("got %v, want a refusal with %q", err, test.err)
			}
			if at := r.pub.Latest(); at.Size != 300 {
				t.Errorf("published size %d, want 300", at.Size)
			}
			if err := r.publish(1); !errors.As(err, &refusal) {
				t.Errorf("later publish: got %v, want the refusal", err)
			}
			if err := r.Log.(closer).Err(); !errors.As(err, &refusal) {
				t.Errorf("Err: got %v, want the refusal", err)
			}
			if err := r.Log.Close(r.ctx); err == nil {
				t.Error("Close says that all is published")
			}
		})
	}
}

// TestStateRestoredWhileRunning puts an older treeState back under a running log. Tessera reads it for every
// batch, so it would sign a smaller tree.
func TestStateRestoredWhileRunning(t *testing.T) {
	r, _, log := runHooked(t)
	state := filepath.Join(log, ".state", "treeState")
	r.mustPublish(300)
	old, err := os.ReadFile(state)
	if err != nil {
		t.Fatal(err)
	}
	r.mustPublish(100)
	if err := os.WriteFile(state, old, 0o644); err != nil {
		t.Fatal(err)
	}
	err = r.publish(50)
	var refusal *tlog.GuardError
	if err == nil { // its positions were published before, as other entries
		_, err = r.pub.Await(r.ctx, 400)
	}
	if !errors.As(err, &refusal) || !strings.Contains(err.Error(), "log folder is older than the sign guard (rollback)") {
		t.Fatalf("got %v, want a refusal", err)
	}
}

func TestOpenRefuses(t *testing.T) {
	ctx := context.Background()
	keys := tlogtest.NewKeys(t, origin)
	fresh := func(t *testing.T, dir, name string) (*tlog.Guard, tessera.Options) {
		store, err := tlog.OpenGuardFolder(filepath.Join(dir, "guard-"+name))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { store.Close() })
		if err := tlog.CreateGuard(ctx, store, keys.Signer.Name()); err != nil {
			t.Fatal(err)
		}
		log := filepath.Join(dir, "log")
		guard := tlog.NewGuard(keys.Signer, store, tlog.NewFolder(os.DirFS(log)), filepath.Join(dir, "evidence"))
		return guard, tessera.Options{Dir: log, Guard: guard}
	}

	t.Run("a folder that is open already, under another guard", func(t *testing.T) {
		dir := t.TempDir()
		run(t, dir, keys, tessera.Options{})
		_, o := fresh(t, dir, "second")
		if _, err := tessera.Open(ctx, o); !errors.Is(err, tlog.ErrLocked) {
			t.Errorf("got %v, want %v", err, tlog.ErrLocked)
		}
	})
	t.Run("a folder of another log", func(t *testing.T) {
		dir := t.TempDir()
		r := run(t, dir, tlogtest.NewKeys(t, "log.example/other"), tessera.Options{})
		r.mustPublish(1)
		r.close()
		_, o := fresh(t, dir, "second")
		if _, err := tessera.Open(ctx, o); !errors.Is(err, tlog.ErrOtherOrigin) {
			t.Errorf("got %v, want %v", err, tlog.ErrOtherOrigin)
		}
	})
	t.Run("a log whose guard was made anew", func(t *testing.T) {
		dir := t.TempDir()
		r := run(t, dir, keys, tessera.Options{})
		r.mustPublish(1)
		r.close()
		_, o := fresh(t, dir, "second")
		if _, err := tessera.Open(ctx, o); err == nil || !strings.Contains(err.Error(), "differs from the sign guard") {
			t.Errorf("got %v, want that the checkpoint differs from the sign guard", err)
		}
	})
	t.Run("a log without a guard", func(t *testing.T) {
		dir := t.TempDir()
		store, err := tlog.OpenGuardFolder(filepath.Join(dir, "guard"))
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		log := filepath.Join(dir, "log")
		guard := tlog.NewGuard(keys.Signer, store, tlog.NewFolder(os.DirFS(log)), dir)
		if _, err := tessera.Open(ctx, tessera.Options{Dir: log, Guard: guard}); !errors.Is(err, tlog.ErrNoGuard) {
			t.Errorf("got %v, want %v", err, tlog.ErrNoGuard)
		}
		if _, err := os.Stat(filepath.Join(log, ".state", "treeState")); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("Tessera began a log all the same: %v", err)
		}
	})
	t.Run("a damaged state file", func(t *testing.T) {
		dir := t.TempDir()
		r := run(t, dir, keys, tessera.Options{})
		r.close()
		if err := os.WriteFile(filepath.Join(dir, "log/.state/treeState"), []byte("{}"), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := open(t, dir, keys); err == nil || !strings.Contains(err.Error(), "got no size") {
			t.Errorf("got %v, want that the state has no size", err)
		}
	})
	t.Run("a witness policy without a quorum", func(t *testing.T) {
		dir := t.TempDir()
		_, o := fresh(t, dir, "first")
		o.WitnessPolicy = []byte("quorum nobody\n")
		if _, err := tessera.Open(ctx, o); err == nil || !strings.Contains(err.Error(), "witness policy") {
			t.Errorf("got %v, want an error of the policy", err)
		}
	})
}

// TestClockSetBack gives the checkpoint file the time that it has after the clock was an hour ahead.
func TestClockSetBack(t *testing.T) {
	dir, keys := t.TempDir(), tlogtest.NewKeys(t, origin)
	r := run(t, dir, keys, tessera.Options{})
	r.mustPublish(1)
	ahead := time.Now().Add(time.Hour)
	if err := os.Chtimes(filepath.Join(dir, "log", "checkpoint"), ahead, ahead); err != nil {
		t.Fatal(err)
	}
	r.mustPublish(1)
}

// TestAppendHeedsItsContext holds a batch back for a second, so that the queue of one leaf stays full until the
// caller who filled it gives up.
func TestAppendHeedsItsContext(t *testing.T) {
	dir, keys := t.TempDir(), tlogtest.NewKeys(t, origin)
	r := run(t, dir, keys, tessera.Options{BatchMaxAge: time.Second, MaxPending: 1})
	ctx, cancel := context.WithCancel(r.ctx)
	defer cancel()
	outcome := make(chan error)
	go func() {
		err := tlog.ErrBusy
		for errors.Is(err, tlog.ErrBusy) {
			_, err = r.Log.Append(ctx, tlogtest.LeavesOf(1))
		}
		outcome <- err
	}()
	var err error
	for err == nil { // until the other one is in the queue
		_, err = r.Log.Append(r.ctx, tlogtest.LeavesOf(1))
	}
	if !errors.Is(err, tlog.ErrBusy) {
		t.Errorf("full queue: got %v, want %v", err, tlog.ErrBusy)
	}
	cancel()
	if err := <-outcome; !errors.Is(err, tlog.ErrUnknown) || !errors.Is(err, context.Canceled) {
		t.Errorf("given up: got %v, want %v and %v", err, tlog.ErrUnknown, context.Canceled)
	}
	r.close() // waits for the leaf that was given up
	if size, err := r.Log.IntegratedSize(r.ctx); err != nil || size == 0 {
		t.Errorf("size after Close: got %d, %v, want the leaf in", size, err)
	}
}

// TestWitnessesNeverFailOpen has a witness that can't be reached: nothing is published.
func TestWitnessesNeverFailOpen(t *testing.T) {
	dir, keys := t.TempDir(), tlogtest.NewKeys(t, origin)
	r := run(t, dir, keys, tessera.Options{})
	r.mustPublish(1)
	r.close()

	witness := "witness w witness.example+b3f6a8f2+BOvRgkwFVzEJpFcRcWTLLf3nE0pNmWuJ5b8Pc3sRcKlk http://127.0.0.1:1/\nquorum w\n"
	r = run(t, dir, keys, tessera.Options{WitnessPolicy: []byte(witness), WitnessTimeout: 100 * time.Millisecond})
	positions, err := r.Log.Append(r.ctx, tlogtest.LeavesOf(1))
	if err != nil {
		t.Fatal(err)
	}
	short := func() (context.Context, context.CancelFunc) {
		return context.WithTimeout(r.ctx, 100*time.Millisecond)
	}
	for r.ctx.Err() == nil && r.Log.(closer).Err() == nil { // until it is called a failure
		ctx, cancel := short()
		if at, err := r.pub.Await(ctx, positions[0]); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("got %+v, %v, want nothing published", at, err)
		}
		cancel()
	}
	if err := r.Log.(closer).Err(); err == nil || !strings.Contains(err.Error(), "no witness quorum") {
		t.Errorf("Err: got %v, want that there is no quorum", err)
	}
	ctx, cancel := short()
	defer cancel()
	if err := r.Log.Close(ctx); err == nil {
		t.Error("Close says that all is published")
	}
	// Placed it is: without the witness it is published after the next start.
	r = run(t, dir, keys, tessera.Options{})
	if _, err := r.pub.Await(r.ctx, positions[0]); err != nil {
		t.Error(err)
	}
}
