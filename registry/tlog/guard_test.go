package tlog_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"github.com/hallmark-registry/hallmark/registry/tlog"
	"github.com/hallmark-registry/hallmark/registry/tlog/tlogtest"
)

const origin = "log.example/guarded"

// fakeStore is a guard store in memory with fault hooks: before fails without storing, after fails although
// it has stored.
type fakeStore struct {
	state         []byte
	before, after error
	swaps         int
}

func (s *fakeStore) Load(context.Context) (*tlog.GuardState, error) {
	if s.state == nil {
		return nil, fs.ErrNotExist
	}
	return tlog.ParseGuardState(s.state)
}

func (s *fakeStore) CompareAndSwap(_ context.Context, old, new *tlog.GuardState) error {
	if s.before != nil {
		return s.before
	}
	if (old == nil) != (s.state == nil) || old != nil && !bytes.Equal(s.state, old.Marshal()) {
		return tlog.ErrGuardConflict
	}
	s.state = new.Marshal()
	s.swaps++
	return s.after
}

// scene is a log in memory, as an engine would have written it, and its guard.
type scene struct {
	t        *testing.T
	log      *tlogtest.Memory
	faults   *faultyReader
	store    *fakeStore
	keys     tlogtest.Keys
	evidence string
	guard    *tlog.Guard
}

// faultyReader fails to read entries while err is set.
type faultyReader struct {
	tlog.Reader
	err error
}

func (r *faultyReader) ReadEntryBundle(ctx context.Context, index uint64, p uint8) ([]byte, error) {
	if r.err != nil {
		return nil, r.err
	}
	return r.Reader.ReadEntryBundle(ctx, index, p)
}

func newScene(t *testing.T) *scene {
	t.Helper()
	s := &scene{t: t, log: tlogtest.NewMemory(nil), store: &fakeStore{}, keys: tlogtest.NewKeys(t, origin), evidence: t.TempDir()}
	s.faults = &faultyReader{Reader: s.log}
	if err := tlog.CreateGuard(context.Background(), s.store, origin); err != nil {
		t.Fatal(err)
	}
	s.restart()
	return s
}

// restart makes a new guard over the same store.
func (s *scene) restart() {
	s.guard = tlog.NewGuard(s.keys.Signer, s.store, s.faults, s.evidence)
	s.log.Signer = s.guard
}

// grow stores n more entries with their tiles, as an engine does before it has a checkpoint signed.
func (s *scene) grow(n int) {
	s.t.Helper()
	leaves := make([][]byte, n)
	for i := range leaves {
		leaves[i] = tlogtest.Leaf(len(s.log.Entries) + i)
	}
	if _, err := s.log.Append(context.Background(), leaves); err != nil {
		s.t.Fatal(err)
	}
}

// publish has the tree as it stands signed, and sees that the signature verifies.
func (s *scene) publish() error {
	if err := s.log.Publish(); err != nil {
		return err
	}
	if _, err := note.Open(s.log.Checkpoint, note.VerifierList(s.keys.Verifier)); err != nil {
		s.t.Fatalf("signed checkpoint: %v", err)
	}
	return nil
}

func (s *scene) mustPublish() {
	s.t.Helper()
	if err := s.publish(); err != nil {
		s.t.Fatalf("publish: %v", err)
	}
}

func (s *scene) size() uint64 {
	s.t.Helper()
	state, err := s.store.Load(context.Background())
	if err != nil {
		s.t.Fatal(err)
	}
	return state.Size
}

// truncate makes the log a restored older copy of itself.
func (s *scene) truncate(n int) {
	s.log.Entries, s.log.Leaves = s.log.Entries[:n], s.log.Leaves[:n]
}

// foreign puts another entry in place i, tiles included.
func (s *scene) foreign(i int) {
	other := tlogtest.NewMemory(nil)
	for j, e := range s.log.Entries {
		if j == i {
			e = []byte("another history")
		}
		if _, err := other.Append(context.Background(), [][]byte{e}); err != nil {
			s.t.Fatal(err)
		}
	}
	s.log.Entries, s.log.Leaves = other.Entries, other.Leaves
}

func TestGuardSigns(t *testing.T) {
	s := newScene(t)
	s.mustPublish() // the empty tree
	for _, n := range []int{1, 0, 254, 1, 1, 300} {
		s.grow(n)
		s.mustPublish()
		if got, want := s.size(), uint64(len(s.log.Entries)); got != want {
			t.Fatalf("guard is at %d, want %d", got, want)
		}
	}
	swaps := s.store.swaps
	s.mustPublish()
	s.restart()
	s.mustPublish()
	if s.store.swaps != swaps {
		t.Errorf("signing the same tree again changed the guard")
	}
	if err := s.guard.Err(); err != nil {
		t.Errorf("Err: got %v, want none", err)
	}
	if last, err := s.guard.Last(context.Background()); err != nil || last.Size != 557 {
		t.Errorf("Last: got %+v, %v, want size 557", last, err)
	}
}

// TestGuardRefuses has every way in which a log goes wrong. Each begins with 300 entries signed, and 200
// more in storage.
func TestGuardRefuses(t *testing.T) {
	for _, test := range []struct {
		name   string
		spoil  func(*scene)
		reason string
		first  string // first difference
		cause  error
	}{
		{
			"a restored older copy",
			func(s *scene) { s.truncate(299) },
			"log folder is older than the sign guard (rollback)", "", nil,
		}, {
			"a restored older copy that has grown again, with the same number of other entries",
			func(s *scene) { s.truncate(300); s.foreign(299) },
			"differs from the sign guard", "", nil,
		}, {
			"a restored older copy that has grown beyond the signed size",
			func(s *scene) { s.foreign(299) },
			"entries read back from storage give another root at size 500", "", nil,
		}, {
			"a flipped bit in a new entry, after it was hashed",
			func(s *scene) { s.log.Entries[400][3] ^= 1 },
			"entries read back from storage give another root at size 500", "entry 400", nil,
		}, {
			"a flipped bit in a tile of the new entries",
			func(s *scene) { s.log.Leaves[400] = bytes.Repeat([]byte{7}, 32) },
			"entries read back from storage give another root at size 500", "entry 400", nil,
		}, {
			"a new entry that is missing",
			func(s *scene) { s.log.Entries = s.log.Entries[:499] },
			"entries to be signed are not in storage", "", nil,
		}, {
			"a second writer that has signed meanwhile",
			func(s *scene) {
				other := tlog.NewGuard(s.keys.Signer, s.store, s.log, s.evidence)
				leaves := s.log.Leaves[:350]
				if _, err := other.Sign([]byte(tlogtest.CheckpointText(origin, 350, tlogtest.Root(leaves)))); err != nil {
					s.t.Fatal(err)
				}
			},
			"changed by another writer", "", tlog.ErrGuardConflict,
		}, {
			"a guard state that was removed while the log ran",
			func(s *scene) { s.store.state = nil },
			"changed by another writer", "", tlog.ErrGuardConflict,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newScene(t)
			s.grow(300)
			s.mustPublish()
			s.grow(200)
			before := s.log.Checkpoint
			test.spoil(s)
			err := s.publish()
			var refusal *tlog.GuardError
			if !errors.As(err, &refusal) || !strings.Contains(err.Error(), test.reason) {
				t.Fatalf("got %v, want a refusal with %q", err, test.reason)
			}
			if !strings.Contains(err.Error(), test.first) {
				t.Errorf("got %q, want first difference at %s", err, test.first)
			}
			if test.cause != nil && !errors.Is(err, test.cause) {
				t.Errorf("got %v, want %v", err, test.cause)
			}
			if !bytes.Equal(s.log.Checkpoint, before) {
				t.Errorf("a checkpoint was signed all the same")
			}
			checkEvidence(t, refusal)
			select {
			case <-s.guard.Refused():
			default:
				t.Error("Refused is not closed")
			}
			if again := s.publish(); !errors.Is(again, err) && again.Error() != err.Error() {
				t.Errorf("second attempt: got %v, want the same refusal", again)
			}
			if got := s.guard.Err(); got == nil || got.Error() != err.Error() {
				t.Errorf("Err: got %v, want the refusal", got)
			}
		})
	}
}

func checkEvidence(t *testing.T, refusal *tlog.GuardError) {
	t.Helper()
	raw, err := os.ReadFile(refusal.Path)
	if err != nil {
		t.Fatalf("evidence: %v", err)
	}
	var got struct {
		Reason, Origin, Note string
		Offered              struct{ Size uint64 }
	}
	if err := json.Unmarshal(raw, &got); err != nil {
		t.Fatalf("evidence %s: %v", raw, err)
	}
	if got.Origin != origin || got.Reason != refusal.Reason || got.Offered.Size != refusal.Offered.Size || !strings.HasPrefix(got.Note, origin) {
		t.Errorf("evidence does not say what happened: %s", raw)
	}
}

// TestGuardStoreFails has each way in which keeping the state fails. Nothing may be signed, and nothing is
// lost: the next attempt signs the same tree.
func TestGuardStoreFails(t *testing.T) {
	diskFull := errors.New("disk full")
	for _, test := range []struct {
		name  string
		fault func(s *scene)
		kept  uint64 // size in the store afterwards
	}{
		{"nothing was stored", func(s *scene) { s.store.before = diskFull }, 300},
		{"it was stored all the same", func(s *scene) { s.store.after = diskFull }, 500},
		{"entries can't be read at the moment", func(s *scene) { s.faults.err = diskFull }, 300},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newScene(t)
			s.grow(300)
			s.mustPublish()
			s.grow(200)
			before := s.log.Checkpoint
			test.fault(s)
			if err := s.publish(); !errors.Is(err, diskFull) {
				t.Fatalf("got %v, want %v", err, diskFull)
			}
			if got := s.size(); got != test.kept || !bytes.Equal(s.log.Checkpoint, before) {
				t.Errorf("guard is at %d, want %d; checkpoint %q", got, test.kept, s.log.Checkpoint)
			}
			if err := s.guard.Err(); !errors.Is(err, diskFull) {
				t.Errorf("Err: got %v, want %v", err, diskFull)
			}
			s.store.before, s.store.after, s.faults.err = nil, nil, nil
			s.mustPublish()
			if got := s.size(); got != 500 {
				t.Errorf("guard is at %d, want 500", got)
			}
			if err := s.guard.Err(); err != nil {
				t.Errorf("Err after a success: got %v", err)
			}
		})
	}
}

func TestGuardSignsOnlyCheckpointsOfItsLog(t *testing.T) {
	root := strings.Repeat("A", 43) + "="
	for _, test := range []struct{ name, text, err string }{
		{"another log's", "log.example/other\n0\n" + root + "\n", "another origin"},
		{"an extension line", origin + "\n0\n" + root + "\nmore\n", "got 4 line ends"},
		{"no root", origin + "\n0\n", "got 2 line ends"},
		{"a leading zero", origin + "\n00\n" + root + "\n", "not canonical"},
		{"a sign", origin + "\n+1\n" + root + "\n", "decimal number"},
		{"a size beyond 64 bits", origin + "\n18446744073709551616\n" + root + "\n", "decimal number"},
		{"a short root", origin + "\n0\nAAAA\n", "want 32 bytes"},
		{"loose bits in base64", origin + "\n0\n" + strings.Repeat("A", 42) + "B=\n", "not canonical"},
		{"a carriage return", origin + "\r\n0\n" + root + "\n", "another origin"},
		{"no origin", "\n0\n" + root + "\n", `origin ""`},
		{"what begins like an entry", "DSSEv1 28 application\n0\n" + root + "\n", `origin "DSSEv1`},
		{"something else", "cosignature/v1\ntime 1\n", "got 2 line ends"},
		{"nothing", "", "got 0 line ends"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newScene(t)
			if _, err := s.guard.Sign([]byte(test.text)); err == nil || !strings.Contains(err.Error(), test.err) {
				t.Errorf("got %v, want an error with %q", err, test.err)
			}
			s.mustPublish() // it was no refusal of the log
		})
	}
}

func FuzzGuardSign(f *testing.F) {
	f.Add(origin + "\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n")
	f.Add(origin + "\n1\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\nx\n")
	keys := tlogtest.NewKeys(f, origin)
	empty := tlogtest.CheckpointText(origin, 0, tlogtest.Root(nil))
	f.Fuzz(func(t *testing.T, text string) {
		store := &fakeStore{}
		if err := tlog.CreateGuard(context.Background(), store, origin); err != nil {
			t.Fatal(err)
		}
		guard := tlog.NewGuard(keys.Signer, store, tlogtest.NewMemory(nil), t.TempDir())
		if _, err := guard.Sign([]byte(text)); (err == nil) != (text == empty) {
			t.Errorf("%q over an empty log: %v", text, err)
		}
	})
}

func TestGuardWithoutState(t *testing.T) {
	s := newScene(t)
	s.store.state = nil
	if err := s.publish(); !errors.Is(err, tlog.ErrNoGuard) {
		t.Errorf("Sign: got %v, want %v", err, tlog.ErrNoGuard)
	}
	if err := s.guard.CheckStart(context.Background(), 0); !errors.Is(err, tlog.ErrNoGuard) {
		t.Errorf("CheckStart: got %v, want %v", err, tlog.ErrNoGuard)
	}
}

func TestGuardOfAnotherLog(t *testing.T) {
	s := newScene(t)
	s.store.state = (&tlog.GuardState{Origin: "log.example/other"}).Marshal()
	if err := s.publish(); !errors.Is(err, tlog.ErrOtherOrigin) {
		t.Errorf("got %v, want %v", err, tlog.ErrOtherOrigin)
	}
}

func TestGuardIsCreatedOnce(t *testing.T) {
	s := newScene(t)
	if err := tlog.CreateGuard(context.Background(), s.store, origin); !errors.Is(err, tlog.ErrGuardConflict) {
		t.Errorf("got %v, want %v", err, tlog.ErrGuardConflict)
	}
	for _, bad := range []string{"", "two\nlines", "DSSEv1/log", strings.Repeat("x", 5000)} {
		if err := tlog.CreateGuard(context.Background(), &fakeStore{}, bad); err == nil {
			t.Errorf("a guard for origin %.20q was created", bad)
		}
	}
}

func TestClosedGuardSignsNothing(t *testing.T) {
	s := newScene(t)
	s.guard.Close()
	if err := s.publish(); !errors.Is(err, tlog.ErrClosed) {
		t.Errorf("got %v, want %v", err, tlog.ErrClosed)
	}
}

func TestRefusalWithoutEvidence(t *testing.T) {
	s := newScene(t)
	s.evidence = filepath.Join(s.evidence, "file")
	if err := os.WriteFile(s.evidence, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s.restart()
	s.grow(2)
	s.mustPublish()
	s.truncate(1)
	err := s.publish()
	var refusal *tlog.GuardError
	if !errors.As(err, &refusal) || refusal.NoPath == nil || !strings.Contains(err.Error(), "no evidence written") {
		t.Errorf("got %v, want a refusal that says that no evidence could be written", err)
	}
}

func ExampleGuardError() {
	fmt.Println(&tlog.GuardError{
		Evidence: tlog.Evidence{
			Reason: "entries read back from storage give another root at size 500 than the one to be signed",
			First:  &tlog.Difference{Path: "tile/0/001.p/244", Entry: 400, Got: "AAA=", Want: "BBB="},
		},
		Path: "evidence-sign-01020304.json",
	})
	// Output:
	// sign guard: entries read back from storage give another root at size 500 than the one to be signed: first difference: tile/0/001.p/244 at entry 400: got AAA=, want BBB=: evidence in evidence-sign-01020304.json
}
