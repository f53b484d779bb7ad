package registry

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hallmark-registry/hallmark/registry/tlog"
	"github.com/hallmark-registry/hallmark/verifier/ledger"
)

// refusal names what the fold would say. The reason is the fold's own code.
func refusal(c ledger.Code, detail string) *Error {
	e := &Error{Code: canonical(c), Reason: c.String(), Message: detail}
	switch c {
	case ledger.NameBound:
		e.Hint = "a name@version keeps its digest for ever: publish under another version"
	case ledger.NameHeld:
		e.Hint = "this name belongs to the key that published it first: use that key, or another name"
	case ledger.NamespaceClaimed:
		e.Hint = "only its keys hand a namespace on, by a rotation"
	case ledger.NamespaceSequence, ledger.NamespacePrevious:
		e.Hint = "a rotation follows the statement in force: make it again from what the log has now"
	case ledger.Undecided:
		e.RetryAfter = retryBusy
	}
	return e
}

// canonical maps the fold's codes to those that every transport knows.
func canonical(c ledger.Code) Code {
	switch c {
	case ledger.EntryMalformed, ledger.EntryTooLarge, ledger.SignatureInvalid, ledger.TypeUnknown, ledger.StatementMalformed,
		ledger.PredicateUnknown, ledger.BodyMalformed, ledger.Unsupported, ledger.PolicyMalformed, ledger.PolicyUnsupported,
		ledger.SignerAlgorithm, ledger.CreditZero, ledger.AmountZero, ledger.TransferToSelf:
		return InvalidArgument
	case ledger.NameBound, ledger.NamespaceClaimed, ledger.SerialUsed, ledger.AlreadyMinted:
		return AlreadyExists
	case ledger.NameHeld, ledger.NamespaceRegistrars, ledger.NamespaceHolder, ledger.SignerUnlisted, ledger.QuorumUnmet, ledger.MintNotBeneficiary, ledger.AccountSigner:
		return PermissionDenied
	case ledger.Undecided:
		return Unavailable
	}
	return FailedPrecondition
}

// internal is a fault of ours, but for a caller who left or whose time ran out
// while we were at it.
func internal(attempted string, err error) *Error {
	switch {
	case errors.Is(err, context.Canceled):
		return &Error{Code: Canceled, Reason: "CANCELLED", Message: attempted + ": the call was cancelled", err: err}
	case errors.Is(err, context.DeadlineExceeded):
		return &Error{Code: DeadlineExceeded, Reason: "DEADLINE_EXCEEDED", Message: attempted + ": the deadline has passed", err: err}
	}
	return &Error{Code: Internal, Reason: "INTERNAL", Message: fmt.Sprintf("%s: %v", attempted, err), err: err}
}

func behind(err error) *Error {
	return &Error{Code: Unavailable, Reason: "INDEX_BEHIND", RetryAfter: time.Second, err: err, Message: err.Error()}
}

// loggedBehind is behind after the entry was logged.
func loggedBehind(at uint64, err error) *Error {
	e := behind(err)
	e.Message = fmt.Sprintf("the entry is logged at index %d, what the fold says of it is not known yet: %v", at, err)
	e.Hint = "repeat the same call: it finds the entry"
	return e
}

func notFound(format string, args ...any) *Error {
	return &Error{Code: NotFound, Reason: "NOT_FOUND", Message: fmt.Sprintf(format, args...)}
}

func late(ctx context.Context) *Error {
	err := context.Cause(ctx)
	return &Error{Code: DeadlineExceeded, Reason: "NOT_YET_PUBLISHED", Message: fmt.Sprintf("the entry may still be published: %v", err), err: err,
		Hint: "repeat the same publish: it finds the entry if it was logged"}
}

// appendError names what kept an entry from being placed.
func appendError(err error) *Error {
	var refused *tlog.GuardError
	switch {
	case errors.As(err, &refused):
		return guardRefused(err)
	case errors.Is(err, tlog.ErrBusy):
		return &Error{Code: ResourceExhausted, Reason: "BUSY", Message: err.Error(), RetryAfter: retryBusy, err: err}
	case errors.Is(err, tlog.ErrTooLarge):
		return invalid("ENTRY_TOO_LARGE", err)
	case errors.Is(err, tlog.ErrUnknown):
		return &Error{Code: Unavailable, Reason: "OUTCOME_UNKNOWN", Message: err.Error(), RetryAfter: retryBusy, err: err,
			Hint: "repeat the same publish: it finds the entry if it was logged"}
	case errors.Is(err, tlog.ErrClosed):
		return &Error{Code: Unavailable, Reason: "SHUTTING_DOWN", Message: err.Error(), RetryAfter: retryBusy, err: err}
	}
	return internal("appending", err)
}

func guardRefused(err error) *Error {
	return &Error{Code: DataLoss, Reason: "GUARD_REFUSED", Message: err.Error(), err: err,
		Hint: "the log has stopped signing: its operator finds the evidence in the guard's folder"}
}

// publicationError tells a wait that ended from a log that has stopped.
func publicationError(ctx context.Context, err error) *Error {
	var refused *tlog.GuardError
	switch {
	case errors.As(err, &refused):
		return guardRefused(err)
	case ctx.Err() != nil:
		return late(ctx)
	case errors.Is(err, tlog.ErrClosed):
		return &Error{Code: Unavailable, Reason: "SHUTTING_DOWN", Message: err.Error(), RetryAfter: retryBusy, err: err}
	}
	return &Error{Code: DataLoss, Reason: "LOG_STOPPED", Message: err.Error(), err: err}
}

func invalid(reason string, err error) *Error {
	return &Error{Code: InvalidArgument, Reason: reason, Message: err.Error(), err: err}
}
