package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/hallmark-registry/hallmark/registry/client"
	"github.com/hallmark-registry/hallmark/verifier"
	"github.com/hallmark-registry/hallmark/verifier/entry"
)

// measureVerify verifies the bundle of one entry of a grown log, in process and
// with the command that people run.
func (b *bench) measureVerify(ctx context.Context) ([]row, error) {
	s, err := b.grown(ctx)
	if err != nil {
		return nil, err
	}
	bundle, err := s.client.Bundle(ctx, strconv.FormatUint(b.streamed/2, 10), client.BundleOptions{})
	if err != nil {
		return nil, err
	}
	publisher := b.publisher.key.Public().ID()
	trust := verifier.Trust{Policy: s.policy, Publishers: []entry.KeyID{publisher}, Now: time.Now()}
	rate, err := b.plan.perSecond(func() error {
		report, err := verifier.Verify(ctx, bundle, trust, nil)
		if err == nil && !report.Verified() {
			err = errors.New("a good bundle does not verify:\n" + report.Text())
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	file := filepath.Join(b.dir, "entry.hallmark")
	if err := os.WriteFile(file, bundle, 0o644); err != nil {
		return nil, err
	}
	started, err := b.timeCommand(ctx, "--version")
	if err != nil {
		return nil, err
	}
	verified, err := b.timeCommand(ctx, file, "--policy", filepath.Join(s.data, "trust.policy"), "--publisher", publisher.String())
	if err != nil {
		return nil, err
	}
	return []row{
		{what: "verify a bundle, in process", value: 1e6 / rate, unit: "us", must: must{relation: atMost, bound: 300},
			beside: "two Ed25519 checks", peer: 2e6 / b.machine.verify, note: fmt.Sprintf("%d bytes, an entry of %d", len(bundle), b.streamed+1)},
		{what: "verify a bundle, as a command, p50", value: verified, unit: "ms", must: must{relation: atMost, bound: 20},
			beside: "hallmark-verify --version", peer: started},
	}, nil
}

// timeCommand returns the median in milliseconds of a run of hallmark-verify.
func (b *bench) timeCommand(ctx context.Context, args ...string) (float64, error) {
	l, err := closedLoop(ctx, 1, b.plan.command, b.plan.load, func(ctx context.Context) error {
		return b.command(ctx, "hallmark-verify", args...).quiet()
	})
	if err != nil {
		return 0, err
	}
	return l.quantile(0.5), nil
}
