package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/hallmark-registry/hallmark/verifier"
)

// How often progress is told: a terminal is redrawn no faster than an eye can
// follow; anything else, such as a job's log, gets a line now and then.
const (
	redrawInterval = 100 * time.Millisecond
	lineInterval   = 10 * time.Second
)

// barWidth is the width of a full bar in cells.
const barWidth = 24

// A progress tells on stderr how far a folder is hashed.
type progress struct {
	w        io.Writer
	terminal bool
	label    string
	now      func() time.Time
	begin    time.Time
	last     time.Time
	drawn    bool
}

func (s *session) progress(label string) *progress {
	now := time.Now()
	return &progress{w: s.stderr, terminal: isTerminal(s.stderr), label: label, now: time.Now, begin: now, last: now}
}

// isTerminal reports whether w is a terminal that can redraw a line.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb"
}

// update is told how many bytes of the total are done.
func (p *progress) update(done, total uint64) {
	now := p.now()
	interval := lineInterval
	if p.terminal {
		interval = redrawInterval
	}
	if now.Sub(p.last) < interval {
		return
	}
	p.last, p.drawn = now, true
	text := progressLine(p.label, done, total, now.Sub(p.begin))
	if p.terminal {
		fmt.Fprintf(p.w, "\r%s\x1b[K", clip(text, p.width()))
		return
	}
	fmt.Fprintf(p.w, "%s: %s\n", program, text)
}

// width returns how many cells of a line are free: one that wraps can't be
// redrawn.
func (p *progress) width() int {
	if f, ok := p.w.(*os.File); ok {
		if columns, _, err := term.GetSize(int(f.Fd())); err == nil && columns > 1 {
			return columns - 1
		}
	}
	return 79
}

// clip cuts text of one-cell runes.
func clip(text string, width int) string {
	if runes := []rune(text); len(runes) > width {
		return string(runes[:width])
	}
	return text
}

// finish takes the bar away: what it told is over.
func (p *progress) finish() {
	if p.terminal && p.drawn {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}

// progressLine shows bytes, rate and time left.
func progressLine(label string, done, total uint64, elapsed time.Duration) string {
	share := 1.0
	if total > 0 {
		share = float64(done) / float64(total)
	}
	filled := min(int(share*barWidth), barWidth)
	bar := strings.Repeat("█", filled) + strings.Repeat("░", barWidth-filled)
	line := fmt.Sprintf("%s %s %3.0f%% %s of %s", label, bar, 100*share, verifier.Bytes(done), verifier.Bytes(total))
	if seconds := elapsed.Seconds(); seconds > 0 && done > 0 {
		rate := float64(done) / seconds
		left := time.Duration(float64(total-min(done, total)) / rate * float64(time.Second))
		line += fmt.Sprintf(", %s/s, %s left", verifier.Bytes(uint64(rate)), left.Round(time.Second))
	}
	return line
}
