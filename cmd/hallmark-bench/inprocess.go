package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/hallmark-registry/hallmark/registry"
	"github.com/hallmark-registry/hallmark/registry/blob"
	"github.com/hallmark-registry/hallmark/registry/index/sqlite"
	"github.com/hallmark-registry/hallmark/registry/rpc"
	"github.com/hallmark-registry/hallmark/registry/state"
	"github.com/hallmark-registry/hallmark/registry/tlog"
	"github.com/hallmark-registry/hallmark/registry/tlog/tessera"
	"github.com/hallmark-registry/hallmark/verifier/checkpoint"
)

// startHere joins the parts of a registry as hallmarkd does, in this process,
// so that a profile of it shows both ends of a publish.
func (s *server) startHere(ctx context.Context) (err error) {
	var ends []func() error // last part first
	s.end = func() error {
		var errs []error
		for i := len(ends) - 1; i >= 0; i-- {
			errs = append(errs, ends[i]())
		}
		return errors.Join(errs...)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.end())
		}
	}()
	at := func(name string) string { return filepath.Join(s.data, name) }
	logger := slog.New(slog.DiscardHandler)

	secret, err := os.ReadFile(at("keys/log.key"))
	if err != nil {
		return err
	}
	signer, err := checkpoint.ParseSigner(strings.TrimSpace(string(secret)))
	if err != nil {
		return err
	}
	store, err := tlog.OpenGuardFolder(at("guard"))
	if err != nil {
		return err
	}
	ends = append(ends, store.Close)
	guard := tlog.NewGuard(signer, store, tlog.NewFolder(os.DirFS(at("log"))), at("guard/evidence"))
	ends = append(ends, func() error { guard.Close(); return nil })
	log, err := tessera.Open(ctx, tessera.Options{Dir: at("log"), Guard: guard})
	if err != nil {
		return err
	}
	publication, err := tlog.NewPublication(ctx, log, signer.Key(), guard)
	if err != nil {
		return errors.Join(err, log.Close(context.Background()))
	}
	ends = append(ends,
		func() error { publication.Close(); return nil },
		func() error { return log.Close(context.Background()) })

	index, err := sqlite.Open(ctx, at("index.db"), serverOrigin)
	if err != nil {
		return err
	}
	ends = append(ends, index.Close)
	prover := tlog.NewProver(log, tlog.DefaultProofCache)
	fold, err := state.Open(at("state.db"), serverOrigin, registry.Roots(prover, publication))
	if err != nil {
		return err
	}
	blobs, err := blob.Open(at("blobs"), 1<<30)
	if err != nil {
		return err
	}
	r, err := registry.Open(ctx, registry.Config{
		Origin: serverOrigin, Trust: s.policy, Log: log, Publication: publication, Prover: prover,
		Index: index, State: fold, Blobs: blobs, Logger: logger,
	})
	if err != nil {
		return err
	}
	ends = append(ends, r.Close)

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	front := rpc.New(r, rpc.Options{Logger: logger})
	served := make(chan error, 1)
	go func() { served <- front.Serve(listener) }()
	ends = append(ends, func() error {
		drain, cancel := context.WithTimeout(context.Background(), stopTimeout)
		defer cancel()
		return errors.Join(front.Drain(drain), <-served)
	})
	s.addr, s.pid = listener.Addr().String(), os.Getpid()
	return nil
}
