package main_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/hallmark-registry/hallmark/registry/client"
	"github.com/hallmark-registry/hallmark/registry/monitor"
	"github.com/hallmark-registry/hallmark/registry/tlog"
	"github.com/hallmark-registry/hallmark/verifier/checkpoint"
)

// crashRounds is how often the server is killed in one test, unless
// HALLMARK_CRASH_ROUNDS says otherwise: a few seconds.
const crashRounds = 4

// crashWithin is how many entries a round publishes at most before the kill.
// Batches and checkpoints come every hundred entries or so, so that a random
// one among them falls into every step of the way.
const crashWithin = 500

// A kill says when the server dies: when it has answered so many entries, or
// when so many were sent to it, which is while a batch is being written. Some
// die while they drain.
type kill struct {
	after   uint64
	sent    bool
	drained bool // SIGTERM half-way
}

func (k kill) String() string {
	s := fmt.Sprintf("killed after %d answers", k.after)
	if k.sent {
		s = fmt.Sprintf("killed after %d entries sent", k.after)
	}
	if k.drained {
		s += ", draining since half of them"
	}
	return s
}

// TestCrash kills the server under load, again and again, and holds it to every
// receipt that it ever gave. The log, index and fold of one round are those of
// the next.
func TestCrash(t *testing.T) {
	t.Parallel()
	rounds := fromEnv(t, "HALLMARK_CRASH_ROUNDS", crashRounds)
	seed := fromEnv(t, "HALLMARK_CRASH_SEED", uint64(time.Now().UnixNano()))
	t.Logf("repeat with HALLMARK_CRASH_SEED=%d HALLMARK_CRASH_ROUNDS=%d", seed, rounds)
	random := rand.New(rand.NewPCG(seed, 0))
	dir := found(t)
	l := newLoad(t, dir)
	for round := range rounds {
		k := kill{after: 1 + random.Uint64N(crashWithin), sent: random.IntN(2) == 0, drained: random.IntN(4) == 0}
		l.crash(serve(t, dir), k)
		lost := len(l.pending)
		must(t, "fsck", "--data", dir) // as the kill left it
		s := serve(t, dir)
		l.resend(s)
		l.check(s)
		t.Logf("round %d: %v; %d entries were under way; the log has %d receipts", round, k, lost, len(l.receipts))
		if t.Failed() {
			return
		}
	}
}

// fromEnv reads a number from the environment.
func fromEnv(t *testing.T, name string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// crash publishes without end until the server is killed.
func (l *load) crash(s *server, k kill) {
	l.t.Helper()
	l.watch = func(sent, acked uint64) {
		n := acked
		if k.sent {
			n = sent
		}
		if k.drained && n == (k.after+1)/2 {
			s.signal(syscall.SIGTERM)
		}
		if n == k.after {
			s.signal(syscall.SIGKILL)
		}
	}
	l.publish(s, ^uint64(0))
	l.watch = nil
	<-s.ended
}

// check holds a server to all promises, stops it, and holds its folder to them:
// fsck finds nothing, and what index and fold say is what a rebuild from the log
// says.
func (l *load) check(s *server) {
	l.t.Helper()
	for _, err := range l.broken {
		l.t.Errorf("while publishing: %v", err)
	}
	size := l.checkTiles(s)
	l.checkConsistency(s, size)
	listing := l.checkEntries(s, size)
	digest := stateDigest(l.t, s, size)
	s.stop()
	must(l.t, "fsck", "--data", s.dir)

	copied := filepath.Join(l.t.TempDir(), "copy")
	clone(l.t, s.dir, copied)
	if got := rebuild(l.t, copied); got != (rebuilt{size, digest}) {
		l.t.Errorf("rebuilt from the log: size and state digest %v, but the server had %v", got, rebuilt{size, digest})
	}
	again := serve(l.t, copied)
	if got := l.checkEntries(again, size); !bytes.Equal(got, listing) {
		l.t.Error("the rebuilt index lists other things than the one that was killed")
	}
	again.kill()
}

// checkTiles reads the whole log as a mirror does, audits it, and compares each
// acknowledged entry byte by byte. It returns the size.
func (l *load) checkTiles(s *server) uint64 {
	l.t.Helper()
	ctx, tiles := l.t.Context(), s.tiles()
	report, err := monitor.Audit(ctx, monitor.Options{Reader: tiles, Policy: l.policy, Tiles: true})
	if err != nil {
		l.t.Fatalf("auditing: %v", err)
	}
	size := report.Checkpoint.Size
	if !report.Supply.Holds {
		l.t.Error("the supply does not balance")
	}
	promised := map[uint64][]byte{}
	for _, p := range l.receipts {
		promised[p.index] = p.entry.Raw()
	}
	if got, want := uint64(len(promised)+1), size; got != want { // and the genesis
		l.t.Errorf("the log has %d entries, want %d: each entry once", want, got)
	}
	at := uint64(0)
	for raw, err := range tlog.Entries(ctx, tiles, 0, size) {
		if err != nil {
			l.t.Fatalf("reading entries: %v", err)
		}
		if want := promised[at]; want != nil && !bytes.Equal(raw, want) {
			l.t.Errorf("entry %d is not the one that was acknowledged there", at)
		}
		delete(promised, at)
		at++
	}
	if len(promised) > 0 {
		l.t.Errorf("%d acknowledged entries are not in the log of size %d", len(promised), size)
	}
	return size
}

// checkConsistency proves that the log extends every tree that it signed.
func (l *load) checkConsistency(s *server, size uint64) {
	l.t.Helper()
	c := s.client()
	_, now, err := c.Checkpoint(l.t.Context())
	if err != nil || now.Size != size {
		l.t.Fatalf("checkpoint: %+v, %v, want size %d", now, err, size)
	}
	for older, root := range l.heads {
		hashes, err := c.ConsistencyProof(l.t.Context(), older, size)
		if err == nil {
			err = checkpoint.VerifyConsistency(older, size, hashes, root, now.Root)
		}
		if err != nil {
			l.t.Errorf("the log of size %d does not extend that of size %d, which it signed: %v", size, older, err)
		}
	}
}

// checkEntries has index and fold tell of every entry, and compares what can be
// compared. It returns all that was told.
func (l *load) checkEntries(s *server, size uint64) []byte {
	l.t.Helper()
	var listing bytes.Buffer
	at := uint64(0)
	for page, err := range s.client().Entries(l.t.Context(), 0, 0) {
		if err != nil {
			l.t.Fatalf("listing entries: %v", err)
		}
		for _, e := range page.Entries {
			l.checkEntry(at, &e)
			fmt.Fprintln(&listing, e.Index, e.EntryID, e.Kind, e.Name, e.Digest, e.Code)
			at++
		}
	}
	if at != size {
		l.t.Errorf("the listing ends at %d, want %d", at, size)
	}
	return listing.Bytes()
}

func (l *load) checkEntry(at uint64, e *client.Entry) {
	l.t.Helper()
	p, ok := l.receipts[e.EntryID]
	switch {
	case at == 0: // genesis
	case !ok:
		l.t.Errorf("entry %d, %x, is none of ours", e.Index, e.EntryID)
	case e.Index != at || e.Index != p.index || !bytes.Equal(e.Raw, p.entry.Raw()):
		l.t.Errorf("entry %d is listed as %d; its receipt says %d", at, e.Index, p.index)
	}
	if e.Code != "ACCEPTED" {
		l.t.Errorf("entry %d: %s, want ACCEPTED", e.Index, e.Code)
	}
}

// stateDigest asks a server for the digest of its fold, once that covers size.
func stateDigest(t *testing.T, s *server, size uint64) string {
	t.Helper()
	supply, err := s.client().Supply(t.Context())
	if err != nil {
		t.Fatalf("supply: %v", err)
	}
	if supply.TreeSize != size {
		t.Errorf("the fold covers %d entries, want %d", supply.TreeSize, size)
	}
	return fmt.Sprintf("%x", supply.StateDigest)
}

// rebuilt is what rebuild prints.
type rebuilt struct {
	size   uint64
	digest string
}

var rebuiltLines = regexp.MustCompile(`^entries +(\d+)\nstate digest +([0-9a-f]{64})\nsupply `)

func rebuild(t *testing.T, dir string) rebuilt {
	t.Helper()
	out := must(t, "rebuild", "--data", dir)
	m := rebuiltLines.FindStringSubmatch(out)
	if m == nil {
		t.Fatalf("rebuild printed %q, want %v", out, rebuiltLines)
	}
	size, err := strconv.ParseUint(m[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return rebuilt{size, m[2]}
}

func folder(dir string) tlog.Folder { return tlog.NewFolder(os.DirFS(filepath.Join(dir, "log"))) }
