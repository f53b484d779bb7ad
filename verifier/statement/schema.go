package statement

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/hallmark-registry/hallmark/verifier/entry"
)

// Bounds of lists. All together may not pass MaxBodySize, which is why each can
// be generous to its own purpose.
const (
	MaxListed     = 64 // files: a large model has about as many shards
	maxBases      = 16 // a merge of more models is made in steps
	maxDatasets   = 32 // a mixture of more is itself published as a dataset
	maxAliases    = 16 // one or two for each other system
	maxPaths      = 32 // ignored and raw are exceptions, printed to whoever verifies
	maxSources    = 16 // longer lists belong into the Croissant document
	maxModalities = 16 // more than there are in use
	maxCode       = 16 // source archives of a run
	maxHardware   = 16 // kinds of device of a run
	maxMetrics    = 32 // longer tables belong into documents
	maxOutputs    = 16 // models of one run: checkpoints worth publishing
	maxKeys       = entry.MaxSignatures
	// A rotation carries k signatures of old keys and k of new ones in one entry.
	maxThreshold = entry.MaxSignatures / 2
)

// A predicate joins one member of Statement with its schema.
type predicate struct {
	kind  Kind
	name  string
	uri   string
	set   func(*Statement) bool
	get   func(*jsontext.Decoder, *Statement) error
	check func(*Statement) error
	put   func([]byte, *Statement) []byte
}

var predicates = []predicate{
	join(KindModel, "model", PredicateModel, func(s *Statement) **Model { return &s.Model }, modelSchema),
	join(KindDataset, "dataset", PredicateDataset, func(s *Statement) **Dataset { return &s.Dataset }, datasetSchema),
	join(KindTraining, "training", PredicateTraining, func(s *Statement) **Training { return &s.Training }, trainingSchema),
	join(KindEvaluation, "evaluation", PredicateEvaluation, func(s *Statement) **Evaluation { return &s.Evaluation }, evaluationSchema),
	join(KindStatus, "status", PredicateStatus, func(s *Statement) **Status { return &s.Status }, statusSchema),
	join(KindNamespace, "namespace", PredicateNamespace, func(s *Statement) **Namespace { return &s.Namespace }, namespaceSchema),
}

func join[T any](kind Kind, name, uri string, at func(*Statement) **T, schema codec[T]) predicate {
	m := optionalObject(name, at, schema)
	return predicate{
		kind: kind, name: name, uri: uri,
		set: func(s *Statement) bool { return *at(s) != nil },
		get: m.get, check: m.check, put: m.put,
	}
}

// predicateOf returns the predicate of a type, or nil.
func predicateOf(uri string) *predicate {
	for i := range predicates {
		if predicates[i].uri == uri {
			return &predicates[i]
		}
	}
	return nil
}

// The schemas. Members stand in canonical order; lists name theirs.

var modelSchema = object(
	optionalList("aliases", func(m *Model) *[]Alias { return &m.Aliases }, list(aliasSchema, maxAliases, compareAliases)),
	optionalList("bases", func(m *Model) *[]Base { return &m.Bases }, list(baseSchema, maxBases, compareBases)),
	required("bytes", func(m *Model) *uint64 { return &m.Bytes }, number(0)),
	optionalList("datasets", func(m *Model) *[]Use { return &m.Datasets }, list(useSchema, maxDatasets, compareUses)),
	required("fileRoot", func(m *Model) *Digest { return &m.FileRoot }, digestText),
	required("files", func(m *Model) *uint64 { return &m.Files }, number(1)),
	optionalList("ignored", func(m *Model) *[]string { return &m.Ignored }, list(text[string](checkPath), maxPaths, strings.Compare)),
	optional("license", func(m *Model) *string { return &m.License }, text[string](checkLicense)),
	optionalList("listed", func(m *Model) *[]File { return &m.Listed }, list(fileSchema, MaxListed, compareFiles)),
	optional("manifest", func(m *Model) *Digest { return &m.Manifest }, digestText),
	optionalList("raw", func(m *Model) *[]string { return &m.Raw }, list(text[string](checkPath), maxPaths, strings.Compare)),
	required("tensors", func(m *Model) *uint64 { return &m.Tensors }, number(0)),
	optional("training", func(m *Model) *Digest { return &m.Training }, digestText),
	required("weightsRoot", func(m *Model) *Digest { return &m.WeightsRoot }, digestText),
)

var aliasSchema = object(
	required("kind", func(a *Alias) *AliasKind { return &a.Kind }, oneOf(AliasOCI, AliasOMS)),
	required("value", func(a *Alias) *Digest { return &a.Value }, digestText),
)

var baseSchema = object(
	required("digest", func(b *Base) *Digest { return &b.Digest }, digestText),
	optional("name", func(b *Base) *Name { return &b.Name }, nameText),
	required("relation", func(b *Base) *Relation { return &b.Relation },
		oneOf(RelationAdapter, RelationContinue, RelationDistill, RelationFinetune, RelationMerge, RelationQuantize)),
)

var useSchema = object(
	required("digest", func(u *Use) *Digest { return &u.Digest }, digestText),
	optional("name", func(u *Use) *Name { return &u.Name }, nameText),
	required("role", func(u *Use) *Role { return &u.Role },
		oneOf(RoleCalibration, RolePreference, RoleRetrieval, RoleTest, RoleTokenizer, RoleTrain, RoleValidation)),
)

var fileSchema = object(
	required("path", func(f *File) *string { return &f.Path }, text[string](checkPath)),
	required("sha256", func(f *File) *Digest { return &f.SHA256 }, digestText),
	required("size", func(f *File) *uint64 { return &f.Size }, number(0)),
)

var datasetSchema = object(
	required("bytes", func(d *Dataset) *uint64 { return &d.Bytes }, number(0)),
	optionalObject("collection", func(d *Dataset) **Period { return &d.Collection }, periodSchema),
	optionalObject("consent", func(d *Dataset) **Consent { return &d.Consent }, consentSchema),
	optional("croissant", func(d *Dataset) *Digest { return &d.Croissant }, digestText),
	required("files", func(d *Dataset) *uint64 { return &d.Files }, number(1)),
	required("form", func(d *Dataset) *Form { return &d.Form }, oneOf(FormFiles, FormLines)),
	required("license", func(d *Dataset) *string { return &d.License }, text[string](checkLicense)),
	optionalList("modalities", func(d *Dataset) *[]string { return &d.Modalities }, list(text[string](checkCode), maxModalities, strings.Compare)),
	required("records", func(d *Dataset) *uint64 { return &d.Records }, number(0)),
	required("root", func(d *Dataset) *Digest { return &d.Root }, digestText),
	required("salted", func(d *Dataset) *bool { return &d.Salted }, boolean),
	optionalList("sources", func(d *Dataset) *[]string { return &d.Sources }, list(text[string](checkSource), maxSources, strings.Compare)),
)

var periodSchema = object(
	required("from", func(p *Period) *string { return &p.From }, text[string](checkDate)),
	required("to", func(p *Period) *string { return &p.To }, text[string](checkDate)),
)

var consentSchema = object(
	required("basis", func(c *Consent) *Basis { return &c.Basis },
		oneOf(BasisConsent, BasisContract, BasisLegal, BasisLegitimate, BasisLicensed,
			BasisNotPersonal, BasisPublicDomain, BasisPublicTask, BasisSynthetic, BasisVital)),
	optional("document", func(c *Consent) *Digest { return &c.Document }, digestText),
)

var trainingSchema = object(
	optionalList("bases", func(t *Training) *[]Base { return &t.Bases }, list(baseSchema, maxBases, compareBases)),
	optionalList("code", func(t *Training) *[]Digest { return &t.Code }, list(digestText, maxCode, compareDigests)),
	optionalList("datasets", func(t *Training) *[]Use { return &t.Datasets }, list(useSchema, maxDatasets, compareUses)),
	optional("ended", func(t *Training) *string { return &t.Ended }, text[string](checkTime)),
	optionalList("hardware", func(t *Training) *[]Hardware { return &t.Hardware }, list(hardwareSchema, maxHardware, compareHardware)),
	optional("parameters", func(t *Training) *Digest { return &t.Parameters }, digestText),
	optional("started", func(t *Training) *string { return &t.Started }, text[string](checkTime)),
)

var hardwareSchema = object(
	required("kind", func(h *Hardware) *string { return &h.Kind }, text[string](checkHardware)),
	required("milliHours", func(h *Hardware) *uint64 { return &h.MilliHours }, number(1)),
)

var evaluationSchema = object(
	required("benchmark", func(e *Evaluation) *string { return &e.Benchmark }, text[string](checkIdentifier)),
	optional("dataset", func(e *Evaluation) *Digest { return &e.Dataset }, digestText),
	optional("harness", func(e *Evaluation) *Digest { return &e.Harness }, digestText),
	required("metrics", func(e *Evaluation) *[]Metric { return &e.Metrics }, list(metricSchema, maxMetrics, compareMetrics)),
)

var metricSchema = object(
	required("name", func(m *Metric) *string { return &m.Name }, text[string](checkIdentifier)),
	required("value", func(m *Metric) *string { return &m.Value }, text[string](checkDecimal)),
)

var statusSchema = object(
	optional("by", func(s *Status) *Digest { return &s.By }, digestText),
	optional("document", func(s *Status) *Digest { return &s.Document }, digestText),
	required("reason", func(s *Status) *string { return &s.Reason }, text[string](checkCode)),
	required("state", func(s *Status) *State { return &s.State }, oneOf(StateConsentWithdrawn, StateDeprecated, StateRevoked, StateSuperseded)),
)

var namespaceSchema = object(
	required("keys", func(n *Namespace) *[]entry.PublicKey { return &n.Keys }, list(keySchema, maxKeys, compareKeys)),
	optional("previous", func(n *Namespace) *Digest { return &n.Previous }, digestText),
	required("sequence", func(n *Namespace) *uint64 { return &n.Sequence }, number(0)),
	required("threshold", func(n *Namespace) *uint64 { return &n.Threshold }, number(1)),
)

// keySchema checks a key as a whole once both of its members are there.
var keySchema = func() codec[entry.PublicKey] {
	c := object(
		required("alg", func(k *entry.PublicKey) *entry.Alg { return &k.Alg }, algText),
		required("key", func(k *entry.PublicKey) *[]byte { return &k.Bytes }, base64Text),
	)
	c.check = func(k entry.PublicKey) error {
		if _, err := entry.ParsePublicKey(k.Alg, k.Bytes); err != nil {
			return bad("%v", err)
		}
		return nil
	}
	return c
}()

// algText is an algorithm by its name, of those that entries can be signed with.
var algText = codec[entry.Alg]{
	get: func(d *jsontext.Decoder) (entry.Alg, error) {
		token, err := expect(d, kindString)
		if err != nil {
			return 0, err
		}
		name := token.String()
		for _, alg := range []entry.Alg{entry.Ed25519, entry.P256} {
			if alg.String() == name {
				return alg, nil
			}
		}
		return 0, bad("got %q, want ed25519 or p256", name)
	},
	check: func(entry.Alg) error { return nil },
	put:   func(dst []byte, a entry.Alg) []byte { return putString(dst, a.String()) },
}

// digestText is a digest inside a predicate.
var digestText = codec[Digest]{
	get: func(d *jsontext.Decoder) (Digest, error) {
		token, err := expect(d, kindString)
		if err != nil {
			return Digest{}, err
		}
		return ParseDigest(token.String())
	},
	check: checkDigest,
	put:   func(dst []byte, v Digest) []byte { return putString(dst, v.String()) },
}

// nameText is a full name inside a predicate.
var nameText = codec[Name]{
	get: func(d *jsontext.Decoder) (Name, error) {
		token, err := expect(d, kindString)
		if err != nil {
			return Name{}, err
		}
		return ParseName(token.String())
	},
	check: func(n Name) error {
		_, err := ParseName(n.String())
		return err
	},
	put: func(dst []byte, n Name) []byte { return putString(dst, n.String()) },
}

var subjectsSchema = list(subjectSchema, maxOutputs, compareSubjects)

// A subject's digest is an object of one member, {"<alg>": "<hex>"}.
var subjectSchema = object(
	member[Subject]{
		name:  "digest",
		get:   getSubjectDigest,
		check: func(s *Subject) error { return checkDigest(s.Digest) },
		put: func(dst []byte, s *Subject) []byte {
			dst = append(putString(append(dst, '{'), s.Alg), ':')
			return append(putString(dst, hex.EncodeToString(s.Digest[:])), '}')
		},
	},
	optional("name", func(s *Subject) *string { return &s.Name }, text[string](checkLine)),
)

func getSubjectDigest(d *jsontext.Decoder, s *Subject) error {
	if _, err := expect(d, kindObject); err != nil {
		return err
	}
	if d.PeekKind() == kindObjectEnd {
		return fault(ErrSubject, "no digest, want exactly one")
	}
	alg, err := expect(d, kindString)
	if err != nil {
		return err
	}
	s.Alg = alg.String()
	value, err := expect(d, kindString)
	if err != nil {
		return under(err, step(s.Alg))
	}
	if s.Digest, err = parseHex(value.String()); err != nil {
		return under(err, step(s.Alg))
	}
	if d.PeekKind() != kindObjectEnd {
		return fault(ErrSubject, "more than one digest, want exactly one")
	}
	_, err = expect(d, kindObjectEnd)
	return err
}

// Canonical orders. A text sorts by its bytes, a digest by its value.

func compareDigests(a, b Digest) int { return bytes.Compare(a[:], b[:]) }

func compareAliases(a, b Alias) int {
	return cmp.Or(cmp.Compare(a.Kind, b.Kind), compareDigests(a.Value, b.Value))
}

func compareBases(a, b Base) int {
	return cmp.Or(compareDigests(a.Digest, b.Digest), cmp.Compare(a.Relation, b.Relation))
}

func compareUses(a, b Use) int {
	return cmp.Or(compareDigests(a.Digest, b.Digest), cmp.Compare(a.Role, b.Role))
}

func compareHardware(a, b Hardware) int { return strings.Compare(a.Kind, b.Kind) }

func compareMetrics(a, b Metric) int { return strings.Compare(a.Name, b.Name) }

func compareKeys(a, b entry.PublicKey) int {
	return cmp.Or(cmp.Compare(a.Alg, b.Alg), bytes.Compare(a.Bytes, b.Bytes))
}

// compareFiles puts weight files first, because they are what people look up,
// then sorts by path.
func compareFiles(a, b File) int {
	switch wa, wb := isWeightFile(a.Path), isWeightFile(b.Path); {
	case wa && !wb:
		return -1
	case !wa && wb:
		return 1
	}
	return strings.Compare(a.Path, b.Path)
}

func isWeightFile(path string) bool {
	return strings.HasSuffix(path, ".safetensors") || strings.HasSuffix(path, ".gguf")
}

// Sort puts every list of the statement into its canonical order. It keeps
// duplicates, which Marshal refuses.
func (s *Statement) Sort() {
	slices.SortStableFunc(s.Subjects, compareSubjects)
	if m := s.Model; m != nil {
		slices.SortStableFunc(m.Aliases, compareAliases)
		slices.SortStableFunc(m.Bases, compareBases)
		slices.SortStableFunc(m.Datasets, compareUses)
		slices.SortStableFunc(m.Listed, compareFiles)
		slices.Sort(m.Ignored)
		slices.Sort(m.Raw)
	}
	if d := s.Dataset; d != nil {
		slices.Sort(d.Modalities)
		slices.Sort(d.Sources)
	}
	if t := s.Training; t != nil {
		slices.SortStableFunc(t.Bases, compareBases)
		slices.SortStableFunc(t.Code, compareDigests)
		slices.SortStableFunc(t.Datasets, compareUses)
		slices.SortStableFunc(t.Hardware, compareHardware)
	}
	if e := s.Evaluation; e != nil {
		slices.SortStableFunc(e.Metrics, compareMetrics)
	}
	if n := s.Namespace; n != nil {
		slices.SortStableFunc(n.Keys, compareKeys)
	}
}

// ListFiles sets the listed files of a model statement to the first of all, in
// canonical order, as many as MaxListed and MaxBodySize let in. Call it last:
// the room depends on the other members. The same files and members always give
// the same list. It does nothing to another kind of statement.
func (s *Statement) ListFiles(all []File) {
	if s.PredicateType != PredicateModel || s.Model == nil {
		return
	}
	all = slices.Clone(all)
	slices.SortStableFunc(all, compareFiles)
	s.Model.Listed = nil
	size := len(s.append(nil)) + len(`"listed":[],`)
	n := 0
	for n < min(len(all), MaxListed) {
		size += len(fileSchema.put(nil, all[n])) + len(",")
		if size-len(",") > MaxBodySize {
			break
		}
		n++
	}
	if n > 0 {
		s.Model.Listed = all[:n:n]
	}
}
