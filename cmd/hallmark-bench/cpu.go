package main

import (
	"errors"
	"fmt"
	"os"
	"time"
)

// cpuReading says what the cores did: since the start of things, or between
// two readings.
type cpuReading struct {
	at   time.Time
	ours time.Duration // this process and the server
	idle time.Duration // all cores together
	took time.Duration // between two readings
	err  error
}

func (b *bench) readCPU() (r cpuReading) {
	r.at = time.Now()
	pids := []int{os.Getpid()}
	if b.server != nil && b.server.pid != pids[0] {
		pids = append(pids, b.server.pid)
	}
	for _, pid := range pids {
		used, err := cpuTime(pid)
		r.ours, r.err = r.ours+used, errors.Join(r.err, err)
	}
	idle, err := idleTime()
	r.idle, r.err = idle, errors.Join(r.err, err)
	return r
}

func (r cpuReading) since(before cpuReading) cpuReading {
	return cpuReading{
		ours: r.ours - before.ours, idle: r.idle - before.idle, took: r.at.Sub(before.at),
		err: errors.Join(before.err, r.err),
	}
}

// text tells whom the cores worked for. What others took is why two runs on a
// shared machine differ.
func (r cpuReading) text() string {
	if r.err != nil {
		return "who used the cores is not known: " + r.err.Error()
	}
	ours, idle := r.ours.Seconds()/r.took.Seconds(), r.idle.Seconds()/r.took.Seconds()
	return fmt.Sprintf("of %.0f cores this run used %.2f, other processes %.2f", cores(), ours, max(0, cores()-ours-idle))
}
