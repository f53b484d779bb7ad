package ledger

import (
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/hallmark-registry/hallmark/verifier/entry"
	"github.com/hallmark-registry/hallmark/verifier/statement"
)

// An Input is one log entry, read and with its signatures checked: all of the
// work that needs no state, so that a replayer can do it on many cores and fold
// the results in order. Only Read and ReadEntry make one.
type Input struct {
	entry     *entry.Entry
	statement *statement.Statement
	body      Body
	kind      string
	refused   verdict // of what can't be read or whose signatures don't hold
}

// Entry returns the entry, or nil if it's malformed.
func (in *Input) Entry() *entry.Entry { return in.entry }

// Statement returns the statement that the entry bears, or nil.
func (in *Input) Statement() *statement.Statement { return in.statement }

// Body returns the ledger body that the entry bears, or nil.
func (in *Input) Body() Body { return in.body }

// A verdict is an outcome without its place.
type verdict struct {
	code   Code
	detail string
}

func reject(code Code, format string, args ...any) verdict {
	return verdict{code, fmt.Sprintf(format, args...)}
}

// Read reads an entry from the bytes of its leaf. It keeps raw.
func Read(raw []byte) *Input {
	e, err := entry.Parse(raw)
	return ReadEntry(e, err)
}

// ReadEntry is Read for a caller who has called entry.Parse already; it takes
// what that returned. If e.Verify has succeeded before, it costs nothing here.
func ReadEntry(e *entry.Entry, parseErr error) *Input {
	if parseErr != nil || e == nil {
		code := EntryMalformed
		if errors.Is(parseErr, entry.ErrTooLarge) {
			code = EntryTooLarge
		}
		return &Input{refused: reject(code, "%v", parseErr)}
	}
	in := &Input{entry: e}
	if err := e.Verify(); err != nil {
		in.refused = reject(SignatureInvalid, "%v", err)
		return in
	}
	switch e.Type() {
	case entry.TypeStatement:
		in.readStatement()
	case entry.TypeLedger:
		in.readBody()
	default:
		in.refused = reject(TypeUnknown, "type %q, want %q or %q", clip(e.Type()), entry.TypeStatement, entry.TypeLedger)
	}
	return in
}

func (in *Input) readStatement() {
	s, err := statement.Parse(in.entry.Body())
	switch {
	case errors.Is(err, statement.ErrUnknownPredicate):
		in.refused = reject(PredicateUnknown, "%v", err)
	case errors.Is(err, statement.ErrTooLarge):
		in.refused = reject(EntryTooLarge, "%v", err)
	case err != nil:
		in.refused = reject(StatementMalformed, "%v", err)
	default:
		in.statement, in.kind = s, s.Kind.String()
	}
}

func (in *Input) readBody() {
	raw := in.entry.Body()
	b, err := ParseBody(raw)
	switch {
	case errors.Is(err, ErrReserved):
		in.kind = Kind(raw[0]).String()
		in.refused = reject(Unsupported, "%v", err)
	case err != nil:
		in.refused = reject(BodyMalformed, "%v", err)
	default:
		in.body, in.kind = b, b.Kind().String()
	}
}

// ledgerID hashes what a genesis entry's signatures cover.
func ledgerID(body []byte) LedgerID { return sha256.Sum256(entry.PAE(entry.TypeLedger, body)) }
