package tessera_test

import (
	"bufio"
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"github.com/hallmark-registry/hallmark/registry/tlog"
	"github.com/hallmark-registry/hallmark/registry/tlog/tessera"
	"github.com/hallmark-registry/hallmark/registry/tlog/tlogtest"
)

// The victim of TestKill finds its folder, the log's key, and the number of its first leaf in these.
const (
	victimDir   = "HALLMARK_TEST_VICTIM_DIR"
	victimKey   = "HALLMARK_TEST_VICTIM_KEY"
	victimFirst = "HALLMARK_TEST_VICTIM_FIRST"
)

const (
	killRounds   = 4
	killAfter    = 400 // acknowledgements
	killInFlight = 64
)

// TestKill kills a process that appends and publishes, again and again, and wants every acknowledged entry to be
// there, at its index, under a checkpoint that passes fsck, and the log to go on.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	skey, vkey, err := note.GenerateKey(rand.Reader, origin)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		t.Fatal(err)
	}
	keys := tlogtest.Keys{Signer: signer, Verifier: verifier}
	acked := map[uint64]int{} // index -> number of its leaf
	for round := range killRounds {
		killOne(t, dir, skey, round*1_000_000, acked)
		r := run(t, dir, keys, tessera.Options{})
		r.mustPublish(1)
		at := r.pub.Latest()
		for index, n := range acked {
			got, err := tlog.ReadEntry(r.ctx, r.Log, index, at.Size)
			if err != nil || string(got) != string(tlogtest.Leaf(n)) {
				t.Fatalf("round %d: entry %d was acknowledged as %q, is %q, %v", round, index, tlogtest.Leaf(n), got, err)
			}
		}
		if _, err := tlog.Fsck(r.ctx, r.Log, keys.Verifier); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		r.close()
	}
	if len(acked) < killRounds*killAfter {
		t.Errorf("got %d acknowledgements, want at least %d", len(acked), killRounds*killAfter)
	}
}

// killOne runs a victim until it has acknowledged enough, and kills it.
func killOne(t *testing.T, dir, skey string, first int, acked map[uint64]int) {
	t.Helper()
	victim := exec.Command(os.Args[0])
	victim.Env = append(os.Environ(), victimDir+"="+dir, victimKey+"="+skey, victimFirst+"="+strconv.Itoa(first))
	victim.Stderr = os.Stderr
	out, err := victim.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := victim.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for i := 0; lines.Scan(); i++ {
		if i == killAfter {
			victim.Process.Kill() // and go on reading what it had written
		}
		var index uint64
		var n int
		if _, err := fmt.Sscanf(lines.Text(), "%d %d.", &index, &n); err != nil {
			continue // a line that the kill cut off
		}
		acked[index] = n
	}
	if err := victim.Wait(); err == nil {
		t.Fatal("the victim ended by itself")
	}
}

func TestMain(m *testing.M) {
	if dir := os.Getenv(victimDir); dir != "" {
		appendUntilKilled(dir)
	}
	os.Exit(m.Run())
}

// appendUntilKilled prints "index number." for each leaf that it has appended.
func appendUntilKilled(dir string) {
	first, err := strconv.Atoi(os.Getenv(victimFirst))
	check(err)
	signer, err := note.NewSigner(os.Getenv(victimKey))
	check(err)
	ctx := context.Background()
	opened, err := openWith(dir, tlogtest.Keys{Signer: signer}, tessera.Options{})
	check(err)
	var mu sync.Mutex
	var group sync.WaitGroup
	for w := range killInFlight {
		group.Go(func() {
			for n := first + w; ; n += killInFlight {
				positions, err := opened.Log.Append(ctx, [][]byte{tlogtest.Leaf(n)})
				check(err)
				mu.Lock()
				fmt.Printf("%d %d.\n", positions[0], n)
				mu.Unlock()
			}
		})
	}
	group.Wait()
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
