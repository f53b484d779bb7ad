package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/hallmark-registry/hallmark/cmd/hallmark-verify/verifycmd"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"hallmark": main,
		"hallmark-verify": func() {
			os.Exit(verifycmd.Run(context.Background(), "hallmark-verify", os.Args[1:], os.Stdout, os.Stderr))
		},
	})
}

// TestScript runs testdata/script: the command as people run it, and against a
// real server where one is needed.
func TestScript(t *testing.T) {
	server := &builder{dir: t.TempDir()}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Setenv("NO_COLOR", "1")
			return nil
		},
		RequireUniqueNames: true,
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits":           exits,
			"hallmarkd-init":  server.init,
			"hallmarkd-start": server.start,
			"forge":           forge,
			"tensors":         tensors,
		},
	})
}

// exits CODE COMMAND ARG... runs a command that must end with that code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND ARG...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var exit *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("running %s: %v", args[1], err)
	}
	if got != want {
		ts.Fatalf("%s: exit code %d, want %d", strings.Join(args[1:], " "), got, want)
	}
}

// A builder builds the server when the first script needs it.
type builder struct {
	dir  string
	once sync.Once
	err  error
}

func (b *builder) path() string { return filepath.Join(b.dir, "hallmarkd") }

func (b *builder) build(ts *testscript.TestScript) {
	b.once.Do(func() {
		if out, err := exec.Command("go", "build", "-o", b.path(), "../hallmarkd").CombinedOutput(); err != nil {
			b.err = fmt.Errorf("building hallmarkd: %w\n%s", err, out)
		}
	})
	ts.Check(b.err)
}

// init: hallmarkd-init DIR FLAG... makes a log and names its policy in
// HALLMARK_POLICY.
func (b *builder) init(ts *testscript.TestScript, _ bool, args []string) {
	b.build(ts)
	ts.Check(ts.Exec(b.path(), append([]string{"init", "--data", args[0], "--origin", "example.com/log"}, args[1:]...)...))
	ts.Setenv("HALLMARK_POLICY", ts.MkAbs(filepath.Join(args[0], "trust.policy")))
}

// start: hallmarkd-start DIR serves a log, which it makes if need be, until the
// script ends, and names it in HALLMARK_SERVER and HALLMARK_HTTP.
func (b *builder) start(ts *testscript.TestScript, _ bool, args []string) {
	dir := ts.MkAbs(args[0])
	if _, err := os.Stat(filepath.Join(dir, "hallmarkd.json")); err != nil {
		b.init(ts, false, args[:1])
	}
	b.build(ts)
	cmd := exec.Command(b.path(), "serve", "--data", dir, "--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0")
	var log strings.Builder
	cmd.Stderr = &log
	out, err := cmd.StdoutPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	ts.Defer(func() {
		cmd.Process.Signal(syscall.SIGTERM) // it may be gone: Wait tells
		if err := cmd.Wait(); err != nil {
			ts.Logf("hallmarkd: %v\n%s", err, log.String())
		}
	})
	ready := bufio.NewReader(out) // two lines are all that it prints
	for _, variable := range []string{"HALLMARK_SERVER", "HALLMARK_HTTP"} {
		line, err := ready.ReadString('\n')
		_, address, ok := strings.Cut(strings.TrimSpace(line), " ")
		if err != nil || !ok {
			ts.Fatalf("hallmarkd did not say where it listens: %q, %v", line, err)
		}
		ts.Setenv(variable, address)
	}
}
