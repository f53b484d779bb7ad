package rpc

import (
	"context"
	"io"
	"sync"

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
// One goroutine reads and starts a goroutine for each entry; this one waits for
// them in turn and sends. It is this one that must be able to leave, when a send
// fails or the server drains, because its return is what unblocks the reader.
func (s *registryService) PublishEntries(stream publishStream) error {
	ctx, cancel := context.WithCancel(stream.Context())
	defer cancel()
	// Two more are at the queue's ends: one in the reader's hand, one in ours.
	queue := make(chan *pendingEntry, streamWindow-2)
	var end error // why reading ended; set before queue is closed
	s.server.readers.Go(func() {
		defer close(queue)
		end = s.receive(ctx, stream, queue)
	})
	for {
		select {
		case p, ok := <-queue:
			if !ok {
				return end
			}
			if err := acknowledge(ctx, stream, p); err != nil {
				return err
			}
		case <-s.server.draining:
			return s.acknowledgeRest(ctx, stream, queue)
		}
	}
}

// acknowledgeRest answers what was taken on before the server began to drain.
// The reader takes on nothing more; if it is waiting for the client it is left
// behind, to be woken by the handler's return.
func (s *registryService) acknowledgeRest(ctx context.Context, stream publishStream, queue <-chan *pendingEntry) error {
	for {
		select {
		case p, ok := <-queue:
			if !ok {
				return errDraining
			}
			if err := acknowledge(ctx, stream, p); err != nil {
				return err
			}
		default:
			return errDraining
		}
	}
}

// acknowledge waits for one entry and sends its answer.
func acknowledge(ctx context.Context, stream publishStream, p *pendingEntry) error {
	select {
	case <-p.done:
		return stream.Send(p.response)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// receive reads entries, starts publishing each and queues it for its
// acknowledgement. It blocks, and so stops reading, while the server has as
// many entries in flight as it may, or this stream its window. It returns when
// the client has closed its side, or can't be read, or the server drains, and
// no goroutine that it started is left.
func (s *registryService) receive(ctx context.Context, stream publishStream, queue chan<- *pendingEntry) error {
	limits, peer := s.server.limits, ctx.Value(peerKey{}).(*peerState)
	var inFlight sync.WaitGroup
	defer inFlight.Wait()
	for {
		req, err := stream.Recv()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		select {
		case <-s.server.draining:
			return errDraining
		default:
		}
		if err := limits.acquireEntry(ctx, peer); err != nil {
			return err
		}
		p := &pendingEntry{done: make(chan struct{})}
		inFlight.Go(func() {
			defer limits.releaseEntry()
			defer close(p.done)
			p.response = s.publish(ctx, req)
		})
		select {
		case queue <- p:
		case <-ctx.Done():
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
