package main

import (
	"errors"
	"fmt"
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/hallmark-registry/hallmark/cmd/internal/cli"
	"github.com/hallmark-registry/hallmark/registry/client"
)

func TestExitCodesOfTheServersAnswers(t *testing.T) {
	want := map[codes.Code]int{
		codes.InvalidArgument: 2, codes.NotFound: 6,
		codes.AlreadyExists: 4, codes.FailedPrecondition: 4, codes.PermissionDenied: 4, codes.Unauthenticated: 4,
		codes.DataLoss: 7,
	}
	for code := codes.Canceled; code <= codes.Unauthenticated; code++ {
		err := serverError("asking", fmt.Errorf("wrapped: %w", &client.Error{Code: code, Reason: "SOME_REASON", Hint: "a hint"}))
		var e *cli.Error
		if !errors.As(err, &e) {
			t.Fatalf("%v: got %T", code, err)
		}
		exit, ok := want[code]
		if !ok {
			exit = 1
		}
		if e.Code != exit || e.Reason != "SOME_REASON" || e.Hint != "a hint" {
			t.Errorf("%v: exit code %d, reason %s, hint %q, want %d and the server's own", code, e.Code, e.Reason, e.Hint, exit)
		}
	}
	for reason, exit := range map[string]int{client.ReasonReceiptInvalid: 3, client.ReasonCheckpointInvalid: 3, client.ReasonResponseInvalid: 1} {
		if got := exitOf(&client.Error{Code: codes.DataLoss, Reason: reason}); got != exit {
			t.Errorf("%s: exit code %d, want %d", reason, got, exit)
		}
	}
	if serverError("asking", nil) != nil {
		t.Error("no error became one")
	}
}
