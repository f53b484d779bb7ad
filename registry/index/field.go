package index

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/hallmark-registry/hallmark/verifier/ledger"
	"github.com/hallmark-registry/hallmark/verifier/statement"
)

// A Field is what the value of a key is. Fields are ordered by how few rows one value tends to have: an index
// that looks through the rows of one key only begins with the first.
type Field uint8

// Fields. The numbers are stored by drivers; a change of them is a change of a driver's schema.
const (
	FieldEntry Field = iota + 1
	FieldStatement
	FieldFile
	FieldDocument
	FieldDigest
	FieldWeights
	FieldAlias
	fieldRef // ns/name@version, for ByName
	FieldSubject
	FieldAccount
	FieldBase
	FieldDataset
	fieldChild  // child of an edge, for Parents
	fieldParent // parent of an edge, for Children
	FieldName
	FieldPublisher
	FieldBenchmark
	FieldClass
	FieldNamespace
	FieldVersion
	FieldLicense
	FieldKind
	FieldCode
	fieldEnd
)

// Keys that no filter can name, because they would say nothing that the public fields don't.
const (
	// KeyRef is ns/name@version.
	KeyRef = fieldRef
	// KeyChild is the child of an edge.
	KeyChild = fieldChild
	// KeyParent is the parent of an edge.
	KeyParent = fieldParent
)

// form is how a field's values are written.
type form uint8

const (
	formText   form = iota // as it is
	formHash               // 64 hex digits
	formDigest             // sha256: and 64 hex digits
	formAccount
	formName // ns/name
	formKind
	formCode
)

// fields is the table that the filter language is defined by. What is empty is not of the language.
var fields = [fieldEnd]struct {
	name string
	form form
	says string
}{
	FieldEntry:     {"entry", formHash, "entry id"},
	FieldStatement: {"statement", formHash, "statement id: the same statement under any signatures"},
	FieldFile:      {"file", formDigest, "SHA-256 of a listed file"},
	FieldDocument:  {"document", formDigest, "SHA-256 of a document: manifest, card, code, evidence, order"},
	FieldDigest:    {"digest", formDigest, "model or dataset digest that the entry binds to a name"},
	FieldWeights:   {"weights", formDigest, "weights root, the same however tensors are split into files"},
	FieldAlias:     {"alias", formDigest, "identity of a model elsewhere: OMS root, OCI digest"},
	FieldSubject:   {"subject", formDigest, "digest that an evaluation, training, status or credit is about"},
	FieldAccount:   {"account", formAccount, "account that a ledger entry credits, spends from or pays to"},
	FieldBase:      {"base", formDigest, "model digest that it was made from"},
	FieldDataset:   {"dataset", formDigest, "dataset digest that it was made or evaluated with"},
	FieldName:      {"name", formName, "ns/name, all versions"},
	FieldPublisher: {"publisher", formHash, "key id of a signer"},
	FieldBenchmark: {"benchmark", formText, "benchmark of an evaluation"},
	FieldClass:     {"class", formText, "class of a credit or mint"},
	FieldNamespace: {"namespace", formText, "namespace, all names"},
	FieldVersion:   {"version", formText, "version, of any name"},
	FieldLicense:   {"license", formText, "SPDX expression as published"},
	FieldKind:      {"kind", formKind, "model, dataset, training, evaluation, status, namespace, foreign, a ledger kind, or malformed"},
	FieldCode:      {"code", formCode, "ACCEPTED, or the rejection code of the fold"},
}

// String returns the name that filters use.
func (f Field) String() string {
	if f < fieldEnd && fields[f].name != "" {
		return fields[f].name
	}
	return fmt.Sprintf("field(%d)", uint8(f))
}

// Fields returns the fields of the filter language, with what each says.
func Fields() (names, says []string) {
	for _, f := range fields {
		if f.name != "" {
			names, says = append(names, f.name), append(says, f.says)
		}
	}
	return names, says
}

func parseField(name string) (Field, bool) {
	for f := range fieldEnd {
		if name != "" && fields[f].name == name {
			return f, true
		}
	}
	return 0, false
}

// Canonical returns the one text that a value of the field has in a Row. Hashes may be given with or without
// sha256:, because people copy both. A value that no Row can have is refused: to find nothing would look like an
// answer.
func (f Field) Canonical(value string) (string, error) {
	switch fields[f].form {
	case formHash, formDigest:
		d, err := statement.ParseDigest("sha256:" + strings.TrimPrefix(value, "sha256:"))
		if err != nil {
			return "", fmt.Errorf("got %q, want 64 lower-case hex digits, sha256: before them or not", value)
		}
		if fields[f].form == formDigest {
			return d.String(), nil
		}
		return hex.EncodeToString(d[:]), nil
	case formAccount:
		if _, err := ledger.ParseAccountID(value); err != nil {
			return "", err
		}
	case formName:
		return value, checkName(value)
	case formKind:
		if !slices.Contains(kinds, value) {
			return "", fmt.Errorf("got %q, want one of %s", value, strings.Join(kinds, ", "))
		}
	case formCode:
		if code := new(ledger.Code); code.UnmarshalText([]byte(value)) != nil {
			return "", fmt.Errorf("got %q, want %s or a rejection code such as %s", value, CodeAccepted, ledger.NameBound)
		}
	}
	return value, nil
}

// checkName wants ns/name.
func checkName(value string) error {
	if base, version, ok := strings.Cut(value, "@"); ok {
		return fmt.Errorf("got %q, want no version in it: name = %q AND version = %q", value, base, version)
	}
	if _, err := statement.ParseName(value + "@0"); err != nil {
		return fmt.Errorf("got %q, want namespace/name, each [a-z0-9][a-z0-9._-]{0,63}", value)
	}
	return nil
}

// kinds are those that a Row can have.
var kinds = func() []string {
	all := []string{KindMalformed}
	for k := statement.KindModel; k <= statement.KindForeign; k++ {
		all = append(all, k.String())
	}
	for k := ledger.KindGenesis; k <= ledger.KindState; k++ {
		all = append(all, k.String())
	}
	return all
}()
