package shown

import (
	"fmt"
	"os/exec"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// A command is one command of a program, as its help describes it.
type command struct {
	path []string // such as hallmark, publish, model
	help string
	subs []string // names of the commands below it
}

func (c *command) name() string { return strings.Join(c.path, " ") }

var (
	// Below "Usage:" cobra lists commands with two spaces before and at least two
	// behind their names; at the end, topics of help by their whole path.
	cobraCommand = regexp.MustCompile(`(?m)^  ([a-z][a-z-]*) {2,}\S`)
	cobraTopic   = regexp.MustCompile(`(?m)^  hallmark ([a-z-]+) `)
	// hallmarkd has one text for all of its commands, with their flags in the
	// line of their names; hallmark-demo begins its lines of usage with its name.
	serverCommand = regexp.MustCompile(`(?m)^  ([a-z]+) +(\[?--.*)$`)
	demoCommand   = regexp.MustCompile(`(?m)hallmark-demo ([a-z]+) (.*)$`)
)

// commands returns all commands of all programs, by name.
var commands = sync.OnceValues(func() (map[string]*command, error) {
	all := make(map[string]*command)
	for _, p := range programs {
		if p == "hallmark" {
			if err := addCobra(all, []string{p}); err != nil {
				return nil, err
			}
			continue
		}
		help, err := run(p, "--help")
		if err != nil {
			return nil, err
		}
		c := &command{path: []string{p}, help: help}
		all[p] = c
		for _, sub := range slices.Concat(serverCommand.FindAllStringSubmatch(help, -1), demoCommand.FindAllStringSubmatch(help, -1)) {
			c.subs = append(c.subs, sub[1])
			all[p+" "+sub[1]] = &command{path: []string{p, sub[1]}, help: sub[2]}
		}
	}
	return all, nil
})

func addCobra(all map[string]*command, at []string) error {
	help, err := run(at[0], append(slices.Clone(at[1:]), "--help")...)
	if err != nil {
		return err
	}
	c := &command{path: slices.Clone(at), help: help}
	all[c.name()] = c
	_, lists, _ := strings.Cut(help, "\nUsage:\n")
	_, topics, _ := strings.Cut(lists, "\nAdditional help topics:\n")
	for _, sub := range slices.Concat(cobraCommand.FindAllStringSubmatch(lists, -1), cobraTopic.FindAllStringSubmatch(topics, -1)) {
		c.subs = append(c.subs, sub[1])
		if sub[1] == "help" || sub[1] == "completion" { // cobra's own
			continue
		}
		if err := addCobra(all, append(slices.Clone(at), sub[1])); err != nil {
			return err
		}
	}
	return nil
}

func run(program string, args ...string) (string, error) {
	out, err := exec.Command(path.Join(bin, program), args...).Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w", program, strings.Join(args, " "), err)
	}
	return string(out), nil
}

// span is code in the running text.
var span = regexp.MustCompile("`([^`\n]+)`")

// A call is a command line of ours that a page shows and nobody runs.
type call struct {
	line  int
	words []string
}

// calls returns the calls in a page's sh blocks and code spans.
func (p page) calls() (all []call) {
	text := p.text
	for _, f := range p.fences() {
		code := strings.Join(f.code, "\n")
		if f.language == "sh" {
			all = append(all, callsIn(f.line, code)...)
		}
		text = strings.Replace(text, code, strings.Repeat("\n", len(f.code)-1), 1)
	}
	for i, line := range strings.Split(text, "\n") {
		for _, s := range span.FindAllStringSubmatch(line, -1) {
			all = append(all, callsIn(i+1, s[1])...)
		}
	}
	return all
}

var (
	goesOn   = regexp.MustCompile(`\\\n\s*`)
	between  = regexp.MustCompile(`&&|\|\||[|;&\n]`)
	argument = regexp.MustCompile(`'[^']*'|"[^"]*"`)
)

// callsIn splits shell text into command lines and keeps ours. It knows as much
// of the shell as the pages use.
func callsIn(line int, code string) (all []call) {
	code = argument.ReplaceAllString(goesOn.ReplaceAllString(code, " "), "ARGUMENT")
	for _, text := range between.Split(code, -1) {
		words := strings.Fields(text)
		for len(words) > 1 && (words[0] == "sudo" || strings.Contains(words[0], "=")) {
			words = words[1:]
		}
		if len(words) > 1 && slices.Contains(programs, path.Base(words[0])) {
			words[0] = path.Base(words[0])
			all = append(all, call{line, words})
		}
	}
	return all
}

// fault says what the programs do not know of a call, or "".
func (c call) fault(all map[string]*command) string {
	at := all[c.words[0]]
	rest := c.words[1:]
	for len(rest) > 0 && slices.Contains(at.subs, rest[0]) {
		next := all[at.name()+" "+rest[0]]
		if next == nil { // help and completion, which take any word
			return ""
		}
		at, rest = next, rest[1:]
	}
	if len(at.subs) > 0 && len(rest) > 0 && !strings.HasPrefix(rest[0], "-") {
		return fmt.Sprintf("%s has no command %q, it has %s", at.name(), rest[0], strings.Join(at.subs, ", "))
	}
	for _, word := range rest {
		name, _, _ := strings.Cut(strings.Trim(word, "[]().,…"), "=")
		if len(name) < 2 || name[0] != '-' || name == "--help" || name == "--version" {
			continue
		}
		if !regexp.MustCompile(`(?m)(^|[\s\[(])` + regexp.QuoteMeta(name) + `([\s,\])=]|$)`).MatchString(at.help) {
			return fmt.Sprintf("%s has no flag %s", at.name(), name)
		}
	}
	return ""
}

func TestShownCommandsExist(t *testing.T) {
	all, err := commands()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, p := range pages(t) {
		for _, c := range p.calls() {
			n++
			if why := c.fault(all); why != "" {
				t.Errorf("%s:%d: %s: %s", p.file, c.line, strings.Join(c.words, " "), why)
			}
		}
	}
	if n == 0 {
		t.Error("no page shows a command")
	}
}

func TestUnknownCommandsAreFound(t *testing.T) {
	all, err := commands()
	if err != nil {
		t.Fatal(err)
	}
	for line, known := range map[string]bool{
		"hallmark publish model DIR --name a/b -o FILE": true,
		"hallmark publish modell DIR":                   false,
		"hallmark publish model DIR --nam a/b":          false,
		"hallmark get 0 --server HOST:PORT":             true,
		"hallmark token mint credit.hallmark --ky KEY":  false,
		"hallmark help references":                      true,
		"hallmarkd init --data DIR --guard PATH":        true,
		"hallmarkd init --data DIR --gard PATH":         false,
		"hallmarkd fsck --guard PATH":                   false,
		"hallmarkd start":                               false,
		"hallmark-verify BUNDLE --max-age 72h":          true,
		"hallmark-verify BUNDLE --age 72h":              false,
		"hallmark-demo train --out DIR":                 true,
		"hallmark-demo train --bin DIR":                 false,
	} {
		calls := callsIn(1, line)
		if len(calls) != 1 {
			t.Fatalf("%s: %d calls", line, len(calls))
		}
		if why := calls[0].fault(all); (why == "") != known {
			t.Errorf("%s: got %q, want it known: %t", line, why, known)
		}
	}
}
