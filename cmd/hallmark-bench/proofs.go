package main

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/hallmark-registry/hallmark/registry/tlog"
	"github.com/hallmark-registry/hallmark/verifier/checkpoint"
)

// proofCallers is how many proofs are asked for at a time over gRPC: enough to
// keep two cores busy, few enough not to queue.
const proofCallers = 64

// measureProofs builds inclusion proofs of random entries from warm tiles, on
// one core and through the server.
func (b *bench) measureProofs(ctx context.Context) ([]row, error) {
	s, err := b.grown(ctx)
	if err != nil {
		return nil, err
	}
	note, verified, err := s.client.Checkpoint(ctx)
	if err != nil {
		return nil, err
	}
	head := &tlog.Published{Note: note, Size: verified.Size, Root: verified.Root}
	prover := tlog.NewProver(tlog.NewFolder(os.DirFS(filepath.Join(s.data, "log"))), tlog.DefaultProofCache)
	build := func() error {
		at := rand.Uint64N(head.Size)
		hashes, err := prover.Inclusion(ctx, at, head)
		if err != nil {
			return err
		}
		(&checkpoint.Proof{Index: at, Hashes: hashes, Checkpoint: note}).Format()
		return nil
	}
	if err := warm(build, int(head.Size)); err != nil {
		return nil, err
	}
	built, err := b.plan.perSecond(build)
	if err != nil {
		return nil, err
	}
	begun := b.readCPU()
	served, echoed, err := b.serveProofs(ctx, s, head.Size)
	if err != nil {
		return nil, err
	}
	used := b.readCPU().since(begun)
	need := must{relation: atLeast, bound: 5000}
	return []row{
		{what: "inclusion proofs built, warm, one core", value: built, unit: "/s", must: need},
		{what: "inclusion proofs over gRPC, a core, both ends", value: served, unit: "/s", must: need,
			beside: "the server's health check", peer: echoed, note: used.text()},
	}, nil
}

// warm repeats what is to be measured until all tiles are in memory: twenty
// times as often as there are tiles leaves out one in 500 million.
func warm(do func() error, entries int) error {
	for range 20 * (entries/tlogBundle + 1) {
		if err := do(); err != nil {
			return err
		}
	}
	return nil
}

// tlogBundle is the number of entries in a full tile (C2SP tlog-tiles).
const tlogBundle = 256

// serveProofs returns how many proofs a second and core a server and its client
// exchange, and how many empty calls.
func (b *bench) serveProofs(ctx context.Context, s *server, size uint64) (proofs, empty float64, err error) {
	conn, err := grpc.NewClient(s.addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return 0, 0, err
	}
	defer conn.Close()
	health := grpc_health_v1.NewHealthClient(conn)
	echo, err := closedLoop(ctx, proofCallers, b.plan.proofs, b.plan.load, func(ctx context.Context) error {
		_, err := health.Check(ctx, &grpc_health_v1.HealthCheckRequest{})
		return err
	})
	if err != nil {
		return 0, 0, err
	}
	l, err := closedLoop(ctx, proofCallers, b.plan.proofs, b.plan.load, func(ctx context.Context) error {
		_, err := s.client.InclusionProof(ctx, rand.Uint64N(size))
		return err
	})
	if err != nil {
		return 0, 0, err
	}
	return l.rate() / cores(), echo.rate() / cores(), nil
}
