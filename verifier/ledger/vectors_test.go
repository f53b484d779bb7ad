package ledger_test

import (
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hallmark-registry/hallmark/verifier/ledger"
)

var update = flag.Bool("update", false, "rewrite the golden vectors")

const vectorDir = "../testdata/vectors/ledger"

// A vector is a log, what becomes of its entries, and the state at its end.
type vector struct {
	Story    string        `json:"story"`
	Origin   string        `json:"origin"`
	Entries  []vectorEntry `json:"entries"`
	Outcomes string        `json:"outcomes"` // hash chain
	Digest   string        `json:"digest"`
	State    string        `json:"state"`
	Supply   ledger.Supply `json:"supply"`
	// Where there are any.
	Namespaces []vectorNamespace `json:"namespaces,omitempty"`
	Standings  []vectorStanding  `json:"standings,omitempty"`
}

type vectorEntry struct {
	Story string `json:"story"`
	Entry string `json:"entry"`
	Kind  string `json:"kind"`
	Code  string `json:"code"`
}

func (l *testLog) vector() vector {
	v := vector{Story: l.name, Origin: origin, Supply: l.state.Supply(), Namespaces: l.namespaces(), Standings: l.standings()}
	for _, s := range l.steps {
		v.Entries = append(v.Entries, vectorEntry{s.story, hex.EncodeToString(s.raw), s.got.Kind, s.got.Code.String()})
	}
	chain, digest := l.state.Outcomes(), l.state.Digest()
	raw, err := l.state.MarshalBinary()
	if err != nil {
		l.t.Fatal(err)
	}
	v.Outcomes, v.Digest, v.State = hex.EncodeToString(chain[:]), hex.EncodeToString(digest[:]), hex.EncodeToString(raw)
	return v
}

func play(t tester, name string, scenario func(*testLog)) *testLog {
	t.Helper()
	l := newLog(t)
	l.name = name
	scenario(l)
	return l
}

func TestScenarios(t *testing.T) {
	met := map[ledger.Code]bool{}
	for _, s := range scenarios {
		t.Run(s.name, func(t *testing.T) {
			l := play(t, s.name, s.play)
			for _, step := range l.steps {
				met[step.got.Code] = true
			}
			golden(t, "log-"+s.name+".json", l.vector())
		})
	}
	for _, c := range ledger.Codes() {
		if !met[c] && !t.Failed() {
			t.Errorf("no scenario meets %s", c)
		}
	}
}

// golden compares v with a file, or writes the file.
func golden[V any](t *testing.T, name string, v V) {
	t.Helper()
	path := filepath.Join(vectorDir, name)
	if *update {
		text, err := json.MarshalIndent(v, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(vectorDir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, append(text, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(load[V](t, path), v); diff != "" {
		t.Errorf("%s differs (-want +got; -update rewrites it):\n%s", path, diff)
	}
}

func load[V any](t tester, path string) (v V) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return v
}

func unhex(t tester, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestVectorsReplay knows nothing but the files: each log is folded at once,
// and resumed from a serialised state at every position.
func TestVectorsReplay(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join(vectorDir, "log-*.json"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("vectors: %v, %d files", err, len(paths))
	}
	for _, path := range paths {
		v := load[vector](t, path)
		t.Run(v.Story, func(t *testing.T) {
			l := newLog(t)
			for i, e := range v.Entries {
				raw := unhex(t, e.Entry)
				l.grow(raw)
				got := l.state.Apply(uint64(i), raw)
				if got.Code.String() != e.Code || got.Kind != e.Kind {
					t.Errorf("entry %d, %s: %s %s, want %s %s", i, e.Story, got.Kind, got.Code, e.Kind, e.Code)
				}
				l.state = resume(t, l)
				l.steps = append(l.steps, step{e.Story, raw, got})
			}
			if diff := cmp.Diff(v.Standings, l.standings()); diff != "" {
				t.Errorf("standings differ (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(v.Namespaces, l.namespaces()); diff != "" {
				t.Errorf("namespaces differ (-want +got):\n%s", diff)
			}
			if got := l.state.Digest(); hex.EncodeToString(got[:]) != v.Digest {
				t.Errorf("digest %x, want %s", got, v.Digest)
			}
		})
	}
}

// resume returns the state after a way through its serialisation.
func resume(t tester, l *testLog) *ledger.State {
	t.Helper()
	raw, err := l.state.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	next := ledger.New(origin, l)
	if err := next.UnmarshalBinary(raw); err != nil {
		t.Fatalf("resuming at size %d: %v", l.state.Size(), err)
	}
	if next.Digest() != l.state.Digest() {
		t.Fatalf("resuming at size %d: another digest", l.state.Size())
	}
	return next
}
