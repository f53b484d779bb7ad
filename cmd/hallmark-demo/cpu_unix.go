//go:build unix

package main

import (
	"syscall"
	"time"
)

// cpuTime returns the processor time that the process has used, in user mode.
func cpuTime() time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		panic("getrusage of ourselves: " + err.Error()) // POSIX knows no reason to fail
	}
	return time.Duration(used.Utime.Nano())
}
