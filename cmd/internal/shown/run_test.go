package shown

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"go/format"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// pageTime bounds the run of one page. The longest takes a few seconds by itself;
// here it shares two cores with the tests of all other packages.
const pageTime = 60 * time.Second

// What pages take for granted: the ports of a server that was given none.
const (
	shownGRPC = "127.0.0.1:7070"
	shownHTTP = "127.0.0.1:7071"
)

func TestPages(t *testing.T) {
	if testing.Short() {
		t.Skip("runs servers; left out by -short")
	}
	for _, p := range pages(t) {
		steps, err := p.steps()
		if err != nil {
			t.Error(err)
		}
		if len(steps) == 0 {
			continue
		}
		t.Run(p.name(), func(t *testing.T) {
			t.Parallel()
			for _, fault := range newSession(t, p).run(steps) {
				t.Error(fault)
			}
		})
	}
}

// A runner that finds nothing would look like pages that are true.
func TestFalsePagesAreFound(t *testing.T) {
	for _, tt := range []struct{ story, console, fault string }{
		{"a true page", "$ echo a\na\n$ false\n$ echo $?\n1", ""},
		{"other output", "$ echo a\nb", "no output as in line 1"},
		{"a failure that nobody sees", "$ false\n$ true", "exit code 1"},
		{"a failure at the end", "$ false", "exit code 1"},
		{"a command that is not there", "$ hallmrk\n…\n$ true", "exit code 127"},
		{"a shell that ends early", "$ exit\n$ true", "the session ended here"},
		{"a quote that is not closed", "$ echo 'a\n$ true", "the session ended here"},
	} {
		t.Run(tt.story, func(t *testing.T) {
			p := page{"p.md", "```console\n" + tt.console + "\n```\n"}
			steps, err := p.steps()
			if err != nil {
				t.Fatal(err)
			}
			faults := strings.Join(newSession(t, p).run(steps), "\n")
			if (tt.fault == "") != (faults == "") || !strings.Contains(faults, tt.fault) {
				t.Errorf("got %q, want %q", faults, tt.fault)
			}
		})
	}
}

// A session is one page's shell, with a folder and two ports of its own, so that
// pages that all start a server on the default ports can run at a time.
type session struct {
	t          *testing.T
	page       page
	dir        string // that commands are typed in
	bin        string // that stands first in PATH
	grpc, http string // what stands for shownGRPC and shownHTTP
}

func newSession(t *testing.T, p page) *session {
	top := t.TempDir()
	s := &session{t: t, page: p, dir: filepath.Join(top, "folder"), bin: filepath.Join(top, "bin"), grpc: freePort(t), http: freePort(t)}
	for _, dir := range []string{s.dir, s.bin} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	s.installServer()
	s.buildGo()
	return s
}

// freePort returns a loopback address that nobody listens on.
func freePort(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// installServer puts a hallmarkd before the built one that adds this session's
// ports to whatever a page gives it.
func (s *session) installServer() {
	script := fmt.Sprintf("#!/bin/sh\ncase $1 in\nserve | dev) exec %[1]s \"$@\" --grpc %[2]s --http %[3]s ;;\n*) exec %[1]s \"$@\" ;;\nesac\n",
		filepath.Join(bin, "hallmarkd"), s.grpc, s.http)
	if err := os.WriteFile(filepath.Join(s.bin, "hallmarkd"), []byte(script), 0o755); err != nil {
		s.t.Fatal(err)
	}
}

var goCommand = regexp.MustCompile(`^// Command ([a-z]+) `)

// buildGo builds the page's Go programs into its folder, each under the name that
// its comment gives. The compiler is told that they lie within this module.
func (s *session) buildGo() {
	for _, f := range s.page.fences() {
		if f.language != "go" {
			continue
		}
		source := []byte(strings.Join(f.code, "\n") + "\n")
		name := goCommand.FindSubmatch(source)
		if name == nil {
			s.t.Fatalf("%s:%d: a Go block begins with %q, want // Command NAME: a whole program, or it can't be built", s.page.file, f.line, f.code[0])
		}
		if formatted, err := format.Source(source); err != nil || !bytes.Equal(formatted, source) {
			s.t.Errorf("%s:%d: not formatted by gofmt: %v", s.page.file, f.line, err)
		}
		if out, err := s.compile(source, string(name[1])); err != nil {
			s.t.Fatalf("%s:%d: %v\n%s", s.page.file, f.line, err, out)
		}
	}
}

func (s *session) compile(source []byte, name string) ([]byte, error) {
	module, err := filepath.Abs(root)
	if err != nil {
		return nil, err
	}
	file, overlay := filepath.Join(s.t.TempDir(), "main.go"), filepath.Join(s.t.TempDir(), "overlay.json")
	place := filepath.Join(module, "cmd", "shown-"+name)
	replace := fmt.Sprintf(`{"Replace": {%q: %q}}`, filepath.Join(place, "main.go"), file)
	if err := errors.Join(os.WriteFile(file, source, 0o644), os.WriteFile(overlay, []byte(replace), 0o644)); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(s.t.Context(), "go", "build", "-overlay", overlay, "-o", filepath.Join(s.dir, name), place)
	cmd.Dir, cmd.Env = module, append(os.Environ(), "CGO_ENABLED=0")
	return cmd.CombinedOutput()
}

// run types all steps, compares, and returns what differs.
func (s *session) run(steps []step) (faults []string) {
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	output := s.bash(steps)
	for i, st := range steps {
		at := fmt.Sprintf("%s:%d: $ %s", s.page.file, st.line, st.command)
		printed, code, rest, ok := cutResult(output)
		if !ok {
			fault("%s\nthe session ended here, or took longer than %v; printed:\n%s", at, pageTime, indent(output))
			return faults
		}
		output = rest
		asked := i+1 < len(steps) && steps[i+1].command == "echo $?"
		if code != 0 && !asked {
			fault("%s\nexit code %d, and the page does not ask for it by echo $?; printed:\n%s", at, code, indent(printed))
		}
		if why := match(st.want, printed); why != "" {
			fault("%s\n%s\nthe page shows:\n%s\nprinted:\n%s", at, why, indent(strings.Join(st.want, "\n")), indent(printed))
		}
	}
	return faults
}

// bash types the steps into one shell and returns all that it and what it ran
// printed, with the exit code after each step.
func (s *session) bash(steps []step) string {
	ctx, cancel := context.WithTimeout(s.t.Context(), pageTime)
	defer cancel()
	script := filepath.Join(s.bin, "page.sh")
	if err := os.WriteFile(script, []byte(s.script(steps)), 0o644); err != nil {
		s.t.Fatal(err)
	}
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, "bash", script)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = s.dir, s.environment(), &out, &out
	// All that a page starts dies with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = pageTime
	if err := cmd.Run(); err != nil && out.Len() == 0 {
		s.t.Fatal(err)
	}
	return strings.NewReplacer(s.grpc, shownGRPC, s.http, shownHTTP).Replace(out.String())
}

// environment is that of somebody who has just logged in.
func (s *session) environment() []string {
	return []string{
		"PATH=" + s.bin + ":" + bin + ":" + os.Getenv("PATH"), "HOME=" + s.t.TempDir(), "TMPDIR=" + s.t.TempDir(), "LC_ALL=C.UTF-8",
		"HALLMARK_SERVER=" + s.grpc,
	}
}

// The mark stands in no output of ours.
const mark = "\x1e"

// prelude defines what stands between the steps. The client itself waits for a
// server to come up, some seconds each time, so nothing here sleeps.
const prelude = `
mark_step() { local code=$?; printf '\036%d\036\n' $code; return $code; }
await_server() { local try; for try in 1 2 3 4 5 6; do hallmark get 0 >/dev/null 2>&1 && return; done; cat ./*.err; return 1; }
`

// script is what the shell reads. It ends by ending what still runs.
func (s *session) script(steps []step) string {
	var b strings.Builder
	b.WriteString(prelude)
	for _, st := range steps {
		b.WriteString(strings.NewReplacer(shownGRPC, s.grpc, shownHTTP, s.http).Replace(st.command) + "\n")
		if strings.HasSuffix(st.command, " &") {
			b.WriteString("await_server\n")
		}
		b.WriteString("mark_step\n")
	}
	b.WriteString("kill $(jobs -p) 2>/dev/null\nwait\n")
	return b.String()
}

var result = regexp.MustCompile(mark + `(\d+)` + mark + `\n`)

// cutResult splits off what the first step printed.
func cutResult(output string) (printed string, code int, rest string, ok bool) {
	at := result.FindStringSubmatchIndex(output)
	if at == nil {
		return "", 0, output, false
	}
	code, err := strconv.Atoi(output[at[2]:at[3]])
	printed = output[:at[0]]
	if printed != "" && !strings.HasSuffix(printed, "\n") {
		printed += "\n"
	}
	return printed, code, output[at[1]:], err == nil
}
