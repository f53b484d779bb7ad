package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/hallmark-registry/hallmark/registry/client"
	"github.com/hallmark-registry/hallmark/verifier/checkpoint"
)

const (
	serverOrigin = "bench.invalid/models"

	// stopTimeout is what the server may take to drain: its own bound is 30 s.
	stopTimeout = 40 * time.Second
)

// A server is a registry that listens on loopback.
type server struct {
	data   string // its data folder
	addr   string // host:port of gRPC
	pid    int    // ours when it runs in this process
	client *client.Client
	policy *checkpoint.Policy
	end    func() error // stops it
}

func (s *server) stop() error { return errors.Join(s.client.Close(), s.end()) }

// serve returns the run's server, and starts it the first time.
func (b *bench) serve(ctx context.Context) (_ *server, err error) {
	if b.server != nil {
		return b.server, nil
	}
	s := &server{data: filepath.Join(b.dir, "data")}
	if err := b.command(ctx, "hallmarkd", "init", "--data", s.data, "--origin", serverOrigin).quiet(); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(filepath.Join(s.data, "trust.policy"))
	if err != nil {
		return nil, err
	}
	if s.policy, err = checkpoint.ParsePolicy(text); err != nil {
		return nil, err
	}
	if b.inProcess {
		err = s.startHere(ctx)
	} else {
		err = s.startChild(b.program("hallmarkd"), filepath.Join(b.dir, "server.log"))
	}
	if err != nil {
		return nil, err
	}
	if s.client, err = client.Dial(s.addr, client.Options{Policy: s.policy, UserAgent: "hallmark-bench"}); err != nil {
		return nil, errors.Join(err, s.end())
	}
	if b.publisher, err = newPublisher(); err != nil {
		return nil, errors.Join(err, s.stop())
	}
	b.server = s
	return s, nil
}

// startChild runs the real server. It outlives the context of the run, so that
// it is drained and not killed when the run is interrupted.
func (s *server) startChild(program, logPath string) error {
	log, err := os.Create(logPath)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(program, "serve", "--data", s.data, "--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0")
	cmd.Stderr = log
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	s.pid = cmd.Process.Pid
	s.end = func() error {
		// An interrupt from the terminal has reached the server too.
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return err
		}
		timer := time.AfterFunc(stopTimeout, func() { _ = cmd.Process.Kill() })
		defer timer.Stop()
		if err := cmd.Wait(); err != nil {
			return fmt.Errorf("the server ended with %w: %s", err, lastLine(logPath))
		}
		return nil
	}
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if addr, ok := strings.CutPrefix(lines.Text(), "grpc "); ok {
			s.addr = addr
			go io.Copy(io.Discard, stdout) // ends with the process
			return nil
		}
	}
	return errors.Join(errors.New("the server did not say where it listens"), s.end())
}

func lastLine(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	text = bytes.TrimSpace(text)
	return string(text[bytes.LastIndexByte(text, '\n')+1:])
}

func (b *bench) program(name string) string { return filepath.Join(b.bin, name) }

// A command is one call of a built program.
type command struct{ *exec.Cmd }

func (b *bench) command(ctx context.Context, program string, args ...string) command {
	return command{exec.CommandContext(ctx, b.program(program), args...)}
}

// quiet runs the command; what it said becomes part of the error.
func (c command) quiet() error {
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", filepath.Base(c.Path), err, bytes.TrimSpace(out))
	}
	return nil
}
