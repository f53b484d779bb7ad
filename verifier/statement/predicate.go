package statement

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/hallmark-registry/hallmark/verifier/entry"
)

// Predicate types of the own statements.
const (
	predicateBase = "https://github.com/hallmark-registry/hallmark/"

	PredicateModel      = predicateBase + "model/v1"
	PredicateDataset    = predicateBase + "dataset/v1"
	PredicateTraining   = predicateBase + "training/v1"
	PredicateEvaluation = predicateBase + "evaluation/v1"
	PredicateStatus     = predicateBase + "status/v1"
	PredicateNamespace  = predicateBase + "namespace/v1"
)

// A Model describes a folder of weights. Nothing in it comes from a clock, a
// path of the publisher's machine or a random source: the same folder and the
// same arguments give the same bytes.
type Model struct {
	FileRoot    Digest // root over the file leaves
	WeightsRoot Digest // root over the tensor leaves of all files
	Files       uint64 // number of files, at least 1
	Bytes       uint64 // bytes in all files
	Tensors     uint64 // number of tensors in all files
	Listed      []File // some of the files; see ListFiles

	License  string // SPDX expression; optional
	Bases    []Base // the models it was made from
	Datasets []Use  // the datasets it was made with
	Training Digest // statement id of its training statement, or digest of another record of the run; optional

	Aliases  []Alias  // other identities of the same bytes
	Ignored  []string // paths that the publisher left out, each with all that lies below it
	Raw      []string // paths hashed as raw bytes in spite of their suffix
	Manifest Digest   // SHA-256 of the manifest; optional
}

// Digest returns the model digest that the counts and roots give.
func (m *Model) Digest() Digest {
	b := []byte("hallmark/model/v1\n")
	b = binary.BigEndian.AppendUint64(b, m.Files)
	b = binary.BigEndian.AppendUint64(b, m.Bytes)
	b = append(b, m.FileRoot[:]...)
	b = binary.BigEndian.AppendUint64(b, m.Tensors)
	b = append(b, m.WeightsRoot[:]...)
	return sha256.Sum256(b)
}

// A File is one file of a model, listed so that it is found by its SHA-256.
type File struct {
	Path   string
	SHA256 Digest // SHA-256 of its bytes, as sha256sum prints it
	Size   uint64 // bytes
}

// A Base is a model that another was made from.
type Base struct {
	Digest   Digest // model digest
	Name     Name   // as the publisher calls it; optional, and never what is referred to
	Relation Relation
}

// Relation says how a model came from its base.
type Relation string

// Relations. The list is closed.
const (
	RelationAdapter  Relation = "adapter"  // small weights to be applied on the base, such as LoRA
	RelationContinue Relation = "continue" // pre-training went on
	RelationDistill  Relation = "distill"  // the base was its teacher
	RelationFinetune Relation = "finetune" // trained further, for a task or to follow instructions
	RelationMerge    Relation = "merge"    // weights of several bases combined
	RelationQuantize Relation = "quantize" // the base in fewer bits
)

// A Use is a dataset that a model or a training run used.
type Use struct {
	Digest Digest // dataset digest
	Name   Name   // as the publisher calls it; optional, and never what is referred to
	Role   Role
}

// Role says what a dataset was used for.
type Role string

// Roles. The list is closed.
const (
	RoleCalibration Role = "calibration" // set the scales of a quantisation, or the temperature
	RolePreference  Role = "preference"  // comparisons or rewards that steered it
	RoleRetrieval   Role = "retrieval"   // looked up when it answers
	RoleTest        Role = "test"        // measured it once it was done
	RoleTokenizer   Role = "tokenizer"   // its vocabulary was fitted on it
	RoleTrain       Role = "train"       // its records changed the weights, at any stage
	RoleValidation  Role = "validation"  // chose among checkpoints or settings
)

// An Alias is the identity of the same model under other rules.
type Alias struct {
	Kind  AliasKind
	Value Digest
}

// AliasKind says whose rules an alias follows.
type AliasKind string

// Kinds of alias. The list is closed.
const (
	AliasOCI AliasKind = "oci-digest" // digest of an OCI manifest
	AliasOMS AliasKind = "oms-root"   // root digest of OpenSSF Model Signing v1, 6.5.1
)

// A Dataset describes a commitment to records.
type Dataset struct {
	Root    Digest // root over the record leaves
	Records uint64
	Files   uint64 // at least 1
	Bytes   uint64 // bytes in all files
	Form    Form
	Salted  bool // the record leaves are salted, so that the root reveals none

	License    string   // SPDX expression; NOASSERTION and NONE are two
	Sources    []string // where it comes from: URIs, or a line of text
	Consent    *Consent // why it may be used; optional
	Collection *Period  // when it was collected; optional
	Modalities []string // such as text, image, audio
	Croissant  Digest   // SHA-256 of its Croissant document; optional
}

// Digest returns the dataset digest that the counts and the root give.
func (d *Dataset) Digest() Digest {
	b := []byte("hallmark/dataset/v1\n")
	if d.Salted {
		b = append(b, 1)
	} else {
		b = append(b, 0)
	}
	b = binary.BigEndian.AppendUint64(b, d.Files)
	b = binary.BigEndian.AppendUint64(b, d.Records)
	b = binary.BigEndian.AppendUint64(b, d.Bytes)
	b = append(b, d.Root[:]...)
	return sha256.Sum256(b)
}

// Form says what a record of a dataset is.
type Form string

// Forms. The list is closed.
const (
	FormFiles Form = "files" // a whole file
	FormLines Form = "lines" // a line of a file
)

// Consent says on what ground a dataset may be used, by the signer's word.
type Consent struct {
	Basis    Basis
	Document Digest // SHA-256 of the document that shows it; optional
}

// Basis is a ground on which a dataset may be used.
type Basis string

// Bases of use. The list is closed: the six of the GDPR, article 6, and four
// for data that it does not concern.
const (
	BasisConsent      Basis = "consent"
	BasisContract     Basis = "contract"
	BasisLegal        Basis = "legal-obligation"
	BasisLegitimate   Basis = "legitimate-interests"
	BasisVital        Basis = "vital-interests"
	BasisPublicTask   Basis = "public-task"
	BasisLicensed     Basis = "licensed"      // under the licence named
	BasisNotPersonal  Basis = "not-personal"  // about no person
	BasisPublicDomain Basis = "public-domain" // free of rights
	BasisSynthetic    Basis = "synthetic"     // generated
)

// A Period is a span of days, both included, as YYYY-MM-DD (RFC 3339
// full-date).
type Period struct {
	From, To string
}

// A Training describes the run that made its subjects, by the signer's word.
type Training struct {
	Bases      []Base
	Datasets   []Use
	Code       []Digest // SHA-256 of source archives
	Parameters Digest   // SHA-256 of the document that holds the settings; optional
	Hardware   []Hardware
	Started    string // YYYY-MM-DDTHH:MM:SSZ; optional
	Ended      string // likewise
}

// A Hardware is a kind of device and how long such devices ran in sum.
type Hardware struct {
	Kind       string // such as "NVIDIA H100 80GB"
	MilliHours uint64 // thousandths of a device hour, at least 1
}

// An Evaluation describes how its subject scored.
type Evaluation struct {
	Benchmark string // identifier, such as mmlu or acme/bench@2
	Dataset   Digest // dataset digest; optional
	Metrics   []Metric
	Harness   Digest // SHA-256 of the source archive of the program that measured; optional
}

// A Metric is one measured value. It is text, because a float would not read
// the same everywhere and would drop the digits that say how precise it is.
type Metric struct {
	Name  string
	Value string // decimal, such as 0.730
}

// A Status changes the standing of its subject. Whether it takes effect depends
// on who signed it.
type Status struct {
	State    State
	By       Digest // what supersedes the subject, a digest of the subject's own kind; only with superseded, optional
	Reason   string // code, [a-z0-9-]{1,64}
	Document Digest // SHA-256 of the document that explains; optional
}

// State is a standing of a model, dataset or statement.
type State string

// States. The list is closed.
const (
	StateConsentWithdrawn State = "consent-withdrawn"
	StateDeprecated       State = "deprecated"
	StateRevoked          State = "revoked"
	StateSuperseded       State = "superseded"
)

// A Namespace says which keys hold a namespace. It proves no identity.
type Namespace struct {
	Keys      []entry.PublicKey // ascending by (algorithm, key bytes)
	Threshold uint64            // how many of them must sign
	Sequence  uint64            // 0 for the first statement, then one more than the previous
	Previous  Digest            // statement id of the previous statement; absent in the first
}

// NamespaceDigest returns the digest that stands for a namespace as a subject:
// SHA-256("hallmark/namespace/v1\n" || name).
func NamespaceDigest(namespace string) Digest {
	return sha256.Sum256([]byte("hallmark/namespace/v1\n" + namespace))
}
