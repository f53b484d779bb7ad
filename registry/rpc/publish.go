package rpc

import (
	"context"
	"io"
	"sync"
	"time"

	"google.golang.org/grpc"

	pb "github.com/hallmark-registry/hallmark/proto/hallmark/v1"
	"github.com/hallmark-registry/hallmark/registry"
)

// A publishStream is the server's end of PublishEntries.
type publishStream = grpc.BidiStreamingServer[pb.PublishEntriesRequest, pb.PublishEntriesResponse]

// A pendingEntry is one entry of a stream, from its arrival to its
// acknowledgement.
type pendingEntry struct {
	done     chan struct{}              // closed when response is set
	response *pb.PublishEntriesResponse // owned by the publishing goroutine until then
}

// A publisher is one publish stream at work.
type publisher struct {
	*registryService
	stream publishStream
	queue  chan *pendingEntry // in the order of arrival
	// sending runs while a Send does, so that one which never ends is noticed.
	sending *time.Timer
	end     error // why reading ended; set before queue is closed
}

// PublishEntry publishes one entry.
func (s *registryService) PublishEntry(ctx context.Context, req *pb.PublishEntryRequest) (*pb.PublishEntryResponse, error) {
	receipt, err := s.reg.Publish(ctx, req.GetEntry(), registry.PublishOptions{ValidateOnly: req.GetValidateOnly()})
	if err != nil {
		return nil, about("entry", err)
	}
	return &pb.PublishEntryResponse{Receipt: receiptMessage(receipt)}, nil
}

// PublishEntries acknowledges entries in the order in which they came.
//
// One goroutine reads and starts a goroutine for each entry, another waits for
// these in turn and sends. This one must be able to leave, whichever of the two
// the client keeps waiting, because its return is what wakes them.
func (s *registryService) PublishEntries(stream publishStream) error {
	ctx, cancel := context.WithCancel(stream.Context())
	defer cancel()
	p := &publisher{
		registryService: s,
		stream:          stream,
		// Two more are at the queue's ends: one in the reader's hand, one in the sender's.
		queue:   make(chan *pendingEntry, streamWindow-2),
		sending: time.NewTimer(sendTimeout),
	}
	p.sending.Stop()
	s.server.handlers.Go(func() {
		defer close(p.queue)
		p.end = p.receive(ctx)
	})
	ended := make(chan error, 1)
	s.server.handlers.Go(func() {
		ended <- p.acknowledgeAll(ctx)
		p.abandon()
	})
	select {
	case err := <-ended:
		return err
	case <-p.sending.C:
		return errNotReading
	}
}

// acknowledgeAll sends the answers in turn. It returns when the client has
// closed its side and has them all, or can't be written to, or the server drains.
func (p *publisher) acknowledgeAll(ctx context.Context) error {
	for {
		select {
		case e, ok := <-p.queue:
			if !ok {
				return p.end
			}
			if err := p.acknowledge(ctx, e); err != nil {
				return err
			}
		case <-p.server.draining:
			return p.acknowledgeRest(ctx)
		}
	}
}

// acknowledgeRest answers what was taken on before the server began to drain.
// The reader takes on nothing more; if it is waiting for the client it is left
// behind, to be woken by the handler's return.
func (p *publisher) acknowledgeRest(ctx context.Context) error {
	for {
		select {
		case e, ok := <-p.queue:
			if !ok {
				return errDraining
			}
			if err := p.acknowledge(ctx, e); err != nil {
				return err
			}
		default:
			return errDraining
		}
	}
}

// acknowledge waits for one entry and sends its answer. Until then the entry
// counts as in flight: answers that nobody reads would otherwise pile up without
// a bound.
func (p *publisher) acknowledge(ctx context.Context, e *pendingEntry) error {
	defer p.release(e)
	select {
	case <-e.done:
		p.sending.Reset(sendTimeout)
		defer p.sending.Stop()
		return p.stream.Send(e.response)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// abandon gives up the entries that nobody will be told about. The handler has
// returned, or is about to, so the reader ends and closes the queue.
func (p *publisher) abandon() {
	for e := range p.queue {
		p.release(e)
	}
}

// release ends an entry's time in flight, when nobody works on it any more.
func (p *publisher) release(e *pendingEntry) {
	<-e.done
	p.server.limits.releaseEntry()
}

// receive reads entries, starts publishing each and queues it for its
// acknowledgement. It blocks, and so stops reading, while the server has as
// many entries in flight as it may, or this stream its window. It returns when
// the client has closed its side, or can't be read, or the server drains, and
// no goroutine that it started is left.
func (p *publisher) receive(ctx context.Context) error {
	limits, peer := p.server.limits, ctx.Value(peerKey{}).(*peerState)
	var inFlight sync.WaitGroup
	defer inFlight.Wait()
	for {
		req, err := p.stream.Recv()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		select {
		case <-p.server.draining:
			return errDraining
		default:
		}
		if err := limits.acquireEntry(ctx, peer); err != nil {
			return err
		}
		e := &pendingEntry{done: make(chan struct{})}
		inFlight.Go(func() {
			defer close(e.done)
			e.response = p.publish(ctx, req)
		})
		select {
		case p.queue <- e:
		case <-ctx.Done():
			p.release(e)
			return ctx.Err()
		}
	}
}

// publish publishes one entry of a stream.
func (s *registryService) publish(ctx context.Context, req *pb.PublishEntriesRequest) *pb.PublishEntriesResponse {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	receipt, err := s.publishRecovered(ctx, req)
	if err != nil {
		return &pb.PublishEntriesResponse{Result: &pb.PublishEntriesResponse_Error{Error: entryError(err)}}
	}
	return &pb.PublishEntriesResponse{Result: &pb.PublishEntriesResponse_Receipt{Receipt: receiptMessage(receipt)}}
}

// publishRecovered keeps a panic within its entry: the interceptor's recovery
// guards the handler's goroutine only.
func (s *registryService) publishRecovered(ctx context.Context, req *pb.PublishEntriesRequest) (receipt *registry.Receipt, err error) {
	defer s.server.recovered(ctx, &err)
	return s.reg.Publish(ctx, req.GetEntry(), registry.PublishOptions{ValidateOnly: req.GetValidateOnly()})
}
