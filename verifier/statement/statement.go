// Package statement reads and writes the in-toto statements of a Hallmark log.
//
//	{"_type":"https://in-toto.io/Statement/v1",
//	 "predicate":{...},
//	 "predicateType":"https://github.com/hallmark-registry/hallmark/model/v1",
//	 "subject":[{"digest":{"hallmarkModel1":"<64 hex>"},"name":"acme/tiny@1.0.0"}]}
//
// A statement is read by many programs in many languages, and a log is worth
// nothing if two of them read the same bytes differently. So our own six
// predicates have exactly one encoding: RFC 8785 canonical JSON, no white
// space, exact member names, no member unknown, no list out of order, no
// number that is not an integer below 2^53. Parse proves that by writing the
// statement again and comparing every byte. It also holds a statement to
// itself: the subject's digest of a model or a dataset must be the one that the
// counts and roots of its predicate give.
//
// Foreign statements (OpenSSF Model Signing, SLSA provenance) are somebody
// else's bytes. They are accepted as they stand, once it is certain that their
// envelope means the same to every reader. Their predicates are refused for
// nothing; Model Signing's is read for the digests of the files that it lists.
//
// What a statement says is recorded, not thereby true: who may say it is for
// the fold of the ledger and for the policy of whoever verifies.
package statement

import (
	"bytes"
	"fmt"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/hallmark-registry/hallmark/verifier/entry"
)

// TypeStatement is the _type of every statement (in-toto Attestation
// Framework, Statement v1).
const TypeStatement = "https://in-toto.io/Statement/v1"

// MaxBodySize bounds the body of an own statement, in bytes. It leaves 3 KiB of
// the 16 KiB entry to the PAE prefix and 16 signatures of 168 bytes each (the
// size under a P-256 key), so that no signer of a k-of-n can be the one whose
// signature no longer fits.
const MaxBodySize = entry.MaxEntrySize - 3<<10

// maxDepth bounds how many objects and arrays of a body are open at once. Own
// statements need 5 and provenance in the field some 10; what recursion allows
// differs between languages, and readers must not differ on what is accepted.
const maxDepth = 64

// Kind says what a statement is about.
type Kind uint8

// Kinds. The numbers are frozen.
const (
	KindModel      Kind = 1
	KindDataset    Kind = 2
	KindTraining   Kind = 3
	KindEvaluation Kind = 4
	KindStatus     Kind = 5
	KindNamespace  Kind = 6
	KindForeign    Kind = 7 // a predicate that is not ours, accepted as it stands
)

// String returns the kind's lower-case name.
func (k Kind) String() string {
	if k == KindForeign {
		return "foreign"
	}
	for i := range predicates {
		if predicates[i].kind == k {
			return predicates[i].name
		}
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// A Statement is one parsed statement. Exactly one of the predicate pointers is
// set, the one of its Kind; none for a foreign one.
type Statement struct {
	Kind          Kind
	PredicateType string
	Subjects      []Subject
	Files         []Digest // SHA-256 of the files that an OpenSSF Model Signing statement lists; else nil

	Model      *Model
	Dataset    *Dataset
	Training   *Training
	Evaluation *Evaluation
	Status     *Status
	Namespace  *Namespace
}

// NewModel returns the statement that name is the model m.
func NewModel(name Name, m *Model) *Statement {
	subject := Subject{Name: name.String(), Alg: AlgModel, Digest: m.Digest()}
	return &Statement{Kind: KindModel, PredicateType: PredicateModel, Subjects: []Subject{subject}, Model: m}
}

// NewDataset returns the statement that name is the dataset d.
func NewDataset(name Name, d *Dataset) *Statement {
	subject := Subject{Name: name.String(), Alg: AlgDataset, Digest: d.Digest()}
	return &Statement{Kind: KindDataset, PredicateType: PredicateDataset, Subjects: []Subject{subject}, Dataset: d}
}

// NewTraining returns the statement that a run made the models outputs.
func NewTraining(outputs []Subject, t *Training) *Statement {
	return &Statement{Kind: KindTraining, PredicateType: PredicateTraining, Subjects: outputs, Training: t}
}

// NewEvaluation returns the statement that model scored as e says.
func NewEvaluation(model Subject, e *Evaluation) *Statement {
	return &Statement{Kind: KindEvaluation, PredicateType: PredicateEvaluation, Subjects: []Subject{model}, Evaluation: e}
}

// NewStatus returns the statement that target stands as st says.
func NewStatus(target Subject, st *Status) *Statement {
	return &Statement{Kind: KindStatus, PredicateType: PredicateStatus, Subjects: []Subject{target}, Status: st}
}

// NewNamespace returns the statement that the namespace is held by n's keys.
func NewNamespace(namespace string, n *Namespace) *Statement {
	subject := Subject{Name: namespace, Alg: AlgNamespace, Digest: NamespaceDigest(namespace)}
	return &Statement{Kind: KindNamespace, PredicateType: PredicateNamespace, Subjects: []Subject{subject}, Namespace: n}
}

// Parse reads a statement strictly. Every error is an *Error and wraps one of
// the faults of this package. An own statement that Parse accepts is the one
// that Marshal writes, byte for byte. The result keeps nothing of body.
func Parse(body []byte) (*Statement, error) {
	env, err := parseEnvelope(body)
	if err != nil {
		return nil, err
	}
	if isForeign(env.predicateType) {
		return parseForeign(env)
	}
	s, err := parseOwn(env, body)
	if err != nil {
		return nil, err
	}
	canonical, err := s.Marshal()
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(canonical, body) {
		return nil, fault(ErrNotCanonical, "differs from its canonical form at byte %d", mismatch(canonical, body))
	}
	return s, nil
}

// Canonical returns the one encoding of an own statement that somebody wrote with
// other white space, member order or escapes: what Parse refuses with
// ErrNotCanonical, for its author to look at and to sign. Whatever else is wrong
// with body is an error as of Parse.
func Canonical(body []byte) ([]byte, error) {
	env, err := parseEnvelope(body)
	if err != nil {
		return nil, err
	}
	s, err := parseOwn(env, body)
	if err != nil {
		return nil, err
	}
	return s.Marshal()
}

// parseOwn reads a statement of one of our predicates, however it's laid out.
func parseOwn(env envelope, body []byte) (*Statement, error) {
	p := predicateOf(env.predicateType)
	if p == nil {
		return nil, fault(ErrUnknownPredicate, "got %q", env.predicateType).under("predicateType")
	}
	if len(body) > MaxBodySize {
		return nil, fault(ErrTooLarge, "got %d bytes, want at most %d", len(body), MaxBodySize)
	}
	s := &Statement{Kind: p.kind, PredicateType: env.predicateType}
	if err := p.get(decoder(env.predicate), s); err != nil {
		return nil, under(err, "predicate")
	}
	var err error
	if s.Subjects, err = subjectsSchema.get(decoder(env.subject)); err != nil {
		return nil, under(err, "subject")
	}
	return s, nil
}

// Marshal validates an own statement and returns its one encoding. Lists must
// stand in their canonical order (see Sort); an empty list is left out. Every
// error is an *Error.
func (s *Statement) Marshal() ([]byte, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	body := s.append(nil)
	if len(body) > MaxBodySize {
		return nil, fault(ErrTooLarge, "got %d bytes, want at most %d", len(body), MaxBodySize)
	}
	return body, nil
}

// append writes the statement, whose kind must be an own one. The four members
// stand in the order of RFC 8785, 3.2.3.
func (s *Statement) append(dst []byte) []byte {
	p := predicateOf(s.PredicateType)
	dst = append(dst, `{"_type":"`+TypeStatement+`","predicate":`...)
	dst = p.put(dst, s)
	dst = append(dst, `,"predicateType":"`+p.uri+`","subject":`...)
	dst = subjectsSchema.put(dst, s.Subjects)
	return append(dst, '}')
}

// An envelope is the outer object of a statement, own or foreign, whose JSON is
// known to be well formed throughout, without a duplicate member at any depth.
type envelope struct {
	predicateType      string
	predicate, subject jsontext.Value // as they stand in the body
}

// parseEnvelope reads the outer object. in-toto lets a reader ignore members
// that it does not know; we refuse them, because a reader that folds case would
// take "Subject" for the subject.
func parseEnvelope(body []byte) (env envelope, err error) {
	if len(body) > entry.MaxForeignSize {
		return env, fault(ErrTooLarge, "got %d bytes, want at most %d", len(body), entry.MaxForeignSize)
	}
	if !utf8.Valid(body) {
		return env, fault(ErrNotUTF8, "the body is not valid UTF-8")
	}
	if tooDeep(body) {
		return env, fault(ErrTooDeep, "more than %d objects and arrays are open at once", maxDepth)
	}
	d := decoder(body)
	if _, err := expect(d, kindObject); err != nil {
		return env, err
	}
	var typ, predicateType jsontext.Value
	members := []struct {
		name string
		want jsontext.Kind
		at   *jsontext.Value
	}{
		{"_type", kindString, &typ},
		{"predicate", kindObject, &env.predicate},
		{"predicateType", kindString, &predicateType},
		{"subject", kindArray, &env.subject},
	}
	for d.PeekKind() != kindObjectEnd {
		name, err := expect(d, kindString)
		if err != nil {
			return env, err
		}
		key := name.String()
		value, err := d.ReadValue()
		if err != nil {
			return env, notJSON(err)
		}
		known := false
		for _, m := range members {
			if m.name != key {
				continue
			}
			if got := value.Kind(); got != m.want {
				return env, wrongType(got, m.want).under(key)
			}
			// The decoder may reuse its buffer; the body stays.
			end := int(d.InputOffset())
			*m.at, known = body[end-len(value):end], true
		}
		if !known {
			return env, fault(ErrUnknownMember, "got %q", key)
		}
	}
	if err := finish(d); err != nil {
		return env, err
	}
	for _, m := range members {
		if *m.at == nil {
			return env, fault(ErrMissingMember, "no %q", m.name)
		}
	}
	if got := unquote(typ); got != TypeStatement {
		return env, fault(ErrNotStatement, "got %q, want %q", got, TypeStatement).under("_type")
	}
	env.predicateType = unquote(predicateType)
	return env, nil
}

// tooDeep counts brackets outside strings. It runs before the JSON reader,
// which has a bound of its own, and so may count in what is not JSON.
func tooDeep(body []byte) bool {
	depth, inString := 0, false
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case inString && c == '\\':
			i++ // whatever is escaped does not end the string
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			if depth++; depth > maxDepth {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}

// unquote returns the text of a JSON string that was already read once.
func unquote(v jsontext.Value) string {
	text, err := jsontext.AppendUnquote(nil, v)
	if err != nil {
		panic("statement: unquoting a string that the decoder accepted: " + err.Error())
	}
	return string(text)
}

// mismatch returns the offset of the first byte in which a and b differ.
func mismatch(a, b []byte) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}
