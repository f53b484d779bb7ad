// Command hallmark publishes models, datasets and credits to a Hallmark
// registry, asks it questions, and checks every answer that can be checked.
//
//	keygen, digest, sign, verify           offline
//	publish, credit, token mint/transfer   send something signed, and verify its receipt
//	bundle                                 fetch a proof, and verify it before writing it
//	get, search, lineage, token ...        ask: the server's word as of a tree size
//	audit                                  replay a whole log and trust nobody
//
// A receipt is verified under the policy file that the caller names and under
// nothing else: keys that came from the server would prove nothing.
//
// Results go to standard output, what happens and what fails to standard error.
// One session holds what a run shares; a file holds one group of commands.
package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/hallmark-registry/hallmark/cmd/internal/cli"
)

// program is what errors begin with.
const program = "hallmark"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is the whole command: it returns the exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	s := newSession(stdin, stdout, stderr)
	defer s.close()
	root := rootCommand(s)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	var done exitCode
	switch {
	case errors.As(err, &done):
		return int(done)
	case err != nil && ctx.Err() != nil:
		err = cli.Fail(cli.ExitInterrupted, "INTERRUPTED", "", errors.New("interrupted"))
	}
	return cli.Report(stderr, program, s.format, err)
}

// An exitCode ends a run whose command has said all there is to say.
type exitCode int

func (exitCode) Error() string { return "the command has reported its own failure" }
