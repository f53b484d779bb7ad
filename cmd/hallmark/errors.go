package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"google.golang.org/grpc/codes"

	"github.com/hallmark-registry/hallmark/cmd/internal/cli"
	"github.com/hallmark-registry/hallmark/registry/client"
	"github.com/hallmark-registry/hallmark/verifier/checkpoint"
	"github.com/hallmark-registry/hallmark/verifier/dataset"
	"github.com/hallmark-registry/hallmark/verifier/filetree"
	"github.com/hallmark-registry/hallmark/verifier/statement"
	"github.com/hallmark-registry/hallmark/verifier/weights"
)

// serverError gives the error of a call its exit code. nil stays nil.
func serverError(attempted string, err error) error {
	var e *client.Error
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &e):
		return cli.Fail(cli.ExitUnknown, "UNKNOWN", attempted, err)
	}
	out := cli.Fail(exitOf(e), e.Reason, attempted, err)
	out.Hint = e.Hint
	if out.Hint == "" && e.Code == codes.DeadlineExceeded {
		out.Hint = "the same command, repeated, finds what was logged; --timeout gives it longer"
	}
	return out
}

// exitOf is the table from gRPC codes to exit codes, after what this side found
// by itself.
func exitOf(e *client.Error) int {
	switch e.Reason {
	case client.ReasonReceiptInvalid, client.ReasonCheckpointInvalid:
		if errors.Is(e, checkpoint.ErrUnknownLog) || errors.Is(e, checkpoint.ErrQuorum) {
			return cli.ExitPolicy // it may be a good log: not one that this policy believes
		}
		return cli.ExitProof
	case client.ReasonResponseInvalid:
		return cli.ExitUnknown // a broken server proves nothing about its log
	}
	switch e.Code {
	case codes.InvalidArgument:
		return cli.ExitUsage
	case codes.NotFound:
		return cli.ExitNotInLog
	case codes.AlreadyExists, codes.FailedPrecondition, codes.PermissionDenied, codes.Unauthenticated:
		return cli.ExitPolicy
	case codes.DataLoss:
		return cli.ExitMisbehaved
	}
	return cli.ExitUnknown
}

// filesError names what of a folder cannot be published as it is. A disk that
// fails, or a file that changes meanwhile, says nothing about the files.
func filesError(attempted string, err error) error {
	var format *weights.FormatError
	var path *filetree.Error
	var line *dataset.LineError
	fault := ""
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case errors.As(err, &format):
		fault = string(format.Fault)
	case errors.As(err, &path):
		fault = string(path.Fault)
	case errors.As(err, &line):
		fault = "line-too-long"
	default:
		return cli.Fail(cli.ExitUnknown, "FILES_UNREADABLE", attempted, err)
	}
	e := cli.Fail(cli.ExitUsage, reasonOf(fault), attempted, fmt.Errorf("%s: %w", fault, err))
	switch {
	case path != nil && path.Fault == filetree.Link:
		return e.WithHint("--follow-links reads the targets of links that stay inside the folder")
	case format != nil && format.Path != "":
		return e.WithHint("mend the file, or publish it as plain bytes: --raw %s", format.Path)
	}
	return e
}

// statementError names what of a statement is out of its form.
func statementError(attempted string, err error) error {
	var e *statement.Error
	if errors.As(err, &e) {
		return cli.Fail(cli.ExitUsage, string(e.Fault), attempted, err)
	}
	return cli.Fail(cli.ExitUsage, "STATEMENT_MALFORMED", attempted, err)
}

// reasonOf turns the code of a fault into the form of a reason.
func reasonOf(fault string) string { return strings.ToUpper(strings.ReplaceAll(fault, "-", "_")) }
