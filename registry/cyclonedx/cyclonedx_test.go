package cyclonedx_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hallmark-registry/hallmark/registry/cyclonedx"
	"github.com/hallmark-registry/hallmark/verifier/bundle"
	"github.com/hallmark-registry/hallmark/verifier/statement"
)

var update = flag.Bool("update", false, "rewrite the golden BOMs")

// demo logs the demo's four statements: digits, reader, contributed, fine-tuned.
func demo(t testing.TB) *world {
	w := newWorld(t)
	for _, s := range []*statement.Statement{digits(), reader(), contributed(), finetuned()} {
		w.publish(s, w.lab)
	}
	return w
}

func (w *world) read(text []byte, asked bool) (*cyclonedx.Record, error) {
	return cyclonedx.Read(text, cyclonedx.Options{Believe: w.policy().Verify, Asked: asked})
}

func (w *world) bom(text []byte, asked bool) []byte {
	w.t.Helper()
	r, err := w.read(text, asked)
	bom, err2 := must(w.t, r, err).Marshal()
	return must(w.t, bom, err2)
}

// boms are BOMs of all shapes, by the names of their golden files.
func boms(t testing.TB) map[string][]byte {
	w := demo(t)
	all := map[string][]byte{
		"reader":     w.bom(w.bundle(1, 0), true),
		"fine-tuned": w.bom(w.bundle(3, 1, 2), true),
		"alone":      w.bom(w.bundle(3), false),
	}
	w = newWorld(t)
	w.witness = nil
	all["awkward"] = w.bom(w.awkward(), true)
	return all
}

// awkward is a model of which everything is peculiar, in a log without cosigners.
func (w *world) awkward() []byte {
	d := w.publish(digits(), w.lab)
	evil := w.publish(statement.NewDataset(named("evil/digits@1.0.0"), digits().Dataset), w.stranger)
	use := digits().Subjects[0].Digest
	model := w.publish(statement.NewModel(named("a/b@c"), &statement.Model{
		FileRoot: made("files"), WeightsRoot: made("weights"), Files: 70, Bytes: 1 << 40, Tensors: 9,
		Listed: []statement.File{{Path: "a b/ä <&>.gguf", SHA256: made("f"), Size: 1}},
		Bases: []statement.Base{
			{Digest: made("nobody knows"), Relation: statement.RelationMerge},
			{Digest: made("nobody logged"), Name: named("x/y@1"), Relation: statement.RelationDistill}},
		Datasets: []statement.Use{{Digest: use, Role: statement.RoleTest}, {Digest: use, Role: statement.RoleTrain}},
		Ignored:  []string{"logs"}, Raw: []string{"a b/ä <&>.gguf"},
	}), w.lab)
	target := statement.Subject{Alg: statement.AlgDataset, Digest: use}
	withdrawn := w.publish(statement.NewStatus(target, &statement.Status{State: statement.StateConsentWithdrawn, Reason: "asked-to"}), w.lab)
	slander := w.publish(statement.NewStatus(target, &statement.Status{State: statement.StateRevoked, Reason: "spite"}), w.stranger)
	return w.bundle(model, slander, evil, d, withdrawn)
}

func TestGolden(t *testing.T) {
	for name, got := range boms(t) {
		file := filepath.Join("testdata", name+".cdx.json")
		if *update {
			if err := os.WriteFile(file, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s differs (-want +got), rewrite it with -update:\n%s", file, diff)
		}
	}
}

// A bom is the little that the tests below look at.
type bom struct {
	SerialNumber string
	Version      uint64
	Metadata     struct {
		Timestamp string
		Component part
	}
	Components   []part
	Dependencies []struct {
		Ref       string
		DependsOn []string
	}
}

type part struct {
	Ref        string `json:"bom-ref"`
	Name       string
	Properties []struct{ Name, Value string }
}

func (p part) property(name string) (values []string) {
	for _, q := range p.Properties {
		if q.Name == "hallmark:"+name {
			values = append(values, q.Value)
		}
	}
	return values
}

func parse(t testing.TB, text []byte) (b bom) {
	t.Helper()
	if err := json.Unmarshal(text, &b); err != nil {
		t.Fatal(err)
	}
	return b
}

func TestParentsThatNoEntryDescribes(t *testing.T) {
	w := demo(t)
	for _, tt := range []struct {
		story   string
		related []int
		asked   bool
		want    map[string]string
	}{
		{"a registry brought all", []int{1, 2}, true, map[string]string{"demo/reader": "proven", "demo/digits-contributed": "proven", "demo/digits": "unknown"}},
		{"a registry has not one of them", []int{1}, true, map[string]string{"demo/reader": "proven", "demo/digits-contributed": "unregistered", "demo/digits": "unknown"}},
		{"a bundle brings one", []int{1}, false, map[string]string{"demo/reader": "proven", "demo/digits-contributed": "unknown", "demo/digits": "unknown"}},
		{"a bundle brings nothing", nil, false, map[string]string{"demo/reader": "unknown", "demo/digits-contributed": "unknown"}},
		{"a bundle brings those of the base too", []int{0, 1, 2}, false, map[string]string{"demo/reader": "proven", "demo/digits-contributed": "proven", "demo/digits": "proven"}},
		{"a bundle brings what has nothing to do with it", []int{0}, false, map[string]string{"demo/reader": "unknown", "demo/digits-contributed": "unknown"}},
	} {
		got := map[string]string{}
		for _, c := range parse(t, w.bom(w.bundle(3, tt.related...), tt.asked)).Components {
			got[c.Name] = strings.Join(c.property("registered"), ",")
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.story, diff)
		}
	}
}

// Of two entries about one digest the one counts that was named, whichever came
// first, and whichever order the bundle has.
func TestTheEntryThatWasNamedDescribesAParent(t *testing.T) {
	w := newWorld(t)
	squatter := w.publish(statement.NewModel(named("evil/reader@1.0.0"), reader().Model), w.stranger)
	base := w.publish(reader(), w.lab)
	ft := w.publish(finetuned(), w.lab)
	for _, related := range [][]int{{squatter, base}, {base, squatter}} {
		if got := parse(t, w.bom(w.bundle(ft, related...), true)).Components[0].Name; got != "demo/reader" {
			t.Errorf("related %v: the base is %s, want demo/reader", related, got)
		}
	}
}

func TestWhatWasSaidOfAParentSince(t *testing.T) {
	w := newWorld(t)
	c := parse(t, w.bom(w.awkward(), true)).Components
	dataset := c[slices.IndexFunc(c, func(p part) bool { return strings.HasPrefix(p.Ref, "dataset:") })]
	for name, want := range map[string]string{"status": "consent-withdrawn, for the reason asked-to, as entry 3 says", "disputed": "revoked, for the reason spite, as entry 4 says"} {
		if got := dataset.property(name); len(got) != 1 || !strings.HasPrefix(got[0], want) {
			t.Errorf("%s: got %q, want one that begins %q", name, got, want)
		}
	}
}

// A digest may be named before it is logged, so two models can each be the
// other's base.
func TestACycleEnds(t *testing.T) {
	w := newWorld(t)
	a, b := reader(), finetuned()
	a.Model.Bases = []statement.Base{{Digest: b.Subjects[0].Digest, Relation: statement.RelationMerge}}
	at := []int{w.publish(a, w.lab), w.publish(b, w.lab)}
	got := parse(t, w.bom(w.bundle(at[0], at[1], at[0]), true))
	if refs := got.Dependencies[1].DependsOn; len(got.Components) != 3 || !slices.Contains(refs, got.Metadata.Component.Ref) {
		t.Errorf("%d components, the base depends on %q; want 3, and the model among them", len(got.Components), refs)
	}
}

func TestOneSerialNumberAStatement(t *testing.T) {
	w := demo(t)
	first := parse(t, w.bom(w.bundle(3, 1, 2), true))
	w.publish(digits(), w.stranger)
	later := parse(t, w.bom(w.bundle(3), false))
	base := parse(t, w.bom(w.bundle(1), false))
	if first.SerialNumber != later.SerialNumber || first.SerialNumber == base.SerialNumber {
		t.Errorf("one statement has %s and %s, another %s", first.SerialNumber, later.SerialNumber, base.SerialNumber)
	}
	if first.Version != 4 || later.Version != 5 {
		t.Errorf("versions %d and %d, want the sizes of the log, 4 and 5", first.Version, later.Version)
	}
	w.witness = nil
	if got := parse(t, w.bom(w.bundle(3), false)).Metadata.Timestamp; got != "" || first.Metadata.Timestamp != "2026-11-18T11:06:40Z" {
		t.Errorf("timestamps %q with a witness and %q without", first.Metadata.Timestamp, got)
	}
}

func TestWhatDoesNotHoldIsRefused(t *testing.T) {
	w := demo(t)
	good := w.bundle(3, 1, 2)
	change := func(edit func(*bundle.Bundle)) []byte {
		b, err := bundle.Parse(good)
		edit(must(t, b, err))
		text, err := b.Marshal()
		return must(t, text, err)
	}
	stranger := newWorld(t)
	stranger.log = signer(t, "other.example", w.log.Key().Alg())
	for _, tt := range []struct {
		story  string
		bundle []byte
		world  *world
		want   string
	}{
		{"no bundle", []byte("{}"), w, "malformed bundle"},
		{"a bundle cut off", good[:len(good)-2], w, "malformed bundle"},
		{"another signature", change(func(b *bundle.Bundle) { b.Entry[len(b.Entry)-1] ^= 1 }), w, "signature"},
		{"another entry's proof", change(func(b *bundle.Bundle) { b.Proof = b.Related[0].Proof }), w, "inclusion"},
		{"a related entry that is not in the log", change(func(b *bundle.Bundle) { b.Related[1].Proof = b.Proof }), w, "related entry 2 of 2"},
		{"a log that nobody believes", good, stranger, "log"},
		{"a dataset", w.bundle(0), w, "not a model"},
	} {
		_, err := tt.world.read(tt.bundle, true)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want an error that says %q", tt.story, err, tt.want)
		}
		if isDataset := tt.story == "a dataset"; errors.Is(err, cyclonedx.ErrNotModel) != isDataset {
			t.Errorf("%s: %v is ErrNotModel: %t", tt.story, err, !isDataset)
		}
	}
}

func TestTheSameBundleGivesTheSameBytes(t *testing.T) {
	first := boms(t)
	for name, again := range boms(t) {
		if !bytes.Equal(first[name], again) {
			t.Errorf("%s came out otherwise the second time", name)
		}
	}
}
