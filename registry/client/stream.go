package client

import (
	"cmp"
	"context"
	"errors"
	"io"
	"sync"

	"google.golang.org/grpc"

	pb "github.com/hallmark-registry/hallmark/proto/hallmark/v1"
	"github.com/hallmark-registry/hallmark/verifier/entry"
)

// StreamWindow is the number of entries in flight that keeps a server on two
// cores busy, and the most that it takes from one stream.
const StreamWindow = 4096

// errClosed is what Send returns after Close.
var errClosed = errors.New("the publish stream is closed")

// A Result is what became of one entry of a stream: either Receipt or Err is
// set.
type Result struct {
	Entry   *entry.Entry
	Receipt *Receipt // verified
	Err     error    // an *Error
}

// A Stream publishes entries in bulk, many in flight at a time. When its
// connection breaks it connects again and sends what has no result once more.
//
//	queue:  [ acknowledged, gone ) first … next … end [
//	                               sent     to send
type Stream struct {
	client *Client
	ctx    context.Context
	done   func(Result)

	window   chan struct{} // one element for each entry without a result
	finished chan struct{} // closed when run has returned
	retrier  retrier       // owned by run

	mu     sync.Mutex
	more   chan struct{}  // replaced and closed when queue or closed changes; guarded by mu
	queue  []*entry.Entry // entries without a result, in the order of Send; guarded by mu
	first  uint64         // number of queue[0]; guarded by mu
	next   uint64         // number of the entry to send next; guarded by mu
	closed bool           // takes no more; guarded by mu
	err    error          // why the stream failed; guarded by mu
}

// PublishStream opens a stream with at most window entries in flight, 0 meaning
// StreamWindow. done gets one Result for each entry, in the order of Send, from
// one goroutine; while it runs, no further result is read, and it must not call
// Send, which may be waiting for it. An entry that is refused, or whose receipt
// does not hold, ends nothing. The caller calls Close; ctx bounds the whole
// stream.
func (c *Client) PublishStream(ctx context.Context, window int, done func(Result)) (*Stream, error) {
	if err := c.needPolicy(); err != nil {
		return nil, err
	}
	if window <= 0 {
		window = StreamWindow
	}
	s := &Stream{
		client: c, ctx: ctx, done: done,
		window:   make(chan struct{}, window),
		finished: make(chan struct{}),
		more:     make(chan struct{}),
	}
	go s.run()
	return s, nil
}

// Send queues an entry. It waits while the window is full, and returns an error
// when the stream has failed, in which case e gets no result.
func (s *Stream) Send(e *entry.Entry) error {
	select {
	case s.window <- struct{}{}:
	case <-s.finished:
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return cmp.Or(s.err, errClosed)
	}
	s.queue = append(s.queue, e)
	s.wake()
	return nil
}

// Close waits until every entry has its result. It returns why the stream
// failed, or nil: results that are errors are no failure of the stream.
func (s *Stream) Close() error {
	s.mu.Lock()
	s.closed = true
	s.wake()
	s.mu.Unlock()
	<-s.finished
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// wake tells the sender to look again. The caller holds mu.
func (s *Stream) wake() {
	close(s.more)
	s.more = make(chan struct{})
}

// run keeps a session until all is done or nothing helps.
func (s *Stream) run() {
	defer close(s.finished)
	defer s.retrier.stop()
	for {
		err := s.session()
		if err == nil {
			return
		}
		if err := s.retrier.wait(s.ctx, asError(err)); err != nil {
			s.fail(err)
			return
		}
	}
}

// fail gives every entry left the error that ended the stream.
func (s *Stream) fail(err *Error) {
	s.mu.Lock()
	s.closed = true
	s.err = err
	left := s.queue
	s.queue = nil
	s.mu.Unlock()
	for _, e := range left {
		s.done(Result{Entry: e, Err: err})
	}
}

// session is one connection's worth of the stream. It returns nil when the
// stream is closed and every entry has its result.
func (s *Stream) session() error {
	ctx, cancel := context.WithCancel(s.ctx)
	stream, err := s.client.registry.PublishEntries(ctx)
	if err != nil {
		cancel()
		return err
	}
	s.mu.Lock()
	s.next = s.first // what had no result is sent again
	s.mu.Unlock()
	var sender sync.WaitGroup
	sender.Go(func() { s.send(ctx, stream) })
	defer sender.Wait()
	defer cancel()
	for {
		resp, err := stream.Recv()
		if err == io.EOF {
			return s.ended()
		}
		if err != nil {
			return err
		}
		e, err := s.acknowledged()
		if err != nil {
			return err
		}
		s.retrier.progress()
		s.done(s.result(e, resp))
		<-s.window
	}
}

// send sends entries as they are queued, and closes its side after the last. A
// send that fails leaves the reason to the receiver.
func (s *Stream) send(ctx context.Context, stream grpc.BidiStreamingClient[pb.PublishEntriesRequest, pb.PublishEntriesResponse]) {
	for {
		e, closed, more := s.take()
		switch {
		case e != nil:
			if stream.Send(&pb.PublishEntriesRequest{Entry: e.Raw()}) != nil {
				return
			}
		case closed:
			stream.CloseSend() // always returns nil
			return
		default:
			select {
			case <-more:
			case <-ctx.Done():
				return
			}
		}
	}
}

// take returns the next entry to send, or whether there will be none, or what
// to wait for. The entry counts as sent, since its answer may come before the
// call that sends it returns.
func (s *Stream) take() (e *entry.Entry, closed bool, more <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := s.next - s.first; i < uint64(len(s.queue)) {
		s.next++
		return s.queue[i], false, nil
	}
	return nil, s.closed, s.more
}

// acknowledged takes the entry that the next answer is for off the queue.
func (s *Stream) acknowledged() (*entry.Entry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.first == s.next {
		return nil, responseInvalid("the server answered more entries than it was sent")
	}
	e := s.queue[0]
	s.queue[0] = nil
	s.queue = s.queue[1:]
	s.first++
	return e, nil
}

// ended decides about a server that closed the stream without an error.
func (s *Stream) ended() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed || len(s.queue) > 0 {
		return responseInvalid("the server ended the stream and left %d entries without an answer", len(s.queue))
	}
	return nil
}

// result reads the answer for one entry.
func (s *Stream) result(e *entry.Entry, resp *pb.PublishEntriesResponse) Result {
	if refused := resp.GetError(); refused != nil {
		return Result{Entry: e, Err: entryError(refused)}
	}
	receipt, err := s.client.verify(e, resp.GetReceipt())
	return Result{Entry: e, Receipt: receipt, Err: err}
}
