// Command hallmark-demo is the pipeline of the demo: real data, a model trained
// on it, and the same model fine-tuned on rows that somebody contributed later.
//
//	hallmark-demo run --bin DIR     the whole story, through the built programs
//	hallmark-demo train --out DIR   the training alone
//
// Training takes a second, needs no network, and gives the same model folders on
// every machine.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// Exit codes, those of all the commands here.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130
)

const usage = `usage: hallmark-demo run --bin DIR [--dir DIR] [--keep]
       hallmark-demo train --out DIR

run plays the whole story through the built programs in --bin: train, publish,
verify, tamper, credit, mint, audit. Every exit code is checked. With --keep the
server stays until you press Ctrl-C.

train trains a digit classifier and a fine-tuned one on the data inside this program,
and writes data, models and evidence of who contributed what into DIR, which
must be empty or new.
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is the program: everything but the process around it.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	err := command(ctx, args, stdout)
	var misuse usageError
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, usage)
		return exitOK
	case errors.Is(err, context.Canceled):
		fmt.Fprintf(stderr, "hallmark-demo: interrupted: %v\n", err)
		return exitInterrupted
	case errors.As(err, &misuse):
		fmt.Fprintf(stderr, "hallmark-demo: error: %v\nhallmark-demo: hint: hallmark-demo --help\n", err)
		return exitUsage
	default:
		fmt.Fprintf(stderr, "hallmark-demo: error: %v\n", err)
		return exitFailed
	}
}

// A usageError is the caller's to mend, by calling differently.
type usageError struct{ error }

func misused(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

func command(ctx context.Context, args []string, stdout io.Writer) error {
	if len(args) == 0 {
		return misused("got no subcommand, want run or train")
	}
	switch args[0] {
	case "run":
		return pipelineCommand(ctx, args[1:], stdout)
	case "train":
		return trainCommand(ctx, args[1:], stdout)
	case "help", "-h", "-help", "--help":
		return flag.ErrHelp
	}
	return misused("got subcommand %q, want run or train", args[0])
}

func trainCommand(ctx context.Context, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("train", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // run words the error
	out := flags.String("out", "", "folder to write to")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return err
	} else if err != nil {
		return misused("train: %w", err)
	}
	if flags.NArg() > 0 {
		return misused("train: got argument %q, want flags only", flags.Arg(0))
	}
	if *out == "" {
		return misused("train: got no --out, want a folder to write to")
	}
	if err := claim(*out); err != nil {
		return err
	}
	outcome, err := train(ctx)
	if err != nil {
		return err
	}
	if err := outcome.write(*out); err != nil {
		return err
	}
	return outcome.print(stdout, *out)
}

// claim makes sure that dir is a folder and empty: a file left in a model folder
// from another run would be part of the model.
func claim(dir string) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return fmt.Errorf("train: %w", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("train: %w", err)
	}
	if len(entries) > 0 {
		return misused("train: folder %s holds %s, want it empty", dir, entries[0].Name())
	}
	return nil
}
