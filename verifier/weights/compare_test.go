package weights_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/hallmark-registry/hallmark/verifier/weights"
)

func TestCompare(t *testing.T) {
	u8 := func(name, data string) tensor { return tensor{name, "U8", []int{len(data)}, []byte(data)} }
	base := map[string][]byte{
		"config.json":   []byte("{}"),
		"m.safetensors": safetensors([]tensor{u8("a", "1"), u8("b", "22"), u8("c", "333")}),
	}
	with := func(changes map[string][]byte) map[string][]byte {
		out := map[string][]byte{"config.json": base["config.json"]}
		for p, b := range changes {
			out[p] = b
		}
		return out
	}
	for _, c := range []struct {
		story          string
		first, second  map[string][]byte
		tensors, files string // identical, changed, added, removed
		differences    []string
	}{
		{"the same model", base, base, "3/6 0/0 0/0 0/0", "2/176 0/0 0/0 0/0", nil},
		{"other shards of the same tensors", base, with(map[string][]byte{
			"1.safetensors": safetensors([]tensor{u8("c", "333")}), "2.safetensors": safetensors([]tensor{u8("b", "22"), u8("a", "1")})}),
			"3/6 0/0 0/0 0/0", "1/2 0/0 2/190 1/174", []string{"1.safetensors: extra", "2.safetensors: extra", "m.safetensors: missing"}},
		{"one tensor changed, one added, one removed", base, with(map[string][]byte{
			"m.safetensors": safetensors([]tensor{u8("a", "1"), u8("b", "2x4"), u8("d", "4444")})}),
			"1/1 1/3 1/4 1/3", "1/2 1/176 0/0 0/0", []string{
				"m.safetensors: tensor b: changed: is U8 [3], was U8 [2]", "m.safetensors: tensor c: missing",
				"m.safetensors: tensor d: extra", "m.safetensors: changed: size is 176, was 174"}},
		{"a name that stands for two tensors, one of which is the same",
			map[string][]byte{"1.safetensors": safetensors([]tensor{u8("a", "1")}), "2.safetensors": safetensors([]tensor{u8("a", "22")})},
			map[string][]byte{"1.safetensors": safetensors([]tensor{u8("a", "22")}), "2.safetensors": safetensors([]tensor{u8("a", "333")}), "3.safetensors": safetensors([]tensor{u8("a", "22")})},
			"1/2 1/3 1/2 0/0", "", nil},
		{"nothing in common", map[string][]byte{"a": []byte("x")}, map[string][]byte{"b": []byte("yy")}, "0/0 0/0 0/0 0/0", "0/0 0/0 1/2 1/1", []string{"a: missing", "b: extra"}},
	} {
		t.Run(c.story, func(t *testing.T) {
			manifest := func(files map[string][]byte) *weights.Manifest {
				m, err := digest(t, folder(files), weights.Options{}).Manifest()
				if err != nil {
					t.Fatal(err)
				}
				return m
			}
			got := weights.Compare(manifest(c.first), manifest(c.second))
			if s := tally(got.Tensors); s != c.tensors {
				t.Errorf("tensors: got %s, want %s", s, c.tensors)
			}
			if s := tally(got.Files); c.files != "" && s != c.files {
				t.Errorf("files: got %s, want %s", s, c.files)
			}
			var names []string
			for _, d := range got.Differences {
				names = append(names, d.String())
			}
			if c.files != "" && !slices.Equal(names, c.differences) {
				t.Errorf("got differences %q, want %q", names, c.differences)
			}
		})
	}
}

func tally(t weights.Tally) string {
	s := func(c weights.Count) string { return fmt.Sprintf("%d/%d", c.Number, c.Bytes) }
	return s(t.Identical) + " " + s(t.Changed) + " " + s(t.Added) + " " + s(t.Removed)
}
