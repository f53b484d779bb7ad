package house

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// offlineVerifier is the program that people run on what they downloaded.
const offlineVerifier = "./cmd/hallmark-verify"

// offlineVerifierMax is the greatest size in bytes of the stripped static
// program for linux/amd64. It is to be carried beside the models it checks and
// rebuilt by whoever doubts it; a jump in size means that something large was
// linked that nobody reviewed.
const offlineVerifierMax = 6_000_000

func TestOfflineVerifierLinksNoNetwork(t *testing.T) {
	t.Parallel()
	forbidden := append([]string{"google.golang.org/grpc", "google.golang.org/protobuf"}, forbiddenFloor...)
	deps := list(t, linux, true, offlineVerifier)
	if len(deps) < 2 {
		t.Fatalf("%s is not there", offlineVerifier)
	}
	for _, dep := range deps {
		if under(dep.ImportPath, forbidden...) {
			t.Errorf("hallmark-verify depends on %s: a verifier that could ask a server would have to be trusted not to", dep.ImportPath)
		}
	}
}

func TestOfflineVerifierIsSmall(t *testing.T) {
	t.Parallel()
	file := build(t, linux, offlineVerifier)
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Size(); got > offlineVerifierMax {
		t.Errorf("hallmark-verify is %d bytes, want at most %d: find what was linked with `go tool nm -size -sort size`", got, offlineVerifierMax)
	}
}

func TestOfflineVerifierBuildsForTheBrowser(t *testing.T) {
	t.Parallel()
	build(t, wasm, offlineVerifier)
}

// build compiles a command as a release does and returns the file's path.
func build(t *testing.T, p platform, target string) string {
	t.Helper()
	if testing.Short() {
		t.Skip("compiles a program; left out by -short")
	}
	file := filepath.Join(t.TempDir(), "program")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", file, target)
	cmd.Dir, cmd.Env = root, p.env()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s for %s/%s: %v\n%s", strings.Join(cmd.Args, " "), p.goos, p.goarch, err, out)
	}
	return file
}
