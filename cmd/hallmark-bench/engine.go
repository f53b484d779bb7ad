package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mrand "math/rand/v2"
	"os"
	"path/filepath"

	"github.com/hallmark-registry/hallmark/registry/tlog"
	"github.com/hallmark-registry/hallmark/registry/tlog/tessera"
	"github.com/hallmark-registry/hallmark/verifier/checkpoint"
)

// engineFigures are what the engine does by itself; zero when that was not
// measured.
type engineFigures struct {
	wait          float64 // ms until one leaf alone is published
	calls, window float64 // leaves a second, with as many in flight as the plan's callers and window
}

const engineOrigin = "bench.invalid/engine"

// An engine is the embedded log engine with its guard, and nothing above it: no
// gRPC, no signatures of entries, no index.
type engine struct {
	log         *tessera.Log
	publication *tlog.Publication
	guard       *tlog.Guard
	store       *tlog.GuardFolder
}

func openEngine(ctx context.Context, dir string) (_ *engine, err error) {
	e := &engine{}
	defer func() {
		if err != nil {
			err = errors.Join(err, e.close(ctx))
		}
	}()
	signer, err := checkpoint.GenerateSigner(engineOrigin, checkpoint.AlgEd25519, rand.Reader)
	if err != nil {
		return nil, err
	}
	folder, guard := filepath.Join(dir, "log"), filepath.Join(dir, "guard")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, err
	}
	if e.store, err = tlog.OpenGuardFolder(guard); err != nil {
		return nil, err
	}
	if err := tlog.CreateGuard(ctx, e.store, engineOrigin); err != nil {
		return nil, err
	}
	e.guard = tlog.NewGuard(signer, e.store, tlog.NewFolder(os.DirFS(folder)), filepath.Join(guard, "evidence"))
	if e.log, err = tessera.Open(ctx, tessera.Options{Dir: folder, Guard: e.guard}); err != nil {
		return nil, err
	}
	e.publication, err = tlog.NewPublication(ctx, e.log, signer.Key(), e.guard)
	return e, err
}

func (e *engine) close(ctx context.Context) error {
	var errs []error
	if e.log != nil {
		errs = append(errs, e.log.Close(ctx))
	}
	if e.publication != nil {
		e.publication.Close()
	}
	if e.guard != nil {
		e.guard.Close()
	}
	if e.store != nil {
		errs = append(errs, e.store.Close())
	}
	return errors.Join(errs...)
}

// publish puts a random leaf of 300 to 600 bytes into the log and returns when
// a published checkpoint covers it.
func (e *engine) publish(ctx context.Context) error {
	leaf := make([]byte, 300+mrand.IntN(301))
	rand.Read(leaf) // never fails
	at, err := e.log.Append(ctx, [][]byte{leaf})
	if err != nil {
		return err
	}
	_, err = e.publication.Await(ctx, at[0])
	return err
}

func (b *bench) measureEngine(ctx context.Context) (_ []row, err error) {
	e, err := openEngine(ctx, filepath.Join(b.dir, "engine"))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, e.close(ctx)) }()
	alone, err := closedLoop(ctx, 1, b.plan.single, b.plan.load, e.publish)
	if err != nil {
		return nil, err
	}
	b.engine.wait = alone.quantile(0.5)
	many, err := closedLoop(ctx, b.plan.callers, b.plan.engine, b.plan.load, e.publish)
	if err != nil {
		return nil, err
	}
	b.engine.calls = many.rate()
	window, err := closedLoop(ctx, b.plan.window, b.plan.engine, b.plan.load, e.publish)
	if err != nil {
		return nil, err
	}
	b.engine.window = window.rate()
	return []row{
		{what: "bare engine: one leaf, p50", value: b.engine.wait, unit: "ms"},
		{what: fmt.Sprintf("bare engine: published, %s in flight", number(float64(b.plan.callers))), value: b.engine.calls, unit: "/s"},
		{what: fmt.Sprintf("bare engine: published, %s in flight", number(float64(b.plan.window))), value: b.engine.window, unit: "/s"},
	}, nil
}
