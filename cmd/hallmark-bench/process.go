package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// errNoProc says that the system has no /proc in Linux's form.
var errNoProc = errors.New("needs /proc as Linux has it")

// tick is the unit of the processor times in /proc. It is part of the kernel's
// interface, whatever the kernel's own clock does (proc(5), USER_HZ).
const tick = 10 * time.Millisecond

// peakMemory returns the most memory that a running process has had resident,
// in MiB.
//
// It is not taken from getrusage at the child's end, because that counts the
// moment between fork and exec too, when the child shares its parent's memory.
func peakMemory(pid int) (float64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, errNoProc
	}
	for line := range strings.Lines(string(status)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "VmHWM:" && f[2] == "kB" {
			kib, err := strconv.ParseFloat(f[1], 64)
			return kib / 1024, err
		}
	}
	return 0, errNoProc
}

// cpuTime returns the processor time that a running process has used.
func cpuTime(pid int) (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, errNoProc
	}
	// The command's name stands in parentheses and may hold anything; utime and
	// stime are the 12th and 13th field after it.
	after := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(after) < 13 {
		return 0, errNoProc
	}
	var used time.Duration
	for _, field := range after[11:13] {
		ticks, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, errNoProc
		}
		used += time.Duration(ticks) * tick
	}
	return used, nil
}

// idleTime returns the processor time that all cores together have been idle
// since the machine started.
func idleTime() (time.Duration, error) {
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, errNoProc
	}
	// The first line sums up all cores: "cpu", user, nice, system, idle, iowait.
	first, _, _ := bytes.Cut(stat, []byte("\n"))
	fields := strings.Fields(string(first))
	if len(fields) < 6 || fields[0] != "cpu" {
		return 0, errNoProc
	}
	var idle time.Duration
	for _, field := range fields[4:6] {
		ticks, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, errNoProc
		}
		idle += time.Duration(ticks) * tick
	}
	return idle, nil
}
