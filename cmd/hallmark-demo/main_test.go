package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

var update = flag.Bool("update", false, "rewrite testdata from what the program does now")

// trained is one run for the tests that only look at its outcome.
var trained = sync.OnceValues(func() (*outcome, error) { return train(context.Background()) })

// written returns the folder that the run was written to.
func written(t *testing.T) string {
	t.Helper()
	o, err := trained()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := o.write(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

func readFile(t *testing.T, elem ...string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(elem...))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// One list of digests for all machines: it must hold wherever the tests run.
func TestTrainWritesTheSameBytesEverywhere(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "run")
	var stdout, stderr bytes.Buffer
	if code := run(t.Context(), []string{"train", "--out", dir}, &stdout, &stderr); code != exitOK {
		t.Fatalf("exit %d: %s", code, stderr.String())
	}
	var got bytes.Buffer
	for _, path := range []string{
		"base/config.json", "base/model.safetensors", "contributed/digits.csv", "data/digits.csv",
		"finetune/config.json", "finetune/model.safetensors", "heldout/digits.csv",
	} {
		fmt.Fprintf(&got, "%x  %s\n", sha256.Sum256(readFile(t, dir, path)), path)
	}
	golden := filepath.Join("testdata", "train.sha256")
	if *update {
		if err := os.WriteFile(golden, got.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if want := readFile(t, golden); !bytes.Equal(got.Bytes(), want) {
		t.Errorf("got\n%swant\n%sif the change is meant: go test ./cmd/hallmark-demo -update", got.Bytes(), want)
	}
	if want := "written   " + dir + "\n"; !strings.HasSuffix(stdout.String(), want) {
		t.Errorf("printed\n%swant it to end in %q", stdout.String(), want)
	}
	for _, folder := range []string{"base", "finetune"} {
		entries, err := os.ReadDir(filepath.Join(dir, folder))
		if err != nil || len(entries) != 2 {
			t.Errorf("%s: got %d files and error %v, want config.json and model.safetensors alone", folder, len(entries), err)
		}
	}
}

func TestModelsBeatTheBaselineAndContributedRowsHelp(t *testing.T) {
	o, err := trained()
	if err != nil {
		t.Fatal(err)
	}
	held := len(o.parts.HeldOut)
	if o.base.right <= o.base.baselineRight {
		t.Errorf("base: %d of %d right, want more than the centroids' %d", o.base.right, held, o.base.baselineRight)
	}
	if o.fine.right <= o.fine.baselineRight {
		t.Errorf("finetune: %d of %d right, want more than the centroids' %d", o.fine.right, held, o.fine.baselineRight)
	}
	if o.fine.right <= o.base.right {
		t.Errorf("finetune: %d of %d right, want more than the base's %d", o.fine.right, held, o.base.right)
	}
}

// tensors reads a safetensors file: each tensor's description and its bytes.
func tensors(t *testing.T, file []byte) map[string]string {
	t.Helper()
	n := binary.LittleEndian.Uint64(file)
	var header map[string]struct {
		DType   string `json:"dtype"`
		Shape   []int  `json:"shape"`
		Offsets [2]int `json:"data_offsets"`
	}
	if err := json.Unmarshal(file[8:8+n], &header); err != nil {
		t.Fatal(err)
	}
	data := file[8+n:]
	all := map[string]string{}
	for name, h := range header {
		all[name] = fmt.Sprint(h.DType, h.Shape, data[h.Offsets[0]:h.Offsets[1]])
	}
	return all
}

func TestFineTuningKeepsTheFrozenTensors(t *testing.T) {
	dir := written(t)
	base := tensors(t, readFile(t, dir, "base", "model.safetensors"))
	fine := tensors(t, readFile(t, dir, "finetune", "model.safetensors"))
	for name, same := range map[string]bool{
		"layers.0.bias": true, "layers.0.weight": true,
		"layers.1.bias": false, "layers.1.weight": false,
		"layers.2.bias": false, "layers.2.weight": false,
	} {
		if base[name] == "" || fine[name] == "" {
			t.Errorf("%s is missing in a model", name)
		} else if got := base[name] == fine[name]; got != same {
			t.Errorf("%s: unchanged %v, want %v", name, got, same)
		}
	}
	if len(base) != 6 || len(fine) != 6 {
		t.Errorf("got %d and %d tensors, want 6", len(base), len(fine))
	}
}

func TestEvidenceNamesTrueDigests(t *testing.T) {
	dir := written(t)
	for _, tt := range []struct {
		name, root string // where its paths begin
		digests    int
		says       string
	}{
		{"data.txt", dir, 3, "rows: 1077 of 1797,"},
		{"compute.txt", dir, 4, "\ncpu-seconds: "},
		{"code.txt", filepath.Join("..", ".."), 5, "contribution: code\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text := string(readFile(t, dir, "evidence", tt.name))
			if !strings.Contains(text, tt.says) {
				t.Errorf("got %q, want it to say %q", text, tt.says)
			}
			digests := 0
			for line := range strings.Lines(text) {
				sum, path, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "  ")
				if !ok {
					continue
				}
				digests++
				if want := fmt.Sprintf("%x", sha256.Sum256(readFile(t, tt.root, path))); sum != want {
					t.Errorf("%s: got %s, want %s", path, sum, want)
				}
			}
			if digests != tt.digests {
				t.Errorf("got %d digests, want %d", digests, tt.digests)
			}
		})
	}
}

func TestSummary(t *testing.T) {
	o, err := trained()
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := o.print(&b, "here"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"data      1797 rows: 359 for the base, 1077 contributed later, 361 held out\n",
		"held-out rows right, ",
		"; frozen: first 1 of 3 layers\n",
		"written   here\n",
	} {
		if got := b.String(); !strings.Contains(got, want) {
			t.Errorf("got\n%swant it to say %q", got, want)
		}
	}
	if err := o.print(broken{}, "here"); err == nil {
		t.Error("the summary went nowhere, want an error")
	}
}

// broken is a terminal that went away.
type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

func TestRunRefuses(t *testing.T) {
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "notes.txt"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		story string
		args  []string
		code  int
		err   string
	}{
		{"nothing asked", nil, exitUsage, "got no subcommand, want run or train"},
		{"an unknown subcommand", []string{"test"}, exitUsage, `got subcommand "test", want run or train`},
		{"no folder", []string{"train"}, exitUsage, "got no --out"},
		{"an unknown flag", []string{"train", "--in", "x"}, exitUsage, "-in"},
		{"an argument too many", []string{"train", "--out", "x", "y"}, exitUsage, `got argument "y"`},
		{"a folder in use", []string{"train", "--out", full}, exitUsage, "holds notes.txt, want it empty"},
		{"a file for a folder", []string{"train", "--out", filepath.Join(full, "notes.txt")}, exitFailed, "not a directory"},
	} {
		t.Run(tt.story, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			if code := run(t.Context(), tt.args, &stdout, &stderr); code != tt.code {
				t.Errorf("got exit %d, want %d", code, tt.code)
			}
			if got := stderr.String(); !strings.HasPrefix(got, "hallmark-demo: error: ") || !strings.Contains(got, tt.err) {
				t.Errorf("got %q, want it to say %q", got, tt.err)
			}
			if stdout.Len() > 0 {
				t.Errorf("got %q on stdout, want nothing", stdout.String())
			}
		})
	}
}

func TestHelpIsNoError(t *testing.T) {
	for _, args := range [][]string{{"help"}, {"--help"}, {"train", "-h"}} {
		var stdout, stderr bytes.Buffer
		if code := run(t.Context(), args, &stdout, &stderr); code != exitOK || stdout.String() != usage || stderr.Len() > 0 {
			t.Errorf("%v: got exit %d, %q, %q; want the usage on stdout", args, code, stdout.String(), stderr.String())
		}
	}
}

func TestInterruptedRunWritesNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dir := t.TempDir()
	var stdout, stderr bytes.Buffer
	if code := run(ctx, []string{"train", "--out", dir}, &stdout, &stderr); code != exitInterrupted {
		t.Errorf("got exit %d, want %d", code, exitInterrupted)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
		t.Errorf("got %v and error %v, want an empty folder", entries, err)
	}
}
