package client

import (
	"context"
	"math/rand/v2"
	"time"

	"google.golang.org/grpc"
)

// How a call is repeated.
const (
	// retryFirst is the first delay, about the time in which a log publishes a
	// batch; each further one is twice as long, up to retryMax, so that a server
	// which restarts is found soon. A busy one says itself when to come back.
	retryFirst = 100 * time.Millisecond
	retryMax   = time.Second
	// unreachableMax is how long a server that can't be reached is tried: long
	// enough for a restart, short enough for whoever mistyped its address.
	unreachableMax = 5 * time.Second
)

// A retrier decides whether to try again.
type retrier struct {
	delay  time.Duration
	giveUp *time.Timer // runs while the server can't be reached
}

// wait returns nil when it is time to try again, or the error with which to give
// up. err is why the last attempt failed.
func (r *retrier) wait(ctx context.Context, err *Error) *Error {
	if !err.transient() || ctx.Err() != nil {
		return err
	}
	if !err.unreachable() {
		r.stop()
	} else if r.giveUp == nil {
		r.giveUp = time.NewTimer(unreachableMax)
	}
	r.delay = min(max(2*r.delay, retryFirst), retryMax)
	// Jitter keeps clients that were cut off together from coming back together.
	delay := max(r.delay/2+rand.N(r.delay/2), err.RetryAfter)
	again := time.NewTimer(delay)
	defer again.Stop()
	select {
	case <-again.C:
		return nil
	case <-r.expiry():
		return err
	case <-ctx.Done():
		// What went wrong says more than that time ran out.
		return err
	}
}

// expiry returns the channel that ends the attempts to reach a server.
func (r *retrier) expiry() <-chan time.Time {
	if r.giveUp == nil {
		return nil
	}
	return r.giveUp.C
}

// progress forgets earlier failures.
func (r *retrier) progress() {
	r.delay = 0
	r.stop()
}

func (r *retrier) stop() {
	if r.giveUp != nil {
		r.giveUp.Stop()
		r.giveUp = nil
	}
}

// call makes one unary call and repeats it while that may help.
func call[Request, Response any](
	ctx context.Context,
	method func(context.Context, *Request, ...grpc.CallOption) (*Response, error),
	req *Request,
) (*Response, error) {
	var r retrier
	defer r.stop()
	for {
		resp, err := method(ctx, req)
		if err == nil {
			return resp, nil
		}
		if err := r.wait(ctx, asError(err)); err != nil {
			return nil, err
		}
	}
}
