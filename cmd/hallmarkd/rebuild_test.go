package main_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"path/filepath"
	"testing"
)

// TestRebuild loses what can be lost. However index and fold come back, by
// command or by themselves, they say the same.
func TestRebuild(t *testing.T) {
	t.Parallel()
	whole := found(t)
	l := newLoad(t, whole)
	s := serve(t, whole)
	l.publish(s, 600)
	size := l.checkTiles(s)
	listing := l.checkEntries(s, size)
	want := rebuilt{size, stateDigest(t, s, size)}
	s.stop()

	for _, c := range []struct {
		story string
		spoil func(dir string)
	}{
		{"nothing", func(string) {}},
		{"the index", func(dir string) { remove(t, filepath.Join(dir, "index.db")) }},
		{"the fold", func(dir string) { remove(t, filepath.Join(dir, "state.db")) }},
		{"both", func(dir string) {
			remove(t, filepath.Join(dir, "index.db"))
			remove(t, filepath.Join(dir, "state.db"))
		}},
		{"a bit of the fold", func(dir string) { flip(t, filepath.Join(dir, "state.db"), 100) }},
	} {
		t.Run(c.story, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "data")
			clone(t, whole, dir)
			c.spoil(dir)
			s := serve(t, dir)
			if got := (rebuilt{size, stateDigest(t, s, size)}); got != want {
				t.Errorf("served again: %v, want %v", got, want)
			}
			if got := l.checkEntries(s, size); string(got) != string(listing) {
				t.Error("served again, the index lists other things")
			}
			s.stop()
			c.spoil(dir)
			if got := rebuild(t, dir); got != want {
				t.Errorf("rebuilt: %v, want %v", got, want)
			}
			if got := rebuild(t, dir); got != want {
				t.Errorf("rebuilt once more: %v, want %v", got, want)
			}
		})
	}
}

// TestIndexOfAnotherHistory puts index and fold of one history of the log into
// the folder of another, as somebody does who restores a folder in part.
func TestIndexOfAnotherHistory(t *testing.T) {
	ours := found(t)
	theirs := filepath.Join(t.TempDir(), "data")
	clone(t, ours, theirs)
	fill := func(dir string, n uint64) *load {
		l, s := newLoad(t, dir), serve(t, dir)
		l.publish(s, n)
		s.stop()
		return l
	}
	l := fill(ours, 10)
	fill(theirs, 20)
	for _, name := range []string{"index.db", "state.db"} {
		remove(t, filepath.Join(ours, name))
		write(t, filepath.Join(ours, name), read(t, filepath.Join(theirs, name)))
	}
	s := serve(t, ours)
	l.checkEntries(s, l.checkTiles(s))
	l.publish(s, 10)
	l.checkEntries(s, l.checkTiles(s))
	s.stop()
}

// TestRebuildCutOff kills rebuild as soon as it begins a new index.
func TestRebuildCutOff(t *testing.T) {
	dir := found(t)
	l := newLoad(t, dir)
	s := serve(t, dir)
	l.publish(s, 600)
	size := l.checkTiles(s)
	want := rebuilt{size, stateDigest(t, s, size)}
	s.stop()
	for _, path := range []string{"index.db", "index.db-wal", "state.db"} {
		remove(t, filepath.Join(dir, "index.db"))
		remove(t, filepath.Join(dir, "state.db"))
		killOnce(t, filepath.Join(dir, path), "rebuild", "--data", dir)
		s := serve(t, dir)
		if got := (rebuilt{size, stateDigest(t, s, size)}); got != want {
			t.Errorf("served after a rebuild that was killed at %s: %v, want %v", path, got, want)
		}
		s.stop()
	}
}

// TestRebuildRefusesADamagedLog: what is folded from it would be wrong and look
// right. Index and fold stay as they are.
func TestRebuildRefusesADamagedLog(t *testing.T) {
	dir := found(t)
	l := newLoad(t, dir)
	s := serve(t, dir)
	l.publish(s, 2*256+10)
	s.stop()
	flip(t, filepath.Join(dir, "log/tile/entries/000"), 50)
	before := string(read(t, filepath.Join(dir, "index.db")))
	r := refuse(t, 7, "a tile does not follow from the entries", "rebuild", "--data", dir)
	checkEvidence(t, r.stderr)
	if after := string(read(t, filepath.Join(dir, "index.db"))); after != before {
		t.Error("it changed the index all the same")
	}
}

// TestDamagedLogIsNotFolded has index and fold follow a log in which a bit has
// flipped since it was signed. The server serves what it can and says what is
// wrong, and answers nothing that rests on that bit.
func TestDamagedLogIsNotFolded(t *testing.T) {
	dir := found(t)
	l := newLoad(t, dir)
	s := serve(t, dir)
	l.publish(s, 2*256+10)
	s.stop()
	flip(t, filepath.Join(dir, "log/tile/entries/000"), 50)
	remove(t, filepath.Join(dir, "index.db"))
	remove(t, filepath.Join(dir, "state.db"))
	s = serve(t, dir)
	for { // until it has found out
		response, err := http.Get("http://" + s.http + "/healthz")
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		if err := errors.Join(err, response.Body.Close()); err != nil {
			t.Fatal(err)
		}
		if response.StatusCode == http.StatusServiceUnavailable {
			if want := "entry 255 as stored is not the one in the tree"; !bytes.Contains(body, []byte(want)) {
				t.Errorf("unhealthy: %s, want %q", body, want)
			}
			break
		}
		if t.Context().Err() != nil {
			return
		}
	}
	if _, _, err := s.client().Checkpoint(t.Context()); err != nil {
		t.Errorf("checkpoint: %v", err)
	}
	s.stop()
}

// TestForeignIndexIsNotTouched puts a file there that is no index of this log.
// It may be the right file in the wrong folder, so only rebuild removes it.
func TestForeignIndexIsNotTouched(t *testing.T) {
	other := filepath.Join(t.TempDir(), "other")
	must(t, "init", "--data", other, "--origin", "log.example/other")
	serve(t, other).stop()
	for _, c := range []struct {
		story   string
		content []byte
		err     string
	}{
		{"another log's", read(t, filepath.Join(other, "index.db")), `it is of "log.example/other", want "` + origin + `"`},
		{"somebody's letters", []byte("Dear Sir or Madam,\n"), "no SQLite file"},
	} {
		t.Run(c.story, func(t *testing.T) {
			dir := found(t)
			path := filepath.Join(dir, "index.db")
			write(t, path, c.content)
			refuse(t, 1, c.err, serveArgs(dir)...)
			r := refuse(t, 1, "hint: hallmarkd rebuild --data "+dir, serveArgs(dir)...)
			if !bytes.Equal(read(t, path), c.content) {
				t.Errorf("it changed the file all the same\n%s", r.stderr)
			}
			rebuild(t, dir)
			serve(t, dir).stop()
		})
	}
}
