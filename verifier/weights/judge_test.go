package weights_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hallmark-registry/hallmark/verifier/weights"
)

// TestAgainstAnotherReader holds what ParseGGUF finds against what a parser by others finds in the same files. It needs that
// parser's module.
func TestAgainstAnotherReader(t *testing.T) {
	if out, err := exec.Command("go", "-C", "testdata/ggufjudge", "mod", "download").CombinedOutput(); err != nil {
		t.Skipf("NOT TESTED against another GGUF reader, whose module is not at hand: %v\n%s", err, out)
	}
	dir := t.TempDir()
	var want strings.Builder
	args := []string{"run", "-C", "testdata/ggufjudge", "."}
	write := func(g ggufFile) {
		g = g.key("general.quantization_version", 4, le32(2))
		name := filepath.Join(dir, fmt.Sprintf("%d.gguf", len(args)))
		file := g.bytes()
		if err := os.WriteFile(name, file, 0o644); err != nil {
			t.Fatal(err)
		}
		args = append(args, name)
		header, tensors, err := weights.ParseGGUF(bytes.NewReader(file), uint64(len(file)))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&want, "data %d\n", header.Size)
		for _, tensor := range tensors {
			fmt.Fprintf(&want, "%q %s %v %d %d\n", tensor.Name, strings.TrimPrefix(tensor.Dtype, "GGML:"), tensor.Shape, tensor.Begin, tensor.End)
		}
	}
	write(goodGGUF())
	write(everyTypeGGUF())
	for seed := range uint64(10) {
		g := randomGGUF(rand.New(rand.NewPCG(seed, 7)), "blk")
		write(g.key("general.architecture", 8, ltext("llama")))
	}
	out, err := exec.Command("go", args...).Output()
	if err != nil {
		t.Fatalf("the other reader: %v\n%s", err, err.(*exec.ExitError).Stderr)
	}
	if got := string(out); got != want.String() {
		t.Errorf("the other reader found\n%s\nwant what ParseGGUF found\n%s", got, want.String())
	}
}

// everyTypeGGUF has a tensor of two blocks in each GGML type.
func everyTypeGGUF() ggufFile {
	g := ggufFile{}.key("general.architecture", 8, ltext("llama"))
	for typ := range uint32(43) {
		layout, known := ggmlLayouts[typ]
		if !known {
			continue
		}
		g.tensors = append(g.tensors, ggufTensor{
			name: fmt.Sprintf("t.%d", typ), typ: typ, dims: []uint64{layout[0], 2}, data: make([]byte, 2*layout[1]),
		})
	}
	return g
}

// ggmlLayouts has elements and bytes of a block by GGML type, as that project's Python package lists them; but 9, for which
// its C code is right.
var ggmlLayouts = map[uint32][2]uint64{
	0: {1, 4}, 1: {1, 2}, 2: {32, 2 + 16}, 3: {32, 2 + 2 + 16}, 6: {32, 2 + 4 + 16}, 7: {32, 2 + 2 + 4 + 16}, 8: {32, 2 + 32}, 9: {32, 2 + 2 + 32},
	10: {256, 2 + 2 + 16 + 64}, 11: {256, 2 + 64 + 32 + 12}, 12: {256, 2 + 2 + 128 + 12}, 13: {256, 2 + 2 + 128 + 32 + 12},
	14: {256, 2 + 128 + 64 + 16}, 15: {256, 4 + 256 + 32}, 16: {256, 2 + 64}, 17: {256, 2 + 64 + 8}, 18: {256, 2 + 64 + 32},
	19: {256, 2 + 32 + 16}, 20: {32, 2 + 16}, 21: {256, 2 + 64 + 32 + 8 + 4}, 22: {256, 2 + 64 + 16}, 23: {256, 2 + 2 + 128 + 4},
	24: {1, 1}, 25: {1, 2}, 26: {1, 4}, 27: {1, 8}, 28: {1, 8}, 29: {256, 32 + 16 + 8}, 30: {1, 2},
	34: {256, 2 + 4*13}, 35: {256, 2 + 64}, 39: {32, 1 + 16}, 40: {64, 4 + 32}, 41: {128, 2 + 16}, 42: {64, 2 + 16},
}
