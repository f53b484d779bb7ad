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
	return s, nil
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
