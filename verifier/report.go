package verifier

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/hallmark-registry/hallmark/verifier/ledger"
	"github.com/hallmark-registry/hallmark/verifier/statement"
)

// ReportMediaType names the JSON form of a Report. The version is part of it;
// within a version members are only ever added, so readers ignore unknown ones.
const ReportMediaType = "application/vnd.hallmark.report+json;version=1"

// A Result is the answer to one question.
type Result string

// Results. NotAsked is an answer too: a reader of the report must see what
// nobody asked.
const (
	OK       Result = "ok"
	Failed   Result = "fail"
	Skipped  Result = "skipped" // could not be asked, because an earlier check failed
	NotAsked Result = "not-asked"
)

// A Class says what a failed check means. Its numbers are the exit codes of
// the command line.
type Class int

// Classes of failure.
const (
	ClassNone       Class = 0
	ClassUnknown    Class = 1 // cannot tell: reading failed, or this version cannot check it
	ClassUsage      Class = 2 // the question does not fit the bundle
	ClassProof      Class = 3 // a proof, a signature or the bundle itself does not hold
	ClassPolicy     Class = 4 // proofs hold; the verifier's policy says no
	ClassDifference Class = 5 // the files differ from what was logged
)

// A Check is one question, its answer and why.
type Check struct {
	Name    string // stable: files, opening, entry, publisher, inclusion, checkpoint, cosigners, related, status, freshness, bundle
	Result  Result
	Class   Class    // of a failure
	Reason  string   // stable UPPER_SNAKE name of a failure, else ""
	Message string   // one line for people
	Lines   []string // Message cut into its findings, where there are several, for whoever has room for a line each
	Got     string   // what was found, where a failure compares
	Want    string   // what was expected
	Hint    string   // what may help
}

// A Step is one hash of the Merkle path: the node so far is joined with its
// sibling to give the node above (RFC 9162, 2.1.3.2). Text, JSON and pictures
// of a proof are all drawn from the same steps, so none can disagree with it.
type Step struct {
	SiblingLeft bool // node = H(0x01 ‖ sibling ‖ node), else H(0x01 ‖ node ‖ sibling)
	Sibling     [32]byte
	Node        [32]byte // the result
}

// A Trace is the arithmetic behind the inclusion check.
type Trace struct {
	Leaf  [32]byte // SHA-256(0x00 ‖ entry)
	Steps []Step   // from the leaf to the root
	Root  [32]byte // as the checkpoint has it
}

// Facts are what the bundle turned out to say. They are filled as far as the
// bundle could be read, whether or not the checks hold: a fact is only as good
// as the checks around it.
type Facts struct {
	Origin      string
	Index       uint64
	Size        uint64 // tree size of the checkpoint
	EntryID     [32]byte
	StatementID [32]byte
	Kind        string    // model, dataset, ..., credit, mint, ...
	Name        string    // ns/name@version
	Digest      string    // sha256:..., the subject's
	Signers     []string  // key ids
	Time        time.Time // of the checkpoint, by its cosigners; zero when nobody vouches for one
}

// A Report is the outcome of one verification: a check per question in the
// order in which people read them.
type Report struct {
	Checks []Check
	Facts  Facts
	Trace  *Trace // nil unless the inclusion proof could be walked

	// Statement or Ledger is the entry's body, as far as it could be read. They
	// are for callers that go on with it, and are no part of the JSON form.
	Statement *statement.Statement
	Ledger    ledger.Body

	decisive *Check
	finished bool // every question was asked: a Report that Verify did not return verifies nothing
}

// Verified reports whether everything that was asked holds.
func (r *Report) Verified() bool { return r.finished && r.decisive == nil }

// Decisive returns the failure that decides the outcome, the first in
// verification order, or nil.
func (r *Report) Decisive() *Check { return r.decisive }

// Check returns the check of that name, or nil.
func (r *Report) Check(name string) *Check {
	for i := range r.Checks {
		if r.Checks[i].Name == name {
			return &r.Checks[i]
		}
	}
	return nil
}

// readingOrder is how a report is read: what I have, who says so, where it
// stands, who vouches for that, what became of it.
var readingOrder = []string{"bundle", "files", "opening", "entry", "publisher", "inclusion", "checkpoint", "cosigners", "related", "status", "freshness"}

// verificationOrder decides among several failures: what everything else rests
// on comes first.
var verificationOrder = []string{"bundle", "checkpoint", "cosigners", "inclusion", "entry", "publisher", "files", "opening", "related", "status", "freshness"}

// finish sorts the checks for reading and picks the decisive failure.
func (r *Report) finish() {
	sorted := make([]Check, 0, len(r.Checks))
	for _, name := range readingOrder {
		if c := r.Check(name); c != nil {
			sorted = append(sorted, *c)
		}
	}
	r.Checks, r.finished = sorted, true
	for _, name := range verificationOrder {
		if c := r.Check(name); c != nil && c.Result == Failed {
			r.decisive = c
			return
		}
	}
}

func (r *Report) add(c Check) { r.Checks = append(r.Checks, c) }

func (r *Report) ok(name, format string, args ...any) {
	r.add(Check{Name: name, Result: OK, Message: fmt.Sprintf(format, args...)})
}

func (r *Report) skip(name, format string, args ...any) {
	r.add(Check{Name: name, Result: Skipped, Message: fmt.Sprintf(format, args...)})
}

func (r *Report) notAsked(name, format string, args ...any) {
	r.add(Check{Name: name, Result: NotAsked, Message: fmt.Sprintf(format, args...)})
}

func (r *Report) fail(name string, class Class, reason string, err error) {
	r.add(Check{Name: name, Result: Failed, Class: class, Reason: reason, Message: err.Error()})
}

// Text draws the report as lines, the last of which is the verdict.
func (r *Report) Text() string {
	var b bytes.Buffer
	for _, c := range r.Checks {
		mark := map[Result]string{OK: " ok ", Failed: "FAIL", Skipped: " -- ", NotAsked: " -- "}[c.Result]
		first, rest := c.lines()
		fmt.Fprintf(&b, "%s  %-10s  %s\n", mark, c.Name, printable(first))
		for _, line := range rest {
			fmt.Fprintf(&b, "%18s%s\n", "", printable(line))
		}
		if c.Result != Failed {
			continue
		}
		for _, l := range []struct{ label, text string }{{"got", c.Got}, {"want", c.Want}, {"hint", c.Hint}} {
			if l.text != "" {
				fmt.Fprintf(&b, "      %10s  %s\n", l.label, printable(l.text))
			}
		}
	}
	switch d := r.decisive; {
	case d != nil:
		fmt.Fprintf(&b, "not verified: %s (%s)\n", d.Name, d.Reason)
	case !r.finished:
		b.WriteString("not verified: nothing was asked\n")
	default:
		b.WriteString("verified\n")
	}
	return b.String()
}

// lines returns the message as Text draws it.
func (c *Check) lines() (first string, rest []string) {
	if len(c.Lines) == 0 {
		return c.Message, nil
	}
	return c.Lines[0], c.Lines[1:]
}

// printable keeps what files and bundles say from steering a terminal, and from
// turning a line around or breaking it (U+202E, U+2028).
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, s)
}

// MarshalJSON returns the report in its frozen form (SPEC.md, "Report"). All
// members are always present, on success and on failure alike.
func (r *Report) MarshalJSON() ([]byte, error) {
	var buf bytes.Buffer
	w := reportWriter{enc: jsontext.NewEncoder(&buf)}
	w.object(func() {
		w.text("mediaType", ReportMediaType)
		w.boolean("verified", r.Verified())
		class, reason := ClassNone, ""
		if r.decisive != nil {
			class, reason = r.decisive.Class, r.decisive.Reason
		}
		w.number("exitCode", uint64(class))
		w.text("reason", reason)
		w.name("checks")
		w.array(len(r.Checks), func(i int) { w.check(r.Checks[i]) })
		w.name("facts")
		w.facts(r.Facts)
		w.name("trace")
		w.trace(r.Trace)
	})
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), w.err
}

// A reportWriter keeps the first error, so that the shape stays visible.
type reportWriter struct {
	enc *jsontext.Encoder
	err error
}

func (w *reportWriter) token(t jsontext.Token) {
	if w.err == nil {
		w.err = w.enc.WriteToken(t)
	}
}

func (w *reportWriter) name(s string)                { w.token(jsontext.String(s)) }
func (w *reportWriter) boolean(name string, v bool)  { w.name(name); w.token(jsontext.Bool(v)) }
func (w *reportWriter) number(name string, v uint64) { w.name(name); w.token(jsontext.Uint(v)) }
func (w *reportWriter) hash(name string, v [32]byte) { w.text(name, hex.EncodeToString(v[:])) }

// text writes what may be an error of the file system, with a name in it that is
// not UTF-8: JSON has no such text, and a verdict must not be lost to it.
func (w *reportWriter) text(name, value string) {
	w.name(name)
	w.token(jsontext.String(strings.ToValidUTF8(value, string(unicode.ReplacementChar))))
}

func (w *reportWriter) object(members func()) {
	w.token(jsontext.BeginObject)
	members()
	w.token(jsontext.EndObject)
}
func (w *reportWriter) array(n int, element func(int)) {
	w.token(jsontext.BeginArray)
	for i := range n {
		element(i)
	}
	w.token(jsontext.EndArray)
}

func (w *reportWriter) check(c Check) {
	w.object(func() {
		w.text("name", c.Name)
		w.text("result", string(c.Result))
		w.number("class", uint64(c.Class))
		w.text("reason", c.Reason)
		w.text("message", c.Message)
		w.text("got", c.Got)
		w.text("want", c.Want)
		w.text("hint", c.Hint)
	})
}

// facts writes 64-bit numbers as strings: JSON numbers are exact only below
// 2^53 for most readers.
func (w *reportWriter) facts(f Facts) {
	w.object(func() {
		w.text("origin", f.Origin)
		w.text("index", strconv.FormatUint(f.Index, 10))
		w.text("size", strconv.FormatUint(f.Size, 10))
		w.hash("entryId", f.EntryID)
		w.hash("statementId", f.StatementID)
		w.text("kind", f.Kind)
		w.text("name", f.Name)
		w.text("digest", f.Digest)
		w.name("signers")
		w.array(len(f.Signers), func(i int) { w.token(jsontext.String(f.Signers[i])) })
		text := ""
		if !f.Time.IsZero() {
			text = f.Time.UTC().Format(time.RFC3339)
		}
		w.text("time", text)
	})
}

func (w *reportWriter) trace(t *Trace) {
	if t == nil {
		w.token(jsontext.Null)
		return
	}
	w.object(func() {
		w.hash("leaf", t.Leaf)
		w.name("steps")
		w.array(len(t.Steps), func(i int) {
			w.object(func() {
				side := "right"
				if t.Steps[i].SiblingLeft {
					side = "left"
				}
				w.text("side", side)
				w.hash("sibling", t.Steps[i].Sibling)
				w.hash("node", t.Steps[i].Node)
			})
		})
		w.hash("root", t.Root)
	})
}
