package statement

import (
	"crypto/sha256"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Bounds of texts, in bytes.
const (
	maxPathSize       = 4096 // PATH_MAX, as in the model tree
	maxLicenseSize    = 256  // an SPDX expression of several licences
	maxSourceSize     = 512  // a URI, or a line of text
	maxCodeSize       = 64   // a machine-readable code
	maxIdentifierSize = 128  // a benchmark's or metric's name with version and split
	maxHardwareSize   = 64   // a device's product name
	maxDecimalSize    = 40   // a measured value; far beyond any float's digits
	maxLineSize       = 3*maxSegmentSize + len("/@")
)

// emptyRoot is the root of a tree without leaves (RFC 6962, 2.1).
var emptyRoot Digest = sha256.Sum256(nil)

// check holds an own statement to everything that its encoding does not show.
func (s *Statement) check() error {
	p := predicateOf(s.PredicateType)
	if p == nil || p.kind != s.Kind {
		return fault(ErrUnknownPredicate, "got %q for a %s statement", s.PredicateType, s.Kind).under("predicateType")
	}
	for i := range predicates {
		if q := &predicates[i]; q.set(s) != (q == p) {
			return fault(ErrInconsistent, "the %s predicate is set: %t, in a %s statement", q.name, q.set(s), s.Kind)
		}
	}
	if err := p.check(s); err != nil {
		return under(err, "predicate")
	}
	if err := s.checkSubjects(); err != nil {
		return under(err, "subject")
	}
	return under(s.checkConsistent(), "predicate")
}

// checkSubjects checks number, names and digest kinds of the subjects.
func (s *Statement) checkSubjects() error {
	if s.Kind != KindTraining && len(s.Subjects) != 1 {
		return fault(ErrSubject, "got %d subjects, want 1 in a %s statement", len(s.Subjects), s.Kind)
	}
	if err := subjectsSchema.check(s.Subjects); err != nil {
		return err
	}
	for i, sub := range s.Subjects {
		if err := s.checkSubject(sub); err != nil {
			return under(err, subscript(i))
		}
	}
	return nil
}

func (s *Statement) checkSubject(sub Subject) error {
	var want string
	switch s.Kind {
	case KindModel, KindTraining, KindEvaluation:
		want = AlgModel
	case KindDataset:
		want = AlgDataset
	case KindNamespace:
		want = AlgNamespace
	case KindStatus:
		return checkTarget(sub)
	}
	if sub.Alg != want {
		return fault(ErrSubject, "got a digest of kind %q, want %q", sub.Alg, want)
	}
	if s.Kind == KindNamespace {
		_, err := ParseNamespace(sub.Name)
		return under(err, "name")
	}
	_, err := ParseName(sub.Name)
	return under(err, "name")
}

// checkTarget checks the subject of a status: any digest that a log can know,
// and a name only where there is one to give.
func checkTarget(sub Subject) error {
	switch sub.Alg {
	case AlgModel, AlgDataset, AlgStatement, AlgBlob:
	default:
		return fault(ErrSubject, "got a digest of kind %q, want %q, %q, %q or %q", sub.Alg, AlgModel, AlgDataset, AlgStatement, AlgBlob)
	}
	if sub.Name == "" {
		return nil
	}
	_, err := ParseName(sub.Name)
	return under(err, "name")
}

// checkConsistent checks members against each other and the subject.
func (s *Statement) checkConsistent() error {
	sub := s.Subjects[0]
	switch s.Kind {
	case KindModel:
		return s.Model.checkConsistent(sub.Digest)
	case KindDataset:
		return s.Dataset.checkConsistent(sub.Digest)
	case KindTraining:
		return s.Training.checkConsistent(s.Subjects)
	case KindStatus:
		return s.Status.checkConsistent(sub.Digest)
	case KindNamespace:
		return s.Namespace.checkConsistent(sub)
	}
	return nil
}

func (m *Model) checkConsistent(subject Digest) error {
	if got := m.Digest(); got != subject {
		return fault(ErrSubjectDigest, "counts and roots give the model digest %s, the subject has %s", got, subject)
	}
	if (m.Tensors == 0) != (m.WeightsRoot == emptyRoot) {
		return fault(ErrInconsistent, "got %d tensors under the weights root %s; the root of no tensors is %s", m.Tensors, m.WeightsRoot, emptyRoot)
	}
	if uint64(len(m.Listed)) > m.Files {
		return fault(ErrInconsistent, "got %d listed files of %d", len(m.Listed), m.Files)
	}
	var listed uint64 // no overflow: at most 64 sizes below 2^53
	for _, f := range m.Listed {
		listed += f.Size
	}
	all := uint64(len(m.Listed)) == m.Files
	if listed > m.Bytes || all && listed != m.Bytes {
		return fault(ErrInconsistent, "got %d bytes in %d listed files, and %d in all %d files", listed, len(m.Listed), m.Bytes, m.Files)
	}
	return checkBases(m.Bases, subject)
}

// checkBases refuses a model that is made from itself.
func checkBases(bases []Base, made Digest) error {
	for i, b := range bases {
		if b.Digest == made {
			return fault(ErrInconsistent, "the subject itself").under("bases" + subscript(i))
		}
	}
	return nil
}

func (d *Dataset) checkConsistent(subject Digest) error {
	if got := d.Digest(); got != subject {
		return fault(ErrSubjectDigest, "counts and root give the dataset digest %s, the subject has %s", got, subject)
	}
	if d.Records == 0 && d.Bytes > 0 {
		return fault(ErrInconsistent, "got no record in %d bytes", d.Bytes)
	}
	if c := d.Collection; c != nil && c.From > c.To {
		return fault(ErrInconsistent, "from %s is later than to %s", c.From, c.To).under("collection")
	}
	return nil
}

func (t *Training) checkConsistent(outputs []Subject) error {
	if t.Started != "" && t.Ended != "" && t.Started > t.Ended {
		return fault(ErrInconsistent, "started %s is later than ended %s", t.Started, t.Ended)
	}
	for _, out := range outputs {
		if err := checkBases(t.Bases, out.Digest); err != nil {
			return err
		}
	}
	return nil
}

func (s *Status) checkConsistent(subject Digest) error {
	switch {
	case !s.By.IsZero() && s.State != StateSuperseded:
		return fault(ErrInconsistent, "by stands in a status %q, want it with %q only", s.State, StateSuperseded)
	case s.By == subject:
		return fault(ErrInconsistent, "by is the subject itself")
	}
	return nil
}

func (n *Namespace) checkConsistent(sub Subject) error {
	if want := NamespaceDigest(sub.Name); want != sub.Digest {
		return fault(ErrSubjectDigest, "the name gives %s, the subject has %s", want, sub.Digest)
	}
	if most := uint64(min(len(n.Keys), maxThreshold)); n.Threshold > most {
		return fault(ErrInconsistent, "got a threshold of %d, want 1 to %d with %d keys", n.Threshold, most, len(n.Keys))
	}
	if (n.Sequence == 0) != n.Previous.IsZero() {
		return fault(ErrInconsistent, "got sequence %d and previous statement %t; the first has sequence 0 and no previous", n.Sequence, !n.Previous.IsZero())
	}
	return nil
}

// Rules of texts.

func checkDigest(d Digest) error {
	if d.IsZero() {
		return bad("got the digest of all zeros, which stands for none")
	}
	return nil
}

// checkText is the rule that every text keeps: 1 to most bytes of UTF-8, taken
// as they are, without control characters (Unicode category Cc).
func checkText(s string, most int) error {
	if s == "" || len(s) > most {
		return bad("got %d bytes, want 1 to %d", len(s), most)
	}
	if !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) {
		return bad("got %q, want UTF-8 without control characters", s)
	}
	return nil
}

func checkLine(s string) error     { return checkText(s, maxLineSize) }
func checkSource(s string) error   { return checkText(s, maxSourceSize) }
func checkHardware(s string) error { return checkText(s, maxHardwareSize) }

// checkPath is the rule of the model tree: relative, '/' between segments.
func checkPath(s string) error {
	if err := checkText(s, maxPathSize); err != nil {
		return err
	}
	if strings.IndexByte(s, '\\') >= 0 {
		return bad("got path %q, want no backslash", s)
	}
	for segment := range strings.SplitSeq(s, "/") {
		if segment == "" || segment == "." || segment == ".." {
			return bad("got path %q with segment %q", s, segment)
		}
	}
	return nil
}

// checkLicense checks the characters of an SPDX licence expression, not whether
// its licences exist: the list of licences grows, a log entry does not change.
func checkLicense(s string) error {
	if err := checkText(s, maxLicenseSize); err != nil {
		return err
	}
	if s[0] == ' ' || s[len(s)-1] == ' ' || strings.Contains(s, "  ") {
		return bad("got %q, want single spaces between words only", s)
	}
	for i := range len(s) {
		if !isAlnum(s[i]) && strings.IndexByte(".+-:() ", s[i]) < 0 {
			return bad("got %q, want an SPDX expression of letters, digits, spaces and .+-:()", s)
		}
	}
	return nil
}

// checkCode is [a-z0-9-]{1,64}.
func checkCode(s string) error {
	if err := checkText(s, maxCodeSize); err != nil {
		return err
	}
	for i := range len(s) {
		if !isLowerAlnum(s[i]) && s[i] != '-' {
			return bad("got %q, want lower-case letters, digits and '-'", s)
		}
	}
	return nil
}

// checkIdentifier is [A-Za-z0-9][A-Za-z0-9._/@:+-]{0,127}.
func checkIdentifier(s string) error {
	if err := checkText(s, maxIdentifierSize); err != nil {
		return err
	}
	for i := range len(s) {
		if !isAlnum(s[i]) && (i == 0 || strings.IndexByte("._/@:+-", s[i]) < 0) {
			return bad("got %q, want [A-Za-z0-9][A-Za-z0-9._/@:+-]*", s)
		}
	}
	return nil
}

// checkDecimal is -?(0|[1-9][0-9]*)(\.[0-9]+)?, but no negative zero. Trailing
// zeros stay: they say how precise the value is.
func checkDecimal(s string) error {
	if err := checkText(s, maxDecimalSize); err != nil {
		return err
	}
	unsigned, negative := strings.CutPrefix(s, "-")
	whole, fraction, point := strings.Cut(unsigned, ".")
	switch {
	case !isDigits(whole), point && !isDigits(fraction),
		len(whole) > 1 && whole[0] == '0',
		negative && strings.Trim(unsigned, "0.") == "":
		return bad("got %q, want a decimal such as -12.50", s)
	}
	return nil
}

func isDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

func checkDate(s string) error { return checkTimeForm(s, time.DateOnly) }
func checkTime(s string) error { return checkTimeForm(s, "2006-01-02T15:04:05Z") }

// checkTimeForm wants the one text that the layout gives for a moment. Texts of
// one layout sort as their moments do.
func checkTimeForm(s, layout string) error {
	t, err := time.Parse(layout, s)
	if err != nil || t.Format(layout) != s || t.Year() < 1 {
		return bad("got %q, want the form %s from the year 1 on", s, layout)
	}
	return nil
}
