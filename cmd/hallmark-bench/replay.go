package main

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/hallmark-registry/hallmark/registry/monitor"
	"github.com/hallmark-registry/hallmark/registry/tlog"
	"github.com/hallmark-registry/hallmark/verifier/entry"
	"github.com/hallmark-registry/hallmark/verifier/ledger"
)

func cores() float64 { return float64(runtime.GOMAXPROCS(0)) }

// measureFold folds models, evaluations and credits in equal parts. Reading
// them, signatures included, is not part of it: a replayer does that on other
// cores.
func (b *bench) measureFold(ctx context.Context) ([]row, error) {
	s, err := b.serve(ctx)
	if err != nil {
		return nil, err
	}
	inputs, err := b.foldInputs(ctx, s)
	if err != nil {
		return nil, err
	}
	var best, rejected float64
	for range b.plan.rounds {
		state := ledger.New(serverOrigin, nil)
		rejected = 0
		start := time.Now()
		for i, in := range inputs {
			if !state.ApplyInput(uint64(i), in).Accepted() {
				rejected++
			}
		}
		best = max(best, float64(len(inputs))/time.Since(start).Seconds())
	}
	r := row{what: "fold an entry, one core", value: 1e6 / best, unit: "us", must: must{relation: atMost, bound: 1}}
	if rejected > 0 {
		r.failed = fmt.Errorf("%.0f of %d entries were rejected", rejected, len(inputs))
	}
	return []row{r}, nil
}

// foldInputs are the server's genesis and entries that its ledger accepts.
func (b *bench) foldInputs(ctx context.Context, s *server) ([]*ledger.Input, error) {
	genesis, err := s.client.Entry(ctx, "0")
	if err != nil {
		return nil, err
	}
	secret, err := os.ReadFile(filepath.Join(s.data, "keys", "evaluator.key"))
	if err != nil {
		return nil, err
	}
	evaluator, err := entry.ParsePrivateKeyPEM(secret)
	if err != nil {
		return nil, err
	}
	account, err := ledger.AccountOf(b.publisher.key.Public())
	if err != nil {
		return nil, err
	}
	founded := ledger.Read(genesis.Raw)
	if founded.Entry() == nil {
		return nil, errors.New("the genesis can't be read")
	}
	inputs := []*ledger.Input{founded}
	for i := range b.plan.fold {
		var e *entry.Entry
		switch i % 3 {
		case 0:
			e, err = b.publisher.model()
		case 1:
			e, err = b.publisher.next()
		case 2:
			e, err = ledger.Sign(&ledger.Credit{
				Ledger: founded.Entry().StatementID(), Class: "data", Serial: uint64(i), Subject: sha256.Sum256(binary.BigEndian.AppendUint64(nil, uint64(i))),
				Beneficiary: account, Work: 1, Evidence: sha256.Sum256([]byte("records")),
			}, evaluator)
		}
		if err != nil {
			return nil, err
		}
		inputs = append(inputs, ledger.ReadEntry(e, nil))
	}
	return inputs, nil
}

// measureAudit replays the log from its tiles, as a stranger would, and says
// what a million entries would take.
func (b *bench) measureAudit(ctx context.Context) ([]row, error) {
	s, err := b.grown(ctx)
	if err != nil {
		return nil, err
	}
	begun := b.readCPU()
	report, err := monitor.Audit(ctx, monitor.Options{
		Reader: tlog.NewFolder(os.DirFS(filepath.Join(s.data, "log"))), Policy: s.policy,
	})
	if err != nil {
		return nil, err
	}
	used, size := b.readCPU().since(begun), report.Checkpoint.Size
	return []row{{
		what: "audit of 1,000,000 entries", value: used.took.Seconds() / float64(size) * 1e6, unit: "s", must: must{relation: atMost, bound: 60},
		beside: "their Ed25519 checks on all cores", peer: 1e6 / b.machine.verify / cores(),
		note: fmt.Sprintf("extrapolated from %d entries in %.1f s; %s", size, used.took.Seconds(), used.text()),
	}}, nil
}
