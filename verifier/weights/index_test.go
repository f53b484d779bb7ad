package weights_test

import (
	"bytes"
	"errors"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/hallmark-registry/hallmark/verifier/weights"
)

func shard(names ...string) []byte {
	var list []tensor
	for _, n := range names {
		list = append(list, tensor{n, "U8", []int{1}, []byte("x")})
	}
	return safetensors(list)
}

func TestIndex(t *testing.T) {
	const name = "model.safetensors.index.json"
	index := func(weightMap string) map[string][]byte {
		return map[string][]byte{
			name:                  []byte(`{"metadata":{"total_size":4},"weight_map":` + weightMap + "}\n"),
			"1-of-2.safetensors":  shard("a", "b"),
			"2-of-2.safetensors":  shard("c"),
			"another.safetensors": shard("a"),
			"raw.safetensors":     shard("r"),
			"config.json":         []byte("{}"),
		}
	}
	const good = `{"a":"1-of-2.safetensors","b":"1-of-2.safetensors","c":"2-of-2.safetensors"}`
	below := map[string][]byte{}
	for p, b := range index(good) {
		below["unet/"+p] = b
	}
	for _, c := range []struct {
		story string
		files map[string][]byte
		raw   []string
		fault weights.Fault
	}{
		{"as it should be", index(good), nil, ""},
		{"in a folder with its files", below, nil, ""},
		{"of no tensor", index("{}"), nil, ""},
		{"a tensor that its file has not", index(strings.Replace(good, "{", `{"d":"2-of-2.safetensors",`, 1)), nil, weights.IndexedTensor},
		{"a tensor listed for another file", index(strings.Replace(good, `"b":"1`, `"b":"2`, 1)), nil, weights.IndexedTensor},
		{"a tensor that is not listed", index(strings.Replace(good, `"b":"1-of-2.safetensors",`, ``, 1)), nil, weights.IndexedTensor},
		{"a file that is not there", index(strings.Replace(good, "2-of-2", "3-of-3", 1)), nil, weights.IndexedFile},
		{"a file that has no tensors", index(strings.Replace(good, "2-of-2.safetensors", "config.json", 1)), nil, weights.IndexedFile},
		{"a file that is hashed as raw", index(`{"r":"raw.safetensors"}`), []string{"raw.safetensors"}, weights.IndexedFile},
		{"a file outside", index(`{"a":"../another.safetensors"}`), nil, weights.BadIndex},
		{"a number for a file", index(`{"a":1}`), nil, weights.BadIndex},
		{"a list", index(`[]`), nil, weights.BadIndex},
		{"a tensor twice", index(`{"a":"another.safetensors","a":"1-of-2.safetensors"}`), nil, weights.DuplicateName},
		{"cut short", index(`{"a":`), nil, weights.BadJSON},
		{"the faults of one in the raw list are nobody's business", index(`[]`), []string{name}, ""},
	} {
		t.Run(c.story, func(t *testing.T) {
			m, err := weights.Digest(t.Context(), folder(c.files), weights.Options{Raw: c.raw})
			if got := faultOf(err); got != c.fault {
				t.Fatalf("got error %v (fault %q), want fault %q", err, got, c.fault)
			}
			var bad *weights.FormatError
			if errors.As(err, &bad) && bad.Path != name {
				t.Errorf("got an error about %q, want %q", bad.Path, name)
			}
			if err == nil {
				compare(t, c.story, m, referenceModel(c.files, c.raw...), false)
			}
		})
	}
}

// TestIndexThatChanges between its check and its hashing is not the one that was checked.
func TestIndexThatChanges(t *testing.T) {
	const name = "model.safetensors.index.json"
	first := []byte(`{"weight_map":{"a":"m.safetensors"}}`)
	fsys := &turningFS{folder(map[string][]byte{"m.safetensors": shard("a"), name: first}), name, bytes.Replace(first, []byte("a"), []byte("b"), 1), 0}
	if _, err := weights.Digest(t.Context(), fsys, weights.Options{}); !errors.Is(err, weights.ErrChanged) {
		t.Errorf("got error %v, want %v", err, weights.ErrChanged)
	}
}

// turningFS has other content for one file from the second time on that it is opened.
type turningFS struct {
	fstest.MapFS
	name   string
	second []byte
	opened int
}

func (f *turningFS) Open(name string) (fs.File, error) {
	if name == f.name {
		if f.opened++; f.opened > 1 {
			f.MapFS[name] = &fstest.MapFile{Data: f.second}
		}
	}
	return f.MapFS.Open(name)
}

func TestParseIndex(t *testing.T) {
	for _, c := range []struct {
		story, index string
		fault        weights.Fault
	}{
		{"members of every kind beside the map", `{"metadata":{"a":[1,{"b":null}]},"weight_map":{"t":"f"},"x":1.5e3}`, ""},
		{"white space", " {\n\"weight_map\": {} }\n ", ""},
		{"nothing", "", weights.BadJSON},
		{"a list", "[]", weights.BadIndex},
		{"no map", "{}", weights.BadIndex},
		{"the map twice", `{"weight_map":{},"weight_map":{}}`, weights.DuplicateName},
		{"a name twice in what is read past", `{"metadata":{"a":1,"a":2},"weight_map":{}}`, weights.DuplicateName},
		{"more behind it", `{"weight_map":{}}{}`, weights.BadIndex},
		{"no JSON behind it", `{"weight_map":{}}x`, weights.BadJSON},
		{"cut short behind it", `{"weight_map":{}}"`, weights.BadJSON},
		{"cut short", `{"weight_map":{`, weights.BadJSON},
		{"invalid UTF-8", "{\"weight_map\":{\"\xff\":\"f\"}}", weights.BadJSON},
	} {
		t.Run(c.story, func(t *testing.T) {
			_, err := weights.ParseIndex(strings.NewReader(c.index))
			if got := faultOf(err); got != c.fault {
				t.Errorf("%s: got error %v (fault %q), want fault %q", c.index, err, got, c.fault)
			}
		})
	}
}

// FuzzParseIndex looks for panics, and for errors without a name.
func FuzzParseIndex(f *testing.F) {
	f.Add([]byte(`{"metadata":{"total_size":4},"weight_map":{"a":"1.safetensors","b":"1.safetensors"}}`))
	f.Add([]byte(`{"weight_map":{"a":1}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := weights.ParseIndex(bytes.NewReader(b)); err != nil && strings.HasPrefix(string(faultOf(err)), "unnamed") {
			t.Fatalf("error without a fault: %v", err)
		}
	})
}
