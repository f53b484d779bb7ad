package main

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/hallmark-registry/hallmark/cmd/internal/cli"
	"github.com/hallmark-registry/hallmark/registry"
	"github.com/hallmark-registry/hallmark/registry/blob"
	"github.com/hallmark-registry/hallmark/registry/index"
	"github.com/hallmark-registry/hallmark/registry/index/sqlite"
	"github.com/hallmark-registry/hallmark/registry/state"
	"github.com/hallmark-registry/hallmark/registry/tlog"
	"github.com/hallmark-registry/hallmark/registry/tlog/tessera"
	"github.com/hallmark-registry/hallmark/verifier/checkpoint"
)

// maxBlobs bounds all blobs together, in bytes: manifests of some ten thousand
// large models.
const maxBlobs = 16 << 30

// closeTimeout bounds the end of the engine: the last batch and checkpoint.
const closeTimeout = 20 * time.Second

// settleTimeout bounds the publication of what a crash left behind: one batch,
// and the cosignatures of slow witnesses.
const settleTimeout = 30 * time.Second

// openedLog is the log with what stands around it, ready to be appended to.
type openedLog struct {
	engine      tlog.Log
	guard       *tlog.Guard
	store       *tlog.GuardFolder
	publication *tlog.Publication
	signer      *checkpoint.Signer
}

// Whether the guard's state must exist or is made now, which only init may do.
const (
	existingGuard = false
	createGuard   = true
)

// openLog opens guard and engine. An older or another log folder than the guard
// knows ends here: exit 7, with the guard's evidence.
func openLog(ctx context.Context, dir folder, c *config, create bool) (_ *openedLog, err error) {
	l := &openedLog{}
	defer func() {
		if err != nil {
			l.close()
		}
	}()
	if l.signer, err = dir.logSigner(c.Origin); err != nil {
		return nil, err
	}
	if l.store, err = tlog.OpenGuardFolder(dir.guard(c)); err != nil {
		return nil, logError("opening the log", err)
	}
	if create {
		if err := tlog.CreateGuard(ctx, l.store, c.Origin); err != nil {
			return nil, logError("making the log", err)
		}
	}
	if err := os.MkdirAll(dir.log(), 0o755); err != nil {
		return nil, logError("opening the log", err)
	}
	reader := tlog.NewFolder(os.DirFS(dir.log()))
	l.guard = tlog.NewGuard(l.signer, l.store, reader, filepath.Join(dir.guard(c), "evidence"))
	engine, err := tessera.Open(ctx, tessera.Options{Dir: dir.log(), Guard: l.guard})
	if err != nil {
		return nil, logError("opening the log", err)
	}
	l.engine = engine // not earlier: a nil *tessera.Log in the interface is not nil
	if l.publication, err = tlog.NewPublication(ctx, l.engine, l.signer.Key(), l.guard); err != nil {
		return nil, logError("watching the log", err)
	}
	return l, nil
}

// settle waits until everything that the folder holds is published: what a
// crash left between the guard's signature and the checkpoint file is mended
// before anybody is listened to.
func (l *openedLog) settle(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, settleTimeout, errors.New("the log does not get published"))
	defer cancel()
	size, err := l.engine.IntegratedSize(ctx)
	if err != nil || size == 0 {
		return err
	}
	if _, err := l.publication.Await(ctx, size-1); err != nil {
		return logError("publishing what the log holds", err)
	}
	return nil
}

// trusted refuses a policy that the log's own checkpoint does not satisfy. Every
// receipt is verified under it before it is handed out, so that a server which
// started anyhow would take entries on, log them, and say that it failed.
func (l *openedLog) trusted(trust *checkpoint.Policy, dir folder) error {
	head := l.publication.Latest()
	if head == nil || head.Size == 0 {
		return nil // nothing was promised yet
	}
	_, err := trust.Verify(head.Note)
	if err == nil {
		return nil
	}
	e := cli.Fail(cli.ExitUsage, "POLICY_UNMET", "verifying the log's checkpoint by "+dir.policy(), err)
	if errors.Is(err, checkpoint.ErrQuorum) {
		return e.WithHint("hallmarkd gathers no cosignatures: ask for witnesses in verifiers' copies, and leave \"quorum none\" here")
	}
	return e.WithHint("it must name this log: log %s", l.signer.Key())
}

// logError gives errors of the log their exit codes. That a log differs from
// what was signed is an alarm; that it cannot be read is not. An error that has
// its code keeps it.
func logError(attempted string, err error) error {
	var named *cli.Error
	var refused *tlog.GuardError
	switch {
	case errors.As(err, &named):
		return err
	case errors.Is(err, tlog.ErrLocked):
		return cli.Fail(cli.ExitUnknown, "LOCKED", attempted, err).WithHint("another hallmarkd works on this log or its sign guard: stop it first")
	case errors.Is(err, tlog.ErrOtherOrigin):
		return cli.Fail(cli.ExitMisbehaved, "OTHER_ORIGIN", attempted, err)
	case errors.As(err, &refused):
		return cli.Fail(cli.ExitMisbehaved, "GUARD_REFUSED", attempted, err)
	case errors.Is(err, tlog.ErrNoGuard):
		return cli.Fail(cli.ExitMisbehaved, "NO_GUARD", attempted, err)
	case errors.Is(err, fs.ErrPermission):
		return cli.Fail(cli.ExitUnknown, "NO_PERMISSION", attempted, err)
	}
	return cli.Fail(cli.ExitUnknown, "LOG_FAILED", attempted, err)
}

// close ends engine first, so that what was placed gets published, then the
// watch, then the guard that had to sign for it.
func (l *openedLog) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	var errs []error
	if l.engine != nil {
		errs = append(errs, l.engine.Close(ctx))
	}
	if l.publication != nil {
		l.publication.Close()
	}
	if l.guard != nil {
		l.guard.Close()
		errs = append(errs, l.refusal())
	}
	if l.store != nil {
		errs = append(errs, l.store.Close())
	}
	return errors.Join(errs...)
}

// refusal returns why the guard signs no more, or nil. All that was promised may
// be published all the same, so the engine's end does not tell.
func (l *openedLog) refusal() error {
	var refused *tlog.GuardError
	if errors.As(l.guard.Err(), &refused) {
		return refused
	}
	return nil
}

// opened is a registry with all that it stands on.
type opened struct {
	lock     *tlog.Lock
	log      *openedLog
	index    *sqlite.Index
	registry *registry.Registry
}

// open joins the parts of a data folder into a registry. It takes the folder's
// lock over from its caller, and releases it when it fails.
func open(ctx context.Context, dir folder, c *config, lock *tlog.Lock, logger *slog.Logger) (_ *opened, err error) {
	o := &opened{lock: lock}
	defer func() {
		if err != nil {
			o.close()
		}
	}()
	trust, _, err := dir.trustPolicy()
	if err != nil {
		return nil, err
	}
	if o.log, err = openLog(ctx, dir, c, existingGuard); err != nil {
		return nil, err
	}
	if err := o.log.settle(ctx); err != nil {
		return nil, err
	}
	if err := o.log.trusted(trust, dir); err != nil {
		return nil, err
	}
	if o.index, err = openIndex(ctx, dir, c, logger); err != nil {
		return nil, err
	}
	prover := tlog.NewProver(o.log.engine, tlog.DefaultProofCache)
	fold, err := state.Open(dir.state(), c.Origin, registry.Roots(prover, o.log.publication))
	if err != nil {
		return nil, cli.Fail(cli.ExitUnknown, "STATE_FAILED", "opening the fold", err)
	}
	if reason := fold.Discarded(); reason != nil {
		logger.Warn("the fold's snapshot was set aside; the fold starts over", "reason", reason)
	}
	blobs, err := blob.Open(dir.blobs(), maxBlobs)
	if err != nil {
		return nil, cli.Fail(cli.ExitUnknown, "BLOBS_FAILED", "opening the blobs", err)
	}
	parts := registry.Config{
		Origin: c.Origin, Trust: trust, Log: o.log.engine, Publication: o.log.publication, Prover: prover,
		Index: o.index, State: fold, Blobs: blobs, Logger: logger,
	}
	o.registry, err = registry.Open(ctx, parts)
	if errors.Is(err, registry.ErrOtherHistory) {
		logger.Warn("the index is rebuilt from the log", "reason", err)
		if err := o.renewIndex(ctx, dir, c, logger); err != nil {
			return nil, err
		}
		parts.Index = o.index
		o.registry, err = registry.Open(ctx, parts)
	}
	if err != nil {
		return nil, cli.Fail(cli.ExitUnknown, "REGISTRY_FAILED", "opening the registry", err)
	}
	return o, nil
}

// openIndex opens the index, or makes a new one in the place of one that this
// version cannot read: the log has it all.
func openIndex(ctx context.Context, dir folder, c *config, logger *slog.Logger) (*sqlite.Index, error) {
	idx, err := sqlite.Open(ctx, dir.index(), c.Origin)
	if damaged(err) {
		logger.Warn("the index is rebuilt from the log", "reason", err)
		if err := sqlite.Remove(dir.index()); err != nil {
			return nil, cli.Fail(cli.ExitUnknown, "INDEX_FAILED", "removing the index", err)
		}
		idx, err = sqlite.Open(ctx, dir.index(), c.Origin)
	}
	if err != nil {
		return nil, cli.Fail(cli.ExitUnknown, "INDEX_FAILED", "opening the index", err).
			WithHint("hallmarkd rebuild --data %s", dir)
	}
	return idx, nil
}

// renewIndex removes an index that holds another history of this very log, as
// after a copy of the folder was put back in part, and makes a new one.
func (o *opened) renewIndex(ctx context.Context, dir folder, c *config, logger *slog.Logger) error {
	err := o.index.Close()
	o.index = nil
	if err = errors.Join(err, sqlite.Remove(dir.index())); err != nil {
		return cli.Fail(cli.ExitUnknown, "INDEX_FAILED", "removing the index", err)
	}
	o.index, err = openIndex(ctx, dir, c, logger)
	return err
}

// close ends the parts in the reverse of their order.
func (o *opened) close() error {
	var errs []error
	if o.registry != nil {
		errs = append(errs, o.registry.Close())
	}
	if o.index != nil {
		errs = append(errs, o.index.Close())
	}
	if o.log != nil {
		errs = append(errs, o.log.close())
	}
	if o.lock != nil {
		errs = append(errs, o.lock.Release())
	}
	if err := errors.Join(errs...); err != nil {
		return logError("closing", err)
	}
	return nil
}

// damaged reports whether an index can only be rebuilt. One of another log is
// not among them: it may be the right file in the wrong folder.
func damaged(err error) bool {
	return errors.Is(err, index.ErrSchema) || errors.Is(err, index.ErrCorrupt)
}
