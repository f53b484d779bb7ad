// Package cli holds what Hallmark's three commands share, so that they answer
// alike: the table of exit codes, the form of an error, and flags that may
// stand before, between or after the arguments. It links no network code,
// because the offline verifier is built on it.
package cli

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"runtime/debug"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// Exit codes. 3 to 6 say no, 1 and 2 say "cannot tell", 7 is an alarm.
const (
	ExitOK          = 0   // all that was asked holds
	ExitUnknown     = 1   // cannot tell: I/O, network, server, locked
	ExitUsage       = 2   // usage, configuration, key or policy file, or an input that cannot be published as it is
	ExitProof       = 3   // a proof, a signature or the bundle itself does not hold
	ExitPolicy      = 4   // proofs hold, a policy or registry rule says no
	ExitDifference  = 5   // the files differ from what was logged
	ExitNotInLog    = 6   // not in the log
	ExitMisbehaved  = 7   // the log misbehaved: evidence was written to a file
	ExitInterrupted = 130 // interrupted
)

// ExitHelp is the table above for --help.
const ExitHelp = `Exit codes:
  0  all that was asked holds
  1  cannot tell: I/O, network, server, locked
  2  usage, configuration, key or policy file, or an input that cannot be published as it is
  3  a proof, a signature or the bundle itself does not hold
  4  proofs hold, a policy or registry rule says no
  5  the files differ from what was logged
  6  not in the log
  7  the log misbehaved: evidence was written to a file
  130  interrupted
`

// An Error is a failed command: what was attempted, why it failed, what may
// help, and how the process ends.
type Error struct {
	Code      int
	Reason    string // stable UPPER_SNAKE name, equal to the gRPC reason where the server refused
	Attempted string // "reading the policy"
	Hint      string // a command or a flag that helps, or empty
	Err       error  // why
}

func (e *Error) Error() string {
	if e.Attempted == "" {
		return e.Err.Error()
	}
	return e.Attempted + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Usage makes an error of the caller's making: exit 2.
func Usage(format string, args ...any) *Error {
	return &Error{Code: ExitUsage, Reason: "USAGE", Err: fmt.Errorf(format, args...)}
}

// Fail makes an error with a code and reason.
func Fail(code int, reason, attempted string, err error) *Error {
	return &Error{Code: code, Reason: reason, Attempted: attempted, Err: err}
}

// WithHint returns e with a hint.
func (e *Error) WithHint(format string, args ...any) *Error {
	e.Hint = fmt.Sprintf(format, args...)
	return e
}

// Report writes err to stderr in the form that the format asks for and returns
// the exit code. An error of no known kind cannot tell: exit 1.
func Report(stderr io.Writer, program, format string, err error) int {
	if err == nil {
		return ExitOK
	}
	var e *Error
	if !errors.As(err, &e) {
		e = &Error{Code: ExitUnknown, Reason: "UNKNOWN", Err: err}
	}
	if format == "json" {
		fmt.Fprintln(stderr, e.json(err))
		return e.Code
	}
	fmt.Fprintf(stderr, "%s: error: %s\n", program, oneLine(err.Error()))
	if e.Hint != "" {
		fmt.Fprintf(stderr, "%s: hint: %s\n", program, e.Hint)
	}
	return e.Code
}

func (e *Error) json(whole error) string {
	quote := func(s string) string {
		b, err := jsontext.AppendQuote(nil, strings.ToValidUTF8(s, "\uFFFD"))
		if err != nil { // cannot happen: the text is valid UTF-8
			return `""`
		}
		return string(b)
	}
	return fmt.Sprintf(`{"type":"error","code":%d,"reason":%s,"message":%s,"hint":%s}`,
		e.Code, quote(e.Reason), quote(whole.Error()), quote(e.Hint))
}

// oneLine keeps what a file or a server wrote from steering the terminal.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
}

// ParseInterspersed parses flags wherever they stand and returns the
// positional arguments. Everything after "--" is positional.
func ParseInterspersed(fs *flag.FlagSet, args []string) ([]string, error) {
	var positional []string
	for len(args) > 0 {
		if err := fs.Parse(args); err != nil {
			return nil, err
		}
		rest := fs.Args()
		if used := args[:len(args)-len(rest)]; len(used) > 0 && used[len(used)-1] == "--" {
			return append(positional, rest...), nil
		}
		if len(rest) == 0 {
			break
		}
		positional = append(positional, rest[0])
		args = rest[1:]
	}
	return positional, nil
}

// Repeated is a flag that adds up when it is given more than once.
type Repeated []string

func (r *Repeated) String() string { return strings.Join(*r, ",") }

// Set appends one value.
func (r *Repeated) Set(v string) error {
	*r = append(*r, v)
	return nil
}

// Version is what --version prints: the module's version as the Go command
// recorded it, or the revision that it was built from.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return "development"
}
