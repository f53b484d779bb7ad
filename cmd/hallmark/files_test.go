package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A vector is a case of the shared model vectors, as far as a file on disk and a
// command line can play it.
type vector struct {
	Name    string   `json:"name"`
	Root    string   `json:"root"`
	Follow  bool     `json:"follow"`
	Ignored []string `json:"ignored"`
	Raw     []string `json:"raw"`
	Files   []struct {
		Path  string `json:"path"`
		Link  string `json:"link"`
		Parts []struct {
			Text   string  `json:"text"`
			Base64 []byte  `json:"base64"`
			U64LE  *uint64 `json:"u64le"`
			Noise  *struct {
				Seed string `json:"seed"`
				Size int    `json:"size"`
			} `json:"noise"`
		} `json:"parts"`
	} `json:"files"`
	Want *struct {
		ModelDigest string `json:"modelDigest"`
	} `json:"want"`
	Error string `json:"error"`
}

// TestDigestOfTheSharedVectors: what the formats call well formed has its digest,
// and every other folder is refused with exit code 2 and the fault by name.
func TestDigestOfTheSharedVectors(t *testing.T) {
	text, err := os.ReadFile("../../verifier/testdata/vectors/weights/models.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors struct {
		Cases []vector `json:"cases"`
	}
	if err := json.Unmarshal(text, &vectors); err != nil {
		t.Fatal(err)
	}
	for _, v := range vectors.Cases {
		t.Run(v.Name, func(t *testing.T) {
			args := v.args(t)
			code, stdout, stderr := execute(t, append(args, "--format", "json")...)
			var got struct {
				ModelDigest string `json:"model_digest"`
				Reason      string `json:"reason"`
			}
			if err := json.Unmarshal([]byte(stdout+stderr), &got); err != nil {
				t.Fatalf("%v: %v\n%s%s", args, err, stdout, stderr)
			}
			if v.Error != "" {
				if want := reasonOf(v.Error); code != 2 || got.Reason != want {
					t.Errorf("%v: exit code %d, reason %s, want 2 and %s", args, code, got.Reason, want)
				}
				return
			}
			if code != 0 || got.ModelDigest != "sha256:"+strings.TrimPrefix(v.Want.ModelDigest, "sha256:") {
				t.Errorf("%v: exit code %d, model digest %s, want 0 and %s", args, code, got.ModelDigest, v.Want.ModelDigest)
			}
		})
	}
}

// args lays the case's folder out and returns the command line about it.
func (v *vector) args(t *testing.T) []string {
	t.Helper()
	root := t.TempDir()
	for _, f := range v.Files {
		name := filepath.Join(root, f.Path)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Skipf("this file system has no such path: %v", err)
		}
		if f.Link != "" {
			if err := os.Symlink(f.Link, name); err != nil {
				t.Fatal(err)
			}
			continue
		}
		var b []byte
		for _, p := range f.Parts {
			b = append(append(b, p.Base64...), p.Text...)
			if p.U64LE != nil {
				b = binary.LittleEndian.AppendUint64(b, *p.U64LE)
			}
			if p.Noise != nil {
				t.Skip("large: the digest's own tests have it")
			}
		}
		if err := os.WriteFile(name, b, 0o644); err != nil {
			t.Skipf("this file system has no such path: %v", err)
		}
	}
	args := []string{"digest", filepath.Join(root, v.Root)}
	for _, p := range v.Ignored {
		args = append(args, "--ignore", p)
	}
	for _, p := range v.Raw {
		args = append(args, "--raw", p)
	}
	if v.Follow {
		args = append(args, "--follow-links")
	}
	return args
}

// execute runs the command in this process.
func execute(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	return executeIn(t, context.Background(), args...)
}

func executeIn(t *testing.T, ctx context.Context, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	var out, err bytes.Buffer
	code = run(ctx, args, strings.NewReader(""), &out, &err)
	return code, out.String(), err.String()
}

// A Hugging Face cache keeps files as links out of snapshots/REVISION into blobs.
func TestFollowLinksReadsACache(t *testing.T) {
	repository := t.TempDir()
	content := []byte("weights of some kind")
	blob := base64.RawURLEncoding.EncodeToString(sha256.New().Sum(nil))
	plain := t.TempDir()
	for _, dir := range []string{"blobs", "snapshots/rev"} {
		if err := os.MkdirAll(filepath.Join(repository, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{filepath.Join(repository, "blobs", blob), filepath.Join(plain, "model.bin")} {
		if err := os.WriteFile(name, content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	snapshot := filepath.Join(repository, "snapshots/rev")
	if err := os.Symlink("../../blobs/"+blob, filepath.Join(snapshot, "model.bin")); err != nil {
		t.Fatal(err)
	}
	_, want, _ := execute(t, "digest", plain)
	code, got, stderr := execute(t, "digest", snapshot, "--follow-links")
	if code != 0 || got != want {
		t.Errorf("the cached folder: exit code %d, got\n%s%s, want the digest of the same files without links\n%s", code, got, stderr, want)
	}
	if code, _, _ := execute(t, "digest", snapshot); code != 2 {
		t.Errorf("without --follow-links: exit code %d, want 2", code)
	}
}

func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	file := filepath.Join(t.TempDir(), "m.bin")
	if err := os.WriteFile(file, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	code, _, stderr := executeIn(t, ctx, "digest", file)
	if code != 130 || !strings.Contains(stderr, "interrupted") {
		t.Errorf("exit code %d, stderr %q, want 130 and to be told", code, stderr)
	}
}

func TestProgressLine(t *testing.T) {
	for _, c := range []struct {
		done, total uint64
		elapsed     time.Duration
		want        string
	}{
		{0, 1000, 0, "hashing " + strings.Repeat("░", barWidth) + "   0% 0 B of 1.0 kB"},
		{500, 1000, time.Second, "hashing " + strings.Repeat("█", barWidth/2) + strings.Repeat("░", barWidth/2) + "  50% 500 B of 1.0 kB, 500 B/s, 1s left"},
		{0, 0, time.Second, "hashing " + strings.Repeat("█", barWidth) + " 100% 0 B of 0 B"},
		{2e9, 2e9, 4 * time.Second, "hashing " + strings.Repeat("█", barWidth) + " 100% 2.0 GB of 2.0 GB, 500.0 MB/s, 0s left"},
	} {
		if got := progressLine("hashing", c.done, c.total, c.elapsed); got != c.want {
			t.Errorf("%d of %d after %v:\ngot  %q\nwant %q", c.done, c.total, c.elapsed, got, c.want)
		}
	}
}

func TestProgressIsCutToTheTerminal(t *testing.T) {
	if got := clip("██░░ 50%", 3); got != "██░" {
		t.Errorf("got %q, want three cells", got)
	}
	if got := clip("short", 79); got != "short" {
		t.Errorf("got %q, want all of it", got)
	}
}

// Off a terminal there is a line every ten seconds, and none before.
func TestProgressOffATerminal(t *testing.T) {
	var out bytes.Buffer
	clock := time.Unix(0, 0)
	p := &progress{w: &out, label: "hashing", now: func() time.Time { return clock }, begin: clock, last: clock}
	for i := range 25 {
		clock = time.Unix(int64(i), 0)
		p.update(uint64(i), 25)
	}
	p.finish()
	if lines := strings.Count(out.String(), "\n"); lines != 2 {
		t.Errorf("%s lines in 24 seconds, want 2:\n%s", strconv.Itoa(lines), out.String())
	}
	if strings.ContainsAny(out.String(), "\r\x1b") {
		t.Errorf("got %q, want nothing that steers a terminal", out.String())
	}
}
