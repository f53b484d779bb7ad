package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/pprof"
	"strconv"
	"time"

	"github.com/hallmark-registry/hallmark/registry/client"
)

// measureSingle publishes one entry after the other on a server that has
// nothing else to do.
func (b *bench) measureSingle(ctx context.Context) ([]row, error) {
	if _, err := b.serve(ctx); err != nil {
		return nil, err
	}
	l, err := closedLoop(ctx, 1, b.plan.single, b.plan.load, b.publishOne)
	if err != nil {
		return nil, err
	}
	r := row{
		what: "publish, one call on an idle server, p50", value: l.quantile(0.5), unit: "ms",
		must: must{relation: atMost, bound: 250},
	}
	r.compare("bare engine", b.engine.wait)
	return []row{r}, nil
}

// publishOne signs an entry, publishes it and verifies its receipt.
func (b *bench) publishOne(ctx context.Context) error {
	e, err := b.publisher.next()
	if err != nil {
		return err
	}
	_, err = b.server.client.Publish(ctx, e)
	return err
}

// measureUnary has many callers publish one entry a call.
func (b *bench) measureUnary(ctx context.Context) ([]row, error) {
	if _, err := b.serve(ctx); err != nil {
		return nil, err
	}
	b.busy = true
	begun := b.readCPU()
	l, err := closedLoop(ctx, b.plan.callers, b.plan.unary, b.plan.load, b.publishOne)
	if err != nil {
		return nil, err
	}
	used := b.readCPU().since(begun)
	rate := row{
		what:  fmt.Sprintf("publish, %s calls in flight", number(float64(b.plan.callers))),
		value: l.rate(), unit: "/s", must: must{relation: atLeast, bound: 2500},
		note: used.text(),
	}
	rate.compare("bare engine, as many", b.engine.calls)
	return []row{
		rate,
		{what: "same, p50", value: l.quantile(0.5), unit: "ms", must: must{relation: atMost, bound: 500}},
		{what: "same, p99", value: l.quantile(0.99), unit: "ms"},
	}, nil
}

// measureStream publishes over one stream, as a pipeline does, and then asks
// how far index and fold are behind.
func (b *bench) measureStream(ctx context.Context) (_ []row, err error) {
	s, err := b.serve(ctx)
	if err != nil {
		return nil, err
	}
	stopProfile, err := b.startProfile()
	if err != nil {
		return nil, err
	}
	begun := b.readCPU()
	st, err := b.stream(ctx)
	used := b.readCPU().since(begun)
	err = errors.Join(err, stopProfile())
	if err != nil {
		return nil, err
	}
	asked := time.Now()
	if _, err := s.client.Entry(ctx, strconv.FormatUint(st.last, 10)); err != nil {
		return nil, fmt.Errorf("asking for the last entry of the stream: %w", err)
	}
	behind := time.Since(asked)
	b.streamed, b.busy = st.last, true

	rate := row{
		what: "stream publish, verified receipts", value: st.rate(), unit: "/s", must: must{relation: atLeast, bound: 6000},
		note: fmt.Sprintf("%d entries of %d bytes on average; %s", st.verified, st.bytes/st.verified, used.text()),
	}
	rate.compare(fmt.Sprintf("bare engine, %s in flight", number(float64(b.plan.window))), b.engine.window)
	// One signature by the client and one check by the server is what no
	// implementation can do without.
	cost := row{
		what: "same, CPU of an entry, both ends", value: micros(used.ours) / float64(st.verified), unit: "us",
		beside: "Ed25519 sign and verify", peer: 1e6/b.machine.sign + 1e6/b.machine.verify, failed: used.err,
	}
	lag := row{what: "same, index and fold catch up after the last receipt", value: float64(behind.Microseconds()) / 1000, unit: "ms"}
	return []row{rate, cost, lag}, nil
}

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }

// A streamResult is what became of one stream.
type streamResult struct {
	verified int
	bytes    int // of the entries
	last     uint64
	elapsed  time.Duration // from the first signature to the last receipt
}

func (r *streamResult) rate() float64 { return float64(r.verified) / r.elapsed.Seconds() }

// stream signs and sends until the plan's count or time is reached. Results
// come from one goroutine, which has ended when Close returns.
func (b *bench) stream(ctx context.Context) (*streamResult, error) {
	var r streamResult
	var refused error
	start := time.Now()
	s, err := b.server.client.PublishStream(ctx, b.plan.window, func(got client.Result) {
		if got.Err != nil {
			refused = cmp.Or(refused, got.Err) // one is enough: what ends a stream fails thousands alike
			return
		}
		r.verified++
		r.last = max(r.last, got.Receipt.Index)
		r.bytes += len(got.Entry.Raw())
		r.elapsed = time.Since(start)
	})
	if err != nil {
		return nil, err
	}
	for i := 0; i < b.plan.stream && time.Since(start) < b.plan.load && err == nil; i++ {
		err = b.sendNext(s)
	}
	err = errors.Join(err, s.Close(), refused)
	if err == nil && r.verified == 0 {
		err = errors.New("no entry was published")
	}
	return &r, err
}

func (b *bench) sendNext(s *client.Stream) error {
	e, err := b.publisher.next()
	if err != nil {
		return err
	}
	return s.Send(e)
}

// startProfile begins the profile, if one was asked for, and returns what ends
// it.
func (b *bench) startProfile() (stop func() error, err error) {
	if b.profile == "" {
		return func() error { return nil }, nil
	}
	f, err := os.Create(b.profile)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() error { pprof.StopCPUProfile(); return f.Close() }, nil
}

// grown returns the server with a log that the stream has filled.
func (b *bench) grown(ctx context.Context) (*server, error) {
	if b.streamed > 0 {
		return b.server, nil
	}
	_, err := b.measureStream(ctx)
	return b.server, err
}

// measureMemory reads the server's peak after all that was published.
func (b *bench) measureMemory(ctx context.Context) ([]row, error) {
	if !b.busy {
		if _, err := b.measureStream(ctx); err != nil {
			return nil, err
		}
	}
	r := row{what: "server memory under these loads, peak", unit: "MiB", must: must{relation: atMost, bound: 300}}
	if b.server.pid == os.Getpid() {
		r.failed = errors.New("the server runs in this process")
	} else {
		r.value, r.failed = peakMemory(b.server.pid)
	}
	return []row{r}, nil
}
