package main

import (
	"time"

	"github.com/hallmark-registry/hallmark/registry/client"
)

const mib = 1 << 20

// A plan says how much is done. Counts bound memory and disk, times bound the
// whole run; a load ends with whichever comes first.
type plan struct {
	round  time.Duration // of what one core repeats; the best of rounds counts
	rounds int

	models []folderPlan // to be hashed

	callers int           // calls in flight at a time, of loads with many
	window  int           // entries in flight of a stream
	engine  int           // leaves into the bare engine, in each of two loads
	stream  int           // entries
	unary   int           // entries
	load    time.Duration // bound of each load
	single  int           // calls, where each waits for the one before

	proofs  int // inclusion proofs over gRPC
	command int // runs of a command
	fold    int // entries
}

// A folderPlan is a model folder of equal files.
type folderPlan struct {
	files int
	size  int64 // bytes of each
}

// fullPlan takes some two minutes on two cores. The stream is long enough for
// fifty checkpoints, the unary load for thirty.
var fullPlan = plan{
	round: 200 * time.Millisecond, rounds: 5,
	models:  []folderPlan{{4, 256 * mib}, {1, 1024 * mib}},
	callers: 1024, window: client.StreamWindow,
	engine: 40_000, stream: 60_000, unary: 20_000, load: 15 * time.Second, single: 50,
	proofs: 20_000, command: 30, fold: 20_000,
}

// shortPlan takes some thirty seconds. Its loads are mostly rise and fall, so
// its rates are low.
var shortPlan = plan{
	round: 100 * time.Millisecond, rounds: 3,
	models:  []folderPlan{{4, 64 * mib}, {1, 256 * mib}},
	callers: 1024, window: client.StreamWindow,
	engine: 10_000, stream: 15_000, unary: 6_000, load: 4 * time.Second, single: 10,
	proofs: 5_000, command: 10, fold: 5_000,
}
