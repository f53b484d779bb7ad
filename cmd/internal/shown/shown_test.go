// Package shown runs what the documentation shows. A page that says "type
// this, and you see that" is a promise to somebody who has no other way to
// begin, and it is broken by changes to files that do not mention it.
//
//	```console   run, in the order of the page, in one bash session in an empty
//	             folder; what is printed must be what the page shows
//	```go        a whole program: built, and put into that folder by its name
//	```sh        not run; the commands and flags of ours in it must exist
//	`hallmark …` the same for a command in the running text
//
// In a console block a line that begins with "$ " is typed, and goes on in the
// next line after a backslash. The lines below it are what it prints. "…" stands
// for any text within a line, and alone on a line for any lines. A command below
// which nothing is shown may print anything. One that fails must be followed by
// "$ echo $?", so that no page hides a failure.
//
// The package has no code of its own.
package shown

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// root is the module's folder, seen from the folder that the tests run in.
const root = "../../.."

// programs are what pages may call.
var programs = []string{"hallmark", "hallmark-bench", "hallmark-demo", "hallmark-verify", "hallmarkd"}

// bin is the folder that they are built into.
var bin string

func TestMain(m *testing.M) {
	code, err := withPrograms(m.Run)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// withPrograms builds all programs, as a release does, for the time of run.
func withPrograms(run func() int) (code int, err error) {
	if bin, err = os.MkdirTemp("", "shown"); err != nil {
		return 0, err
	}
	defer os.RemoveAll(bin)
	args := []string{"build", "-trimpath", "-o", bin + "/"}
	for _, p := range programs {
		args = append(args, "./cmd/"+p)
	}
	cmd := exec.Command("go", args...)
	cmd.Dir, cmd.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, out)
	}
	return run(), nil
}

// A page is one Markdown file, by its path below root.
type page struct {
	file string
	text string
}

// name is what its subtest is called.
func (p page) name() string {
	return strings.TrimPrefix(strings.TrimSuffix(p.file, path.Ext(p.file)), "registry/docs/")
}

// pages returns README.md and all of the documentation.
func pages(t *testing.T) []page {
	t.Helper()
	files := []string{filepath.Join(root, "README.md")}
	for _, pattern := range []string{"*.md", "*/*.md"} {
		found, err := filepath.Glob(filepath.Join(root, "registry/docs", pattern))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	var all []page
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, page{strings.TrimPrefix(filepath.ToSlash(f), root+"/"), string(text)})
	}
	return all
}

// A fence is a block of code.
type fence struct {
	language string
	line     int // of its first line of code, from 1
	code     []string
}

var fenceMark = regexp.MustCompile("^```(\\w*)")

// fences returns a page's blocks of code, in order.
func (p page) fences() (all []fence) {
	inside := false
	for i, line := range strings.Split(p.text, "\n") {
		mark := fenceMark.FindStringSubmatch(line)
		switch {
		case mark != nil && !inside:
			all = append(all, fence{language: mark[1], line: i + 2})
			inside = true
		case mark != nil:
			inside = false
		case inside:
			last := &all[len(all)-1]
			last.code = append(last.code, line)
		}
	}
	return all
}

// A step is one command of a page, and what the page says that it prints.
type step struct {
	line    int
	command string   // several lines if it goes on after a backslash
	want    []string // empty: anything
}

// steps returns the commands that the page types, in order.
func (p page) steps() (all []step, err error) {
	for _, f := range p.fences() {
		if f.language != "console" {
			continue
		}
		goesOn := false
		for i, line := range f.code {
			command, typed := strings.CutPrefix(line, "$ ")
			switch {
			case goesOn:
				all[len(all)-1].command += "\n" + line
			case typed:
				all = append(all, step{line: f.line + i, command: command})
			case i == 0:
				return nil, fmt.Errorf("%s:%d: a console block begins with %q, want a command after \"$ \"", p.file, f.line, line)
			default:
				last := &all[len(all)-1]
				last.want = append(last.want, line)
			}
			goesOn = (goesOn || typed) && strings.HasSuffix(line, `\`)
		}
	}
	return all, nil
}

// match says where output is not what the page shows, or "".
func match(want []string, output string) string {
	if len(want) == 0 || shows(want, "$", output) {
		return ""
	}
	for i := len(want) - 1; i >= 0; i-- {
		if shows(want[:i], "", output) {
			return fmt.Sprintf("no output as in line %d of it, in its place: %q", i+1, want[i])
		}
	}
	return "nothing of it"
}

// shows reports whether output begins with the lines wanted; with "$" as the
// end, whether it is them.
func shows(want []string, end, output string) bool {
	var b strings.Builder
	b.WriteString(`^`)
	for _, line := range want {
		if line == "…" {
			b.WriteString(`(?:.*\n)*?`)
			continue
		}
		b.WriteString(strings.ReplaceAll(regexp.QuoteMeta(line), "…", ".*") + `\n`)
	}
	return regexp.MustCompile(b.String() + end).MatchString(output)
}

func TestMatch(t *testing.T) {
	for _, tt := range []struct {
		story, want, output string
		matches             bool
	}{
		{"the same", "a\nb", "a\nb\n", true},
		{"nothing shown", "", "a\nb\n", true},
		{"another line", "a\nb", "a\nc\n", false},
		{"a line too many", "a", "a\nb\n", false},
		{"a line too few", "a\nb", "a\n", false},
		{"lines in another order", "a\nb", "b\na\n", false},
		{"any text in a line", "a … c", "a bb c\n", true},
		{"no text in a line", "a…", "a\n", true},
		{"a dot is a dot", "a.c", "abc\n", false},
		{"any text is of one line", "a … c", "a\nc\n", false},
		{"any lines between", "a\n…\nd", "a\nb\nc\nd\n", true},
		{"no lines between", "a\n…\nd", "a\nd\n", true},
		{"any lines at the end", "a\n…", "a\nb\n", true},
		{"any lines, and then none that fits", "a\n…\nd", "a\nb\nc\n", false},
	} {
		var want []string
		if tt.want != "" {
			want = strings.Split(tt.want, "\n")
		}
		if why := match(want, tt.output); (why == "") != tt.matches {
			t.Errorf("%s: %q, want a match: %t", tt.story, why, tt.matches)
		}
	}
}

func TestSteps(t *testing.T) {
	p := page{"p.md", "# P\n```console\n$ a \\\n  b\nout\n$ c\n```\ntext\n```sh\n$ no\n```\n```console\n$ d\n…\n```\n"}
	got, err := p.steps()
	if err != nil {
		t.Fatal(err)
	}
	want := []step{{3, "a \\\n  b", []string{"out"}}, {6, "c", nil}, {13, "d", []string{"…"}}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(step{})); diff != "" {
		t.Errorf("differs (-want +got):\n%s", diff)
	}
	if _, err := (page{"p.md", "```console\nout\n```\n"}).steps(); err == nil {
		t.Error("output without a command: no error")
	}
}

// indent makes output readable below a line of a test's own.
func indent(text string) string {
	return "\t" + string(bytes.ReplaceAll(bytes.TrimSuffix([]byte(text), []byte("\n")), []byte("\n"), []byte("\n\t")))
}
