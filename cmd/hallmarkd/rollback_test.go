package main_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/hallmark-registry/hallmark/verifier/checkpoint"
)

// What operators and their scripts look for in the last line of stderr.
const (
	rollback = "log folder is older than the sign guard (rollback)"
	differs  = "differs from the sign guard"
)

// A drill has a stopped log of several states, from which each case gets a copy
// to spoil.
//
//	genesis ──▶ older ──▶ data             the log's own states
//	              └─────▶ forked ──▶ longer  what a second copy of the folder wrote; forked is as long as data
//	stranger                               a log of another origin
//	twin                                   another log of the same origin
type drill struct {
	base string
	*load
}

const (
	// drillOlder and drillNewer are entries published before and after the backup. The first fills a whole
	// bundle, so that there are entries which the right edge does not hold.
	drillOlder = 300
	drillNewer = 40
)

func newDrill(t *testing.T) *drill {
	t.Helper()
	base := t.TempDir()
	d := &drill{base: base}
	data := d.at("data")
	must(t, "init", "--data", data, "--origin", origin)
	clone(t, data, d.at("genesis"))
	d.load = newLoad(t, data)
	d.more(data, drillOlder)
	clone(t, data, d.at("older"))
	clone(t, data, d.at("forked"))
	d.more(data, drillNewer)
	d.more(d.at("forked"), drillNewer)
	clone(t, d.at("forked"), d.at("longer"))
	d.more(d.at("longer"), drillNewer)
	must(t, "init", "--data", d.at("stranger"), "--origin", "log.example/stranger")
	must(t, "init", "--data", d.at("twin"), "--origin", origin)
	return d
}

func (d *drill) at(name string) string { return filepath.Join(d.base, name) }

// more publishes n entries to a folder that nobody serves.
func (d *drill) more(dir string, n uint64) {
	d.t.Helper()
	s := serve(d.t, dir)
	d.publish(s, n)
	s.stop()
}

// log returns the path of a file of the log in the state called name.
func (d *drill) log(name string, path ...string) string {
	return filepath.Join(append([]string{d.at(name), "log"}, path...)...)
}

func TestRollbackDrill(t *testing.T) {
	t.Parallel()
	d := newDrill(t)
	for _, c := range []struct {
		story string
		spoil func(t *testing.T, dir string)
		code  int
		err   string // in the last line of stderr
	}{
		{"a backup of the log folder is restored",
			func(t *testing.T, dir string) { replace(t, d.log("older"), filepath.Join(dir, "log")) }, 7, rollback},
		{"the log folder of the first day is restored",
			func(t *testing.T, dir string) { replace(t, d.log("genesis"), filepath.Join(dir, "log")) }, 7, rollback},
		{"the log folder is gone",
			func(t *testing.T, dir string) { remove(t, filepath.Join(dir, "log")) }, 7, rollback},
		{"the engine's state alone is restored",
			func(t *testing.T, dir string) {
				replace(t, d.log("older", ".state"), filepath.Join(dir, "log", ".state"))
			}, 7, rollback},
		{"all but the engine's state is restored",
			func(t *testing.T, dir string) {
				for _, part := range []string{"tile", "checkpoint"} {
					replace(t, d.log("older", part), filepath.Join(dir, "log", part))
				}
			}, 7, rollback},
		{"the log of another copy, as long, is put in its place",
			func(t *testing.T, dir string) { replace(t, d.log("forked"), filepath.Join(dir, "log")) }, 7, differs},
		{"a longer one",
			func(t *testing.T, dir string) { replace(t, d.log("longer"), filepath.Join(dir, "log")) }, 7, differs},
		{"a longer one without its checkpoint",
			func(t *testing.T, dir string) {
				replace(t, d.log("longer"), filepath.Join(dir, "log"))
				remove(t, filepath.Join(dir, "log", "checkpoint"))
			}, 7, differs},
		{"a log of the same name and size that began elsewhere",
			func(t *testing.T, dir string) {
				replace(t, d.at("genesis"), dir)
				replace(t, d.log("twin"), filepath.Join(dir, "log"))
			}, 7, differs},
		{"the log folder of another log",
			func(t *testing.T, dir string) { replace(t, d.log("stranger"), filepath.Join(dir, "log")) }, 7, `belongs to a log of another origin: got "log.example/stranger", want "log.example/hallmarkd"`},
		{"the guard of another log",
			func(t *testing.T, dir string) {
				replace(t, filepath.Join(d.at("stranger"), "guard"), filepath.Join(dir, "guard"))
			}, 7, `belongs to a log of another origin: got "log.example/stranger", want "log.example/hallmarkd"`},
		{"the guard is restored and the log is not",
			func(t *testing.T, dir string) {
				replace(t, filepath.Join(d.at("older"), "guard"), filepath.Join(dir, "guard"))
			}, 7, "is the guard a restored copy?"},
		{"the guard's state is gone",
			func(t *testing.T, dir string) { remove(t, filepath.Join(dir, "guard", "state")) }, 7, "no sign guard state"},
		{"the guard is gone",
			func(t *testing.T, dir string) { remove(t, filepath.Join(dir, "guard")) }, 7, "no sign guard state"},
		{"a bit of the guard's state flipped",
			func(t *testing.T, dir string) { flip(t, filepath.Join(dir, "guard", "state"), 100) }, 1, "guard state"},
		{"a bit of an entry at the right edge flipped",
			func(t *testing.T, dir string) { flip(t, newest(t, dir, "tile/entries/001.p"), 1) }, 7, differs},
		{"a bit of a hash at the right edge flipped",
			func(t *testing.T, dir string) { flip(t, newest(t, dir, "tile/0/001.p"), 1) }, 7, differs},
		{"a bit of the full bundle below the right edge flipped",
			func(t *testing.T, dir string) { flip(t, filepath.Join(dir, "log/tile/entries/000"), 1) }, 7, differs},
		{"the newest entries are cut off",
			func(t *testing.T, dir string) {
				path := newest(t, dir, "tile/entries/001.p")
				if err := os.Truncate(path, 100); err != nil {
					t.Fatal(err)
				}
			}, 7, differs},
		{"the newest entries are gone",
			func(t *testing.T, dir string) { remove(t, filepath.Join(dir, "log/tile/entries/001.p")) }, 7, rollback},
	} {
		t.Run(c.story, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "data")
			clone(t, d.at("data"), dir)
			c.spoil(t, dir)
			r := refuse(t, c.code, c.err, serveArgs(dir)...)
			if !strings.Contains(r.lastLine(), c.err) {
				t.Errorf("last line of stderr is %q, want %q in it", r.lastLine(), c.err)
			}
			if r.stdout != "" {
				t.Errorf("it listened: %q", r.stdout)
			}
			if c.code == 7 && !strings.Contains(c.err, "no sign guard") && !strings.HasPrefix(c.story, "the guard of") {
				checkEvidence(t, r.stderr)
			}
			// A refusal changes nothing: the next start says the same.
			refuse(t, c.code, c.err, serveArgs(dir)...)
		})
	}
}

// newest returns the widest partial tile in a folder of the log.
func newest(t *testing.T, dir, path string) string {
	t.Helper()
	files, err := os.ReadDir(filepath.Join(dir, "log", path))
	if err != nil {
		t.Fatal(err)
	}
	best := ""
	for _, f := range files {
		if len(f.Name()) > len(best) || len(f.Name()) == len(best) && f.Name() > best {
			best = f.Name()
		}
	}
	return filepath.Join(dir, "log", path, best)
}

var evidencePath = regexp.MustCompile(`evidence (?:is )?in (\S+\.json)`)

// checkEvidence reads the evidence that an error names.
func checkEvidence(t *testing.T, stderr string) {
	t.Helper()
	m := evidencePath.FindStringSubmatch(stderr)
	if m == nil {
		t.Errorf("stderr names no evidence:\n%s", stderr)
		return
	}
	var e struct{ Kind, Reason, Origin string }
	if err := json.Unmarshal(read(t, m[1]), &e); err != nil || e.Reason == "" || e.Origin != origin {
		t.Errorf("evidence in %s: %+v, %v", m[1], e, err)
	}
}

// TestCheckpointBehind begins with what a kill between the guard's write and the
// checkpoint's leaves, and with a checkpoint that is gone: both are mended by
// publishing the same tree again.
func TestCheckpointBehind(t *testing.T) {
	t.Parallel()
	d := newDrill(t)
	newer := read(t, d.log("data", "checkpoint"))
	for _, c := range []struct {
		story string
		spoil func(path string)
	}{
		{"one step behind", func(path string) { replace(t, d.log("older", "checkpoint"), path) }},
		{"gone", func(path string) { remove(t, path) }},
	} {
		t.Run(c.story, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "data")
			clone(t, d.at("data"), dir)
			c.spoil(filepath.Join(dir, "log", "checkpoint"))
			s := serve(t, dir)
			_, got, err := s.client().Checkpoint(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if want := verified(t, d.at("data"), newer); got.Size != want.Size || got.Root != want.Root {
				t.Errorf("serves size %d, want %d again", got.Size, want.Size)
			}
			s.stop()
			must(t, "fsck", "--data", dir)
		})
	}
}

// verified is what the folder's own policy finds true of a checkpoint.
func verified(t *testing.T, dir string, note []byte) *checkpoint.Verified {
	t.Helper()
	v, err := trust(t, dir).Verify(note)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestFsckFindsWhatServeDoesNotRead flips bits far from the right edge, which
// only reading everything can find.
func TestFsckFindsWhatServeDoesNotRead(t *testing.T) {
	dir := found(t)
	l := newLoad(t, dir)
	s := serve(t, dir)
	l.publish(s, 3*256)
	s.stop()
	must(t, "fsck", "--data", dir)
	for _, c := range []struct {
		story, path, err string
	}{
		{"an entry", "log/tile/entries/000", "fsck: a tile does not follow from the entries"},
		{"a hash", "log/tile/0/000", "fsck: a tile does not follow from the entries"},
		{"the checkpoint's signature", "log/checkpoint", "fsck: opening checkpoint"},
		{"a hash at the right edge", "log/tile/1/000.p/3", differs}, // serve finds this one too
	} {
		t.Run(c.story, func(t *testing.T) {
			spoilt := filepath.Join(t.TempDir(), "data")
			clone(t, dir, spoilt)
			flip(t, filepath.Join(spoilt, c.path), 10)
			r := refuse(t, 7, c.err, "fsck", "--data", spoilt)
			checkEvidence(t, r.stderr)
		})
	}
}

func TestOneServerAtATime(t *testing.T) {
	guard := filepath.Join(t.TempDir(), "guard")
	dir := found(t, "--guard", guard)
	l := newLoad(t, dir)
	copied := filepath.Join(t.TempDir(), "copy")
	clone(t, dir, copied)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	s := serve(t, dir)
	for _, other := range [][]string{
		serveArgs(dir), serveArgs(link), serveArgs(copied), // the copy has a lock of its own, but the guard is shared
		{"fsck", "--data", dir}, {"rebuild", "--data", dir}, {"rebuild", "--data", copied},
	} {
		r := refuse(t, 1, "locked by a running server or command", other...)
		if !strings.Contains(r.stderr, "stop it first") {
			t.Errorf("hallmarkd %v: no hint that helps:\n%s", other, r.stderr)
		}
	}
	l.publish(s, 20) // the first one was not disturbed
	s.stop()
	refuse(t, 7, rollback, serveArgs(copied)...)
	s = serve(t, dir)
	l.resend(s)
	l.check(s)
}
