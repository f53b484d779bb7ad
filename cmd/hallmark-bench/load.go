package main

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// A load is what came of calling something many times.
type load struct {
	elapsed time.Duration
	took    []time.Duration // of each call, ascending
}

// rate returns calls a second.
func (l *load) rate() float64 { return float64(len(l.took)) / l.elapsed.Seconds() }

// quantile returns the time in milliseconds within which the fraction q of all
// calls ended.
func (l *load) quantile(q float64) float64 {
	at := min(int(q*float64(len(l.took))), len(l.took)-1)
	return float64(l.took[at].Microseconds()) / 1000
}

// closedLoop keeps the given number of callers busy, each calling again when
// its call has ended, until count calls have begun or the time is up. The first
// error ends it.
func closedLoop(ctx context.Context, callers, count int, atMost time.Duration, call func(ctx context.Context) error) (*load, error) {
	var begun atomic.Int64
	took := make([][]time.Duration, callers)
	g, ctx := errgroup.WithContext(ctx)
	start := time.Now()
	for i := range took {
		g.Go(func() error {
			for begun.Add(1) <= int64(count) {
				began := time.Now()
				if began.Sub(start) > atMost {
					return nil
				}
				if err := call(ctx); err != nil {
					return err
				}
				took[i] = append(took[i], time.Since(began))
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	l := &load{elapsed: time.Since(start), took: slices.Concat(took...)}
	slices.Sort(l.took)
	return l, nil
}

// perSecond returns how often one core does something in a second: the best of
// the plan's rounds.
func (p *plan) perSecond(do func() error) (best float64, err error) {
	for range p.rounds {
		rate, err := p.oneRound(do)
		if err != nil {
			return 0, err
		}
		best = max(best, rate)
	}
	return best, nil
}

func (p *plan) oneRound(do func() error) (rate float64, err error) {
	n, start := 0, time.Now()
	elapsed := time.Duration(0)
	for ; elapsed < p.round; elapsed = time.Since(start) {
		if err := do(); err != nil {
			return 0, err
		}
		n++
	}
	return float64(n) / elapsed.Seconds(), nil
}
