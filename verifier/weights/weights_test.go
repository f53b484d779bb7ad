package weights_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/hallmark-registry/hallmark/verifier/filetree"
	"github.com/hallmark-registry/hallmark/verifier/weights"
)

const mib = 1 << 20

func folder(files map[string][]byte) fstest.MapFS {
	fsys := fstest.MapFS{}
	for p, content := range files {
		fsys[p] = &fstest.MapFile{Data: content}
	}
	return fsys
}

func digest(t *testing.T, fsys fs.FS, o weights.Options) *weights.Model {
	t.Helper()
	m, err := weights.Digest(t.Context(), fsys, o)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestDigestAgainstReference hashes random folders in every way that Digest has, and once by the slow reference.
func TestDigestAgainstReference(t *testing.T) {
	for seed := range uint64(30) {
		r := rand.New(rand.NewPCG(seed, 0))
		files := randomFolder(r)
		want := referenceModel(files, "raw.safetensors")
		for _, o := range []weights.Options{{Workers: 1}, {Workers: 3}, {Workers: 2, Chunks: true}, {Workers: 4, Fast: true}} {
			o.Raw = []string{"raw.safetensors"}
			for _, fsys := range []fs.FS{folder(files), streamFS{folder(files)}} {
				got := digest(t, fsys, o)
				compare(t, fmt.Sprintf("seed %d, %+v, %T", seed, o, fsys), got, want, o.Fast)
			}
		}
	}
}

func compare(t *testing.T, what string, got *weights.Model, want reference, fast bool) {
	t.Helper()
	whole := sha256.New()
	for _, f := range got.Files {
		whole.Write(f.SHA256[:])
	}
	for _, c := range []struct {
		name      string
		got, want []byte
	}{
		{"file root", got.FileRoot[:], want.fileRoot},
		{"weights root", got.WeightsRoot[:], want.weightsRoot},
		{"model digest", got.Digest[:], want.digest},
		{"sha256 of files", whole.Sum(nil), want.sha256},
	} {
		if fast && c.name == "sha256 of files" {
			continue
		}
		if !bytes.Equal(c.got, c.want) {
			t.Fatalf("%s: %s: got %x, want %x", what, c.name, c.got, c.want)
		}
	}
}

// randomFolder has a few raw files around the chunk size, and a few safetensors and GGUF files.
func randomFolder(r *rand.Rand) map[string][]byte {
	files := map[string][]byte{"raw.safetensors": []byte("not what the suffix says")}
	sizes := []int{0, 1, mib - 1, mib, mib + 1, 2 * mib, 3*mib + 17}
	for i := range r.IntN(5) {
		files[fmt.Sprintf("sub.%d/raw-%d", i%2, i)] = noise(r, sizes[r.IntN(len(sizes))])
	}
	for i := range r.IntN(4) {
		var list []tensor
		for j := range r.IntN(12) {
			size := []int{0, 1, 100, 5000, mib, mib + 3}[r.IntN(6)]
			list = append(list, tensor{fmt.Sprintf("layer.%d.%d", r.IntN(2), j), "U8", []int{size}, noise(r, size)})
		}
		files[fmt.Sprintf("model-%d.safetensors", i)] = safetensors(list)
	}
	for i := range r.IntN(3) {
		files[fmt.Sprintf("model-%05d-of-00002.gguf", i+1)] = randomGGUF(r, fmt.Sprint("blk.", i)).bytes()
	}
	return files
}

func noise(r *rand.Rand, size int) []byte {
	b := make([]byte, size)
	rand.NewChaCha8([32]byte{byte(r.Uint64())}).Read(b)
	return b
}

type tensor struct {
	name  string
	dtype string
	shape []int
	data  []byte
}

// safetensors writes a file with the tensors in the order given and the header's members in another.
func safetensors(list []tensor) []byte {
	var members []string
	var data []byte
	for _, t := range list {
		shape := strings.ReplaceAll(fmt.Sprint(t.shape), " ", ",")
		members = append(members, fmt.Sprintf(`%q:{"shape":%s,"dtype":%q,"data_offsets":[%d,%d]}`, t.name, shape, t.dtype, len(data), len(data)+len(t.data)))
		data = append(data, t.data...)
	}
	slices.Reverse(members)
	header := "{" + strings.Join(members, ", ") + "}"
	header += strings.Repeat(" ", (8-len(header)%8)%8)
	return withHeader(header, data)
}

func withHeader(header string, data []byte) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), data...)
}

// streamFS hides every method of a file but the three it must have.
type streamFS struct{ fs.FS }

type streamFile struct{ fs.File }

func (s streamFS) Open(name string) (fs.File, error) {
	f, err := s.FS.Open(name)
	if err != nil {
		return nil, err
	}
	if _, folder := f.(fs.ReadDirFile); folder {
		return f, nil
	}
	return streamFile{f}, nil
}

func TestShardingKeepsWeightsRoot(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var list []tensor
	for i := range 25 {
		list = append(list, tensor{fmt.Sprintf("t%d", i), "U8", []int{i * 1000}, noise(r, i*1000)})
	}
	one := digest(t, folder(map[string][]byte{"model.safetensors": safetensors(list)}), weights.Options{})

	r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	shards := map[string][]byte{}
	for i := range 5 {
		shards[fmt.Sprintf("model-%d-of-5.safetensors", i+1)] = safetensors(list[5*i : 5*i+5])
	}
	five := digest(t, folder(shards), weights.Options{})

	if one.WeightsRoot != five.WeightsRoot {
		t.Errorf("weights root: got %x in five files, want %x as in one", five.WeightsRoot, one.WeightsRoot)
	}
	if one.Digest == five.Digest {
		t.Errorf("model digest: got %x in five files and in one, want two", one.Digest)
	}
}

func TestRawList(t *testing.T) {
	content := safetensors([]tensor{{"w", "U8", []int{3}, []byte("abc")}})
	for _, c := range []struct {
		story string
		file  string
		raw   []string
		kind  weights.Kind
		fault weights.Fault
	}{
		{story: "safetensors by suffix", file: "m.safetensors", kind: weights.Safetensors},
		{story: "raw when listed", file: "m.safetensors", raw: []string{"m.safetensors"}, kind: weights.Raw},
		{story: "another path listed", file: "m.safetensors", raw: []string{"sub/m.safetensors"}, kind: weights.Safetensors},
		{story: "a suffix in other letters is another suffix", file: "m.SAFETENSORS", kind: weights.Raw},
		{story: "GGUF by suffix", file: "m.gguf", fault: weights.BadMagic},
		{story: "GGUF as raw bytes when listed", file: "m.gguf", raw: []string{"m.gguf"}, kind: weights.Raw},
	} {
		t.Run(c.story, func(t *testing.T) {
			m, err := weights.Digest(t.Context(), folder(map[string][]byte{c.file: content}), weights.Options{Raw: c.raw})
			if got := faultOf(err); got != c.fault {
				t.Fatalf("got error %v (fault %q), want fault %q", err, got, c.fault)
			}
			if err == nil && m.Files[0].Kind != c.kind {
				t.Errorf("got kind %v, want %v", m.Files[0].Kind, c.kind)
			}
		})
	}
}

func TestDigestRefuses(t *testing.T) {
	for _, c := range []struct {
		story string
		fsys  fstest.MapFS
		o     weights.Options
		want  any // a pointer for errors.As
	}{
		{"no files", fstest.MapFS{".git/HEAD": {}}, weights.Options{}, new(*filetree.Error)},
		{"a link", fstest.MapFS{"l": {Mode: fs.ModeSymlink, Data: []byte("m")}, "m": {}}, weights.Options{}, new(*filetree.Error)},
		{"a path in the raw list that can be none", fstest.MapFS{"m": {}}, weights.Options{Raw: []string{"/m"}}, new(*filetree.Error)},
		{"a malformed header", fstest.MapFS{"sub/m.safetensors": {Data: []byte("x")}}, weights.Options{}, new(*weights.FormatError)},
	} {
		t.Run(c.story, func(t *testing.T) {
			_, err := weights.Digest(t.Context(), c.fsys, c.o)
			if err == nil || !errors.As(err, c.want) {
				t.Fatalf("got error %v, want a %T", err, c.want)
			}
		})
	}
}

// TestFormatErrorNamesTheFile because a folder has many.
func TestFormatErrorNamesTheFile(t *testing.T) {
	content := withHeader(`{"w":{"dtype":"F31","shape":[],"data_offsets":[0,0]}}`, nil)
	_, err := weights.Digest(t.Context(), folder(map[string][]byte{"sub/m.safetensors": content}), weights.Options{})
	var bad *weights.FormatError
	if !errors.As(err, &bad) || bad.Path != "sub/m.safetensors" || bad.Tensor != "w" || bad.Fault != weights.UnknownDtype {
		t.Fatalf("got %#v", err)
	}
	if got, want := err.Error(), `"sub/m.safetensors": tensor "w": unknown dtype "F31"`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestDigestOfOneFileIsThatOfItsFolder(t *testing.T) {
	files := map[string][]byte{"a/m.safetensors": safetensors([]tensor{{"w", "U8", []int{1}, []byte{7}}})}
	one := digest(t, folder(files), weights.Options{Tree: filetree.Options{Root: "a/m.safetensors"}})
	all := digest(t, folder(files), weights.Options{Tree: filetree.Options{Root: "a"}})
	if one.Digest != all.Digest {
		t.Errorf("got %x for the file, want %x as for its folder", one.Digest, all.Digest)
	}
}

// TestFileChanges stands for a file that grows or shrinks between listing and reading.
func TestFileChanges(t *testing.T) {
	for _, size := range []int{0, 10, 2*mib + 1} {
		for _, by := range []int{-1, 1} {
			if size+by < 0 {
				continue
			}
			for _, stat := range []bool{false, true} {
				fsys := lyingFS{folder(map[string][]byte{"m": make([]byte, size+by)}), int64(size), stat}
				if _, err := weights.Digest(t.Context(), fsys, weights.Options{Workers: 2}); !errors.Is(err, weights.ErrChanged) {
					t.Errorf("size %d, then %d (seen by stat: %t): got error %v, want %v", size, size+by, stat, err, weights.ErrChanged)
				}
			}
		}
	}
}

// lyingFS lists the file "m" with another size than it has; honest says that the open file knows better.
type lyingFS struct {
	fstest.MapFS
	size   int64
	honest bool
}

type lyingInfo struct {
	fs.FileInfo
	size int64
}

func (i lyingInfo) Size() int64 { return i.size }

type lyingEntry struct {
	fs.DirEntry
	size int64
}

func (e lyingEntry) Info() (fs.FileInfo, error) {
	info, err := e.DirEntry.Info()
	return lyingInfo{info, e.size}, err
}

type lyingFile struct {
	fs.File
	io.ReaderAt
	size int64
}

func (f lyingFile) Stat() (fs.FileInfo, error) {
	info, err := f.File.Stat()
	return lyingInfo{info, f.size}, err
}

func (l lyingFS) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := l.MapFS.ReadDir(name)
	for i := range entries {
		entries[i] = lyingEntry{entries[i], l.size}
	}
	return entries, err
}

func (l lyingFS) Open(name string) (fs.File, error) {
	f, err := l.MapFS.Open(name)
	if err != nil || l.honest || name != "m" {
		return f, err
	}
	return lyingFile{f, f.(io.ReaderAt), l.size}, nil
}

// TestFewFilesAreOpenAtATime because a folder can have more files than a process may open.
func TestFewFilesAreOpenAtATime(t *testing.T) {
	files := map[string][]byte{}
	for i := range 300 {
		files[fmt.Sprintf("%d.safetensors", i)] = safetensors([]tensor{{"w", "U8", []int{3}, []byte("abc")}})
		files[fmt.Sprint(i)] = []byte("abc")
	}
	for _, fast := range []bool{false, true} {
		const workers = 3
		fsys := &countingFS{FS: folder(files)}
		digest(t, fsys, weights.Options{Workers: workers, Fast: fast})
		if fsys.now != 0 || fsys.most > 3*workers { // a worker holds at most its own file and two blocks of others
			t.Errorf("fast %t: got %d files open at a time and %d at the end, want at most %d and none", fast, fsys.most, fsys.now, 3*workers)
		}
	}
}

// TestFilesAreClosedAfterAnError that ends the work on all of them.
func TestFilesAreClosedAfterAnError(t *testing.T) {
	fsys := &countingFS{FS: lyingFS{folder(map[string][]byte{"a": make([]byte, 5*mib), "m": make([]byte, mib)}), 2 * mib, false}}
	if _, err := weights.Digest(t.Context(), fsys, weights.Options{Workers: 2}); !errors.Is(err, weights.ErrChanged) || fsys.now != 0 {
		t.Errorf("got error %v and %d files open, want %v and none", err, fsys.now, weights.ErrChanged)
	}
}

// TestHeaderAndTensorsOfTwoFiles: the path leads to another file each time that it is opened. The digest of a file that is
// neither would be wrong, whether the two differ in the header or not.
func TestHeaderAndTensorsOfTwoFiles(t *testing.T) {
	at := []tensor{{"a", "U8", []int{5}, []byte("hello")}}
	first, second := safetensors(at), safetensors([]tensor{{"b", "U8", []int{5}, []byte("hello")}})
	for _, sequential := range []bool{false, true} {
		fsys := &swappingFS{FS: folder(map[string][]byte{"m.safetensors": first}), then: folder(map[string][]byte{"m.safetensors": second}), sequential: sequential}
		if _, err := weights.Digest(t.Context(), fsys, weights.Options{}); !errors.Is(err, weights.ErrChanged) {
			t.Errorf("sequential %t: got error %v, want %v", sequential, err, weights.ErrChanged)
		}
	}
}

// swappingFS has another file behind each name from its second opening on.
type swappingFS struct {
	fs.FS
	then       fs.FS
	sequential bool // its files cannot be read at an offset
	opened     bool
}

func (s *swappingFS) Open(name string) (fs.File, error) {
	from := s.FS
	if _, file := strings.CutSuffix(name, ".safetensors"); file {
		if s.opened {
			from = s.then
		}
		s.opened = true
	}
	f, err := from.Open(name)
	if _, file := f.(io.ReaderAt); err == nil && file && s.sequential {
		f = struct{ fs.File }{f}
	}
	return f, err
}

// countingFS counts the files that are open.
type countingFS struct {
	fs.FS
	mu        sync.Mutex
	now, most int
}

type countedFile struct {
	fs.File
	io.ReaderAt
	fsys *countingFS
}

func (c *countingFS) Open(name string) (fs.File, error) {
	f, err := c.FS.Open(name)
	at, file := f.(io.ReaderAt)
	if err != nil || !file {
		return f, err
	}
	c.add(1)
	return countedFile{f, at, c}, nil
}

func (c *countingFS) add(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now += n
	c.most = max(c.most, c.now)
}

func (f countedFile) Close() error {
	f.fsys.add(-1)
	return f.File.Close()
}

func TestProgressEndsAtTheTotal(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	files := map[string][]byte{"a": noise(r, 3*mib+5), "b": noise(r, 10), "c.safetensors": safetensors([]tensor{{"w", "U8", []int{9}, noise(r, 9)}})}
	var last, total uint64
	m := digest(t, folder(files), weights.Options{Workers: 3, Progress: func(done, all uint64) {
		if done < last || done > all {
			t.Errorf("progress went from %d to %d of %d", last, done, all)
		}
		last, total = done, all
	}})
	if last != m.ByteCount || total != m.ByteCount {
		t.Errorf("got progress %d of %d at the end, want %d", last, total, m.ByteCount)
	}
}

func TestCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	fsys := folder(map[string][]byte{"a": make([]byte, 8*mib), "b": make([]byte, 8*mib)})
	_, err := weights.Digest(ctx, fsys, weights.Options{Workers: 2, Progress: func(uint64, uint64) { cancel() }})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v, want %v", err, context.Canceled)
	}
}

func TestChunkListsLeadToTheRoots(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	files := map[string][]byte{
		"a":             noise(r, 3*mib+5),
		"empty":         nil,
		"c.safetensors": safetensors([]tensor{{"v", "U8", []int{0}, nil}, {"w", "U8", []int{2*mib + 1}, noise(r, 2*mib+1)}}),
	}
	for _, f := range digest(t, folder(files), weights.Options{Chunks: true, Workers: 2}).Files {
		if f.Kind == weights.Raw && weights.ChunkRoot(f.Chunks) != f.Root {
			t.Errorf("%s: %d chunks do not lead to the root", f.Path, len(f.Chunks))
		}
		for _, tensor := range f.Tensors {
			if want := int(tensor.End-tensor.Begin+mib-1) / mib; len(tensor.Chunks) != want || weights.ChunkRoot(tensor.Chunks) != tensor.Root {
				t.Errorf("%s: %s: %d chunks do not lead to the root, want %d that do", f.Path, tensor.Name, len(tensor.Chunks), want)
			}
		}
	}
}

// TestFilesOfOthers reads what other writers wrote.
func TestFilesOfOthers(t *testing.T) {
	dir := "../../../shared/corpora/safetensors"
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("corpus not at hand: %v", err)
	}
	files := map[string][]byte{}
	names, err := filepath.Glob(filepath.Join(dir, "*.safetensors"))
	if err != nil || len(names) == 0 {
		t.Fatalf("got %v and error %v, want files in %s", names, err, dir)
	}
	for _, name := range names {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		files[filepath.Base(name)] = content
	}
	m := digest(t, os.DirFS(dir), weights.Options{Workers: 2})
	compare(t, dir, m, referenceModel(files), false)
	for _, f := range m.Files {
		if f.Path != "voices.safetensors" {
			continue
		}
		if got, want := fmt.Sprint(f.Tensors[0].Name, f.Tensors[0].Dtype, f.Tensors[0].Shape, f.Tensors[1].Dtype), "tokensI64[1 982 33]U8"; got != want {
			t.Errorf("%s: got %s, want %s", f.Path, got, want)
		}
		if got := sha256.Sum256(files[f.Path]); got != f.SHA256 {
			t.Errorf("%s: got sha256 %s", f.Path, hex.EncodeToString(f.SHA256[:]))
		}
	}
}

// TestKnownFilesAreNotRead, and what is known of them stands in for what they hold.
func TestKnownFilesAreNotRead(t *testing.T) {
	r := rand.New(rand.NewPCG(12, 12))
	files := map[string][]byte{"a": noise(r, 2*mib), "b": noise(r, 10), "m.safetensors": shard("x", "y"), "m.safetensors.index.json": []byte(`{"weight_map":{"x":"m.safetensors","y":"m.safetensors"}}`)}
	want := digest(t, folder(files), weights.Options{})
	known := func(f filetree.File, k weights.Kind) *weights.File {
		for _, w := range want.Files {
			if w.Path == f.Path && f.Path != "b" {
				return &w
			}
		}
		return nil
	}
	turned := folder(files)
	turned["a"] = &fstest.MapFile{Data: make([]byte, 2*mib)}
	var last uint64
	got := digest(t, turned, weights.Options{Known: known, Workers: 2, Progress: func(done, _ uint64) { last = done }})
	if got.Digest != want.Digest || last != got.ByteCount {
		t.Errorf("got digest %x and progress %d, want %x and %d", got.Digest, last, want.Digest, got.ByteCount)
	}
	if fast := digest(t, turned, weights.Options{Known: known, Fast: true}); fast.Digest != want.Digest || fast.Files[0].SHA256 != [32]byte{} {
		t.Errorf("fast: got digest %x and SHA-256 %x, want %x and none", fast.Digest, fast.Files[0].SHA256, want.Digest)
	}
	turned["a"] = &fstest.MapFile{Data: make([]byte, 2*mib+1)}
	if got := digest(t, turned, weights.Options{Known: known}); got.Digest == want.Digest {
		t.Error("a file of another size than the one known: got the digest of the one known")
	}
}
