package statement

import (
	"encoding/hex"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// Predicate types of foreign statements.
const (
	// PredicateSLSA is SLSA provenance v1.
	PredicateSLSA = "https://slsa.dev/provenance/v1"
	// predicateOMS begins the type of every OpenSSF Model Signing v1 statement;
	// a verifier should accept any v1.* (its VERSIONING.md).
	predicateOMS = "https://model_signing/signature/v1."

	maxMinorSize = 16 // what follows "v1."; longer than any version number

	// maxResources bounds the files under which one statement is found. Those of
	// a statement of the largest size, in its smallest layout, come close.
	maxResources = 512
)

func isForeign(predicateType string) bool {
	return predicateType == PredicateSLSA || isOMS(predicateType)
}

// isOMS wants digits, and points between them, after "v1.".
func isOMS(predicateType string) bool {
	minor, ok := strings.CutPrefix(predicateType, predicateOMS)
	if !ok || len(minor) > maxMinorSize {
		return false
	}
	for part := range strings.SplitSeq(minor, ".") {
		if !isDigits(part) {
			return false
		}
	}
	return true
}

// parseForeign lists the subjects of a statement that is not ours. A subject
// has one listing for its sha256 digest; other algorithms are not listed.
func parseForeign(env envelope) (*Statement, error) {
	s := &Statement{Kind: KindForeign, PredicateType: env.predicateType}
	d := decoder(env.subject)
	if _, err := expect(d, kindArray); err != nil {
		return nil, under(err, "subject")
	}
	count := 0
	for ; d.PeekKind() != kindArrayEnd; count++ {
		sub, err := getForeignSubject(d)
		if err != nil {
			return nil, under(under(err, subscript(count)), "subject")
		}
		if sub.Alg == AlgBlob {
			s.Subjects = append(s.Subjects, sub)
		}
	}
	if count == 0 {
		return nil, fault(ErrSubject, "got no subject, want at least 1").under("subject")
	}
	if isOMS(env.predicateType) {
		s.Files = omsFiles(env.predicate)
	}
	return s, nil
}

// omsFiles lists the SHA-256 of each file of an OpenSSF Model Signing predicate
// (its specification, 5.2): of the first maxResources, those that say so. Under
// any other serialization a digest is not that of a file's bytes. What has
// another form is passed over: a predicate that is not ours is refused for
// nothing, and whoever verifies the model reads it whole.
func omsFiles(predicate jsontext.Value) (files []Digest) {
	how := memberOf(predicate, "serialization")
	if textOf(memberOf(how, "method")) != "files" || textOf(memberOf(how, "hash_type")) != AlgBlob {
		return nil
	}
	list := memberOf(predicate, "resources")
	if list.Kind() != kindArray {
		return nil
	}
	d := decoder(list)
	d.ReadToken()
	for n := 0; n < maxResources && d.PeekKind() != kindArrayEnd; n++ {
		resource, err := d.ReadValue()
		if err != nil {
			return nil // cannot happen: the whole body was read before
		}
		if textOf(memberOf(resource, "algorithm")) != AlgBlob {
			continue
		}
		if digest, err := parseHex(textOf(memberOf(resource, "digest"))); err == nil {
			files = append(files, digest)
		}
	}
	return files
}

// memberOf returns the member of an object; nil if there is none, or no object.
// v is JSON that was read before, or nil.
func memberOf(v jsontext.Value, name string) jsontext.Value {
	if v.Kind() != kindObject {
		return nil
	}
	d := decoder(v)
	d.ReadToken()
	for d.PeekKind() != kindObjectEnd {
		key, err := d.ReadToken()
		if err != nil {
			return nil
		}
		found := key.String() == name
		value, err := d.ReadValue()
		if err != nil {
			return nil
		}
		if found {
			return value.Clone()
		}
	}
	return nil
}

// textOf returns the text of a JSON string, and nothing of anything else.
func textOf(v jsontext.Value) string {
	if v.Kind() != kindString {
		return ""
	}
	return unquote(v)
}

// getForeignSubject reads an in-toto ResourceDescriptor: a digest and perhaps a
// name. Its other members are its author's.
func getForeignSubject(d *jsontext.Decoder) (sub Subject, err error) {
	if _, err := expect(d, kindObject); err != nil {
		return sub, err
	}
	digests := false
	for d.PeekKind() != kindObjectEnd {
		token, err := expect(d, kindString)
		if err != nil {
			return sub, err
		}
		switch token.String() {
		case "name":
			name, err := expect(d, kindString)
			if err != nil {
				return sub, under(err, "name")
			}
			sub.Name = name.String()
		case "digest":
			if err := getForeignDigests(d, &sub); err != nil {
				return sub, under(err, "digest")
			}
			digests = true
		default:
			if err := d.SkipValue(); err != nil {
				return sub, notJSON(err)
			}
		}
	}
	if !digests {
		return sub, fault(ErrMissingMember, "no %q", "digest")
	}
	_, err = expect(d, kindObjectEnd)
	return sub, err
}

// getForeignDigests reads an in-toto DigestSet: algorithm to text. Foreign
// writers don't agree on the case of hex.
func getForeignDigests(d *jsontext.Decoder, sub *Subject) error {
	if _, err := expect(d, kindObject); err != nil {
		return err
	}
	if d.PeekKind() == kindObjectEnd {
		return fault(ErrSubject, "no digest, want at least one")
	}
	for d.PeekKind() != kindObjectEnd {
		token, err := expect(d, kindString)
		if err != nil {
			return err
		}
		alg := token.String()
		value, err := expect(d, kindString)
		if err != nil {
			return under(err, step(alg))
		}
		if alg != AlgBlob {
			continue
		}
		b, err := hex.DecodeString(value.String())
		if err != nil || len(b) != len(sub.Digest) {
			return fault(ErrBadValue, "got %q, want 64 hex digits", value.String()).under(step(alg))
		}
		sub.Alg, sub.Digest = alg, Digest(b)
	}
	_, err := expect(d, kindObjectEnd)
	return err
}
