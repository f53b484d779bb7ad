package client

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "github.com/hallmark-registry/hallmark/proto/hallmark/v1"
)

// Reasons that this package gives itself. All others are the server's.
const (
	// ReasonReceiptInvalid: what came back does not prove that the log holds
	// what was sent. The cause is the error of package checkpoint, if it is one.
	ReasonReceiptInvalid = "RECEIPT_INVALID"
	// ReasonCheckpointInvalid: the policy does not believe the checkpoint. The
	// cause is the error of package checkpoint.
	ReasonCheckpointInvalid = "CHECKPOINT_INVALID"
	// ReasonResponseInvalid: the server broke the API's rules.
	ReasonResponseInvalid = "RESPONSE_INVALID"
	// ReasonPolicyMissing: the call needs Options.Policy.
	ReasonPolicyMissing = "POLICY_MISSING"
	// ReasonUnreachable: no server answered.
	ReasonUnreachable = "SERVER_UNREACHABLE"
	// ReasonUnnamed: an error came from gRPC or a proxy, not from a registry.
	ReasonUnnamed = "UNNAMED"
)

// Error is why a call failed. Every error of a call is one, except those of a
// reader or writer that the caller gave.
type Error struct {
	Code       codes.Code
	Reason     string // stable, in UPPER_SNAKE_CASE
	Message    string // what was attempted and why it failed
	Hint       string // what helps, or empty
	RetryAfter time.Duration
	RequestID  string // under which the server has logged it, or empty
	cause      error
}

func (e *Error) Error() string { return e.Reason + ": " + e.Message }

// Unwrap returns the cause: of a call cut off by its context, the context's
// error; of a receipt that failed, the check's.
func (e *Error) Unwrap() error { return e.cause }

// unreachable tells that no server said this.
func (e *Error) unreachable() bool { return e.Reason == ReasonUnreachable }

// transient tells that the same call may succeed later: the server is
// unavailable, or says itself when to come back.
func (e *Error) transient() bool {
	return e.Code == codes.Unavailable || e.Code == codes.ResourceExhausted && e.RetryAfter > 0
}

// asError reads what a call returned. It returns nil for nil.
func asError(err error) *Error {
	if err == nil {
		return nil
	}
	if e := (*Error)(nil); errors.As(err, &e) {
		return e
	}
	st, ok := status.FromError(err)
	if !ok {
		st = status.FromContextError(err)
	}
	e := &Error{Code: st.Code(), Message: st.Message()}
	for _, d := range st.Details() {
		switch d := d.(type) {
		case *errdetails.ErrorInfo:
			e.Reason, e.Hint, e.RequestID = d.GetReason(), d.GetMetadata()["hint"], d.GetMetadata()["request_id"]
		case *errdetails.RetryInfo:
			e.RetryAfter = d.GetRetryDelay().AsDuration()
		}
	}
	if e.Reason == "" {
		e.name()
	}
	switch e.Code {
	case codes.Canceled:
		e.cause = context.Canceled
	case codes.DeadlineExceeded:
		e.cause = context.DeadlineExceeded
	}
	return e
}

// name gives a reason to an error that bears none.
func (e *Error) name() {
	switch e.Code {
	case codes.Unavailable:
		e.Reason = ReasonUnreachable
		e.Hint = "is the server running? this starts one: hallmarkd dev"
	case codes.DeadlineExceeded:
		e.Reason = "DEADLINE_EXCEEDED"
	case codes.Canceled:
		e.Reason = "CANCELLED"
	case codes.ResourceExhausted:
		e.Reason = "MESSAGE_TOO_LARGE"
	default:
		e.Reason = ReasonUnnamed
	}
}

// entryError reads the error of one entry of a stream.
func entryError(e *pb.EntryError) *Error {
	return &Error{
		Code:       codes.Code(e.GetCode()),
		Reason:     e.GetReason(),
		Message:    e.GetMessage(),
		Hint:       e.GetHint(),
		RetryAfter: e.GetRetryAfter().AsDuration(),
	}
}

// responseInvalid reports a server that breaks the rules.
func responseInvalid(format string, args ...any) *Error {
	return &Error{Code: codes.DataLoss, Reason: ReasonResponseInvalid, Message: fmt.Sprintf(format, args...)}
}
