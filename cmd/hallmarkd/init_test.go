package main_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/hallmark-registry/hallmark/registry/tlog"
	"github.com/hallmark-registry/hallmark/verifier/checkpoint"
)

func TestInitMakesALog(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "data")
	out := must(t, "init", "--data", dir, "--origin", origin)
	if !strings.HasPrefix(out, "origin    "+origin+"\npolicy    "+filepath.Join(dir, "trust.policy")+"\nledger    ") {
		t.Errorf("init printed %q", out)
	}
	for path, want := range map[string]fs.FileMode{
		"keys": 0o700, "keys/log.key": 0o600, "keys/operator.key": 0o600, "keys/governance.key": 0o600, "keys/evaluator.key": 0o600,
		"keys/evaluator.key.pub": 0o644, "trust.policy": 0o644, "hallmarkd.json": 0o644,
	} {
		info, err := os.Stat(filepath.Join(dir, path))
		if err != nil {
			t.Error(err)
		} else if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %04o, want %04o", path, got, want)
		}
	}
	if _, err := tlog.ReadEntry(t.Context(), folder(dir), 0, 1); err != nil {
		t.Errorf("genesis: %v", err)
	}
	must(t, "fsck", "--data", dir)
}

func TestInitNeverTouchesALog(t *testing.T) {
	dir := found(t)
	before := tree(t, dir)
	refuse(t, 2, "hint: init never touches an existing log", "init", "--data", dir, "--origin", origin)
	fresh := filepath.Join(t.TempDir(), "fresh")
	refuse(t, 2, "hint: a sign guard belongs to one log for ever", "init", "--data", fresh, "--origin", origin, "--guard", filepath.Join(dir, "guard"))
	if _, err := os.Lstat(fresh); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a refused init made %s", fresh)
	}
	if after := tree(t, dir); after != before {
		t.Errorf("a refused init changed the log: it was\n%sand is\n%s", before, after)
	}
}

// The server verifies its own receipts by its policy, and asks no witness. One
// that asks for witnesses, or believes another log, would let no entry through.
func TestServeRefusesAPolicyThatItsLogDoesNotMeet(t *testing.T) {
	dir := found(t)
	path := filepath.Join(dir, "trust.policy")
	own, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	other, err := os.ReadFile(filepath.Join(found(t), "trust.policy"))
	if err != nil {
		t.Fatal(err)
	}
	witness, err := checkpoint.GenerateSigner("witness.example", checkpoint.AlgCosignature, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	witnessed := strings.Replace(string(own), "quorum none\n", fmt.Sprintf("witness w %s\nquorum w\n", witness.Key()), 1)
	for _, c := range []struct{ story, policy, hint string }{
		{"a witness more", witnessed, "hint: hallmarkd gathers no cosignatures"},
		{"another log", string(other), "hint: it must name this log: log " + origin + "+"},
	} {
		t.Run(c.story, func(t *testing.T) {
			write(t, path, []byte(c.policy))
			refuse(t, 2, c.hint, serveArgs(dir)...)
		})
	}
	write(t, path, own)
	serve(t, dir).stop()
}

// tree lists the files below dir with size and time.
func tree(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && !d.IsDir() {
			fmt.Fprintln(&b, path, info.Size(), info.ModTime())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestInitRefusesBeforeItWrites gives init what it can't make a log of. Nothing
// may be left that stands in the way of the next one.
func TestInitRefusesBeforeItWrites(t *testing.T) {
	none := filepath.Join(t.TempDir(), "none.pub")
	garbage := filepath.Join(t.TempDir(), "garbage")
	write(t, garbage, []byte("garbage\n"))
	private := filepath.Join(found(t), "keys", "evaluator.key")
	dir := filepath.Join(t.TempDir(), "data")
	for _, c := range []struct {
		story string
		args  []string
		err   string
	}{
		{"no origin", []string{"--data", dir}, "no --origin"},
		{"an origin of two lines", []string{"--data", dir, "--origin", "a\nb"}, "naming the log"},
		{"an origin with a plus", []string{"--data", dir, "--origin", "a+b"}, "naming the log: origin \"a+b\" has a plus"},
		{"an origin with a scheme", []string{"--data", dir, "--origin", "https://a.example/b"}, "hint: a log's name is a URL without it: --origin a.example/b\n"},
		{"an origin of a scheme alone", []string{"--data", dir, "--origin", "https://"}, "has a scheme\nhallmarkd: hint: a log's name for ever"},
		{"an origin with a space", []string{"--data", dir, "--origin", "a b"}, "has white space\nhallmarkd: hint: a log's name for ever"},
		{"an origin with a control character", []string{"--data", dir, "--origin", "a\x1bb"}, "has a character that cannot be seen\nhallmarkd: hint: "},
		{"an origin that is no text", []string{"--data", dir, "--origin", "a\xffb"}, "has a character that cannot be seen"},
		{"an origin that begins as an entry does", []string{"--data", dir, "--origin", "DSSEv1"}, "naming the log"},
		{"an origin that is too long", []string{"--data", dir, "--origin", strings.Repeat("a", 300)}, "naming the log"},
		{"an evaluator that is not there", []string{"--data", dir, "--origin", origin, "--evaluator", none}, "no such file"},
		{"an evaluator that is no key", []string{"--data", dir, "--origin", origin, "--evaluator", garbage}, "reading " + garbage},
		{"an evaluator's private key", []string{"--data", dir, "--origin", origin, "--evaluator", private},
			"it is a private key, want the public one\nhallmarkd: hint: the public key is " + private + ".pub"},
		{"a policy that is not there", []string{"--data", dir, "--origin", origin, "--token-policy", none}, "no such file"},
		{"a policy that is none", []string{"--data", dir, "--origin", origin, "--token-policy", garbage}, "reading " + garbage},
		{"policy and evaluator", []string{"--data", dir, "--origin", origin, "--token-policy", garbage, "--evaluator", garbage}, "both"},
	} {
		t.Run(c.story, func(t *testing.T) {
			refuse(t, 2, c.err, append([]string{"init"}, c.args...)...)
			if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
				t.Error("it made the data folder all the same")
			}
		})
	}
	must(t, "init", "--data", dir, "--origin", origin)
}

// TestInitCutOff kills init as soon as a file of each of its steps is there. The
// next init says what to do, and that is enough.
func TestInitCutOff(t *testing.T) {
	for _, step := range []string{
		"keys/log.key", "trust.policy", "keys/evaluator.key.pub", "guard/state", "log/.state/treeState", "log/tile", "log/checkpoint", "hallmarkd.json.new",
	} {
		t.Run(step, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "data")
			args := []string{"init", "--data", dir, "--origin", origin}
			killOnce(t, filepath.Join(dir, step), args...)
			if _, err := os.Lstat(filepath.Join(dir, "hallmarkd.json")); err == nil { // init was faster than the kill
				must(t, "fsck", "--data", dir)
				return
			}
			refuse(t, 2, "hint: make the log first", serveArgs(dir)...)
			refuse(t, 2, "hint: it logged nothing but its genesis: remove "+dir+" and try again", args...)
			remove(t, dir)
			must(t, args...)
		})
	}
}

// killOnce starts a command and kills it once a file is there, or when the
// command has ended without it.
func killOnce(t *testing.T, path string, args ...string) {
	t.Helper()
	cmd := exec.Command(hallmarkd, args...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	for {
		if _, err := os.Lstat(path); err == nil {
			break
		}
		select {
		case <-ended:
			return
		default:
			runtime.Gosched()
		}
	}
	if err := cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Error(err)
	}
	<-ended
}

// TestInitMissesOneFile loses single files of a log that has entries: init must
// not take it for one of its own ruins.
func TestInitMissesOneFile(t *testing.T) {
	dir := found(t)
	l := newLoad(t, dir)
	s := serve(t, dir)
	l.publish(s, 10)
	s.stop()
	for _, lost := range [][]string{
		{"hallmarkd.json"}, {"hallmarkd.json", "guard"}, {"hallmarkd.json", "log"}, {"hallmarkd.json", "log/checkpoint", "keys"},
	} {
		t.Run(strings.Join(lost, " and "), func(t *testing.T) {
			spoilt := filepath.Join(t.TempDir(), "data")
			clone(t, dir, spoilt)
			for _, path := range lost {
				remove(t, filepath.Join(spoilt, path))
			}
			r := refuse(t, 2, "11 entries were signed", "init", "--data", spoilt, "--origin", origin)
			if strings.Contains(r.stderr, "remove") {
				t.Errorf("it tells to remove a log:\n%s", r.stderr)
			}
		})
	}
	spoilt := filepath.Join(t.TempDir(), "data")
	clone(t, dir, spoilt)
	remove(t, filepath.Join(spoilt, "hallmarkd.json"))
	write(t, filepath.Join(spoilt, "hallmarkd.json"), []byte(`{"origin": "`+origin+`"}`)) // as the hint says
	must(t, "fsck", "--data", spoilt)
}

func TestUsage(t *testing.T) {
	dir := found(t)
	for _, c := range []struct {
		story string
		args  []string
		err   string
	}{
		{"an unknown command", []string{"server"}, `unknown command "server"`},
		{"an unknown flag", []string{"serve", "--data", dir, "--port", "1"}, "flag provided but not defined: -port"},
		{"a flag without its value", []string{"fsck", "--data"}, "flag needs an argument"},
		{"an argument too many", []string{"rebuild", "--data", dir, dir}, "unexpected argument"},
		{"no folder", []string{"serve"}, "no --data"},
		{"a folder that is none", []string{"fsck", "--data", filepath.Join(dir, "none")}, "hint: make the log first"},
		{"gRPC for everybody", []string{"serve", "--data", dir, "--grpc", "0.0.0.0:0"}, "is not loopback"},
		{"HTTP for everybody", []string{"serve", "--data", dir, "--http", ":0"}, "is not loopback"},
		{"HTTP at a name", []string{"serve", "--data", dir, "--http", "example.com:80"}, "is not loopback"},
		{"IPv6 for everybody", []string{"serve", "--data", dir, "--http", "[::]:0"}, "is not loopback"},
		{"an address without a port", []string{"serve", "--data", dir, "--grpc", "127.0.0.1"}, "missing port"},
		{"a configuration that is not there", []string{"serve", "--data", dir, "--config", filepath.Join(dir, "none.json")}, "reading the configuration"},
	} {
		t.Run(c.story, func(t *testing.T) { refuse(t, 2, c.err, c.args...) })
	}
	if r := run(t); r.code != 2 || !strings.Contains(r.stderr, "usage: hallmarkd") {
		t.Errorf("no command: exit %d, want 2 with the usage\n%s", r.code, r.stderr)
	}
	for _, help := range [][]string{{"help"}, {"--help"}, {"serve", "--help"}} {
		if out := must(t, help...); !strings.Contains(out, "usage: hallmarkd") {
			t.Errorf("hallmarkd %v printed %q, want the usage", help, out)
		}
	}
}

func TestConfigurationIsReadStrictly(t *testing.T) {
	whole := found(t)
	for _, c := range []struct {
		story, config, err string
	}{
		{"an unknown key", `{"origin": "` + origin + `", "witness": "w"}`, "witness"},
		{"a key in capitals", `{"Origin": "` + origin + `"}`, "Origin"},
		{"a key twice", `{"origin": "` + origin + `", "origin": "` + origin + `"}`, "duplicate"},
		{"something behind it", `{"origin": "` + origin + `"}}`, "after"},
		{"nothing", ``, "reading"},
		{"no origin", `{}`, "no origin"},
		{"another origin", `{"origin": "log.example/other"}`, `it is the key of "` + origin + `", this log is "log.example/other"`},
		{"an address that is not loopback", `{"origin": "` + origin + `", "grpc": "0.0.0.0:1"}`, "is not loopback"},
	} {
		t.Run(c.story, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "data")
			clone(t, whole, dir)
			write(t, filepath.Join(dir, "hallmarkd.json"), []byte(c.config))
			refuse(t, 2, c.err, "serve", "--data", dir)
		})
	}
}

func TestGuardPathBeginsAtTheDataFolder(t *testing.T) {
	dir := found(t)
	if err := os.Rename(filepath.Join(dir, "guard"), filepath.Join(dir, "moved")); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "hallmarkd.json"), []byte(`{"origin": "`+origin+`", "guard": "moved"}`))
	must(t, "fsck", "--data", dir)
}

func TestKeysAreForTheirOwnerAlone(t *testing.T) {
	dir := found(t)
	path := filepath.Join(dir, "keys", "log.key")
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{serveArgs(dir), {"fsck", "--data", dir}, {"rebuild", "--data", dir}} {
		refuse(t, 2, "mode 0644, want 0600\nhallmarkd: hint: chmod 600 "+path, args...)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	serve(t, dir).stop()
}
