// Package verifycmd is the command line of the offline verifier. It stands
// apart from main so that `hallmark verify` is the same command: same flags,
// same output, same exit codes.
package verifycmd

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/hallmark-registry/hallmark/cmd/internal/cli"
	"github.com/hallmark-registry/hallmark/verifier"
	"github.com/hallmark-registry/hallmark/verifier/bundle"
	"github.com/hallmark-registry/hallmark/verifier/checkpoint"
	"github.com/hallmark-registry/hallmark/verifier/dataset"
	"github.com/hallmark-registry/hallmark/verifier/entry"
)

const usage = `usage: %s BUNDLE [PATH] --policy FILE (--publisher KEY ... | --any-publisher)

Proves offline that a log holds the bundle's entry and, with PATH, that the
folder (or file) is the one that the entry names. Nothing in the bundle is
trusted: the logs and witnesses to believe are in the policy file, the keys to
believe are those that you pin.

Flags:
  --policy FILE       trust policy (c2sp.org/tlog-policy)
  --publisher KEY     a key that may have signed: a PEM file or a key id; may be repeated
  --any-publisher     accept whoever signed, and read in the output who did
  --max-age DURATION  refuse a checkpoint whose cosigned time is older, such as 72h
  --min-size N        refuse a checkpoint over fewer entries
  --opening FILE      prove that this one record is in the dataset of the bundle
  --tensor NAME       compare this one tensor of PATH alone, by the bundle's manifest
  --range FILE:A:B    compare the bytes of FILE from A to before B alone, by the
                      bundle's manifest; reads FILE's header, which says what is where,
                      and all of the tensor or raw file around them
  --chunks FILE       chunk list of that tensor or raw file: then --range reads of it
                      1 MiB pieces alone ("hallmark digest --chunks" writes the lists)
  --follow-links      read the targets of symbolic links inside PATH (and inside the
                      blobs of its Hugging Face cache)
  --format FORMAT     text (default) or json
  --version           print the version

`

// options are the flags of one run.
type options struct {
	bundle, path string
	policy       string
	publishers   cli.Repeated
	any          bool
	maxAge       time.Duration
	minSize      uint64
	followLinks  bool
	opening      string
	tensor       *string // nil: not asked for; a name may be empty
	span, chunks string
	part         *verifier.Part
	format       string
	version      bool
}

// Run is the whole command: it returns the exit code. program is the name that
// errors begin with.
func Run(ctx context.Context, program string, args []string, stdout, stderr io.Writer) int {
	o, err := parse(program, args, stdout)
	if errors.Is(err, flag.ErrHelp) {
		return cli.ExitOK
	}
	if err == nil && o.version {
		fmt.Fprintln(stdout, program, cli.Version())
		return cli.ExitOK
	}
	var report *verifier.Report
	if err == nil {
		report, err = o.verify(ctx)
	}
	if ctx.Err() != nil {
		err = cli.Fail(cli.ExitInterrupted, "INTERRUPTED", "verifying", context.Cause(ctx))
	}
	if err != nil {
		return cli.Report(stderr, program, o.format, err)
	}
	return o.print(report, stdout, stderr, program)
}

func parse(program string, args []string, stdout io.Writer) (*options, error) {
	o := &options{format: "text"}
	fs := flag.NewFlagSet(program, flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.Usage = func() { fmt.Fprintf(stdout, usage+cli.ExitHelp, program) }
	fs.StringVar(&o.policy, "policy", "", "")
	fs.Var(&o.publishers, "publisher", "")
	fs.BoolVar(&o.any, "any-publisher", false, "")
	fs.DurationVar(&o.maxAge, "max-age", 0, "")
	fs.Uint64Var(&o.minSize, "min-size", 0, "")
	fs.BoolVar(&o.followLinks, "follow-links", false, "")
	fs.StringVar(&o.opening, "opening", "", "")
	fs.Func("tensor", "", func(name string) error { o.tensor = &name; return nil })
	fs.StringVar(&o.span, "range", "", "")
	fs.StringVar(&o.chunks, "chunks", "", "")
	fs.StringVar(&o.format, "format", o.format, "")
	fs.BoolVar(&o.version, "version", false, "")
	positional, err := cli.ParseInterspersed(fs, args)
	if errors.Is(err, flag.ErrHelp) {
		return o, err
	}
	if err != nil {
		return o, cli.Usage("%v", err).WithHint("%s --help", program)
	}
	if o.version {
		return o, nil
	}
	return o, o.check(program, positional)
}

func (o *options) check(program string, positional []string) error {
	if o.format != "text" && o.format != "json" {
		defer func() { o.format = "text" }()
		return cli.Usage("--format %q, want text or json", o.format)
	}
	switch len(positional) {
	case 2:
		o.path = positional[1]
		fallthrough
	case 1:
		o.bundle = positional[0]
	default:
		return cli.Usage("got %d arguments, want BUNDLE and maybe PATH", len(positional)).WithHint("%s --help", program)
	}
	switch {
	case o.policy == "":
		return cli.Usage("no --policy").WithHint("the operator's trust.policy is a start: get it by a way that you trust, and read it")
	case len(o.publishers) == 0 && !o.any:
		return cli.Usage("neither --publisher nor --any-publisher").WithHint("pin the publisher's key with --publisher KEY.pub, or accept every signer with --any-publisher")
	case len(o.publishers) > 0 && o.any:
		return cli.Usage("both --publisher and --any-publisher")
	case o.maxAge < 0:
		return cli.Usage("--max-age %s is negative", o.maxAge)
	}
	var err error
	o.part, err = o.readPart()
	return err
}

func (o *options) verify(ctx context.Context) (*verifier.Report, error) {
	trust, err := o.trust()
	if err != nil {
		return nil, err
	}
	text, err := readBounded(o.bundle, bundle.MaxSize)
	if err != nil {
		return nil, cli.Fail(cli.ExitUnknown, "BUNDLE_UNREADABLE", "reading the bundle", err)
	}
	subject, err := o.subject()
	if err == nil {
		subject, err = o.addOpening(subject)
	}
	if err != nil {
		return nil, err
	}
	report, err := verifier.Verify(ctx, text, trust, subject)
	if err != nil {
		return nil, cli.Fail(cli.ExitUnknown, "UNKNOWN", "verifying", err)
	}
	return report, nil
}

func (o *options) trust() (t verifier.Trust, err error) {
	text, err := os.ReadFile(o.policy)
	if err != nil {
		return t, cli.Fail(cli.ExitUsage, "POLICY_UNREADABLE", "reading the policy", err)
	}
	if t.Policy, err = checkpoint.ParsePolicy(text); err != nil {
		return t, cli.Fail(cli.ExitUsage, "POLICY_MALFORMED", "reading the policy "+o.policy, err)
	}
	for _, p := range o.publishers {
		id, err := keyID(p)
		if err != nil {
			return t, cli.Fail(cli.ExitUsage, "KEY_MALFORMED", "reading --publisher "+p, err)
		}
		t.Publishers = append(t.Publishers, id)
	}
	t.AnyPublisher, t.MaxAge, t.MinSize, t.Now = o.any, o.maxAge, o.minSize, time.Now()
	return t, nil
}

// keyID takes a key id as it stands, and anything else for a file's name.
func keyID(s string) (entry.KeyID, error) {
	if id, err := entry.ParseKeyID(s); err == nil {
		return id, nil
	}
	text, err := os.ReadFile(s)
	if err != nil {
		return entry.KeyID{}, err
	}
	key, err := entry.ParsePublicKeyPEM(text)
	if err == nil {
		return key.ID(), nil
	}
	if _, private := entry.ParsePrivateKeyPEM(text); private == nil {
		err = fmt.Errorf("it is a private key, want the public one: %s.pub, if keygen made both", s)
	}
	return entry.KeyID{}, err
}

// subject opens the folder that holds what PATH names. A bundle that lies in
// the folder that it describes is no part of it.
func (o *options) subject() (*verifier.Subject, error) {
	if o.path == "" {
		return nil, nil
	}
	root, err := filepath.Abs(o.path)
	if err != nil {
		return nil, cli.Fail(cli.ExitUnknown, "FILES_UNREADABLE", "finding "+o.path, err)
	}
	info, err := os.Stat(root)
	if err != nil {
		return nil, cli.Fail(cli.ExitUnknown, "FILES_UNREADABLE", "reading the files", err)
	}
	s := &verifier.Subject{FS: os.DirFS(root), Root: ".", FollowLinks: o.followLinks, Part: o.part, Workers: runtime.NumCPU()}
	if folder, within, targets, ok := CacheView(root); ok && o.followLinks {
		s.FS, s.Root, s.LinkFolders = os.DirFS(folder), within, targets
	} else if !info.IsDir() {
		s.FS, s.Root = os.DirFS(filepath.Dir(root)), filepath.Base(root)
	}
	if !info.IsDir() || o.bundle == stdin {
		return s, nil // a file named "-" in the folder is no bundle, but a file
	}
	if b, err := filepath.Abs(o.bundle); err == nil {
		if rel, err := filepath.Rel(root, b); err == nil && filepath.IsLocal(rel) && filepath.Base(rel) == rel {
			s.Bundle = rel
		}
	}
	return s, nil
}

// addOpening reads the record that is to be proven, beside the files or alone.
func (o *options) addOpening(s *verifier.Subject) (*verifier.Subject, error) {
	if o.opening == "" {
		return s, nil
	}
	text, err := readBounded(o.opening, dataset.MaxOpening)
	if err != nil {
		return nil, cli.Fail(cli.ExitUnknown, "OPENING_UNREADABLE", "reading the opening", err)
	}
	if s == nil {
		s = &verifier.Subject{}
	}
	s.Opening = text
	return s, nil
}

func (o *options) print(report *verifier.Report, stdout, stderr io.Writer, program string) int {
	code := cli.ExitOK
	if d := report.Decisive(); d != nil {
		code = int(d.Class)
	}
	if o.format == "json" {
		text, err := report.MarshalJSON()
		if err != nil {
			return cli.Report(stderr, program, o.format, err)
		}
		fmt.Fprintln(stdout, string(text))
		return code
	}
	fmt.Fprint(stdout, report.Text())
	return code
}

// stdin is the bundle's or opening's name for standard input.
const stdin = "-"

// readBounded reads a file of at most so many bytes, or standard input.
func readBounded(name string, most int64) ([]byte, error) {
	in := os.Stdin
	if name != stdin {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, most+1))
	if err == nil && int64(len(text)) > most {
		err = fmt.Errorf("%s has more than %d bytes", strings.TrimPrefix(name, "-"), most)
	}
	return text, err
}
