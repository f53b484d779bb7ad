package verifier_test

import (
	"context"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"
	"time"

	"github.com/hallmark-registry/hallmark/verifier"
	"github.com/hallmark-registry/hallmark/verifier/bundle"
	"github.com/hallmark-registry/hallmark/verifier/checkpoint"
	"github.com/hallmark-registry/hallmark/verifier/entry"
	"github.com/hallmark-registry/hallmark/verifier/statement"
)

var update = flag.Bool("update", false, "rewrite the golden vectors")

// A bundleVector is one whole verification: everything that a verifier is
// given, and what it must conclude.
type bundleVector struct {
	Story      string            `json:"story"`
	Bundle     string            `json:"bundle"`
	Policy     string            `json:"policy"`
	Publishers []string          `json:"publishers"` // key ids; none: any
	Now        string            `json:"now,omitempty"`
	MaxAge     int64             `json:"maxAge,omitempty"` // seconds
	MinSize    uint64            `json:"minSize,omitempty"`
	Files      map[string][]byte `json:"files,omitempty"` // path -> base64; none: not asked
	Verified   bool              `json:"verified"`
	ExitCode   int               `json:"exitCode"`
	Reason     string            `json:"reason"`
}

func vectorOf(w *world, story string, b *bundle.Bundle, trust verifier.Trust, files bool) bundleVector {
	text, err := b.Marshal()
	if err != nil {
		w.t.Fatal(err)
	}
	v := bundleVector{Story: story, Bundle: string(text), Policy: trust.Policy.String(), MaxAge: int64(trust.MaxAge / time.Second), MinSize: trust.MinSize}
	for _, id := range trust.Publishers {
		v.Publishers = append(v.Publishers, id.String())
	}
	if !trust.Now.IsZero() {
		v.Now = trust.Now.Format(time.RFC3339)
	}
	if files {
		v.Files = map[string][]byte{}
		for name, f := range w.folder {
			v.Files[name] = f.Data
		}
	}
	return v
}

// run verifies a vector and returns what came out.
func (v *bundleVector) run(t *testing.T) *verifier.Report {
	t.Helper()
	policy, err := checkpoint.ParsePolicy([]byte(v.Policy))
	if err != nil {
		t.Fatal(err)
	}
	trust := verifier.Trust{Policy: policy, AnyPublisher: len(v.Publishers) == 0, MaxAge: time.Duration(v.MaxAge) * time.Second, MinSize: v.MinSize}
	for _, p := range v.Publishers {
		trust.Publishers = append(trust.Publishers, must(entry.ParseKeyID(p)))
	}
	if v.Now != "" {
		trust.Now = must(time.Parse(time.RFC3339, v.Now))
	}
	var subject *verifier.Subject
	if v.Files != nil {
		folder := fstest.MapFS{}
		for name, data := range v.Files {
			folder[name] = &fstest.MapFile{Data: data}
		}
		subject = &verifier.Subject{FS: folder, Workers: 2}
	}
	r, err := verifier.Verify(context.Background(), []byte(v.Bundle), trust, subject)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func conclusion(r *verifier.Report) (verified bool, exit int, reason string) {
	if d := r.Decisive(); d != nil {
		return false, int(d.Class), d.Reason
	}
	return true, 0, ""
}

func TestBundleVectors(t *testing.T) {
	path := filepath.Join("testdata", "vectors", "bundle", "bundles.json")
	if *update {
		writeBundleVectors(t, path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var vectors []bundleVector
	if err := json.Unmarshal(text, &vectors); err != nil {
		t.Fatal(err)
	}
	for _, v := range vectors {
		r := v.run(t)
		if verified, exit, reason := conclusion(r); verified != v.Verified || exit != v.ExitCode || reason != v.Reason {
			t.Errorf("%s: verified %v, exit %d, %s; want %v, %d, %s\n%s", v.Story, verified, exit, reason, v.Verified, v.ExitCode, v.Reason, r.Text())
		}
	}
}

func writeBundleVectors(t *testing.T, path string) {
	var vectors []bundleVector
	w := newWorld(t)
	vectors = append(vectors,
		vectorOf(w, "everything holds", w.bundle(3), w.trust(), true),
		vectorOf(w, "two of three witnesses, no files asked", w.bundle(2), w.trust(), false))
	relaxed := w.trust()
	relaxed.Publishers = nil
	vectors = append(vectors, vectorOf(w, "any publisher", w.bundle(3), relaxed, true))
	unasked := w.trust()
	unasked.Policy = must(checkpoint.ParsePolicy([]byte("log " + w.log.Key().String() + "\nquorum none\n")))
	vectors = append(vectors,
		vectorOf(w, "no cosigner asked, none there", w.bundle(0), unasked, false),
		vectorOf(w, "deprecated, which says nothing of later revocations", w.relate(saidStatus{state: statement.StateDeprecated}), w.trust(), false))
	for _, f := range failures() {
		w := newWorld(t)
		b, trust := w.bundle(3), w.trust()
		f.evil(w, b, &trust)
		vectors = append(vectors, vectorOf(w, f.story, b, trust, true))
	}
	for i := range vectors {
		vectors[i].Verified, vectors[i].ExitCode, vectors[i].Reason = conclusion(vectors[i].run(t))
	}
	text, err := json.MarshalIndent(vectors, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(text, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}
