package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/hallmark-registry/hallmark/cmd/internal/cli"
	"github.com/hallmark-registry/hallmark/registry/index/sqlite"
	"github.com/hallmark-registry/hallmark/registry/tlog"
	"github.com/hallmark-registry/hallmark/registry/tlog/tessera"
	"github.com/hallmark-registry/hallmark/verifier/ledger"
)

func runFsck(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	dir, err := dataFlag("fsck", args)
	if err != nil {
		return err
	}
	c, err := readConfig(dir.config())
	if err != nil {
		return err
	}
	lock, err := dir.acquire()
	if err != nil {
		return err
	}
	defer lock.Release()
	report, err := checkLog(ctx, dir, c)
	if err != nil {
		return err
	}
	rejected, err := refold(ctx, tlog.NewFolder(os.DirFS(dir.log())), c.Origin, report.Size)
	if err != nil {
		return cli.Fail(cli.ExitUnknown, "LOG_UNREADABLE", "folding the log", err)
	}
	fmt.Fprintf(stdout, "ok  %d entries, %d bytes, in %d bundles\nok  %d tiles\nok  root %x\nok  fold: %d accepted, %d rejected; supply balances\n",
		report.Size, report.Bytes, report.Bundles, report.Tiles, report.Root, report.Size-rejected, rejected)
	return nil
}

// checkLog compares the log folder with the sign guard and recomputes it. What
// differs is written down as evidence.
func checkLog(ctx context.Context, dir folder, c *config) (*tlog.FsckReport, error) {
	report, err := recompute(ctx, dir, c)
	var bad *tlog.FsckError
	if errors.As(err, &bad) {
		return nil, evidenceError(dir, bad)
	}
	if err != nil {
		return nil, logError("checking the log", err)
	}
	return report, nil
}

func recompute(ctx context.Context, dir folder, c *config) (_ *tlog.FsckReport, err error) {
	signer, err := dir.logSigner(c.Origin)
	if err != nil {
		return nil, err
	}
	store, err := tlog.OpenGuardFolder(dir.guard(c))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	guard := tlog.NewGuard(signer, store, tlog.NewFolder(os.DirFS(dir.log())), filepath.Join(dir.guard(c), "evidence"))
	defer guard.Close()
	return tessera.Fsck(ctx, dir.log(), guard, signer.Key())
}

func dataFlag(name string, args []string) (folder, error) {
	var dir string
	fs := flag.NewFlagSet(name, flag.ContinueOnError)
	fs.StringVar(&dir, "data", "", "")
	if err := parseFlags(fs, args); err != nil {
		return "", err
	}
	return folder(dir), requireData(dir)
}

func evidenceError(dir folder, bad *tlog.FsckError) error {
	path, err := tlog.WriteEvidence(dir.at("evidence"), &bad.Evidence)
	if err != nil {
		path = "nowhere: " + err.Error()
	}
	return cli.Fail(cli.ExitMisbehaved, "LOG_DIFFERS", "checking the log", bad).WithHint("the evidence is in %s", path)
}

// treeRoots keeps the roots of the prefix that was read, for the fold.
type treeRoots struct {
	*tlog.Prover
	at *tlog.Published
}

func (t treeRoots) RootAt(size uint64) ([32]byte, error) {
	return t.Root(context.Background(), size, t.at)
}

// refold replays the ledger over a log whose tiles have just been recomputed.
func refold(ctx context.Context, r tlog.Reader, origin string, size uint64) (rejected uint64, err error) {
	roots := treeRoots{tlog.NewProver(r, tlog.DefaultProofCache), &tlog.Published{Size: size}}
	s := ledger.New(origin, roots)
	for raw, err := range tlog.Entries(ctx, r, 0, size) {
		if err != nil {
			return 0, err
		}
		if o := s.Apply(s.Size(), raw); !o.Decided() {
			return 0, fmt.Errorf("entry %d: %s", s.Size(), o.Detail)
		}
	}
	return s.Rejected(), s.CheckInvariants()
}

// runRebuild drops index and fold and has them follow the log again. It checks
// the log first: what is folded from a damaged one would be wrong and look right.
func runRebuild(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	dir, err := dataFlag("rebuild", args)
	if err != nil {
		return err
	}
	c, err := readConfig(dir.config())
	if err != nil {
		return err
	}
	lock, err := dir.acquire()
	if err != nil {
		return err
	}
	if err := cleared(ctx, dir, c); err != nil {
		return errors.Join(err, lock.Release())
	}
	o, err := open(ctx, dir, c, lock, newLogger(stderr))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, o.close()) }()
	if err := o.registry.CatchUp(ctx); err != nil {
		return cli.Fail(cli.ExitUnknown, "REBUILD_FAILED", "rebuilding", err)
	}
	supply, err := o.registry.Supply(ctx)
	if err != nil {
		return cli.Fail(cli.ExitUnknown, "REBUILD_FAILED", "rebuilding", err)
	}
	text, err := json.Marshal(supply.Supply)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "entries       %d\nstate digest  %x\nsupply        %s\n", supply.Size, supply.Digest, text)
	return nil
}

// cleared checks the log and deletes index and fold.
func cleared(ctx context.Context, dir folder, c *config) error {
	if _, err := checkLog(ctx, dir, c); err != nil {
		return err
	}
	if err := errors.Join(sqlite.Remove(dir.index()), removeIfThere(dir.state())); err != nil {
		return cli.Fail(cli.ExitUnknown, "REBUILD_FAILED", "dropping index and fold", err)
	}
	return nil
}

func removeIfThere(path string) error {
	if err := os.Remove(path); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
