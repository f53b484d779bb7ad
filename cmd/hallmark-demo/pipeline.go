package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/hallmark-registry/hallmark/verifier/bundle"
)

// stopTimeout is what the server may take to drain: its own bound is 30 s.
const stopTimeout = 40 * time.Second

// A pipeline is one run of the whole demo: the built programs, called as a
// person would call them, each with the exit code that it must end with.
type pipeline struct {
	bin    string // folder of the built programs
	dir    string // everything that the demo writes
	stdout io.Writer

	server *exec.Cmd
	grpc   string // host:port
	http   string
}

func pipelineCommand(ctx context.Context, args []string, stdout io.Writer) (err error) {
	flags := flag.NewFlagSet("run", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	bin := flags.String("bin", "", "folder of the built programs")
	dir := flags.String("dir", "", "folder to work in; default: a temporary one, removed at the end")
	keep := flags.Bool("keep", false, "leave the server running until interrupted")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return err
	} else if err != nil {
		return misused("run: %w", err)
	}
	if *bin == "" {
		return misused("run: got no --bin, want the folder of the built programs")
	}
	p := &pipeline{bin: *bin, dir: *dir, stdout: stdout}
	if p.dir == "" {
		if p.dir, err = os.MkdirTemp("", "hallmark-demo-"); err != nil {
			return err
		}
		if !*keep {
			defer func() { err = errors.Join(err, os.RemoveAll(p.dir)) }()
		}
	} else if err := claim(p.dir); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	if err := p.run(ctx); err != nil || !*keep {
		return err
	}
	return p.keep(ctx)
}

// run tells the story from data to audit.
func (p *pipeline) run(ctx context.Context) error {
	for _, chapter := range []struct {
		title string
		tell  func(context.Context) error
	}{
		{"A network learns to read digits, and a second one from it", p.train},
		{"A log is founded and served", p.serve},
		{"The pipeline publishes what it used and what it made", p.publish},
		{"A stranger verifies the files, offline", p.verify},
		{"Nobody gets away with a changed byte or a forged proof", p.forge},
		{"Three contributors get credit, and mint it", p.mint},
		{"Anybody may ask what is behind it", p.ask},
		{"An auditor replays everything from the tiles alone", p.audit},
	} {
		fmt.Fprintf(p.stdout, "\n== %s\n\n", chapter.title)
		if err := chapter.tell(ctx); err != nil {
			return fmt.Errorf("%s: %w", strings.ToLower(chapter.title), err)
		}
	}
	fmt.Fprintf(p.stdout, "\nAll of it held.\n")
	return nil
}

func (p *pipeline) at(name string) string { return filepath.Join(p.dir, name) }

func (p *pipeline) train(ctx context.Context) error {
	o, err := train(ctx)
	if err != nil {
		return err
	}
	if o.base.right <= o.base.baselineRight || o.fine.right <= o.fine.baselineRight {
		return fmt.Errorf("the models read %d and %d held-out rows, the baselines %d and %d: nothing was learned",
			o.base.right, o.fine.right, o.base.baselineRight, o.fine.baselineRight)
	}
	if err := o.write(p.at("made")); err != nil {
		return err
	}
	return o.print(p.stdout, p.at("made"))
}

func (p *pipeline) made(name string) string { return filepath.Join(p.dir, "made", name) }

// serve founds a log on loopback, on ports that the system chooses.
func (p *pipeline) serve(ctx context.Context) error {
	data := p.at("log-data")
	if _, err := p.expect(ctx, 0, "hallmarkd", "init", "--data", data, "--origin", "localhost/hallmark-demo"); err != nil {
		return err
	}
	return p.up(data)
}

// up starts the server and waits until it says where it listens.
func (p *pipeline) up(data string) error {
	errorLog, err := os.Create(p.at("server.log"))
	if err != nil {
		return err
	}
	defer errorLog.Close()
	p.server = exec.Command(filepath.Join(p.bin, "hallmarkd"), "serve", "--data", data, "--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0")
	p.server.Stderr = errorLog
	out, err := p.server.StdoutPipe()
	if err != nil {
		return err
	}
	if err := p.server.Start(); err != nil {
		p.server = nil
		return err
	}
	lines := bufio.NewScanner(out)
	for (p.grpc == "" || p.http == "") && lines.Scan() {
		kind, addr, _ := strings.Cut(lines.Text(), " ")
		switch kind {
		case "grpc":
			p.grpc = addr
		case "http":
			p.http = addr
		}
	}
	if p.grpc == "" || p.http == "" {
		text, _ := os.ReadFile(errorLog.Name())
		return fmt.Errorf("the server did not come up: %s", text)
	}
	fmt.Fprintf(p.stdout, "$ hallmarkd serve --data %s &\n    grpc %s\n    http %s\n", p.short(data), p.grpc, p.http)
	return nil
}

func (p *pipeline) publish(ctx context.Context) error {
	key := p.at("lab.key")
	steps := [][]string{
		{"keygen", key},
		{"publish", "dataset", p.made("data"), "--name", "demo/digits", "--version", "1.0.0", "--lines", "--license", "CC-BY-4.0", "--key", key},
		{"publish", "dataset", p.made("contributed"), "--name", "demo/digits-contributed", "--version", "1.0.0", "--lines", "--license", "CC-BY-4.0", "--key", key},
		{"publish", "model", p.made("base"), "--name", "demo/reader", "--version", "1.0.0", "--license", "Apache-2.0",
			"--dataset", "demo/digits@1.0.0:train", "--key", key, "-o", p.at("base.hallmark")},
		{"publish", "model", p.made("finetune"), "--name", "demo/reader-ft", "--version", "1.0.0", "--license", "Apache-2.0",
			"--base", "demo/reader@1.0.0:finetune", "--dataset", "demo/digits-contributed@1.0.0:train", "--key", key, "-o", p.at("finetune.hallmark")},
	}
	for _, s := range steps {
		if _, err := p.expect(ctx, 0, "hallmark", s...); err != nil {
			return err
		}
	}
	fmt.Fprintf(p.stdout, "\nThe same again is no second entry, and the name stays with its digest:\n\n")
	if _, err := p.expect(ctx, 0, "hallmark", steps[3]...); err != nil {
		return err
	}
	_, err := p.expect(ctx, 4, "hallmark", "publish", "model", p.made("finetune"), "--name", "demo/reader", "--version", "1.0.0", "--key", key)
	return err
}

func (p *pipeline) verifyArgs(bundle, folder string) []string {
	return []string{bundle, folder, "--policy", p.policy(), "--publisher", p.at("lab.key.pub")}
}

func (p *pipeline) policy() string { return filepath.Join(p.at("log-data"), "trust.policy") }

func (p *pipeline) verify(ctx context.Context) error {
	for _, name := range []string{"base", "finetune"} {
		if _, err := p.expect(ctx, 0, "hallmark-verify", p.verifyArgs(p.at(name+".hallmark"), p.made(name))...); err != nil {
			return err
		}
	}
	return nil
}

// forge changes one thing at a time: a byte of the weights, and each number
// that a proof consists of.
func (p *pipeline) forge(ctx context.Context) error {
	tampered := p.at("tampered")
	if err := os.CopyFS(tampered, os.DirFS(p.made("finetune"))); err != nil {
		return err
	}
	if err := flipLastByte(filepath.Join(tampered, "model.safetensors")); err != nil {
		return err
	}
	if _, err := p.expect(ctx, 5, "hallmark-verify", p.verifyArgs(p.at("finetune.hallmark"), tampered)...); err != nil {
		return err
	}
	text, err := os.ReadFile(p.at("finetune.hallmark"))
	if err != nil {
		return err
	}
	for _, f := range forgeries {
		evil, err := f.forge(text)
		if err != nil {
			return fmt.Errorf("forging the %s: %w", f.what, err)
		}
		name := p.at("forged-" + f.what + ".hallmark")
		if err := os.WriteFile(name, evil, 0o666); err != nil {
			return err
		}
		if _, err := p.expect(ctx, 3, "hallmark-verify", p.verifyArgs(name, p.made("finetune"))...); err != nil {
			return err
		}
	}
	return nil
}

func flipLastByte(path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	data[len(data)-1] ^= 1
	return os.WriteFile(path, data, 0o666)
}

// forgeries change one line of the proof each. The proof is text:
//
//	c2sp.org/tlog-proof@v1
//	index 5
//	<hash>
//	...
//
//	<origin>
//	<size>
//	<root>
var forgeries = []struct {
	what  string
	forge func(text []byte) ([]byte, error)
}{
	{"index", func(text []byte) ([]byte, error) { return editProof(text, 1, "index 1") }},
	{"hash", func(text []byte) ([]byte, error) { return editProof(text, 2, strings.Repeat("A", 43)+"=") }},
	{"size", func(text []byte) ([]byte, error) { return editCheckpoint(text, 1, "999") }},
	{"root", func(text []byte) ([]byte, error) { return editCheckpoint(text, 2, strings.Repeat("A", 43)+"=") }},
}

func editProof(text []byte, line int, with string) ([]byte, error) {
	return edit(text, func([]string) int { return line }, with)
}

func editCheckpoint(text []byte, line int, with string) ([]byte, error) {
	return edit(text, func(lines []string) int {
		for i, l := range lines {
			if l == "" {
				return i + 1 + line
			}
		}
		return len(lines)
	}, with)
}

func edit(text []byte, find func([]string) int, with string) ([]byte, error) {
	b, err := bundle.Parse(text)
	if err != nil {
		return nil, err
	}
	lines := strings.Split(string(b.Proof), "\n")
	at := find(lines)
	if at >= len(lines) || lines[at] == with {
		return nil, fmt.Errorf("the proof has no such line to change: %q", b.Proof)
	}
	lines[at] = with
	b.Proof = []byte(strings.Join(lines, "\n"))
	return b.Marshal()
}

// contributions are who did what. Units are in the class's own unit.
var contributions = []struct {
	who, class, units, evidence, subject string
}{
	{"ada", "data", "1077", "data.txt", "demo/digits-contributed@1.0.0"},
	{"ben", "compute", "3600", "compute.txt", "demo/reader-ft@1.0.0"},
	{"cleo", "code", "2", "code.txt", "demo/reader@1.0.0"},
}

func (p *pipeline) mint(ctx context.Context) error {
	evaluator := filepath.Join(p.at("log-data"), "keys", "evaluator.key")
	for _, c := range contributions {
		if _, err := p.expect(ctx, 0, "hallmark", "keygen", p.at(c.who+".key")); err != nil {
			return err
		}
		if _, err := p.expect(ctx, 0, "hallmark", "credit", "--subject", c.subject, "--to", p.at(c.who+".key.pub"), "--class", c.class,
			"--units", c.units, "--evidence", p.made("evidence/"+c.evidence), "--key", evaluator, "-o", p.at(c.who+".credit")); err != nil {
			return err
		}
		if _, err := p.expect(ctx, 0, "hallmark", "token", "mint", p.at(c.who+".credit"), "--key", p.at(c.who+".key")); err != nil {
			return err
		}
	}
	fmt.Fprintf(p.stdout, "\nOne credit mints once, for its beneficiary, and only what an evaluator signed:\n\n")
	if _, err := p.freshCredit(ctx); err != nil {
		return err
	}
	if _, err := p.expect(ctx, 4, "hallmark", "token", "mint", p.at("ada-again.credit"), "--key", p.at("ada.key")); err != nil {
		return err
	}
	_, err := p.expect(ctx, 4, "hallmark", "credit", "--subject", "demo/reader@1.0.0", "--to", p.at("ben.key.pub"), "--class", "code",
		"--units", "1", "--evidence", p.made("evidence/code.txt"), "--key", p.at("ben.key"))
	return err
}

// freshCredit takes Ada's credit out of the log once more, under a newer
// checkpoint: the mint entry is then a new one, over the same serial.
func (p *pipeline) freshCredit(ctx context.Context) (string, error) {
	out, err := p.expect(ctx, 0, "hallmark", "search", `kind = "credit" AND class = "data"`, "--format", "json")
	if err != nil {
		return "", err
	}
	index, err := firstIndex(out)
	if err != nil {
		return "", err
	}
	return p.expect(ctx, 0, "hallmark", "bundle", index, "-o", p.at("ada-again.credit"))
}

func (p *pipeline) ask(ctx context.Context) error {
	if _, err := p.expect(ctx, 0, "hallmark", "token", "transfer", "--to", p.at("cleo.key.pub"), "--amount", "1.5", "--key", p.at("ada.key")); err != nil {
		return err
	}
	for _, c := range contributions {
		if _, err := p.expect(ctx, 0, "hallmark", "token", "balance", p.at(c.who+".key.pub")); err != nil {
			return err
		}
	}
	if _, err := p.expect(ctx, 0, "hallmark", "token", "supply"); err != nil {
		return err
	}
	out, err := p.expect(ctx, 0, "hallmark", "lineage", "demo/reader-ft@1.0.0")
	if err != nil {
		return err
	}
	for _, name := range []string{"demo/reader@1.0.0", "demo/digits@1.0.0", "demo/digits-contributed@1.0.0", "2 of 6 tensors identical"} {
		if !strings.Contains(out, name) {
			return fmt.Errorf("the lineage does not show %s", name)
		}
	}
	_, err = p.expect(ctx, 6, "hallmark", "get", "demo/nobody@1.0.0")
	return err
}

func (p *pipeline) audit(ctx context.Context) error {
	if _, err := p.expect(ctx, 0, "hallmark", "audit", "http://"+p.http, "--policy", p.policy()); err != nil {
		return err
	}
	if err := p.stop(); err != nil {
		return err
	}
	fmt.Fprintf(p.stdout, "\nThe server is stopped; what it stored is checked without it:\n\n")
	if _, err := p.expect(ctx, 0, "hallmarkd", "fsck", "--data", p.at("log-data")); err != nil {
		return err
	}
	_, err := p.expect(ctx, 0, "hallmark", "audit", filepath.Join(p.at("log-data"), "log"), "--policy", p.policy())
	return err
}

// expect runs a program, shows the call and its output, and fails unless it
// ends with the code. It returns what the program wrote to standard output.
func (p *pipeline) expect(ctx context.Context, code int, program string, args ...string) (string, error) {
	shown := make([]string, len(args))
	for i, a := range args {
		shown[i] = p.short(a)
		if strings.ContainsAny(a, ` "=`) {
			shown[i] = "'" + shown[i] + "'"
		}
	}
	line := program + " " + strings.Join(shown, " ")
	fmt.Fprintf(p.stdout, "$ %s\n", line)
	cmd := exec.CommandContext(ctx, filepath.Join(p.bin, program), args...)
	cmd.Env = append(os.Environ(), "HALLMARK_SERVER="+p.grpc, "HALLMARK_POLICY="+p.policy(), "NO_COLOR=1")
	var stdout bytes.Buffer
	var both transcript
	cmd.Stdout, cmd.Stderr = io.MultiWriter(&stdout, &both), &both
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return "", fmt.Errorf("%s: %w", line, err)
	}
	for l := range strings.Lines(strings.ReplaceAll(both.text.String(), p.dir+"/", "")) {
		fmt.Fprintf(p.stdout, "    %s\n", strings.TrimSuffix(l, "\n"))
	}
	if got := cmd.ProcessState.ExitCode(); got != code {
		return "", fmt.Errorf("%s: exit code %d, want %d", line, got, code)
	}
	if code != 0 {
		fmt.Fprintf(p.stdout, "    (exit code %d, as it must)\n", code)
	}
	return stdout.String(), nil
}

// A transcript takes both outputs of a program as they come.
type transcript struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (t *transcript) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.Write(b)
}

func (p *pipeline) short(s string) string { return strings.TrimPrefix(s, p.dir+"/") }

// stop ends the server as an operator would, and insists that it drains well.
func (p *pipeline) stop() error {
	if p.server == nil {
		return nil
	}
	server := p.server
	p.server = nil
	if err := server.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("stopping the server: %w", err)
	}
	timer := time.AfterFunc(stopTimeout, func() { _ = server.Process.Kill() })
	defer timer.Stop()
	if err := server.Wait(); err != nil {
		return fmt.Errorf("stopping the server: %w", err)
	}
	return nil
}

// keep serves the finished log again until the demo is interrupted.
func (p *pipeline) keep(ctx context.Context) error {
	p.grpc, p.http = "", ""
	fmt.Fprintf(p.stdout, "\n== The log stays, until you press Ctrl-C\n\n")
	if err := p.up(p.at("log-data")); err != nil {
		return err
	}
	fmt.Fprintf(p.stdout, `
    export HALLMARK_SERVER=%s HALLMARK_POLICY=%s
    hallmark lineage demo/reader-ft@1.0.0
    hallmark audit http://%s
    ls %s
`, p.grpc, p.policy(), p.http, p.dir)
	<-ctx.Done()
	return nil
}

// firstIndex takes the index of the first entry out of a search's JSON.
func firstIndex(text string) (string, error) {
	var page struct {
		Entries []struct{ Index json.Number }
	}
	if err := json.Unmarshal([]byte(text), &page); err != nil {
		return "", fmt.Errorf("reading the search's answer: %w", err)
	}
	if len(page.Entries) == 0 {
		return "", errors.New("the search found nothing")
	}
	return page.Entries[0].Index.String(), nil
}
