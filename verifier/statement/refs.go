package statement

import (
	"cmp"
	"slices"
	"strings"
)

// A RefKind says what the value of a Ref is.
type RefKind string

// Kinds of reference. The search index and the state map list statements under
// (kind, value).
const (
	RefAlias     RefKind = "alias"     // digest of a model under other rules (OMS root, OCI digest)
	RefBase      RefKind = "base"      // model digest of a base: finds everything made from it
	RefBenchmark RefKind = "benchmark" // benchmark identifier
	RefBinding   RefKind = "binding"   // "model:" or "dataset:", then ns/name@version
	RefDataset   RefKind = "dataset"   // dataset digest
	RefDocument  RefKind = "document"  // digest of a blob outside the log
	RefFile      RefKind = "file"      // SHA-256 of a file's bytes
	RefModel     RefKind = "model"     // model digest
	RefName      RefKind = "name"      // ns/name
	RefNamespace RefKind = "namespace" // namespace
	RefStatement RefKind = "statement" // statement id
	RefStatus    RefKind = "status"    // whatever digest a status is about: finds its statuses
	RefWeights   RefKind = "weights"   // weights root
)

// RoleSubject is the role of whatever a statement is about.
const RoleSubject = "subject"

// A Ref is one key under which a statement is found, and one edge from it.
type Ref struct {
	Kind  RefKind
	Value string // a digest as Digest.String gives it, or text as the kind says
	Role  string // subject, or what Value is to the statement: a relation, a role, a state, a member
}

// Refs returns every key under which the statement is found, sorted by (kind,
// value, role), each once. It is a function of the statement alone, so that
// everybody who replays a log finds the same statements under the same keys. s
// must be one that Parse returned or Marshal accepted.
//
//	model       model, weights, binding, name; file listed; base <relation>; dataset <role>;
//	            alias <kind>; document manifest; statement training
//	dataset     dataset, binding, name; document croissant, consent
//	training    model, name for each output; base <relation>; dataset <role>;
//	            document code, parameters
//	evaluation  model, name, benchmark; dataset evaluation; document harness
//	status      status <state>; model, dataset, statement or file; name;
//	            superseded-by in the same kind; document explanation
//	namespace   namespace; statement previous
//	foreign     file subject; for OpenSSF Model Signing alias oms-root, file resource
//
// Where no role is named it is subject.
func (s *Statement) Refs() []Ref {
	var r refs
	switch s.Kind {
	case KindModel:
		r.model(s)
	case KindDataset:
		r.dataset(s)
	case KindTraining:
		r.training(s)
	case KindEvaluation:
		r.evaluation(s)
	case KindStatus:
		r.status(s)
	case KindNamespace:
		r.add(RefNamespace, s.Subjects[0].Name, RoleSubject)
		r.digest(RefStatement, s.Namespace.Previous, "previous")
	case KindForeign:
		r.foreign(s)
	}
	slices.SortFunc(r, func(a, b Ref) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), strings.Compare(a.Value, b.Value), strings.Compare(a.Role, b.Role))
	})
	return slices.Compact(r)
}

// A Binding ties a name to a digest, for ever.
type Binding struct {
	Kind   Kind // KindModel or KindDataset
	Name   Name
	Digest Digest
}

// Binding returns what the statement binds. Only model and dataset statements
// bind a name; ok is false for the others. s must be one that Parse returned or
// Marshal accepted.
func (s *Statement) Binding() (b Binding, ok bool) {
	if s.Kind != KindModel && s.Kind != KindDataset {
		return b, false
	}
	name, err := ParseName(s.Subjects[0].Name)
	return Binding{Kind: s.Kind, Name: name, Digest: s.Subjects[0].Digest}, err == nil
}

type refs []Ref

func (r *refs) add(kind RefKind, value, role string) {
	*r = append(*r, Ref{Kind: kind, Value: value, Role: role})
}

// digest adds a digest unless there is none.
func (r *refs) digest(kind RefKind, d Digest, role string) {
	if !d.IsZero() {
		r.add(kind, d.String(), role)
	}
}

// subject adds a digest and a name by which the statement is about something.
func (r *refs) subject(kind RefKind, sub Subject) {
	r.digest(kind, sub.Digest, RoleSubject)
	if name, err := ParseName(sub.Name); err == nil {
		r.add(RefName, name.Base(), RoleSubject)
	}
}

func (r *refs) inputs(bases []Base, uses []Use) {
	for _, b := range bases {
		r.digest(RefBase, b.Digest, string(b.Relation))
	}
	for _, u := range uses {
		r.digest(RefDataset, u.Digest, string(u.Role))
	}
}

func (r *refs) model(s *Statement) {
	m := s.Model
	r.subject(RefModel, s.Subjects[0])
	r.add(RefBinding, "model:"+s.Subjects[0].Name, RoleSubject)
	if m.Tensors > 0 { // else the root says only that there are none
		r.digest(RefWeights, m.WeightsRoot, RoleSubject)
	}
	for _, f := range m.Listed {
		r.digest(RefFile, f.SHA256, "listed")
	}
	for _, a := range m.Aliases {
		r.digest(RefAlias, a.Value, string(a.Kind))
	}
	r.inputs(m.Bases, m.Datasets)
	r.digest(RefDocument, m.Manifest, "manifest")
	r.digest(RefStatement, m.Training, "training")
}

func (r *refs) dataset(s *Statement) {
	d := s.Dataset
	r.subject(RefDataset, s.Subjects[0])
	r.add(RefBinding, "dataset:"+s.Subjects[0].Name, RoleSubject)
	r.digest(RefDocument, d.Croissant, "croissant")
	if d.Consent != nil {
		r.digest(RefDocument, d.Consent.Document, "consent")
	}
}

func (r *refs) training(s *Statement) {
	for _, sub := range s.Subjects {
		r.subject(RefModel, sub)
	}
	r.inputs(s.Training.Bases, s.Training.Datasets)
	for _, c := range s.Training.Code {
		r.digest(RefDocument, c, "code")
	}
	r.digest(RefDocument, s.Training.Parameters, "parameters")
}

func (r *refs) evaluation(s *Statement) {
	r.subject(RefModel, s.Subjects[0])
	r.add(RefBenchmark, s.Evaluation.Benchmark, RoleSubject)
	r.digest(RefDataset, s.Evaluation.Dataset, "evaluation")
	r.digest(RefDocument, s.Evaluation.Harness, "harness")
}

func (r *refs) status(s *Statement) {
	target, st := s.Subjects[0], s.Status
	kind := map[string]RefKind{AlgModel: RefModel, AlgDataset: RefDataset, AlgStatement: RefStatement, AlgBlob: RefFile}[target.Alg]
	r.subject(kind, target)
	r.digest(RefStatus, target.Digest, string(st.State))
	r.digest(kind, st.By, "superseded-by")
	r.digest(RefDocument, st.Document, "explanation")
}

// foreign lists the subjects. The sha256 of an OpenSSF Model Signing subject is
// a root over file digests; a model statement that names it as an alias is found
// together with it, and so is one that lists the same file.
func (r *refs) foreign(s *Statement) {
	for _, sub := range s.Subjects {
		if isOMS(s.PredicateType) {
			r.digest(RefAlias, sub.Digest, string(AliasOMS))
		} else {
			r.digest(RefFile, sub.Digest, RoleSubject)
		}
	}
	for _, f := range s.Files {
		r.digest(RefFile, f, "resource")
	}
}
