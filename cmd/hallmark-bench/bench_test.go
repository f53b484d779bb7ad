package main

import (
	"context"
	"encoding/json"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-registry/hallmark/cmd/internal/cli"
)

// tinyPlan runs every measurement and measures nothing.
var tinyPlan = plan{
	round: time.Millisecond, rounds: 1,
	models:  []folderPlan{{2, mib}},
	callers: 16, window: 64,
	engine: 100, stream: 300, unary: 100, load: 10 * time.Second, single: 2,
	proofs: 100, command: 1, fold: 99,
}

// programs builds what the bench calls, once for all tests.
func programs(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("compiles programs; left out by -short")
	}
	bin := t.TempDir()
	out, err := exec.Command("go", "build", "-o", bin, "../hallmark", "../hallmarkd", "../hallmark-verify").CombinedOutput()
	if err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return bin
}

// TestEveryMeasurementRuns keeps the bench from rotting. It looks at no figure,
// except that there is one.
func TestEveryMeasurementRuns(t *testing.T) {
	bin := programs(t)
	for name, inProcess := range map[string]bool{"child": false, "in process": true} {
		t.Run(name, func(t *testing.T) {
			b := &bench{plan: tinyPlan, bin: bin, dir: t.TempDir(), inProcess: inProcess, profile: t.TempDir() + "/cpu", status: t.Output()}
			only := regexp.MustCompile("")
			if inProcess {
				only = regexp.MustCompile("stream|single|memory")
			}
			table, err := b.run(context.Background(), only)
			if err != nil {
				t.Fatal(err)
			}
			for i := range table.Rows {
				if r := &table.Rows[i]; r.failed == nil && r.value <= 0 {
					t.Errorf("%s: got %v %s, want more than 0", r.what, r.value, r.unit)
				}
			}
			t.Log("\n" + table.text())
		})
	}
}

func TestAFailedMeasurementIsARow(t *testing.T) {
	b := &bench{plan: tinyPlan, bin: t.TempDir(), dir: t.TempDir(), status: t.Output()}
	table, err := b.run(context.Background(), regexp.MustCompile("^(verify|fold)$"))
	if err == nil || !strings.Contains(err.Error(), "measuring verify: ") || !strings.Contains(err.Error(), "measuring fold: ") {
		t.Errorf("got %v, want the failures of both", err)
	}
	for _, r := range table.Rows[3:] {
		if r.verdict() != "not measured" {
			t.Errorf("%s: got verdict %q", r.what, r.verdict())
		}
	}
}

func TestCommandLine(t *testing.T) {
	tests := []struct {
		name string
		args []string
		code int
		want string // in standard output or error
	}{
		{"help", []string{"--help"}, cli.ExitOK, "usage: hallmark-bench"},
		{"an unknown flag", []string{"--fast"}, cli.ExitUsage, "flag provided but not defined"},
		{"an argument", []string{"stream"}, cli.ExitUsage, `unexpected argument "stream"`},
		{"a format that isn't", []string{"--format", "xml"}, cli.ExitUsage, `--format "xml"`},
		{"a pattern that isn't", []string{"--only", "("}, cli.ExitUsage, "--only: "},
		{"a folder that isn't", []string{"--dir", "/nonexistent/folder"}, cli.ExitUnknown, "making a folder to work in"},
		{"the machine alone", []string{"--short", "--only", "^$", "--format", "json"}, cli.ExitOK, `"mediaType"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var stdout, stderr strings.Builder
			if code := run(context.Background(), tt.args, &stdout, &stderr); code != tt.code {
				t.Errorf("got exit code %d, want %d", code, tt.code)
			}
			if all := stdout.String() + stderr.String(); !strings.Contains(all, tt.want) {
				t.Errorf("got %q, want %q in it", all, tt.want)
			}
			if tt.code == cli.ExitOK && tt.name != "help" && !json.Valid([]byte(stdout.String())) {
				t.Errorf("not JSON: %s", &stdout)
			}
		})
	}
}
