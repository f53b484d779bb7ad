package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"
)

// memoryPoll is how often a running command's peak memory is read. It only
// rises, so all that is missed is what happens in the last moment.
const memoryPoll = 10 * time.Millisecond

// measureDigest runs `hallmark digest` on model folders that are warm in the
// page cache. Its limit is what SHA-256 itself takes: with --fast each byte is
// hashed once; without, twice, and a file's own SHA-256 can't be split over
// cores.
func (b *bench) measureDigest(ctx context.Context) (rows []row, err error) {
	var memory float64
	for i, folder := range b.plan.models {
		dir := filepath.Join(b.dir, fmt.Sprintf("model-%d", i))
		if err := folder.write(dir); err != nil {
			return rows, err
		}
		for _, fast := range []bool{false, true} {
			r, peak, err := b.digestRow(ctx, dir, folder, fast)
			if err != nil {
				return rows, err
			}
			memory = max(memory, peak)
			rows = append(rows, r)
		}
		if err := os.RemoveAll(dir); err != nil {
			return rows, err
		}
	}
	peak := row{what: "hallmark digest, memory, peak", value: memory, unit: "MiB", must: must{relation: atMost, bound: 100}}
	if memory == 0 {
		peak.failed = fmt.Errorf("no command ran for %s, or there is no /proc", memoryPoll)
	}
	return append(rows, peak), nil
}

// digestRow is the best of all rounds, beside the best that one core hashed in
// between.
func (b *bench) digestRow(ctx context.Context, dir string, f folderPlan, fast bool) (r row, peak float64, err error) {
	args := []string{"digest", "--no-cache", dir}
	name, need := "with SHA-256 of each file", 0.75
	if fast {
		args, name, need = append(args, "--fast"), "--fast", 0.8
	}
	var best, core float64 // MiB a second
	var note string        // of the best round
	for range b.plan.rounds {
		rate, err := b.plan.oneRound(hashBlock())
		if err != nil {
			return r, 0, err
		}
		core = max(core, rate)
		used, memory, err := b.command(ctx, "hallmark", args...).watched()
		if err != nil {
			return r, peak, err
		}
		peak = max(peak, memory)
		if rate := float64(f.files) * float64(f.size) / mib / used.took.Seconds(); rate > best {
			best, note = rate, used.text()
		}
	}
	limit := cores() * core
	if !fast {
		limit = min(cores()*core/2, float64(f.files)*core)
	}
	return row{
		what:  fmt.Sprintf("hallmark digest %s, %d x %d MiB", name, f.files, f.size/mib),
		value: best, unit: "MiB/s", beside: "SHA-256's limit", peer: limit,
		must: must{relation: atLeast, bound: need, ofRatio: true},
		note: note,
	}, peak, nil
}

// watched runs the command and returns what it took of the cores, and its peak
// memory in MiB, which is 0 where there is no telling.
func (c command) watched() (used cpuReading, peak float64, err error) {
	var stderr bytes.Buffer
	c.Stderr = &stderr
	idle, idleErr := idleTime()
	start := time.Now()
	if err := c.Start(); err != nil {
		return used, 0, err
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	poll := time.NewTicker(memoryPoll)
	defer poll.Stop()
	for {
		select {
		case err := <-ended:
			if err != nil {
				return used, 0, fmt.Errorf("%s: %w: %s", filepath.Base(c.Path), err, bytes.TrimSpace(stderr.Bytes()))
			}
			used.took = time.Since(start)
			now, err := idleTime()
			used.ours, used.idle, used.err = c.ProcessState.UserTime()+c.ProcessState.SystemTime(), now-idle, errors.Join(idleErr, err)
			return used, peak, nil
		case <-poll.C:
			if now, err := peakMemory(c.Process.Pid); err == nil {
				peak = now
			}
		}
	}
}

// write makes the folder's files, of noise: cheap, and not sparse on any disk.
func (f folderPlan) write(dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	for i := range f.files {
		if err := writeNoise(filepath.Join(dir, fmt.Sprintf("part-%d.bin", i)), byte(i), f.size); err != nil {
			return err
		}
	}
	return nil
}

func writeNoise(path string, seed byte, size int64) (err error) {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	_, err = io.CopyN(file, rand.NewChaCha8([32]byte{seed}), size)
	return err
}
