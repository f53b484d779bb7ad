package verifier

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/hallmark-registry/hallmark/verifier/entry"
	"github.com/hallmark-registry/hallmark/verifier/statement"
)

// status asks what the entry's own signers said of it since, as far as the
// bundle brings that along. Who made the bundle chose what is in it, so a status
// that is there counts and one that is not proves nothing.
//
// It fails closed: a state answer may say "revoked", and a verifier that cannot
// read it must not say "verified".
func (v *verification) status() {
	r := v.report
	if v.bundle.State != nil {
		r.add(Check{Name: "status", Result: Failed, Class: ClassUnknown, Reason: "STATE_UNSUPPORTED",
			Message: "the bundle carries a state answer, which this version cannot check",
			Hint:    "verify with a newer version, or with a bundle made without state"})
		return
	}
	if r.Check("entry").Result != OK {
		r.skip("status", "the entry's signatures do not hold")
		return
	}
	if c := r.Check("related"); c != nil && c.Result != OK {
		r.skip("status", "the related entries do not hold")
		return
	}
	ours, others := v.statuses()
	also := ""
	if others > 0 {
		also = fmt.Sprintf("; %d by others, which decide nothing", others)
	}
	switch {
	case len(ours) == 0 && others == 0:
		r.notAsked("status", "no status statement in the bundle: revocations are not checked")
	case len(ours) == 0:
		r.notAsked("status", "no status statement by its signers in the bundle%s: revocations are not checked", also)
	case ours[0].gravity() > 0:
		r.add(Check{Name: "status", Result: Failed, Class: ClassPolicy, Reason: "REVOKED", Message: ours[0].String() + also,
			Hint: fmt.Sprintf("its signer took it back: read entry %d before you use it", ours[0].index)})
	default:
		// What is milder than a revocation does not say that none followed.
		r.notAsked("status", "%s%s; later revocations are not checked", ours[0], also)
	}
}

// A relatedStatus is a status statement that the bundle brings along.
type relatedStatus struct {
	statement.Status
	index uint64 // in the log
}

func (s relatedStatus) gravity() int {
	switch s.State {
	case statement.StateRevoked:
		return 2
	case statement.StateConsentWithdrawn:
		return 1
	}
	return 0
}

func (s relatedStatus) String() string {
	by := ""
	if !s.By.IsZero() {
		by = " by " + s.By.String()
	}
	return fmt.Sprintf("%s%s, for the reason %s, as entry %d says", s.State, by, s.Reason, s.index)
}

// statuses returns what the entry's signers said of it, the gravest first and of
// several the latest, and counts what others did. The related entries are proven.
func (v *verification) statuses() (ours []relatedStatus, others int) {
	for _, p := range v.included {
		if p.Entry.Type() != entry.TypeStatement {
			continue
		}
		s, err := statement.Parse(p.Entry.Body())
		if err != nil || s.Status == nil || !v.isAbout(s.Subjects[0]) {
			continue
		}
		if !v.signedByOneOf(p.Entry) {
			others++
			continue
		}
		ours = append(ours, relatedStatus{*s.Status, p.Index})
	}
	slices.SortFunc(ours, func(a, b relatedStatus) int {
		return cmp.Or(cmp.Compare(b.gravity(), a.gravity()), cmp.Compare(b.index, a.index))
	})
	return ours, others
}

// isAbout reports whether a status about the subject is about the entry.
func (v *verification) isAbout(s statement.Subject) bool {
	if s.Alg == statement.AlgStatement {
		return s.Digest == v.entry.StatementID()
	}
	if v.stmt == nil || v.stmt.Kind != statement.KindModel && v.stmt.Kind != statement.KindDataset {
		return false
	}
	own := v.stmt.Subjects[0]
	return s.Alg == own.Alg && s.Digest == own.Digest
}

func (v *verification) signedByOneOf(e *entry.Entry) bool {
	return slices.ContainsFunc(v.entry.Signatures(), func(s entry.Signature) bool { return e.SignedBy(s.Key.ID()) })
}
