package state_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/hallmark-registry/hallmark/registry/state"
	"github.com/hallmark-registry/hallmark/verifier/entry"
	"github.com/hallmark-registry/hallmark/verifier/ledger"
	"github.com/hallmark-registry/hallmark/verifier/statement"
)

const origin = "log.example.com/models"

// A history is a log's roots by the seed that they are made of, as far as it goes.
type history struct {
	seed string
	size uint64
}

func (h history) RootAt(size uint64) ([32]byte, error) {
	if size > h.size {
		return [32]byte{}, fmt.Errorf("size %d, want at most %d", size, h.size)
	}
	return sha256.Sum256(fmt.Append(nil, h.seed, size)), nil
}

var roots = history{"ours", 1000}

// testLog is n entries: models, of which every third would bind a bound name, and things that are no entries.
func testLog(t *testing.T, n int) []*ledger.Input {
	t.Helper()
	key, err := entry.GenerateKey(entry.Ed25519, bytes.NewReader(make([]byte, 32)))
	if err != nil {
		t.Fatal(err)
	}
	log := make([]*ledger.Input, n)
	for i := range log {
		if i%7 == 6 {
			log[i] = ledger.Read([]byte("no entry"))
			continue
		}
		name := statement.Name{Namespace: "acme", Name: "tiny", Version: fmt.Sprint(i - i%3/2)}
		body, err := statement.NewModel(name, &statement.Model{FileRoot: sha256.Sum256([]byte{byte(i)}), WeightsRoot: sha256.Sum256(nil), Files: 1}).Marshal()
		if err != nil {
			t.Fatal(err)
		}
		e, err := entry.Sign(entry.TypeStatement, body, key)
		if err != nil {
			t.Fatal(err)
		}
		log[i] = ledger.ReadEntry(e, nil)
	}
	return log
}

func open(t *testing.T, path string) *state.Fold {
	t.Helper()
	f, err := state.Open(path, origin, roots)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// run folds the log from the position on, up to size, and returns the codes.
func run(t *testing.T, f *state.Fold, log []*ledger.Input, size int) (codes []ledger.Code) {
	t.Helper()
	for i := f.Position(); i < uint64(size); i++ {
		o := f.Apply(i, log[i])
		if !o.Decided() {
			t.Fatalf("entry %d: %v", i, o)
		}
		codes = append(codes, o.Code)
	}
	return codes
}

func digest(f *state.Fold) (d [32]byte) {
	f.View(func(s *ledger.State) { d = s.Digest() })
	return d
}

func snapshot(t *testing.T, f *state.Fold) {
	t.Helper()
	if err := f.Snapshot(); err != nil {
		t.Fatal(err)
	}
}

func TestResume(t *testing.T) {
	log := testLog(t, 20)
	once := open(t, filepath.Join(t.TempDir(), "state.db"))
	run(t, once, log, len(log))
	for cut := range len(log) + 1 {
		path := filepath.Join(t.TempDir(), "state.db")
		f := open(t, path)
		run(t, f, log, cut)
		snapshot(t, f)

		f = open(t, path)
		if got := f.Position(); got != uint64(cut) || f.Discarded() != nil {
			t.Fatalf("resumed at %d (%v), want %d", got, f.Discarded(), cut)
		}
		run(t, f, log, len(log))
		if digest(f) != digest(once) {
			t.Errorf("resumed at %d: digest %x, folded at once %x", cut, digest(f), digest(once))
		}
	}
}

func TestApplyOutOfOrder(t *testing.T) {
	log := testLog(t, 5)
	f := open(t, filepath.Join(t.TempDir(), "state.db"))
	run(t, f, log, 3)
	before := digest(f)
	for _, index := range []uint64{0, 2, 4} {
		if o := f.Apply(index, log[index]); o.Decided() {
			t.Errorf("entry %d applied at position 3: %v, want it undecided", index, o)
		}
	}
	check, apply := f.Check(log[3]), ledger.Outcome{}
	if digest(f) != before {
		t.Error("an entry out of order, or a check, changed the fold")
	}
	if apply = f.Apply(3, log[3]); check != apply {
		t.Errorf("Check says %v, Apply %v", check, apply)
	}
}

// TestUnusable has snapshots that must not be believed, each of which costs a replay and nothing else.
func TestUnusable(t *testing.T) {
	log := testLog(t, 5)
	path := filepath.Join(t.TempDir(), "state.db")
	f := open(t, path)
	run(t, f, log, len(log))
	want := digest(f)
	snapshot(t, f)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	resealed := func(b []byte) []byte {
		sum := sha256.Sum256(b[:len(b)-32])
		return append(bytes.Clone(b[:len(b)-32]), sum[:]...)
	}
	moved := bytes.Clone(good)
	at := bytes.IndexByte(moved, '\n') + 1
	binary.BigEndian.PutUint64(moved[at:], 4)
	const header = 8 + sha256.Size
	foreign := bytes.Replace(good, []byte(origin), []byte("log.example.com/others"), 1)
	bad := map[string][]byte{
		"an empty file":              {},
		"another program's file":     []byte("SQLite format 3\x00 and so on, long enough to hold all the fields of a snapshot"),
		"a file cut short":           good[:len(good)-1],
		"a file cut to its magic":    good[:at],
		"a byte after it":            append(bytes.Clone(good), 0),
		"another position":           resealed(moved),
		"a fold that goes on":        resealed(append(append(bytes.Clone(good[:len(good)-32]), 0), make([]byte, 32)...)),
		"another log's snapshot":     resealed(foreign),
		"a position and no fold":     resealed(append(bytes.Clone(good[:at+header]), make([]byte, 32)...)),
		"a later version's snapshot": resealed(bytes.Replace(good, []byte("snapshot/v2"), []byte("snapshot/v3"), 1)),
	}
	for i := range good {
		flipped := bytes.Clone(good)
		flipped[i] ^= 0x10
		bad[fmt.Sprintf("bit flipped in byte %d", i)] = flipped
	}
	for story, file := range bad {
		if err := os.WriteFile(path, file, 0o600); err != nil {
			t.Fatal(err)
		}
		f := open(t, path)
		if f.Position() != 0 || !errors.Is(f.Discarded(), state.ErrSnapshot) {
			t.Fatalf("%s: at %d, discarded %v, want 0 and %v", story, f.Position(), f.Discarded(), state.ErrSnapshot)
		}
	}
	f = open(t, path)
	run(t, f, log, len(log))
	snapshot(t, f)
	if f = open(t, path); digest(f) != want {
		t.Errorf("after a replay: digest %x, want %x", digest(f), want)
	}
}

func TestOpenUnreadable(t *testing.T) {
	if _, err := state.Open(t.TempDir(), origin, roots); err == nil || errors.Is(err, state.ErrSnapshot) {
		t.Errorf("opening a folder: got error %v, want one of the file system", err)
	}
}

// TestFaults fails each step of a snapshot, and wants the file to hold the old or the new one, and the fold to be
// able to write it after all.
func TestFaults(t *testing.T) {
	log, full := testLog(t, 10), errors.New("disk full")
	for i, step := range state.Steps {
		t.Run(step, func(t *testing.T) {
			defer state.SetFault(nil)
			path := filepath.Join(t.TempDir(), "state.db")
			f := open(t, path)
			run(t, f, log, 5)
			snapshot(t, f)
			run(t, f, log, 10)

			state.SetFault(func(s string) error {
				if s == step {
					return full
				}
				return nil
			})
			if err := f.Snapshot(); !errors.Is(err, full) {
				t.Fatalf("Snapshot: got error %v, want %v", err, full)
			}
			want := uint64(5)
			if i == len(state.Steps)-1 { // after the rename
				want = 10
			}
			if got := open(t, path); got.Position() != want || got.Discarded() != nil {
				t.Errorf("after the fault the file holds the fold at %d (%v), want %d", got.Position(), got.Discarded(), want)
			}
			state.SetFault(nil)
			snapshot(t, f)
			if got := open(t, path); got.Position() != 10 || digest(got) != digest(f) {
				t.Errorf("after the next snapshot the file holds the fold at %d, want 10", got.Position())
			}
		})
	}
}

// TestCrashes plays the follower, which folds a batch, commits it to an index and sometimes takes a snapshot, and dies
// between any two of these. The index must have every outcome once and in order.
func TestCrashes(t *testing.T) {
	const batch = 4
	log := testLog(t, 40)
	once := open(t, filepath.Join(t.TempDir(), "state.db"))
	want := run(t, once, log, len(log))
	for die := range 25 {
		path := filepath.Join(t.TempDir(), "state.db")
		var index []ledger.Code // durable
		steps := 0
		lives := func() bool { steps++; return steps != die }
		for life := 0; len(index) < len(log); life++ {
			f := open(t, path)
			if f.Position() > uint64(len(index)) {
				t.Fatalf("death %d: snapshot at %d is beyond the index at %d", die, f.Position(), len(index))
			}
			for f.Position() < uint64(len(log)) {
				from := int(f.Position())
				codes := run(t, f, log, min(from+batch, len(log)))
				if !lives() {
					break
				}
				if known := min(len(index)-from, len(codes)); known > 0 {
					codes = codes[known:] // the fold runs alone until it has caught up
				}
				index = append(index, codes...)
				if !lives() {
					break
				}
				if from%(2*batch) == 0 {
					snapshot(t, f)
					if !lives() {
						break
					}
				}
			}
		}
		if fmt.Sprint(index) != fmt.Sprint(want) {
			t.Errorf("death at step %d: outcomes\n got %v\nwant %v", die, index, want)
		}
	}
}

// TestOtherHistory opens a snapshot over logs that are not the one it was taken of, though they bear its name.
func TestOtherHistory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	f := open(t, path)
	run(t, f, testLog(t, 5), 5)
	snapshot(t, f)
	for story, now := range map[string]history{
		"a log that was founded anew":            {"theirs", 1000},
		"a log that was taken back to its start": {"ours", 0},
		"a log that was taken back by one entry": {"ours", 4},
	} {
		f, err := state.Open(path, origin, now)
		if err != nil {
			t.Fatal(err)
		}
		if f.Position() != 0 || !errors.Is(f.Discarded(), state.ErrSnapshot) {
			t.Errorf("%s: at %d, discarded %v, want 0 and %v", story, f.Position(), f.Discarded(), state.ErrSnapshot)
		}
	}
	if f, err := state.Open(path, origin, history{"ours", 5}); err != nil || f.Position() != 5 {
		t.Errorf("its own log, at its size: %v", err)
	}
}

func TestReset(t *testing.T) {
	log := testLog(t, 10)
	path := filepath.Join(t.TempDir(), "state.db")
	f := open(t, path)
	run(t, f, log, 4)
	snapshot(t, f)
	run(t, f, log, 10)
	want := digest(f)
	f.Reset()
	if f.Position() != 0 {
		t.Errorf("Reset: at %d, want 0", f.Position())
	}
	snapshot(t, f) // the fold at 0 replaces the one at 4
	if got := open(t, path); got.Position() != 0 {
		t.Errorf("after Reset and Snapshot the file holds the fold at %d, want 0", got.Position())
	}
	run(t, f, log, 10)
	if digest(f) != want {
		t.Errorf("folded again: digest %x, want %x", digest(f), want)
	}
}

func TestSnapshotOfNothingNew(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	f := open(t, path)
	run(t, f, testLog(t, 3), 3)
	snapshot(t, f)
	defer state.SetFault(nil)
	state.SetFault(func(step string) error { return fmt.Errorf("wants to %s", step) })
	if err := f.Snapshot(); err != nil {
		t.Errorf("a second snapshot of one position: %v, want nothing written", err)
	}
}

func TestConcurrent(t *testing.T) {
	log := testLog(t, 60)
	path := filepath.Join(t.TempDir(), "state.db")
	f := open(t, path)
	var others sync.WaitGroup
	done := make(chan struct{})
	for range 2 {
		others.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-done:
					return
				default:
				}
				f.Check(log[i%len(log)])
				f.View(func(s *ledger.State) { s.Digest() })
				if err := f.Snapshot(); err != nil {
					t.Errorf("Snapshot: %v", err)
					return
				}
			}
		})
	}
	run(t, f, log, len(log))
	close(done)
	others.Wait()
	snapshot(t, f)
	if got := open(t, path); digest(got) != digest(f) {
		t.Errorf("the file holds the fold at %d, want %d", got.Position(), len(log))
	}
}
