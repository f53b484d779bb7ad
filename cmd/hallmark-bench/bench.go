package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"runtime"
	"time"
)

// A bench is one run. Measurements come one after the other, since two at a
// time would measure each other, and leave behind what later ones compare with.
type bench struct {
	plan      plan
	bin       string // folder of the built programs
	dir       string // everything that the run writes
	inProcess bool
	profile   string // file, or empty
	status    io.Writer

	machine machine // set by the first measurement
	engine  engineFigures

	server    *server    // nil until something needs it
	publisher *publisher // set with server
	streamed  uint64     // index of the last entry of the stream; 0 before it ran
	busy      bool       // the server has been under load
}

// A measurement gives some rows of the table.
type measurement struct {
	name string
	run  func(*bench, context.Context) ([]row, error)
}

// measurements, in the order in which they run. "machine" always does: the
// others compare with it. What is best measured on an idle server comes before
// what loads it, and what reads a log comes after it has grown.
var measurements = []measurement{
	{"machine", (*bench).measureMachine},
	{"digest", (*bench).measureDigest},
	{"engine", (*bench).measureEngine},
	{"single", (*bench).measureSingle},
	{"stream", (*bench).measureStream},
	{"unary", (*bench).measureUnary},
	{"memory", (*bench).measureMemory},
	{"proofs", (*bench).measureProofs},
	{"verify", (*bench).measureVerify},
	{"fold", (*bench).measureFold},
	{"audit", (*bench).measureAudit},
}

// footnotes go with every table.
var footnotes = []string{
	"Client, server and everything else share the cores; whatever else runs on the machine lowers rates and raises latencies.",
	"rekor-tiles is not measured here: it has to be built and run by itself, so the ratio to it is not in this table.",
}

// run takes all measurements whose name matches. The error joins the failures
// of single measurements, whose rows say so too.
func (b *bench) run(ctx context.Context, only *regexp.Regexp) (*table, error) {
	t := &table{
		MediaType: tableMediaType,
		Cores:     runtime.GOMAXPROCS(0), Platform: runtime.GOOS + "/" + runtime.GOARCH,
		Footnotes: footnotes,
	}
	var failures []error
	for i, m := range measurements {
		if i > 0 && !only.MatchString(m.name) {
			continue
		}
		start := time.Now()
		rows, err := m.run(b, ctx)
		if err != nil {
			failures = append(failures, fmt.Errorf("measuring %s: %w", m.name, err))
			rows = append(rows, row{what: m.name, failed: err})
		}
		t.Rows = append(t.Rows, rows...)
		fmt.Fprintf(b.status, "hallmark-bench: %s, %.1f s\n", m.name, time.Since(start).Seconds())
		if ctx.Err() != nil {
			break
		}
	}
	if b.server != nil {
		failures = append(failures, b.server.stop())
	}
	return t, errors.Join(failures...)
}
