package verifier

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/hallmark-registry/hallmark/verifier/dataset"
	"github.com/hallmark-registry/hallmark/verifier/statement"
)

// opening asks whether one record, shown with its salt and its paths, is in the
// dataset that was logged. It reads no other record: whoever verifies has none.
func (v *verification) opening(s *Subject) {
	if s == nil || s.Opening == nil {
		return
	}
	r := v.report
	switch {
	case v.stmt == nil && r.Check("entry").Result != OK:
		r.skip("opening", "the statement cannot be read")
		return
	case v.stmt == nil || v.stmt.Kind != statement.KindDataset:
		r.add(Check{Name: "opening", Result: Failed, Class: ClassUsage, Reason: "NOT_DATASET",
			Message: fmt.Sprintf("this is a %s entry: no record can be of it", r.Facts.Kind),
			Hint:    "an opening is verified with the bundle of its dataset"})
		return
	}
	o, err := dataset.ParseOpening(s.Opening)
	if err != nil {
		r.fail("opening", ClassProof, "OPENING_MALFORMED", err)
		return
	}
	got, err := o.Digest()
	if err != nil {
		r.fail("opening", ClassProof, "OPENING_MALFORMED", err)
		return
	}
	if want := v.stmt.Subjects[0].Digest; statement.Digest(got) != want {
		r.add(Check{Name: "opening", Result: Failed, Class: ClassProof, Reason: "OPENING_INVALID",
			Message: "record, salt and paths lead to the digest of another dataset",
			Got:     statement.Digest(got).String(), Want: want.String()})
		return
	}
	if got, want := o.File.Split, splitOf(v.stmt.Dataset); got != want { // whoever signed one digest and another form said two things
		r.add(Check{Name: "opening", Result: Failed, Class: ClassProof, Reason: "OPENING_INVALID",
			Message: "the opening cuts files into records as the statement does not", Got: got.String(), Want: want.String()})
		return
	}
	r.ok("opening", "%s is in dataset %s: %s", describeRecord(o), short(got[:]), preview(o.Record))
}

// describeRecord says where a record stands.
func describeRecord(o *dataset.Opening) string {
	if o.File.Split == dataset.Lines {
		return fmt.Sprintf("line %d of %q (which has %d, counted from 0), %d bytes,", o.Index, o.File.Path, o.File.Records, len(o.Record))
	}
	return fmt.Sprintf("file %q, %d bytes,", o.File.Path, len(o.Record))
}

// previewSize bounds what is shown of a record: enough to know it by.
const previewSize = 64

// preview shows the beginning of a record that is text.
func preview(record []byte) string {
	text := strings.TrimRight(string(record), "\r\n")
	if !utf8.ValidString(text) || strings.ContainsFunc(text, func(c rune) bool { return !unicode.IsPrint(c) && c != '\t' }) {
		return "not text"
	}
	text = strings.ReplaceAll(text, "\t", " ")
	if len(text) <= previewSize {
		return text
	}
	cut := previewSize
	for !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + "…"
}
