package statement

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// A Fault names one way in which bytes are not a statement. Its text is the
// stable code that the vectors and other implementations use.
type Fault string

// Faults, to branch on with errors.Is.
const (
	ErrTooLarge         Fault = "TOO_LARGE"         // the body exceeds its bound
	ErrNotUTF8          Fault = "NOT_UTF8"          // the body is not valid UTF-8
	ErrTooDeep          Fault = "TOO_DEEP"          // objects and arrays nest beyond their bound
	ErrNotJSON          Fault = "NOT_JSON"          // not one JSON value (RFC 8259)
	ErrDuplicateMember  Fault = "DUPLICATE_MEMBER"  // an object names a member twice
	ErrUnknownMember    Fault = "UNKNOWN_MEMBER"    // a member that the format does not have
	ErrMissingMember    Fault = "MISSING_MEMBER"    // a required member is absent
	ErrWrongType        Fault = "WRONG_TYPE"        // a string where a number belongs, and so on
	ErrNotStatement     Fault = "NOT_STATEMENT"     // _type is not in-toto Statement v1
	ErrUnknownPredicate Fault = "UNKNOWN_PREDICATE" // neither ours nor a foreign one that is known
	ErrBadNumber        Fault = "BAD_NUMBER"        // not an integer of its range, in plain decimal
	ErrBadValue         Fault = "BAD_VALUE"         // a text outside its form, bound or list of values
	ErrTooMany          Fault = "TOO_MANY"          // a list outside its bound
	ErrOrder            Fault = "ORDER"             // a list not strictly in its canonical order
	ErrSubject          Fault = "SUBJECT"           // subjects of another number, name or digest kind than the predicate has
	ErrSubjectDigest    Fault = "SUBJECT_DIGEST"    // the subject's digest is not the one that the predicate gives
	ErrInconsistent     Fault = "INCONSISTENT"      // members that contradict each other
	ErrNotCanonical     Fault = "NOT_CANONICAL"     // any other departure from the one encoding
)

// Error returns the fault in words.
func (f Fault) Error() string { return strings.ToLower(strings.ReplaceAll(string(f), "_", " ")) }

// An Error says where in a statement which fault lies.
type Error struct {
	Fault  Fault
	Path   string // such as predicate.bases[2].relation; empty for the body as a whole
	Detail string // what was got and what was wanted
}

// Error returns "path: fault: detail".
func (e *Error) Error() string {
	text := e.Fault.Error() + ": " + e.Detail
	if e.Path != "" {
		text = e.Path + ": " + text
	}
	return text
}

// Unwrap returns the fault.
func (e *Error) Unwrap() error { return e.Fault }

// maxDetail bounds the detail of an error, in bytes: a body may hold a text of
// tens of thousands, and errors end in logs and replies.
const maxDetail = 512

func fault(f Fault, format string, args ...any) *Error {
	return &Error{Fault: f, Detail: clip(fmt.Sprintf(format, args...), maxDetail)}
}

// clip cuts s, at a whole character, to at most the given bytes and an ellipsis.
func clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	for !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most] + "..."
}

// under puts one more step before the error's path.
func (e *Error) under(step string) *Error {
	switch {
	case e.Path == "" || e.Path[0] == '[':
		e.Path = step + e.Path
	default:
		e.Path = step + "." + e.Path
	}
	return e
}

// step makes a step of a path from a name that the body chose.
func step(name string) string { return clip(strconv.Quote(name), maxIdentifierSize) }

// under puts one more step before the path of err, which is nil or an *Error.
func under(err error, step string) error {
	if e, ok := err.(*Error); ok {
		return e.under(step)
	}
	return err
}

// bad says in the author's words that a value is not of its form.
func bad(format string, args ...any) error { return fault(ErrBadValue, format, args...) }

// notJSON gives an error of the JSON reader its name.
func notJSON(err error) error {
	if errors.Is(err, jsontext.ErrDuplicateName) {
		return fault(ErrDuplicateMember, "%v", err)
	}
	return fault(ErrNotJSON, "%v", err)
}

func wrongType(got, want jsontext.Kind) *Error {
	return fault(ErrWrongType, "got %s, want %s", kindName(got), kindName(want))
}
