package dataset_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/hallmark-registry/hallmark/verifier/dataset"
)

func TestSaltsAreThoseOfTheDefinition(t *testing.T) {
	tree := dataset.NewSaltTree(testSeed)
	for _, r := range []uint64{0, 1, 2, 3, 255, 256, 1 << 20, 1<<47 - 1, 1 << 47, 1<<48 - 1} {
		got, err := tree.Salt(r)
		if want := referenceSalt(testSeed, int(r)); err != nil || string(got[:]) != want {
			t.Errorf("salt %d: got %x, %v; want %x", r, got, err, want)
		}
	}
	for _, r := range []uint64{1 << 48, 1<<64 - 1} {
		if _, err := tree.Salt(r); err == nil {
			t.Errorf("salt %d, beyond the tree: got no error", r)
		}
	}
}

func TestErasingForgetsOneSaltAndNoOther(t *testing.T) {
	tree := dataset.NewSaltTree(testSeed)
	random := rand.New(rand.NewPCG(1, 2))
	gone := map[uint64]bool{}
	for range 40 {
		r := random.Uint64N(64) // neighbours, twins, the same twice
		tree.Erase(dataset.Erased{Record: r})
		gone[r] = true
	}
	tree.Erase(dataset.Erased{Record: 1<<48 - 1}, dataset.Erased{Record: 0}, dataset.Erased{Record: 0}, dataset.Erased{Record: 1 << 60})
	gone[1<<48-1], gone[0] = true, true

	for _, r := range append(slices.Collect(upTo(70)), 1<<47, 1<<48-2, 1<<48-1) {
		got, err := tree.Salt(r)
		switch want := referenceSalt(testSeed, int(r)); {
		case gone[r] && !errors.Is(err, dataset.ErrErased):
			t.Errorf("salt %d, erased: got error %v, want %v", r, err, dataset.ErrErased)
		case !gone[r] && (err != nil || string(got[:]) != want):
			t.Errorf("salt %d: got %x, %v; want %x", r, got, err, want)
		}
	}
	if got := len(tree.Erased()); got != len(gone) {
		t.Errorf("got %d erased records, want %d", got, len(gone))
	}
	// Nothing that is kept leads to an erased salt: no value of the file is on the way to one.
	text := string((&dataset.SeedFile{Dataset: [32]byte{1}, Salts: tree}).Marshal())
	for r := range gone {
		for _, value := range wayTo(r) {
			if strings.Contains(text, value) {
				t.Errorf("record %d is erased, and the seed file still holds %s, from which its salt follows", r, value)
			}
		}
	}
}

// wayTo returns every value from the seed to the salt of a record.
func wayTo(record uint64) (way []string) {
	x := testSeed
	for depth := 0; ; depth++ {
		way = append(way, fmt.Sprintf("%x", x))
		if depth == 48 {
			return way
		}
		x = referenceChild(x, byte(record>>(47-depth)&1))
	}
}

func upTo(n uint64) func(func(uint64) bool) {
	return func(yield func(uint64) bool) {
		for i := uint64(0); i < n && yield(i); i++ {
		}
	}
}

func TestNoVerbPrintsTheSeed(t *testing.T) {
	tree := dataset.NewSaltTree(testSeed)
	file := dataset.SeedFile{Salts: tree}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%X", "%d", "%q", "%o", "%T"} {
		for _, v := range []any{tree, file, &file, dataset.Options{Salts: tree}} {
			if got := fmt.Sprintf(verb, v); strings.Contains(got, fmt.Sprint(testSeed[0], testSeed[1])) ||
				strings.Contains(strings.ToLower(got), fmt.Sprintf("%x", testSeed[:4])) {
				t.Errorf("%s prints the seed: %s", verb, got)
			}
		}
	}
}

func seedFile(t *testing.T, erased ...uint64) string {
	t.Helper()
	s := dataset.SeedFile{Split: dataset.Lines, Salts: dataset.NewSaltTree(testSeed)}
	if len(erased) > 0 {
		s.Dataset = [32]byte{7}
	}
	for _, r := range erased {
		s.Salts.Erase(dataset.Erased{Record: r, Size: 3, Leaf: [32]byte{9}})
	}
	return string(s.Marshal())
}

func TestParseSeedFile(t *testing.T) {
	for _, text := range []string{seedFile(t), seedFile(t, 5), seedFile(t, 1<<48-1, 0, 6, 7)} {
		s, err := dataset.ParseSeedFile([]byte(text))
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if got := string(s.Marshal()); got != text {
			t.Errorf("got %s\nwant %s", got, text)
		}
	}
	whole, one := seedFile(t), seedFile(t, 5)
	edit := func(text, old, new string) string {
		t.Helper()
		if !strings.Contains(text, old) {
			t.Fatalf("%q is not in %s", old, text)
		}
		return strings.Replace(text, old, new, 1)
	}
	line := func(text, prefix string) string {
		at := strings.Index(text, "\n"+prefix) + 1
		return text[at : at+strings.IndexByte(text[at:], '\n')+1]
	}
	for _, c := range []struct{ story, text string }{
		{"nothing", ""},
		{"another version", edit(whole, "seed 1", "seed 2")},
		{"no newline at the end", strings.TrimSuffix(whole, "\n")},
		{"a newline too many", whole + "\n"},
		{"carriage returns", strings.ReplaceAll(whole, "\n", "\r\n")},
		{"no data set", edit(whole, "dataset none\n", "")},
		{"a digest in upper case", edit(one, "dataset sha256:07", "dataset sha256:0A")},
		{"a digest of zeros for none", edit(whole, "none", "sha256:"+strings.Repeat("0", 64))},
		{"an unknown split", edit(whole, "split lines", "split words")},
		{"no node", edit(whole, line(whole, "node"), "")},
		{"a node twice", whole + line(whole, "node")},
		{"a node below the salts", edit(whole, "node 0 0", "node 49 0")},
		{"a node beyond its level", edit(whole, "node 0 0", "node 0 1")},
		{"a leading zero", edit(whole, "node 0 0", "node 00 0")},
		{"a sign", edit(whole, "node 0 0", "node +0 0")},
		{"two spaces", edit(whole, "node 0 0", "node 0  0")},
		{"a short value", edit(whole, line(whole, "node"), "node 0 0 00\n")},
		{"a salt is missing", edit(one, line(one, "node 48 "), "")},
		{"an erased salt is still there", edit(one, line(one, "node 48 "), line(one, "node 48 ")+"node 48 5 "+strings.Repeat("ab", 32)+"\n")},
		{"the seed beside what was to replace it", edit(one, line(one, "node"), line(whole, "node")+line(one, "node"))},
		{"an erased record is not named", edit(one, line(one, "erased"), "")},
		{"an erased record twice", one + line(one, "erased")},
		{"an erased record beyond the salts", edit(one, "erased 5 ", "erased 281474976710656 ")},
		{"erased records of no data set", edit(one, line(one, "dataset"), "dataset none\n")},
		{"erased before nodes", edit(edit(one, line(one, "erased"), ""), line(one, "node"), line(one, "erased")+line(one, "node"))},
		{"an unknown line", whole + "note 0 0 " + strings.Repeat("0", 64) + "\n"},
	} {
		_, err := dataset.ParseSeedFile([]byte(c.text))
		if !errors.Is(err, dataset.ErrSeedFile) {
			t.Errorf("%s: got error %v, want %v", c.story, err, dataset.ErrSeedFile)
		} else if strings.Contains(err.Error(), fmt.Sprintf("%x", testSeed[:4])) {
			t.Errorf("%s: the error tells the seed: %v", c.story, err)
		}
	}
	if _, err := dataset.ParseSeedFile(make([]byte, dataset.MaxSeedFile+1)); !errors.Is(err, dataset.ErrSeedFile) {
		t.Errorf("too long: got error %v", err)
	}
}

func FuzzParseSeedFile(f *testing.F) {
	for _, erased := range [][]dataset.Erased{nil, {{Record: 5, Size: 3}}, {{Record: 0}, {Record: 1<<48 - 1}}} {
		s := dataset.SeedFile{Dataset: [32]byte{1}, Salts: dataset.NewSaltTree(testSeed)}
		s.Salts.Erase(erased...)
		f.Add(s.Marshal())
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := dataset.ParseSeedFile(text)
		if err != nil {
			if !errors.Is(err, dataset.ErrSeedFile) {
				t.Fatalf("got error %v, want %v", err, dataset.ErrSeedFile)
			}
			return
		}
		if got := s.Marshal(); string(got) != string(text) {
			t.Fatalf("read %q, wrote %q", text, got)
		}
		for _, r := range []uint64{0, 1, 5, 1 << 40, 1<<48 - 1} {
			_, err := s.Salts.Salt(r)
			gone := slices.ContainsFunc(s.Salts.Erased(), func(e dataset.Erased) bool { return e.Record == r })
			if gone != errors.Is(err, dataset.ErrErased) {
				t.Fatalf("salt %d: erased %t, error %v", r, gone, err)
			}
		}
	})
}
