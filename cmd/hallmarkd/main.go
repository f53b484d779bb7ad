// Command hallmarkd keeps a Hallmark log and serves it.
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

	"github.com/hallmark-registry/hallmark/cmd/internal/cli"
)

const usage = `usage: hallmarkd COMMAND [flags]

Commands:
  init     --data DIR --origin ORIGIN [--token-policy FILE] [--evaluator KEY.pub]... [--guard PATH]
           make keys, the sign guard and a log whose first entry founds its ledger
  serve    --data DIR [--grpc ADDR] [--http ADDR] [--config FILE]
           serve the log; SIGTERM drains and exits
  dev      [--data DIR] [--grpc ADDR] [--http ADDR]
           init if needed, then serve; prints what to type next
  fsck     --data DIR
           recompute everything from the entries
  rebuild  --data DIR
           drop index and fold, and rebuild both from the log

`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// A command reads its own flags; out is for data, err for what happens.
type command func(ctx context.Context, args []string, stdout, stderr io.Writer) error

var commands = map[string]command{
	"init":    runInit,
	"serve":   runServe,
	"dev":     runDev,
	"fsck":    runFsck,
	"rebuild": runRebuild,
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		fmt.Fprint(stderr, usage+cli.ExitHelp)
		return cli.ExitUsage
	}
	switch args[0] {
	case "help", "--help", "-help", "-h":
		fmt.Fprint(stdout, usage+cli.ExitHelp)
		return cli.ExitOK
	case "version", "--version":
		fmt.Fprintln(stdout, "hallmarkd", cli.Version())
		return cli.ExitOK
	}
	do, ok := commands[args[0]]
	if !ok {
		return cli.Report(stderr, "hallmarkd", "text", cli.Usage("unknown command %q", args[0]).WithHint("hallmarkd help"))
	}
	err := do(ctx, args[1:], stdout, stderr)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(stdout, usage+cli.ExitHelp)
		return cli.ExitOK
	}
	code := cli.Report(stderr, "hallmarkd", "text", err)
	if err != nil && ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.Cause(ctx))) {
		return cli.ExitInterrupted
	}
	return code
}

// parseFlags reads a command that takes no positional arguments.
func parseFlags(fs *flag.FlagSet, args []string) error {
	fs.SetOutput(io.Discard)
	fs.Usage = func() {}
	rest, err := cli.ParseInterspersed(fs, args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return err
	case err != nil:
		return cli.Usage("%v", err).WithHint("hallmarkd help")
	case len(rest) > 0:
		return cli.Usage("unexpected argument %q", rest[0]).WithHint("hallmarkd help")
	}
	return nil
}

func requireData(dir string) error {
	if dir == "" {
		return cli.Usage("no --data").WithHint("name the folder that holds the log: --data DIR")
	}
	return nil
}
