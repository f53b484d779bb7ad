package monitor_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/rfc6962"

	"github.com/hallmark-registry/hallmark/registry/monitor"
	"github.com/hallmark-registry/hallmark/registry/monitor/httptiles"
	"github.com/hallmark-registry/hallmark/registry/tlog"
	"github.com/hallmark-registry/hallmark/registry/tlog/tlogtest"
	"github.com/hallmark-registry/hallmark/verifier/checkpoint"
	"github.com/hallmark-registry/hallmark/verifier/ledger"
)

var update = flag.Bool("update", false, "write the golden files")

func TestAuditFindsWhatTheFoldSays(t *testing.T) {
	for _, test := range []struct {
		name string
		log  func(t testing.TB) *scene
	}{
		{"only a genesis", func(t testing.TB) *scene { return newScene(t).found() }},
		{"a full bundle", func(t testing.TB) *scene { return newScene(t).found().models(255) }},
		{"an entry more", func(t testing.TB) *scene { return newScene(t).found().models(256) }},
		{"everything that can happen", eventful},
		{"nothing at all", newScene},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := test.log(t).publish()
			s.models(3) // placed, not published: no part of the audit
			s.state = ledger.New(origin, s)
			size := s.size() - 3
			for i, raw := range s.log.Entries[:size] {
				s.state.Apply(uint64(i), raw)
			}
			for _, workers := range []int{0, 1, 3} {
				report, err := s.audit(withTiles, func(o *monitor.Options) { o.Workers = workers })
				if err != nil {
					t.Fatal(err)
				}
				if got, want := report.StateDigest, s.state.Digest(); got != want {
					t.Errorf("%d workers: state digest: got %x, want %x", workers, got, want)
				}
				if got, want := report.Outcomes, s.state.Outcomes(); got != want {
					t.Errorf("%d workers: outcomes: got %x, want %x", workers, got, want)
				}
				if diff := cmp.Diff(s.state.Supply(), report.Supply); diff != "" {
					t.Errorf("%d workers: supply (-want +got):\n%s", workers, diff)
				}
				if report.Checkpoint.Size != size || report.Checkpoint.Root != [32]byte(tlogtest.Root(s.log.Leaves[:size])) {
					t.Errorf("%d workers: got size %d, root %x", workers, report.Checkpoint.Size, report.Checkpoint.Root)
				}
			}
		})
	}
}

func TestAuditCounts(t *testing.T) {
	s := eventful(t).publish()
	var done []uint64
	report, err := s.audit(withTiles, func(o *monitor.Options) {
		o.Progress = func(n, size uint64) {
			if done = append(done, n); size != s.size() {
				t.Errorf("progress towards %d, want %d", size, s.size())
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []monitor.KindCount{
		{Kind: "credit", Accepted: 2, Rejected: 1}, {Kind: "genesis", Accepted: 1, Rejected: 1},
		{Kind: "mint", Accepted: 1, Rejected: 2}, {Kind: "model", Accepted: 601, Rejected: 1},
		{Kind: "transfer", Accepted: 1}, {Kind: monitor.KindUnreadable, Rejected: 3},
	}
	if diff := cmp.Diff(want, report.Kinds); diff != "" {
		t.Errorf("kinds (-want +got):\n%s", diff)
	}
	if got, want := report.Signatures, s.size()-3; got != want { // two are no entries, one has a bad signature
		t.Errorf("signatures: got %d, want %d", got, want)
	}
	if report.Tiles != 4 {
		t.Errorf("tiles: got %d, want 3 of level 0 and 1 of level 1", report.Tiles)
	}
	if want := []uint64{256, 512, s.size()}; !slices.Equal(done, want) {
		t.Errorf("progress: got %v, want %v", done, want)
	}
}

// Who vouches is the policy's to say and the checkpoint's to prove.
func TestAuditSaysWhoVouches(t *testing.T) {
	w1, w2 := signer(t, "w1.example", checkpoint.AlgCosignature), signer(t, "w2.example", checkpoint.AlgCosignature)
	w3, a1 := signer(t, "w3.example", checkpoint.AlgCosignature), signer(t, "a1.example", checkpoint.AlgCosignature)
	s := newScene(t).found()
	text := fmt.Sprintf("log %s\nwitness w1 %s\nwitness w2 %s\nwitness w3 %s\nwitness a1 %s\ngroup witnesses 2 w1 w2 w3\ngroup auditors any a1\nquorum witnesses\n",
		s.signer.Key(), w1.Key(), w2.Key(), w3.Key(), a1.Key())
	withPolicy := func(o *monitor.Options) { o.Policy = policy(t, text) }

	_, err := s.publish(w1).audit(withPolicy)
	if !errors.Is(err, checkpoint.ErrQuorum) {
		t.Errorf("one witness of two: got %v, want %v", err, checkpoint.ErrQuorum)
	}
	report, err := s.publish(w1, w2).audit(withPolicy)
	if err != nil {
		t.Fatal(err)
	}
	if !report.OperatorAsserted() || !strings.Contains(report.Text(), "witnesses 2 of 3, auditors 0 of 1, time 2026-05-28T20:26:40Z; operator-asserted") {
		t.Errorf("two witnesses: got\n%s", report.Text())
	}
	report, err = s.publish(w1, w2, w3, a1).audit(withPolicy)
	if err != nil {
		t.Fatal(err)
	}
	if report.OperatorAsserted() || strings.Contains(report.Text(), "operator-asserted") {
		t.Errorf("three witnesses and an auditor: got\n%s", report.Text())
	}
}

// TestAuditReport keeps both forms of the report from changing unseen.
func TestAuditReport(t *testing.T) {
	report, err := eventful(t).publish().audit(withTiles)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(report)
	if err != nil {
		t.Fatal(err)
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, append(raw, '\n'), "", "  "); err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string][]byte{"report.txt": []byte(report.Text()), "report.json": indented.Bytes()} {
		path := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(path, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s (-want +got), -update writes it:\n%s", name, diff)
		}
	}
}

// The same log in a folder and behind a server gives the same report.
func TestAuditReadsFoldersAndServers(t *testing.T) {
	s := eventful(t).publish()
	want, err := s.audit(withTiles)
	if err != nil {
		t.Fatal(err)
	}
	dir := s.folder()
	server := httptest.NewServer(http.FileServerFS(os.DirFS(dir)))
	defer server.Close()
	remote, err := httptiles.New(server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, log := range map[string]tlog.Reader{"folder": tlog.NewFolder(os.DirFS(dir)), "server": remote} {
		got, err := s.audit(withTiles, func(o *monitor.Options) { o.Reader = log })
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got.Text() != want.Text() {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got.Text(), want.Text())
		}
	}
	if err := os.Remove(filepath.Join(dir, "tile", "entries", "001")); err != nil {
		t.Fatal(err)
	}
	_, err = s.audit(func(o *monitor.Options) { o.Reader = remote })
	if found := (*monitor.MisbehavedError)(nil); !errors.As(err, &found) || !strings.Contains(err.Error(), "reading tile/entries/001") {
		t.Errorf("a bundle that is not served: got %v, want misbehaviour", err)
	}
}

// Mints may name any earlier size, so the audit must know the root at each.
func TestAuditKnowsEveryEarlierRoot(t *testing.T) {
	const n = 300
	s := newScene(t).found()
	for serial := range uint64(n) {
		s.addBody(ledger.Accepted, s.credit(serial), eva)
	}
	for serial := range uint64(n) {
		s.addBody(ledger.Accepted, s.mint(serial, 1+serial, 2+2*serial), ada)
	}
	report, err := s.publish().audit()
	if err != nil {
		t.Fatal(err)
	}
	if got := report.Supply.Rejected; len(got) != 0 {
		t.Errorf("rejected: got %v, want none", got)
	}
}

func TestHistory(t *testing.T) {
	const size = 66_000 // beyond one chunk
	var h monitor.History
	tree := (&compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}).NewEmptyRange(0)
	roots := [][]byte{rfc6962.DefaultHasher.EmptyRoot()}
	for i := range size {
		leaf := hash(i)
		h.Add(leaf)
		if err := tree.Append(leaf[:], nil); err != nil {
			t.Fatal(err)
		}
		root, err := tree.GetRootHash(nil)
		if err != nil {
			t.Fatal(err)
		}
		roots = append(roots, root)
	}
	for at, want := range roots {
		if got, err := h.RootAt(uint64(at)); err != nil || !bytes.Equal(got[:], want) {
			t.Fatalf("root at %d: got %x, %v, want %x", at, got, err, want)
		}
	}
	if _, err := h.RootAt(size + 1); err == nil {
		t.Error("a root of entries that were never seen")
	}
}

// spoiledTile serves a tile of level 0 with a flipped bit.
type spoiledTile struct{ *tlogtest.Memory }

func (s spoiledTile) ReadTile(ctx context.Context, level, index uint64, p uint8) ([]byte, error) {
	raw, err := s.Memory.ReadTile(ctx, level, index, p)
	if level == 0 && index == 1 && err == nil {
		raw[32*3] ^= 1
	}
	return raw, err
}

// cutBundle serves bundles without their last byte.
type cutBundle struct{ *tlogtest.Memory }

func (c cutBundle) ReadEntryBundle(ctx context.Context, index uint64, p uint8) ([]byte, error) {
	raw, err := c.Memory.ReadEntryBundle(ctx, index, p)
	return raw[:max(0, len(raw)-1)], err
}

func TestAuditFindsMisbehaviour(t *testing.T) {
	whole := eventful(t).publish()
	fresh := func() *tlogtest.Memory {
		return &tlogtest.Memory{
			Signer: whole.signer, Checkpoint: whole.log.Checkpoint,
			Entries: slices.Clone(whole.log.Entries), Leaves: slices.Clone(whole.log.Leaves),
		}
	}
	// Of some of these logs the operator signs the checkpoint, and only the replay finds them out.
	founded := func(entry0 func(s *scene) []byte) func() (tlog.Reader, error) {
		return func() (tlog.Reader, error) {
			s := newScene(t)
			_, err := s.log.Append(context.Background(), [][]byte{entry0(s), model(t, "acme/tiny@1.0.0", 1)})
			return s.log, errors.Join(err, s.log.Publish())
		}
	}
	spoiled := func(change func(m *tlogtest.Memory) tlog.Reader) func() (tlog.Reader, error) {
		return func() (tlog.Reader, error) { return change(fresh()), nil }
	}
	for _, test := range []struct {
		name  string
		log   func() (tlog.Reader, error)
		tiles bool
		want  string
	}{
		{"a flipped bit in an entry", spoiled(func(m *tlogtest.Memory) tlog.Reader {
			m.Entries[300] = flipped(m.Entries[300])
			return m
		}), false, "first difference: tile/0/001 at entry 300"},
		{"a flipped bit in the genesis", spoiled(func(m *tlogtest.Memory) tlog.Reader {
			m.Entries[0] = flipped(m.Entries[0])
			return m
		}), false, "first difference: tile/0/000 at entry 0"},
		{"a dropped entry", spoiled(func(m *tlogtest.Memory) tlog.Reader {
			m.Entries = append(slices.Delete(m.Entries, 20, 21), m.Entries[21])
			return m
		}), false, "first difference: tile/0/000 at entry 20"},
		{"a dropped last entry", spoiled(func(m *tlogtest.Memory) tlog.Reader {
			m.Entries = m.Entries[:len(m.Entries)-1]
			return m
		}), false, "reading tile/entries/002.p/102"},
		{"a swapped pair", spoiled(func(m *tlogtest.Memory) tlog.Reader {
			m.Entries[30], m.Entries[31] = m.Entries[31], m.Entries[30]
			return m
		}), false, "first difference: tile/0/000 at entry 30"},
		{"another history under the same checkpoint", spoiled(func(m *tlogtest.Memory) tlog.Reader {
			m.Entries[40], m.Leaves[40] = m.Entries[41], m.Leaves[41]
			return m
		}), false, "the checkpoint has another root"},
		{"a cut off bundle", spoiled(func(m *tlogtest.Memory) tlog.Reader { return cutBundle{m} }), false, "malformed tile/entries/000"},
		{"a flipped bit in a tile", spoiled(func(m *tlogtest.Memory) tlog.Reader { return spoiledTile{m} }), true, "first difference: tile/0/001 at entry 259"},
		{"a genesis of another log", founded(func(s *scene) []byte {
			return s.signBody(genesis("log.example.com/other"), governor)
		}), false, "entry 0, kind genesis, founds no ledger of this log: GENESIS_ORIGIN"},
		{"a genesis signed by nobody who may", founded(func(s *scene) []byte {
			return s.signBody(genesis(origin), bob)
		}), false, "entry 0, kind genesis, founds no ledger of this log: SIGNER_UNLISTED"},
		{"a genesis with a forged signature", founded(func(s *scene) []byte {
			return flipped(s.signBody(genesis(origin), governor))
		}), false, "entry 0, kind unreadable, founds no ledger of this log: SIGNATURE_INVALID"},
		{"something else than a genesis", founded(func(s *scene) []byte {
			return model(t, "acme/first@1.0.0", 1)
		}), false, "entry 0, kind model, founds no ledger of this log: ACCEPTED"},
	} {
		t.Run(test.name, func(t *testing.T) {
			log, err := test.log()
			if err != nil {
				t.Fatal(err)
			}
			o := whole.options()
			o.Reader, o.Tiles = log, test.tiles
			_, err = monitor.Audit(context.Background(), o)
			var found *monitor.MisbehavedError
			if !errors.As(err, &found) || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("got %v, want misbehaviour with %q", err, test.want)
			}
			raw, err := os.ReadFile(found.Path)
			if err != nil {
				t.Fatal(err)
			}
			var evidence struct{ Reason, Origin, Note string }
			if err := json.Unmarshal(raw, &evidence); err != nil {
				t.Fatal(err)
			}
			if evidence.Reason != found.Reason || evidence.Origin != origin || !strings.HasPrefix(evidence.Note, origin+"\n") {
				t.Errorf("evidence: got %s", raw)
			}
		})
	}
}

// flipped changes the last bit, which is a signature's.
func flipped(e []byte) []byte {
	e = bytes.Clone(e)
	e[len(e)-1] ^= 1
	return e
}

func TestAuditDisbelievesTheCheckpoint(t *testing.T) {
	s := newScene(t).found().publish()
	text := []byte(tlogtest.CheckpointText(origin, 1, s.log.Leaves[0]))
	forged := tlogtest.NewMemory(tlogtest.NewKeys(t, origin).Signer)
	if _, err := forged.Append(context.Background(), s.log.Entries); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		note []byte
		want error
	}{
		{"of another log", bytes.ReplaceAll(s.log.Checkpoint, []byte(origin), []byte("log.example.com/other")), checkpoint.ErrUnknownLog},
		{"signed by another key of that name", forged.Checkpoint, checkpoint.ErrLogSignature},
		{"not signed", text, checkpoint.ErrMalformed},
		{"with another size", bytes.Replace(s.log.Checkpoint, []byte("\n1\n"), []byte("\n2\n"), 1), checkpoint.ErrLogSignature},
		{"not there", nil, fs.ErrNotExist},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := s.options()
			o.Reader = &tlogtest.Memory{Entries: s.log.Entries, Leaves: s.log.Leaves, Checkpoint: test.note}
			_, err := monitor.Audit(context.Background(), o)
			var found *monitor.MisbehavedError
			if !errors.Is(err, test.want) || errors.As(err, &found) {
				t.Errorf("got %v, want %v and no misbehaviour", err, test.want)
			}
		})
	}
}

// failing fails to read a bundle for a reason that says nothing about the log.
type failing struct {
	*tlogtest.Memory
	err error
}

func (f failing) ReadEntryBundle(ctx context.Context, index uint64, p uint8) ([]byte, error) {
	if index == 1 {
		return nil, f.err
	}
	return f.Memory.ReadEntryBundle(ctx, index, p)
}

func TestAuditCannotRead(t *testing.T) {
	s := eventful(t).publish()
	broken := errors.New("input/output error")
	_, err := s.audit(func(o *monitor.Options) { o.Reader = failing{s.log, broken} })
	var found *monitor.MisbehavedError
	if !errors.Is(err, broken) || errors.As(err, &found) || !strings.Contains(err.Error(), "entries 256 to 511") {
		t.Errorf("got %v, want %v at entries 256 to 511 and no misbehaviour", err, broken)
	}
	ctx, cancel := context.WithCancel(context.Background())
	o := s.options()
	o.Progress = func(uint64, uint64) { cancel() }
	if _, err := monitor.Audit(ctx, o); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled on the way: got %v, want %v", err, context.Canceled)
	}
}
