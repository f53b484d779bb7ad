package main_test

import (
	"bufio"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// TestDevSaysWhereItServes starts dev on a port that the client does not look for
// by itself: what to type next must name it.
func TestDevSaysWhereItServes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	cmd := exec.Command(hallmarkd, "dev", "--data", dir, "--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var printed []string
	grpc := ""
	for in := bufio.NewScanner(stdout); grpc == "" && in.Scan(); {
		printed = append(printed, in.Text())
		if address, ok := strings.CutPrefix(in.Text(), "grpc "); ok {
			grpc = address
		}
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	_ = cmd.Wait() // how it ends is asked elsewhere
	for _, want := range []string{"  export HALLMARK_POLICY=" + dir + "/trust.policy", "  export HALLMARK_SERVER=" + grpc} {
		if grpc == "" || !slices.Contains(printed, want) {
			t.Errorf("dev printed\n%s\nwant %q in it", strings.Join(printed, "\n"), want)
		}
	}
}
