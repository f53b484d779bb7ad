package main_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hallmark-registry/hallmark/registry/client"
	"github.com/hallmark-registry/hallmark/registry/monitor/httptiles"
	"github.com/hallmark-registry/hallmark/verifier/checkpoint"
)

// What is tested here is the program as its operator knows it: a process that
// can be killed, on a folder that can be copied, restored and damaged. So it is
// built once, and every test runs it as a child.
var hallmarkd string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "hallmarkd-test")
	if err != nil {
		log.Fatal(err)
	}
	hallmarkd = filepath.Join(dir, "hallmarkd")
	if out, err := exec.Command("go", "build", "-o", hallmarkd, ".").CombinedOutput(); err != nil {
		log.Fatalf("go build: %v\n%s", err, out)
	}
	m.Run()
	os.RemoveAll(dir)
}

const (
	origin = "log.example/hallmarkd"

	// patience bounds every wait, so that a broken server fails a test instead of
	// hanging it. A sound one needs a hundredth.
	patience = time.Minute

	// drainBound is what the server promises: gone within it after SIGTERM.
	drainBound = 30 * time.Second
)

// A result is how a command ended.
type result struct {
	code           int
	stdout, stderr string
}

// lastLine returns the last line of stderr, which names the reason.
func (r result) lastLine() string {
	lines := strings.Split(strings.TrimSuffix(r.stderr, "\n"), "\n")
	return lines[len(lines)-1]
}

// run runs a command to its end.
func run(t *testing.T, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, hallmarkd, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if ctx.Err() != nil || (err != nil && !errors.As(err, &exit)) {
		t.Fatalf("hallmarkd %s: %v, %v\n%s", strings.Join(args, " "), err, ctx.Err(), &stderr)
	}
	return result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// must runs a command that has to succeed, and returns what it printed.
func must(t *testing.T, args ...string) string {
	t.Helper()
	r := run(t, args...)
	if r.code != 0 {
		t.Fatalf("hallmarkd %s: exit %d, want 0\n%s", strings.Join(args, " "), r.code, r.stderr)
	}
	return r.stdout
}

// refuse runs a command that has to fail with a code and with a text in its
// error line.
func refuse(t *testing.T, code int, text string, args ...string) result {
	t.Helper()
	r := run(t, args...)
	if r.code != code || !strings.Contains(r.stderr, text) {
		t.Errorf("hallmarkd %s: exit %d, want %d with %q\n%s", strings.Join(args, " "), r.code, code, text, r.stderr)
	}
	return r
}

// serveArgs is a serve command on free ports of loopback.
func serveArgs(dir string, more ...string) []string {
	return append([]string{"serve", "--data", dir, "--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0"}, more...)
}

// found makes a log and returns its folder.
func found(t *testing.T, more ...string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	must(t, append([]string{"init", "--data", dir, "--origin", origin}, more...)...)
	return dir
}

// A server is a running serve.
type server struct {
	t          *testing.T
	dir        string
	grpc, http string // addresses
	cmd        *exec.Cmd
	stderr     bytes.Buffer  // to be read once ended is closed
	ended      chan struct{} // closed when the process is gone
}

// serve starts a server and returns when it listens.
func serve(t *testing.T, dir string) *server {
	t.Helper()
	s := &server{t: t, dir: dir, cmd: exec.Command(hallmarkd, serveArgs(dir)...), ended: make(chan struct{})}
	s.cmd.Stderr = &s.stderr
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.kill)
	addresses := make(chan [2]string, 1)
	go func() {
		defer close(s.ended)
		in := bufio.NewReader(stdout)
		var a [2]string
		if _, err := fmt.Fscanf(in, "grpc %s\nhttp %s\n", &a[0], &a[1]); err == nil {
			addresses <- a
		}
		_, _ = io.Copy(io.Discard, in) // Wait wants the pipe read to its end
		_ = s.cmd.Wait()               // how it ended is in ProcessState
	}()
	select {
	case a := <-addresses:
		s.grpc, s.http = a[0], a[1]
	case <-s.ended:
		t.Fatalf("serve ended: %v\n%s", s.cmd.ProcessState, &s.stderr)
	case <-time.After(patience):
		t.Fatal("serve does not listen")
	}
	return s
}

// signal sends a signal; a process that is gone gets none.
func (s *server) signal(sig os.Signal) {
	if err := s.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		s.t.Errorf("sending %v: %v", sig, err)
	}
}

// kill ends the server as a crash does.
func (s *server) kill() {
	s.signal(syscall.SIGKILL)
	<-s.ended
}

// terminate ends the server as its operator does, and returns its exit code.
func (s *server) terminate() int {
	s.t.Helper()
	s.signal(syscall.SIGTERM)
	return s.await()
}

// await waits for the end of a server that was told to go.
func (s *server) await() int {
	s.t.Helper()
	select {
	case <-s.ended:
	case <-time.After(drainBound):
		s.t.Fatalf("still there %v after SIGTERM", drainBound)
	}
	return s.cmd.ProcessState.ExitCode()
}

// stop is terminate of a server that has to end well.
func (s *server) stop() {
	s.t.Helper()
	if code := s.terminate(); code != 0 {
		s.t.Errorf("serve: exit %d on SIGTERM, want 0\n%s", code, &s.stderr)
	}
}

// client returns a client that believes the log of the folder.
func (s *server) client() *client.Client {
	s.t.Helper()
	c, err := client.Dial(s.grpc, client.Options{Policy: trust(s.t, s.dir)})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = c.Close() })
	return c
}

// tiles reads the log as a mirror does.
func (s *server) tiles() *httptiles.Reader {
	s.t.Helper()
	r, err := httptiles.New("http://"+s.http, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

// trust is the policy that init wrote.
func trust(t *testing.T, dir string) *checkpoint.Policy {
	t.Helper()
	p, err := checkpoint.ParsePolicy(read(t, filepath.Join(dir, "trust.policy")))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func write(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
}

// flip changes one bit of a file, that of the byte at an offset from its end.
func flip(t *testing.T, path string, fromEnd int) {
	t.Helper()
	b := read(t, path)
	b[len(b)-fromEnd] ^= 1
	write(t, path, b)
}

// clone copies a file or folder with its modes, as a backup does.
func clone(t *testing.T, from, to string) {
	t.Helper()
	if out, err := exec.Command("cp", "-a", from, to).CombinedOutput(); err != nil {
		t.Fatalf("cp -a: %v\n%s", err, out)
	}
}

// replace puts a copy in the place of a file or folder.
func replace(t *testing.T, from, to string) {
	t.Helper()
	remove(t, to)
	clone(t, from, to)
}
