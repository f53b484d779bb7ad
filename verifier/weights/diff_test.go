package weights_test

import (
	"context"
	"io/fs"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/hallmark-registry/hallmark/verifier/weights"
)

func TestDiff(t *testing.T) {
	st := func(list ...tensor) []byte { return safetensors(list) }
	u8 := func(name, data string) tensor { return tensor{name, "U8", []int{len(data)}, []byte(data)} }
	good := map[string][]byte{
		"config.json":   []byte("{}"),
		"m.safetensors": st(u8("a", "1"), u8("b", "22"), u8("c", "333")),
	}
	manifest, err := digest(t, folder(good), weights.Options{}).Manifest()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		story string
		path  string
		to    []byte // nil removes the file
		raw   bool
		want  []string // beginnings
	}{
		{story: "the same", path: "config.json", to: []byte("{}")},
		{story: "a file missing", path: "config.json", want: []string{"config.json: missing"}},
		{story: "a file extra", path: "z", to: []byte("x"), want: []string{"z: extra"}},
		{story: "another size", path: "config.json", to: []byte("{} "), want: []string{"config.json: changed: size is 3, want 2"}},
		{story: "another content of the same size", path: "config.json", to: []byte("[]"), want: []string{"config.json: changed: content root"}},
		{story: "a tensor's bytes", path: "m.safetensors", to: st(u8("a", "1"), u8("b", "2x"), u8("c", "333")), want: []string{"m.safetensors: tensor b: changed: content root"}},
		{story: "a tensor's shape", path: "m.safetensors", to: st(u8("a", "1"), tensor{"b", "U8", []int{1, 2}, []byte("22")}, u8("c", "333")),
			want: []string{"m.safetensors: changed: header", "m.safetensors: tensor b: changed: is U8 [1 2], want U8 [2]"}},
		{story: "a tensor missing, one extra, one moved", path: "m.safetensors", to: st(u8("a", "1"), u8("c", "333"), u8("d", "4")),
			want: []string{"m.safetensors: changed: header", "m.safetensors: tensor b: missing", "m.safetensors: tensor d: extra"}},
		{story: "read as another kind", path: "m.safetensors", to: good["m.safetensors"], raw: true, want: []string{"m.safetensors: changed: kind is raw, want safetensors"}},
	} {
		for _, fast := range []bool{false, true} {
			t.Run(c.story, func(t *testing.T) {
				fsys := folder(good)
				fsys[c.path] = &fstest.MapFile{Data: c.to}
				if c.to == nil {
					delete(fsys, c.path)
				}
				o := weights.Options{Fast: fast}
				if c.raw {
					o.Raw = []string{c.path}
				}
				got := weights.Diff(manifest, digest(t, fsys, o))
				matches := slices.EqualFunc(got, c.want, func(d weights.Difference, want string) bool { return strings.HasPrefix(d.String(), want) })
				if !matches {
					t.Errorf("got %v, want %v", got, c.want)
				}
			})
		}
	}
}

// TestDiffOfALyingManifest whose SHA-256 values, which the model digest does not cover, are another file's.
func TestDiffOfALyingManifest(t *testing.T) {
	m := digest(t, folder(map[string][]byte{"a": []byte("x")}), weights.Options{})
	manifest, err := m.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	manifest.Files[0].SHA256[0] ^= 1
	if got := weights.Diff(manifest, m); len(got) != 1 || !strings.HasPrefix(got[0].String(), "a: changed: sha256 is") {
		t.Errorf("got %v, want one difference in the sha256 of a", got)
	}
}

func TestCheckTensor(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	list := []tensor{{"a", "U8", []int{10}, noise(r, 10)}, {"b", "U8", []int{2*mib + 7}, noise(r, 2*mib+7)}, {"c", "U8", []int{0}, nil}}
	content := safetensors(list)
	manifest, err := digest(t, folder(map[string][]byte{"m.safetensors": content}), weights.Options{}).Manifest()
	if err != nil {
		t.Fatal(err)
	}
	f := &manifest.Files[0]
	flip := func(at int) []byte {
		b := slices.Clone(content)
		b[at] ^= 1
		return b
	}
	header := int(f.Header.Size)
	for _, c := range []struct {
		story   string
		content []byte
		differs [3]string // what a, b and c report: their beginnings
	}{
		{"untouched", content, [3]string{}},
		{"a bit of a", flip(header), [3]string{"m.safetensors: tensor a: changed", "", ""}},
		{"the last bit of b", flip(len(content) - 1), [3]string{"", "m.safetensors: tensor b: changed", ""}},
		{"a bit of the header", flip(header - 1), [3]string{"m.safetensors: changed: header", "m.safetensors: changed: header", "m.safetensors: changed: header"}},
		{"a byte less", content[:len(content)-1], [3]string{"m.safetensors: changed: size", "m.safetensors: changed: size", "m.safetensors: changed: size"}},
	} {
		for i := range f.Tensors {
			tensor := &f.Tensors[i]
			want := c.differs[tensor.Name[0]-'a']
			for _, fsys := range []fs.FS{folder(map[string][]byte{"x/y": c.content}), streamFS{folder(map[string][]byte{"x/y": c.content})}} {
				got, err := weights.CheckTensor(t.Context(), fsys, "x/y", f, tensor)
				if err != nil {
					t.Fatalf("%s: tensor %s (%T): %v", c.story, tensor.Name, fsys, err)
				}
				if (want == "") != (len(got) == 0) || want != "" && !strings.HasPrefix(got[0].String(), want) {
					t.Errorf("%s: tensor %s (%T): got %v, want %q", c.story, tensor.Name, fsys, got, want)
				}
			}
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := weights.CheckTensor(ctx, folder(map[string][]byte{"x/y": content}), "x/y", f, &f.Tensors[1]); err == nil {
		t.Error("cancelled: got no error")
	}
}
