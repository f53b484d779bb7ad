package rpc

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	pb "github.com/hallmark-registry/hallmark/proto/hallmark/v1"
	"github.com/hallmark-registry/hallmark/registry"
)

// domain is the domain of every ErrorInfo: reasons are unique within it.
const domain = "hallmark"

// Keys of ErrorInfo's metadata.
const (
	metadataRequestID = "request_id"
	metadataHint      = "hint"
)

var errDraining = &registry.Error{
	Code:       registry.Unavailable,
	Reason:     "DRAINING",
	Message:    "the server is shutting down; entries without an acknowledgement may or may not be logged",
	Hint:       "send them again: the same bytes are logged once",
	RetryAfter: busyRetryAfter,
}

var errNotReading = &registry.Error{
	Code:       registry.DeadlineExceeded,
	Reason:     "NOT_READING",
	Message:    "acknowledgements were not read for " + sendTimeout.String() + "; entries without one may or may not be logged",
	Hint:       "read answers while sending, and send the same entries again: the same bytes are logged once",
	RetryAfter: busyRetryAfter,
}

// A fieldError says which field of the request an error is about.
type fieldError struct {
	field string
	err   error
}

func (e *fieldError) Error() string { return e.field + ": " + e.err.Error() }
func (e *fieldError) Unwrap() error { return e.err }

// about names the request field that a registry's complaint concerns, should
// it turn out to be one about an argument.
func about(field string, err error) error {
	if err == nil {
		return nil
	}
	return &fieldError{field, err}
}

// invalid refuses a field before the registry is asked.
func invalid(field, reason, format string, args ...any) error {
	return about(field, &registry.Error{
		Code:    registry.InvalidArgument,
		Reason:  reason,
		Message: field + ": " + fmt.Sprintf(format, args...),
	})
}

// statusError makes of any error what leaves the server: a status with one
// ErrorInfo and the details that its code calls for.
func statusError(err error, requestID string) error {
	if err == nil {
		return nil
	}
	e := classify(err)
	st, detailErr := status.New(codes.Code(e.Code), e.Message).WithDetails(details(e, fieldOf(err), requestID)...)
	if detailErr != nil {
		// The details are messages of our own making.
		panic(fmt.Sprintf("rpc: error details of %v: %v", e, detailErr))
	}
	return st.Err()
}

// entryError is statusError for one entry of a stream.
func entryError(err error) *pb.EntryError {
	e := classify(err)
	out := &pb.EntryError{Code: int32(e.Code), Reason: e.Reason, Message: e.Message, Hint: e.Hint}
	if e.RetryAfter > 0 {
		out.RetryAfter = durationpb.New(e.RetryAfter)
	}
	return out
}

func fieldOf(err error) string {
	if f := (*fieldError)(nil); errors.As(err, &f) {
		return f.field
	}
	return ""
}

// details returns the error details of AIP-193 that fit.
func details(e *registry.Error, field, requestID string) []protoadapt.MessageV1 {
	info := &errdetails.ErrorInfo{Reason: e.Reason, Domain: domain, Metadata: map[string]string{metadataRequestID: requestID}}
	if e.Hint != "" {
		info.Metadata[metadataHint] = e.Hint
	}
	out := []protoadapt.MessageV1{info}
	switch {
	case e.Code == registry.InvalidArgument && field != "":
		out = append(out, &errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{
			{Field: field, Description: e.Message, Reason: e.Reason},
		}})
	case e.Code == registry.FailedPrecondition:
		out = append(out, &errdetails.PreconditionFailure{Violations: []*errdetails.PreconditionFailure_Violation{
			{Type: e.Reason, Subject: field, Description: e.Message},
		}})
	}
	if e.RetryAfter > 0 {
		out = append(out, &errdetails.RetryInfo{RetryDelay: durationpb.New(e.RetryAfter)})
	}
	return out
}

// classify finds the refusal in an error. What nobody foresaw is INTERNAL, and
// its text stays in the server's log, since it may name paths and addresses.
func classify(err error) *registry.Error {
	if e := (*registry.Error)(nil); errors.As(err, &e) && canonical(e) {
		if e.Code == registry.Internal {
			return internal(e.Reason)
		}
		return e
	}
	// A bare status comes from gRPC: from reading a stream, or from the health
	// and reflection services. One inside another error would be a stranger's.
	if s, ok := err.(interface{ GRPCStatus() *status.Status }); ok {
		return transportError(s.GRPCStatus())
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return &registry.Error{
			Code: registry.DeadlineExceeded, Reason: "DEADLINE_EXCEEDED",
			Message: "the deadline passed before the answer was there",
			Hint:    "send the same entry again: the same bytes are logged once",
		}
	case errors.Is(err, context.Canceled):
		return &registry.Error{Code: registry.Code(codes.Canceled), Reason: "CANCELLED", Message: "the call was cancelled"}
	}
	return internal("INTERNAL")
}

func internal(reason string) *registry.Error {
	return &registry.Error{
		Code: registry.Internal, Reason: reason,
		Message: "internal error; the server's log has it under the request id",
	}
}

// canonical tells a refusal that can leave as it is from one that is a defect:
// OK and UNKNOWN say nothing, and a reason is what callers branch on.
func canonical(e *registry.Error) bool {
	c := codes.Code(e.Code)
	return c > codes.OK && c <= codes.Unauthenticated && c != codes.Unknown && e.Reason != ""
}

// transportError names the refusals of gRPC itself. Those of the health and
// reflection services leave with the name; for a message that is too large or
// can't be decoded gRPC has ended the call by now, and the name is for the log.
func transportError(s *status.Status) *registry.Error {
	e := &registry.Error{Code: registry.Code(s.Code()), Message: s.Message()}
	switch s.Code() {
	case codes.ResourceExhausted:
		e.Reason = "MESSAGE_TOO_LARGE"
	case codes.Internal: // what it says of bytes that it can't decode
		e.Code, e.Reason = registry.InvalidArgument, "MESSAGE_MALFORMED"
	case codes.OK, codes.Unknown:
		return internal("INTERNAL")
	default:
		e.Reason = canonicalNames[s.Code()]
	}
	return e
}

// canonicalNames are the names of google.rpc.Code.
var canonicalNames = map[codes.Code]string{
	codes.Canceled:           "CANCELLED",
	codes.InvalidArgument:    "INVALID_ARGUMENT",
	codes.DeadlineExceeded:   "DEADLINE_EXCEEDED",
	codes.NotFound:           "NOT_FOUND",
	codes.AlreadyExists:      "ALREADY_EXISTS",
	codes.PermissionDenied:   "PERMISSION_DENIED",
	codes.FailedPrecondition: "FAILED_PRECONDITION",
	codes.Aborted:            "ABORTED",
	codes.OutOfRange:         "OUT_OF_RANGE",
	codes.Unimplemented:      "UNIMPLEMENTED",
	codes.Unavailable:        "UNAVAILABLE",
	codes.DataLoss:           "DATA_LOSS",
	codes.Unauthenticated:    "UNAUTHENTICATED",
}
