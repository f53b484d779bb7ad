// Command hallmark-bench measures a whole registry, on loopback and in one go,
// and prints one table.
//
//	machine    what one core of this machine signs, verifies and hashes
//	engine     the log engine by itself
//	server     hallmarkd as a child process: published one by one, as a stream
//	           and by many callers; its memory; what it serves
//	offline    digests, bundles, the fold and an audit, with the real commands
//
// Absolute figures move between machines, and a shared one is never twice the
// same. So each figure stands beside what bounds it, or does the same work with
// less, measured in the same run; the ratio of the two travels better. Where
// one core does a thing again and again, the best of several rounds counts, on
// both sides: what other processes take away is nobody's merit.
//
// A published entry counts when the client has verified its receipt. All
// entries are distinct and signed while the clock runs, and the load generator
// shares the cores with the server.
//
// # JSON
//
// With --format json the table is one object. Members are only ever added:
//
//	mediaType  "application/vnd.hallmark.benchmark+json;version=1"
//	cores      that Go may use
//	platform   GOOS/GOARCH
//	short      whether --short was given
//	rows       [{what, value, unit, beside, peer, ratio, must, verdict, note}], in the order of the
//	           table; peer has the unit of value; a number that was not measured is null
//	footnotes  [text]
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"syscall"

	"github.com/hallmark-registry/hallmark/cmd/internal/cli"
)

const usage = `usage: hallmark-bench [flags]

Measures this machine and a registry on it, and prints one table.

  --short            a fifth of the work, about 30 seconds
  --only REGEXP      only the measurements whose name matches: machine, digest,
                     engine, single, stream, unary, memory, proofs, verify,
                     fold, audit
  --bin DIR          where hallmark, hallmarkd and hallmark-verify lie; default:
                     beside this program
  --dir DIR          work in a new folder below DIR, on the disk that is to be
                     measured; default: where temporary files go
  --format FORMAT    text (default, a Markdown table) or json
  --in-process       run the server in this process, so that one profile shows
                     both ends; memory is then not measured
  --cpuprofile FILE  profile this process while it publishes the stream

`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// options are the command line's.
type options struct {
	short, inProcess          bool
	bin, dir, format, profile string
	only                      *regexp.Regexp
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parse(args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(stdout, usage+cli.ExitHelp)
		return cli.ExitOK
	}
	if err == nil {
		err = o.measure(ctx, stdout, stderr)
	}
	if err != nil && ctx.Err() != nil {
		err = cli.Fail(cli.ExitInterrupted, "INTERRUPTED", "measuring", context.Cause(ctx))
	}
	return cli.Report(stderr, "hallmark-bench", "text", err)
}

func parse(args []string) (*options, error) {
	o := &options{format: "text"}
	only := ""
	fs := flag.NewFlagSet("hallmark-bench", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.Usage = func() {}
	fs.BoolVar(&o.short, "short", false, "")
	fs.BoolVar(&o.inProcess, "in-process", false, "")
	fs.StringVar(&o.bin, "bin", "", "")
	fs.StringVar(&o.dir, "dir", "", "")
	fs.StringVar(&o.format, "format", o.format, "")
	fs.StringVar(&o.profile, "cpuprofile", "", "")
	fs.StringVar(&only, "only", "", "")
	rest, err := cli.ParseInterspersed(fs, args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return nil, err
	case err != nil:
		return nil, cli.Usage("%v", err).WithHint("hallmark-bench --help")
	case len(rest) > 0:
		return nil, cli.Usage("unexpected argument %q", rest[0]).WithHint("hallmark-bench --help")
	case o.format != "text" && o.format != "json":
		return nil, cli.Usage("--format %q, want text or json", o.format)
	}
	if o.only, err = regexp.Compile(only); err != nil {
		return nil, cli.Usage("--only: %v", err)
	}
	return o, nil
}

// measure runs what was asked for in a folder of its own. A measurement that
// fails leaves its line in the table, and fails the run at its end.
func (o *options) measure(ctx context.Context, stdout, stderr io.Writer) (err error) {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp(o.dir, "hallmark-bench-")
	if err != nil {
		return cli.Fail(cli.ExitUnknown, "DIR_FAILED", "making a folder to work in", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	b := &bench{
		plan: fullPlan, bin: cmp.Or(o.bin, filepath.Dir(self)), dir: dir,
		inProcess: o.inProcess, profile: o.profile, status: stderr,
	}
	if o.short {
		b.plan = shortPlan
	}
	t, failed := b.run(ctx, o.only)
	t.Short = o.short
	return errors.Join(t.write(stdout, o.format), failed)
}
