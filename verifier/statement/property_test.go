package statement_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hallmark-registry/hallmark/verifier/entry"
	"github.com/hallmark-registry/hallmark/verifier/statement"
	"pgregory.net/rapid"
)

var (
	digests     = rapid.Custom(func(t *rapid.T) statement.Digest { return digest(fmt.Sprint(rapid.Uint32().Draw(t, "seed"))) })
	someDigest  = rapid.OneOf(rapid.Just(statement.Digest{}), digests)
	counts      = rapid.Uint64Range(0, 1<<40)
	names       = rapid.Custom(drawName)
	someName    = rapid.OneOf(rapid.Just(statement.Name{}), names)
	segments    = rapid.StringMatching(`[a-z0-9][a-z0-9._-]{0,20}`)
	paths       = rapid.StringMatching(`[^\\/\x00-\x1f\x7f-\x{9f}.]{1,8}(/[ -.0-9A-Za-zé]{1,5}x){0,3}(\.safetensors|\.gguf)?`)
	identifiers = rapid.StringMatching(`[A-Za-z0-9][A-Za-z0-9._/@:+-]{0,20}`)
	licences    = rapid.SampledFrom([]string{"MIT", "Apache-2.0 OR MIT", "LicenseRef-acme", "NOASSERTION"})
)

func drawName(t *rapid.T) statement.Name {
	return statement.Name{Namespace: segments.Draw(t, "ns"), Name: segments.Draw(t, "name"), Version: segments.Draw(t, "version")}
}

// few draws a list of distinct elements, nil when empty as Parse leaves it.
func few[E any, K comparable](t *rapid.T, label string, most int, g *rapid.Generator[E], key func(E) K) []E {
	out := rapid.SliceOfNDistinct(g, 0, most, key).Draw(t, label)
	if len(out) == 0 {
		return nil
	}
	return out
}

func same[E comparable](e E) E { return e }

func drawBases(t *rapid.T) []statement.Base {
	g := rapid.Custom(func(t *rapid.T) statement.Base {
		relation := rapid.SampledFrom([]statement.Relation{statement.RelationAdapter, statement.RelationMerge, statement.RelationFinetune}).Draw(t, "relation")
		return statement.Base{Digest: digests.Draw(t, "digest"), Name: someName.Draw(t, "name"), Relation: relation}
	})
	return few(t, "bases", 5, g, func(b statement.Base) statement.Base { return statement.Base{Digest: b.Digest, Relation: b.Relation} })
}

func drawUses(t *rapid.T) []statement.Use {
	g := rapid.Custom(func(t *rapid.T) statement.Use {
		role := rapid.SampledFrom([]statement.Role{statement.RoleTrain, statement.RoleTest, statement.RoleRetrieval}).Draw(t, "role")
		return statement.Use{Digest: digests.Draw(t, "digest"), Name: someName.Draw(t, "name"), Role: role}
	})
	return few(t, "uses", 5, g, func(u statement.Use) statement.Use { return statement.Use{Digest: u.Digest, Role: u.Role} })
}

func drawModel(t *rapid.T) *statement.Statement {
	file := rapid.Custom(func(t *rapid.T) statement.File {
		return statement.File{Path: paths.Draw(t, "path"), SHA256: digests.Draw(t, "sha256"), Size: counts.Draw(t, "size")}
	})
	files := few(t, "files", 80, file, func(f statement.File) string { return f.Path })
	m := &statement.Model{
		FileRoot: digests.Draw(t, "file root"), WeightsRoot: digests.Draw(t, "weights root"),
		Files: uint64(len(files)) + 1, Tensors: 1 + counts.Draw(t, "tensors"),
		Bases: drawBases(t), Datasets: drawUses(t), Training: someDigest.Draw(t, "training"), Manifest: someDigest.Draw(t, "manifest"),
		Ignored: few(t, "ignored", 3, paths, same[string]), Raw: few(t, "raw", 3, paths, same[string]),
		License: rapid.OneOf(rapid.Just(""), licences).Draw(t, "licence"),
	}
	for _, f := range files {
		m.Bytes += f.Size
	}
	s := statement.NewModel(names.Draw(t, "name"), m)
	s.ListFiles(files)
	return s
}

func drawDataset(t *rapid.T) *statement.Statement {
	d := &statement.Dataset{
		Root: digests.Draw(t, "root"), Records: 1 + counts.Draw(t, "records"), Files: 1 + counts.Draw(t, "files"), Bytes: counts.Draw(t, "bytes"),
		Form:    rapid.SampledFrom([]statement.Form{statement.FormFiles, statement.FormLines}).Draw(t, "form"),
		Salted:  rapid.Bool().Draw(t, "salted"),
		License: licences.Draw(t, "licence"), Croissant: someDigest.Draw(t, "croissant"),
		Sources:    few(t, "sources", 4, rapid.StringMatching(`[^\x00-\x1f\x7f-\x{9f}]{1,40}`), same[string]),
		Modalities: few(t, "modalities", 3, rapid.StringMatching(`[a-z0-9-]{1,20}`), same[string]),
	}
	if rapid.Bool().Draw(t, "with consent") {
		d.Consent = &statement.Consent{Basis: statement.BasisContract, Document: someDigest.Draw(t, "document")}
	}
	return statement.NewDataset(names.Draw(t, "name"), d)
}

func drawTraining(t *rapid.T) *statement.Statement {
	output := rapid.Custom(func(t *rapid.T) statement.Subject {
		return statement.Subject{Name: names.Draw(t, "name").String(), Alg: statement.AlgModel, Digest: digests.Draw(t, "output")}
	})
	hardware := rapid.Custom(func(t *rapid.T) statement.Hardware {
		return statement.Hardware{Kind: identifiers.Draw(t, "kind"), MilliHours: 1 + counts.Draw(t, "hours")}
	})
	return statement.NewTraining(rapid.SliceOfNDistinct(output, 1, 16, same[statement.Subject]).Draw(t, "outputs"), &statement.Training{
		Bases: drawBases(t), Datasets: drawUses(t), Parameters: someDigest.Draw(t, "parameters"),
		Code:     few(t, "code", 3, digests, same[statement.Digest]),
		Hardware: few(t, "hardware", 3, hardware, func(h statement.Hardware) string { return h.Kind }),
	})
}

func drawEvaluation(t *rapid.T) *statement.Statement {
	metric := rapid.Custom(func(t *rapid.T) statement.Metric {
		value := rapid.StringMatching(`-?(0|[1-9][0-9]{0,5})\.[0-9]{0,3}[1-9]`).Draw(t, "value")
		return statement.Metric{Name: identifiers.Draw(t, "metric"), Value: value}
	})
	model := statement.Subject{Name: names.Draw(t, "name").String(), Alg: statement.AlgModel, Digest: digests.Draw(t, "model")}
	return statement.NewEvaluation(model, &statement.Evaluation{
		Benchmark: identifiers.Draw(t, "benchmark"), Dataset: someDigest.Draw(t, "dataset"), Harness: someDigest.Draw(t, "harness"),
		Metrics: rapid.SliceOfNDistinct(metric, 1, 32, func(m statement.Metric) string { return m.Name }).Draw(t, "metrics"),
	})
}

func drawStatus(t *rapid.T) *statement.Statement {
	alg := rapid.SampledFrom([]string{statement.AlgModel, statement.AlgDataset, statement.AlgStatement, statement.AlgBlob}).Draw(t, "alg")
	return statement.NewStatus(statement.Subject{Alg: alg, Digest: digests.Draw(t, "target")}, &statement.Status{
		State:  rapid.SampledFrom([]statement.State{statement.StateRevoked, statement.StateDeprecated, statement.StateConsentWithdrawn}).Draw(t, "state"),
		Reason: rapid.StringMatching(`[a-z0-9-]{1,64}`).Draw(t, "reason"), Document: someDigest.Draw(t, "document"),
	})
}

func drawNamespace(t *rapid.T) *statement.Statement {
	seeds := rapid.SliceOfNDistinct(rapid.Byte(), 1, 16, same[byte]).Draw(t, "seeds")
	n := &statement.Namespace{Sequence: rapid.Uint64Range(0, 3).Draw(t, "sequence")}
	for _, seed := range seeds {
		key, err := entry.GenerateKey(entry.Ed25519, bytes.NewReader(bytes.Repeat([]byte{seed}, 32)))
		if err != nil {
			t.Fatal(err)
		}
		n.Keys = append(n.Keys, key.Public())
	}
	n.Threshold = rapid.Uint64Range(1, uint64(min(8, len(seeds)))).Draw(t, "threshold")
	if n.Sequence > 0 {
		n.Previous = digests.Draw(t, "previous")
	}
	return statement.NewNamespace(segments.Draw(t, "namespace"), n)
}

func TestAnyStatementComesBack(t *testing.T) {
	draws := []func(*rapid.T) *statement.Statement{drawModel, drawDataset, drawTraining, drawEvaluation, drawStatus, drawNamespace}
	rapid.Check(t, func(t *rapid.T) {
		s := draws[rapid.IntRange(0, len(draws)-1).Draw(t, "kind")](t)
		s.Sort()
		body, err := s.Marshal()
		if errors.Is(err, statement.ErrInconsistent) || errors.Is(err, statement.ErrTooLarge) {
			t.Skip("drawn a statement that contradicts itself or its bound")
		}
		if err != nil {
			t.Fatalf("Marshal: %v", err)
		}
		got, err := statement.Parse(body)
		if err != nil {
			t.Fatalf("Parse: %v\n%s", err, body)
		}
		if diff := cmp.Diff(s, got); diff != "" {
			t.Fatalf("read differs from written (-written +read):\n%s", diff)
		}
		checkCanonical(t, body)
		checkRefs(t, got)
	})
}

// checkRefs holds Refs to its word: sorted, each once, nothing empty.
func checkRefs(t interface{ Errorf(string, ...any) }, s *statement.Statement) {
	refs := s.Refs()
	for i, r := range refs {
		if r.Kind == "" || r.Value == "" || r.Role == "" {
			t.Errorf("ref %d of a %s statement is %+v, want nothing empty", i, s.Kind, r)
		}
		if len(r.Value) > 1<<16-1 {
			t.Errorf("ref %d has a value of %d bytes, want what two bytes of length hold", i, len(r.Value))
		}
	}
	if !slices.IsSortedFunc(refs, func(a, b statement.Ref) int {
		return slices.Compare([]string{string(a.Kind), a.Value, a.Role}, []string{string(b.Kind), b.Value, b.Role})
	}) || len(slices.Compact(refs)) != len(refs) {
		t.Errorf("refs of a %s statement are not strictly ascending: %+v", s.Kind, refs)
	}
}

// FuzzParse: what is accepted is exactly what Marshal writes.
func FuzzParse(f *testing.F) {
	for _, v := range readVectors(f) {
		f.Add(v.body(f))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		before := bytes.Clone(body)
		s, err := statement.Parse(body)
		if !bytes.Equal(before, body) {
			t.Fatal("Parse changed the body")
		}
		if err != nil {
			var e *statement.Error
			if !errors.As(err, &e) || e.Fault == "" {
				t.Fatalf("Parse = %v, want an error that names its fault", err)
			}
			return
		}
		checkRefs(t, s)
		if s.Kind == statement.KindForeign {
			return
		}
		again, err := s.Marshal()
		if err != nil || !bytes.Equal(again, body) {
			t.Fatalf("accepted, but Marshal = %s, %v\nwant %s", again, err, body)
		}
		checkCanonical(t, body)
	})
}
