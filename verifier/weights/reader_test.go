package weights_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"

	"github.com/hallmark-registry/hallmark/verifier/weights"
)

// readable has one file of each kind, with parts of several chunks.
func readable() map[string][]byte {
	r := rand.New(rand.NewPCG(9, 9))
	return map[string][]byte{
		"raw":           noise(r, 3*mib+5),
		"empty":         nil,
		"m.safetensors": safetensors([]tensor{{"a", "U8", []int{10}, noise(r, 10)}, {"b", "U8", []int{2*mib + 7}, noise(r, 2*mib+7)}, {"c", "U8", []int{0}, nil}}),
		"m.gguf": ggufFile{tensors: []ggufTensor{
			{name: "a", typ: 24, dims: []uint64{2*mib + 1}, data: noise(r, 2*mib+1)},
			{name: "b", typ: 24, dims: []uint64{9}, data: noise(r, 9)},
		}}.aligned(4096).bytes(),
	}
}

func TestVerifiedReader(t *testing.T) {
	files := readable()
	for _, chunks := range []bool{false, true} {
		for _, f := range digest(t, folder(files), weights.Options{Chunks: chunks}).Files {
			content := files[f.Path]
			r := weights.NewVerifiedReader(bytes.NewReader(content), &f)
			if err := iotest.TestReader(io.NewSectionReader(r, 0, r.Size()), content); err != nil {
				t.Errorf("%s, chunk lists %t: %v", f.Path, chunks, err)
			}
			if n, err := r.ReadAt(make([]byte, 1), r.Size()); n != 0 || err != io.EOF {
				t.Errorf("%s: at the end: got %d bytes and error %v, want %v", f.Path, n, err, io.EOF)
			}
			if n, err := r.ReadAt(make([]byte, 1), -1); n != 0 || err == nil {
				t.Errorf("%s: before the beginning: got %d bytes and error %v, want an error", f.Path, n, err)
			}
		}
	}
}

// TestVerifiedReaderHandsOutNothingElse than what was published, wherever a bit is turned, and says that one is.
func TestVerifiedReaderHandsOutNothingElse(t *testing.T) {
	files := readable()
	r := rand.New(rand.NewPCG(10, 10))
	for _, chunks := range []bool{false, true} {
		for _, f := range digest(t, folder(files), weights.Options{Chunks: chunks}).Files {
			content := files[f.Path]
			for _, at := range []int{0, int(f.Header.Size) - 1, int(f.Header.Size), r.IntN(len(content) + 1), 2*mib + 4096 + 300, len(content) - 1} {
				if at < 0 || at >= len(content) {
					continue
				}
				turned := slices.Clone(content)
				turned[at] ^= 4
				got := make([]byte, len(content))
				n, err := weights.NewVerifiedReader(bytes.NewReader(turned), &f).ReadAt(got, 0)
				var d *weights.DifferenceError
				if !errors.As(err, &d) || n > at || !bytes.Equal(got[:n], content[:n]) {
					t.Errorf("%s, chunk lists %t, byte %d turned: got %d bytes and error %v, want a difference and only bytes before it", f.Path, chunks, at, n, err)
				}
			}
			short := content[:max(len(content)-1, 0)]
			if n, err := weights.NewVerifiedReader(bytes.NewReader(short), &f).ReadAt(make([]byte, len(content)), 0); len(content) > 0 && err == nil {
				t.Errorf("%s, a byte missing: got %d bytes and no error", f.Path, n)
			}
		}
	}
}

// TestHeaderOfAnotherSize: no leaf has the header's size in it, so a manifest can have the model's digest and still move
// every tensor, as far as GGUF's padding goes. The header is what tells.
func TestHeaderOfAnotherSize(t *testing.T) {
	file := ggufFile{tensors: []ggufTensor{{name: "a", typ: 24, dims: []uint64{40}, data: bytes.Repeat([]byte("0123456789"), 4)}}}.bytes()
	m := digest(t, folder(map[string][]byte{"m.gguf": file}), weights.Options{})
	manifest, err := m.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	manifest.Files[0].Header.Size += 24
	forged, err := weights.ParseManifest(manifest.Bytes())
	if err != nil || forged.Model().Digest != m.Digest {
		t.Fatalf("the forged manifest is refused (%v) or another model's: this test asks nothing", err)
	}
	f := &forged.Files[0]
	begin := f.Header.Size
	evil := bytes.Repeat([]byte("E"), len(file))
	copy(evil[begin:], "0123456789012345678901234567890123456789")
	var d *weights.DifferenceError
	if n, err := weights.NewVerifiedReader(bytes.NewReader(evil), f).ReadAt(make([]byte, 40), int64(begin)); n > 0 || !errors.As(err, &d) {
		t.Errorf("reader: got %d bytes and error %v, want a difference", n, err)
	}
	if d, err := weights.CheckRange(t.Context(), folder(map[string][]byte{"m.gguf": evil}), "m.gguf", f, begin, begin+40); err != nil || len(d) != 1 {
		t.Errorf("range: got %v and error %v, want a difference", d, err)
	}
}

func TestVerifiedReaderOfManyReaders(t *testing.T) {
	files := readable()
	f := digest(t, folder(files), weights.Options{Chunks: true}).Files[3]
	r := weights.NewVerifiedReader(bytes.NewReader(files[f.Path]), &f)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			got := make([]byte, 1000)
			for at := int64(i) * 1000; at < 2*mib; at += 300_000 {
				if _, err := r.ReadAt(got, at); err != nil || !bytes.Equal(got, files[f.Path][at:at+1000]) {
					t.Errorf("at %d: got other bytes, error %v", at, err)
				}
			}
		})
	}
	all.Wait()
}

func TestChunkLists(t *testing.T) {
	files := readable()
	for _, f := range digest(t, folder(files), weights.Options{Chunks: true}).Files {
		if f.Path != "raw" {
			continue
		}
		blob := weights.AppendChunks(nil, f.Chunks)
		list, err := weights.ParseChunks(blob, f.Size, f.Root)
		if err != nil || !slices.Equal(list, f.Chunks) {
			t.Errorf("got %x and error %v, want %x", list, err, f.Chunks)
		}
		other := slices.Clone(blob)
		other[40] ^= 1
		for _, c := range []struct {
			story string
			blob  []byte
			fault weights.Fault
		}{
			{"a hash too few", blob[32:], weights.BadChunkList},
			{"a byte too many", append(slices.Clone(blob), 0), weights.BadChunkList},
			{"nothing", nil, weights.BadChunkList},
			{"another hash", other, weights.RootMismatch},
		} {
			if _, err := weights.ParseChunks(c.blob, f.Size, f.Root); faultOf(err) != c.fault {
				t.Errorf("%s: got error %v, want fault %q", c.story, err, c.fault)
			}
		}
		f.Chunks[1][0] ^= 1
		if _, err := weights.NewVerifiedReader(bytes.NewReader(files["raw"]), &f).ReadAt(make([]byte, 1), 0); faultOf(err) != weights.RootMismatch {
			t.Errorf("a reader with another's chunk list: got error %v, want fault %q", err, weights.RootMismatch)
		}
	}
}

// TestCheckingAPartReadsThatPart and little else.
func TestCheckingAPartReadsThatPart(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 11))
	var list []tensor
	for _, name := range []string{"a", "b", "c"} {
		list = append(list, tensor{name, "U8", []int{5 * mib}, noise(r, 5*mib)})
	}
	files := map[string][]byte{"m.safetensors": safetensors(list), "raw": noise(r, 9*mib)}
	for _, chunks := range []bool{false, true} {
		m := digest(t, folder(files), weights.Options{Chunks: chunks})
		st, raw := &m.Files[0], &m.Files[1]
		begin := st.Header.Size + st.Tensors[1].Begin
		header := int(st.Header.Size)
		for _, c := range []struct {
			story            string
			f                *weights.File
			tensor           *weights.Tensor
			begin, end       uint64
			most, mostListed int // bytes read without and with chunk lists
		}{
			{"a tensor", st, &st.Tensors[1], 0, 0, 7 * mib, 7 * mib},
			{"one byte of a tensor", st, nil, begin + 100, begin + 101, 5*mib + header, mib + header},
			{"a range over the end of a tensor", st, nil, begin - 5, begin + 5, 10*mib + header, 2*mib + header},
			{"the header", st, nil, 0, 8, mib, mib},
			{"a mebibyte of a raw file", raw, nil, 3*mib + 1, 4*mib + 1, 9 * mib, 2 * mib},
			{"all of a raw file", raw, nil, 0, raw.Size, 9 * mib, 9 * mib},
		} {
			fsys := &readCountingFS{FS: folder(files)}
			check := func(fsys fs.FS) ([]weights.Difference, error) {
				if c.tensor != nil {
					return weights.CheckTensor(t.Context(), fsys, c.f.Path, c.f, c.tensor)
				}
				return weights.CheckRange(t.Context(), fsys, c.f.Path, c.f, c.begin, c.end)
			}
			if d, err := check(fsys); err != nil || d != nil {
				t.Errorf("%s, chunk lists %t: got %v and error %v", c.story, chunks, d, err)
			}
			most := c.most
			if chunks {
				most = c.mostListed
			}
			if got := int(fsys.bytes.Load()); got > most {
				t.Errorf("%s, chunk lists %t: read %d bytes, want at most %d", c.story, chunks, got, most)
			}
			turned := slices.Clone(files[c.f.Path])
			if c.tensor != nil {
				turned[begin] ^= 1
			} else {
				turned[c.begin] ^= 1
			}
			if d, err := check(folder(map[string][]byte{c.f.Path: turned})); err != nil || len(d) != 1 || !strings.HasPrefix(d[0].String(), c.f.Path+": ") {
				t.Errorf("%s, chunk lists %t, a bit turned: got %v and error %v, want one difference", c.story, chunks, d, err)
			}
		}
		for _, c := range [][2]uint64{{0, 0}, {5, 4}, {0, raw.Size + 1}, {1 << 63, 1<<63 + 1}} {
			if _, err := weights.CheckRange(t.Context(), folder(files), "raw", raw, c[0], c[1]); !errors.Is(err, weights.ErrRange) {
				t.Errorf("bytes %d to %d: got error %v, want %v", c[0], c[1], err, weights.ErrRange)
			}
		}
	}
}

// readCountingFS counts the bytes that are read.
type readCountingFS struct {
	fs.FS
	bytes atomic.Int64
}

type readCountedFile struct {
	fs.File
	fsys *readCountingFS
}

func (c *readCountingFS) Open(name string) (fs.File, error) {
	f, err := c.FS.Open(name)
	if _, file := f.(io.ReaderAt); err != nil || !file {
		return f, err
	}
	return readCountedFile{f, c}, nil
}

func (f readCountedFile) Read(p []byte) (int, error) {
	n, err := f.File.Read(p)
	f.fsys.bytes.Add(int64(n))
	return n, err
}

func (f readCountedFile) ReadAt(p []byte, at int64) (int, error) {
	n, err := f.File.(io.ReaderAt).ReadAt(p, at)
	f.fsys.bytes.Add(int64(n))
	return n, err
}

func TestCheckRaw(t *testing.T) {
	files := map[string][]byte{"m.safetensors": shard("a"), "n.safetensors": shard("b"), "x": nil}
	manifest, err := digest(t, folder(files), weights.Options{Raw: []string{"n.safetensors", "x"}}).Manifest()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		story string
		raw   []string
		fault weights.Fault
	}{
		{"the list by which it was made", []string{"n.safetensors", "x"}, ""},
		{"a list without what has no suffix", []string{"n.safetensors"}, ""},
		{"a list with what is not there", []string{"n.safetensors", "z.gguf"}, ""},
		{"no list", nil, weights.BadKind},
		{"a longer list", []string{"m.safetensors", "n.safetensors"}, weights.BadKind},
	} {
		if err := manifest.CheckRaw(c.raw); faultOf(err) != c.fault {
			t.Errorf("%s: got error %v, want fault %q", c.story, err, c.fault)
		}
	}
}
