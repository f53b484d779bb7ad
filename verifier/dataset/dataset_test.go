package dataset_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"testing/iotest"

	"github.com/hallmark-registry/hallmark/verifier/dataset"
	"github.com/hallmark-registry/hallmark/verifier/filetree"
)

func folder(files map[string]string) fstest.MapFS {
	fsys := fstest.MapFS{}
	for p, content := range files {
		fsys[p] = &fstest.MapFile{Data: []byte(content)}
	}
	return fsys
}

func digest(t *testing.T, fsys fs.FS, split dataset.Split) *dataset.Dataset {
	t.Helper()
	d, err := dataset.Digest(t.Context(), fsys, dataset.Options{Split: split})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestEveryFolderHasItsOwnDigest has the folders that a careless way of cutting would take for the same.
func TestEveryFolderHasItsOwnDigest(t *testing.T) {
	seen := map[[32]byte]string{}
	for _, files := range []map[string]string{
		{"a": ""},
		{"a": "\n"},
		{"a": "\n\n"},
		{"a": "x"},
		{"a": "x\n"},
		{"a": "x\n\n"},
		{"a": "\nx"},
		{"a": "x\r\n"},
		{"a": "x\ny"},
		{"a": "x\ny\n"},
		{"a": "x\n", "b": "y\n"},
		{"a": "", "b": "x\ny\n"},
		{"a": "x\ny\n", "b": ""},
		{"b": "x\ny\n"},
		{"a": "y\nx\n"},
	} {
		for _, split := range []dataset.Split{dataset.Lines, dataset.WholeFiles} {
			d := digest(t, folder(files), split)
			what := fmt.Sprintf("%q by %v", files, split)
			if other, ok := seen[d.Digest]; ok {
				t.Errorf("%s and %s share the digest %x", what, other, d.Digest)
			}
			seen[d.Digest] = what
		}
	}
}

func TestRecordCounts(t *testing.T) {
	for _, c := range []struct {
		content string
		lines   uint64
	}{{"", 0}, {"\n", 1}, {"x", 1}, {"x\n", 1}, {"x\n\n", 2}, {"x\ny", 2}, {"\n\n\n", 3}} {
		if got := digest(t, folder(map[string]string{"a": c.content}), dataset.Lines); got.Records != c.lines {
			t.Errorf("%q: got %d lines, want %d", c.content, got.Records, c.lines)
		}
		if got := digest(t, folder(map[string]string{"a": c.content}), dataset.WholeFiles); got.Records != 1 {
			t.Errorf("%q as a whole: got %d records, want 1", c.content, got.Records)
		}
	}
}

func TestDigestRefuses(t *testing.T) {
	one := folder(map[string]string{"a": "x"})
	for _, c := range []struct {
		story string
		fsys  fs.FS
		o     dataset.Options
		want  error
	}{
		{"a file that grew", grownFS{one}, dataset.Options{}, dataset.ErrChanged},
	} {
		if _, err := dataset.Digest(t.Context(), c.fsys, c.o); !errors.Is(err, c.want) {
			t.Errorf("%s: got error %v, want %v", c.story, err, c.want)
		}
	}
	if _, err := dataset.Digest(t.Context(), one, dataset.Options{Split: 2}); err == nil {
		t.Error("an unknown split: got no error")
	}
	var tree *filetree.Error
	if _, err := dataset.Digest(t.Context(), fstest.MapFS{}, dataset.Options{}); !errors.As(err, &tree) {
		t.Errorf("no files: got error %v, want a %T", err, tree)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := dataset.Digest(ctx, one, dataset.Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: got error %v, want %v", err, context.Canceled)
	}
}

// grownFS opens files with a byte more than they are listed with.
type grownFS struct{ fstest.MapFS }

func (g grownFS) Open(name string) (fs.File, error) {
	f, ok := g.MapFS[name]
	if !ok {
		return g.MapFS.Open(name)
	}
	return fstest.MapFS{name: {Data: append(slices.Clone(f.Data), 'x')}}.Open(name)
}

func TestLineBound(t *testing.T) {
	if testing.Short() {
		t.Skip("hashes 128 MiB")
	}
	line := strings.Repeat("x", dataset.MaxLine-1)
	digest(t, folder(map[string]string{"a": "1\n" + line + "\n2\n"}), dataset.Lines)

	_, err := dataset.Digest(t.Context(), folder(map[string]string{"a": "1\n" + line + "x\n"}), dataset.Options{Split: dataset.Lines})
	var long *dataset.LineError
	if !errors.As(err, &long) || long.Path != "a" || long.Line != 1 {
		t.Errorf("a line of a byte too many: got error %v, want a %T for line 1", err, long)
	}
}

// FuzzLines cuts two files into lines, in reads of every size, and compares with the format's definition.
func FuzzLines(f *testing.F) {
	f.Add([]byte("a\nb\n\nc"), []byte(""))
	f.Add([]byte("\n\r\n"), []byte("x"))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		files := map[string]string{"a/b": string(a), "a.b": string(b)}
		for _, split := range []dataset.Split{dataset.Lines, dataset.WholeFiles} {
			for _, salts := range []*dataset.SaltTree{nil, dataset.NewSaltTree(testSeed)} {
				d, err := dataset.Digest(t.Context(), folder(files), dataset.Options{Split: split, Salts: salts, Workers: 2})
				if err != nil {
					t.Fatal(err)
				}
				if want := referenceDigest(files, split, salts); !bytes.Equal(d.Digest[:], want) {
					t.Fatalf("%q by %v, salted %t: got %x, want %x", files, split, d.Salted, d.Digest, want)
				}
			}
			want := referenceDigest(files, split, nil)
			for _, fsys := range []fs.FS{folder(files), slowFS{folder(files)}} {
				got := digest(t, fsys, split)
				if !bytes.Equal(got.Digest[:], want) {
					t.Fatalf("%q by %v (%T): got %x, want %x", files, split, fsys, got.Digest, want)
				}
				for _, file := range got.Files {
					if want := sha256.Sum256([]byte(files[file.Path])); file.SHA256 != want {
						t.Fatalf("%q: %s: got sha256 %x, want %x", files, file.Path, file.SHA256, want)
					}
				}
			}
		}
	})
}

// slowFS reads a byte at a time.
type slowFS struct{ fs.FS }

type slowFile struct{ fs.File }

func (s slowFS) Open(name string) (fs.File, error) {
	f, err := s.FS.Open(name)
	if _, folder := f.(fs.ReadDirFile); folder || err != nil {
		return f, err
	}
	return slowFile{f}, nil
}

func (s slowFile) Read(b []byte) (int, error) { return iotest.OneByteReader(s.File).Read(b) }

// TestLongRecords has what fuzzing does not reach: records over several reads, many records, and several workers.
func TestLongRecords(t *testing.T) {
	many := "x" + strings.Repeat(strings.Repeat("0123456789", 10)+"\n", 1<<15+1) // 3 MiB, with lines over the ends of blocks
	one := strings.Repeat("0123456789abcde_", 1<<17)
	var mixed strings.Builder
	for i := range 1500 {
		mixed.WriteString(strings.Repeat("y", i*i%7001) + "\n") // on both sides of what is hashed in one step
	}
	files := map[string]string{"many": many, "mixed": mixed.String(), "none": "", "one": one + "\n" + one}
	for _, split := range []dataset.Split{dataset.Lines, dataset.WholeFiles} {
		for _, salts := range []*dataset.SaltTree{nil, dataset.NewSaltTree(testSeed)} {
			want := referenceDigest(files, split, salts)
			for _, workers := range []int{1, 2, 5} {
				o := dataset.Options{Split: split, Salts: salts, Workers: workers}
				got, err := dataset.Digest(t.Context(), folder(files), o)
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(got.Digest[:], want) {
					t.Errorf("by %v, salted %t, %d workers: got %x, want %x", split, got.Salted, workers, got.Digest, want)
				}
			}
		}
	}
}

// testSeed is a seed that nobody must use.
var testSeed = sha256.Sum256([]byte("a seed for tests"))

// referenceSalt goes down the tree of the seed bit by bit, as the format describes it.
func referenceSalt(seed [32]byte, record int) string {
	for i := 47; i >= 0; i-- {
		seed = referenceChild(seed, byte(record>>i&1))
	}
	return string(seed[:])
}

func referenceChild(x [32]byte, b byte) [32]byte {
	return sha256.Sum256([]byte("hallmark/ggm/v1\n" + string([]byte{b}) + string(x[:])))
}

// referenceDigest computes the digest a second time, from the format's definition: whole files in memory, and the
// recursion of RFC 6962 as it stands there. Salts, if there are any, must be those of testSeed.
func referenceDigest(files map[string]string, split dataset.Split, salts *dataset.SaltTree) []byte {
	var paths []string
	size, records := 0, 0
	for p := range files {
		paths = append(paths, p)
	}
	slices.Sort(paths)
	var fileLeaves []string
	for _, p := range paths {
		content := files[p]
		lines := []string{content}
		if split == dataset.Lines {
			lines = strings.SplitAfter(content, "\n")
			if lines[len(lines)-1] == "" { // what SplitAfter finds behind the last newline
				lines = lines[:len(lines)-1]
			}
		}
		var leaves []string
		for i, l := range lines {
			salt := strings.Repeat("\x00", 32)
			if salts != nil {
				salt = referenceSalt(testSeed, records+i)
			}
			leaves = append(leaves, "hallmark/record/v1\n"+salt+l)
		}
		size, records = size+len(content), records+len(leaves)
		leaf := "hallmark/dataset-file/v1\n" + string(binary.BigEndian.AppendUint16(nil, uint16(len(p)))) + p +
			string([]byte{byte(split)}) + u64(len(content)) + u64(len(leaves)) + mth(leaves)
		fileLeaves = append(fileLeaves, leaf)
	}
	salted := "\x00"
	if salts != nil {
		salted = "\x01"
	}
	sum := sha256.Sum256([]byte("hallmark/dataset/v1\n" + salted + u64(len(files)) + u64(records) + u64(size) + mth(fileLeaves)))
	return sum[:]
}

func u64(n int) string { return string(binary.BigEndian.AppendUint64(nil, uint64(n))) }

// mth is the Merkle tree hash of RFC 6962, section 2.1.
func mth(leaves []string) string {
	var sum [32]byte
	k := 1
	switch len(leaves) {
	case 0:
		sum = sha256.Sum256(nil)
	case 1:
		sum = sha256.Sum256([]byte("\x00" + leaves[0]))
	default:
		for 2*k < len(leaves) {
			k *= 2
		}
		sum = sha256.Sum256([]byte("\x01" + mth(leaves[:k]) + mth(leaves[k:])))
	}
	return string(sum[:])
}

// TestFilesOfOthers holds the SHA-256 of each file against what the data set's own description says.
func TestFilesOfOthers(t *testing.T) {
	dir := "../../../shared/corpora/croissant/titanic"
	b, err := os.ReadFile(filepath.Join(dir, "metadata.json"))
	if err != nil {
		t.Skipf("corpus not at hand: %v", err)
	}
	var description struct {
		Distribution []struct {
			ContentURL string `json:"contentUrl"`
			SHA256     string `json:"sha256"`
		} `json:"distribution"`
	}
	if err := json.Unmarshal(b, &description); err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, f := range digest(t, os.DirFS(dir), dataset.Lines).Files {
		found[f.Path] = fmt.Sprintf("%x", f.SHA256)
	}
	if len(description.Distribution) == 0 {
		t.Fatalf("%s describes no file", dir)
	}
	for _, f := range description.Distribution {
		if got := found[f.ContentURL]; got != f.SHA256 {
			t.Errorf("%s: got %q, want %q", f.ContentURL, got, f.SHA256)
		}
	}
}

// BenchmarkDigest hashes 64 MiB of rows of 200 bytes.
func BenchmarkDigest(b *testing.B) {
	row := strings.Repeat("x", 199) + "\n"
	fsys := folder(map[string]string{"a": strings.Repeat(row, (64<<20)/len(row))})
	for _, c := range []struct {
		name  string
		salts *dataset.SaltTree
	}{{"open", nil}, {"salted", dataset.NewSaltTree(testSeed)}} {
		for _, workers := range []int{1, runtime.NumCPU()} {
			b.Run(fmt.Sprintf("%s/workers=%d", c.name, workers), func(b *testing.B) {
				b.SetBytes(int64(len(fsys["a"].Data)))
				b.ReportAllocs()
				for b.Loop() {
					o := dataset.Options{Split: dataset.Lines, Salts: c.salts, Workers: workers}
					if _, err := dataset.Digest(b.Context(), fsys, o); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
