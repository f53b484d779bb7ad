// Package rpc serves a registry over gRPC.
//
// It decodes, bounds and maps; it decides nothing. Every method calls one
// method of the registry, and every error leaves as one canonical code with one
// google.rpc.ErrorInfo, whatever went wrong.
//
// A call passes, in this order:
//
//	request id   names the call, in the answer's header, in errors and in the log
//	deadline     the client's, capped; a default when it has none
//	limits       calls at a time and per second, of one address and of all
//	logging      one line a call, none per entry of a stream
//	recovery     a panic becomes INTERNAL and ends nothing else
//	handler
//
// A publish stream keeps many entries in flight and answers in order:
//
//	Recv ─▶ entry ─┬─▶ queue (in order, bounded) ─▶ wait for the first ─▶ Send
//	               └─▶ goroutine: Registry.Publish ──────┘
//
// When the queue is full nothing is read, so HTTP/2's flow control slows the
// publisher down; no entry is refused for being one too many.
//
// The server speaks plaintext. Whoever gives it a listener answers for where
// that listens.
package rpc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection"

	pb "github.com/hallmark-registry/hallmark/proto/hallmark/v1"
	"github.com/hallmark-registry/hallmark/registry"
)

// Registry is what this package needs of *registry.Registry. Methods are safe
// for concurrent use and return soon after their context ends. Errors that are
// a *registry.Error are answered as they say; all others, and those with code
// Internal, without their text, which may name paths.
type Registry interface {
	// Publish returns when the entry is in the published log. It keeps raw.
	Publish(ctx context.Context, raw []byte, o registry.PublishOptions) (*registry.Receipt, error)
	Entry(ctx context.Context, ref string) (*registry.EntryView, error)
	// Entries returns at most limit entries from an index on, and the published
	// size; none when the index is not below it.
	Entries(ctx context.Context, from uint64, limit int) ([]registry.EntryView, uint64, error)

	Checkpoint(ctx context.Context) ([]byte, error)
	InclusionProof(ctx context.Context, index uint64) ([]byte, error)
	ConsistencyProof(ctx context.Context, from, to uint64) ([][32]byte, error)
	Bundle(ctx context.Context, ref string, o registry.BundleOptions) ([]byte, error)

	Search(ctx context.Context, q registry.SearchQuery) (*registry.SearchPage, error)
	Lineage(ctx context.Context, q registry.LineageQuery) (*registry.Lineage, error)

	// PutBlob stores what r holds until its end, if that has the digest.
	PutBlob(ctx context.Context, digest [32]byte, r io.Reader) error
	Blob(ctx context.Context, digest [32]byte) (io.ReadCloser, int64, error)

	Mint(ctx context.Context, bundle, raw []byte) (*registry.LedgerResult, error)
	SubmitLedger(ctx context.Context, raw []byte) (*registry.LedgerResult, error)
	Account(ctx context.Context, id string) (registry.AccountView, error)
	Supply(ctx context.Context) (registry.SupplyView, error)
	// Policy returns the policy text, its epoch and the tree size.
	Policy(ctx context.Context) (text string, epoch, size uint64, err error)
}

// Options of a Server.
type Options struct {
	Logger *slog.Logger // nil: silent
	Limits Limits
}

// A Server serves one registry. It is not serving, by its health, until
// SetServing says so.
type Server struct {
	grpc   *grpc.Server
	health *health.Server
	log    *slog.Logger
	limits *limiter

	mu      sync.Mutex
	serving bool // as last told; guarded by mu

	drain    sync.Once
	draining chan struct{} // closed when Drain begins
	// handlers are the goroutines that read and write streams. They outlive their
	// gRPC handler for a moment, because only its return unblocks a read or write.
	handlers sync.WaitGroup
}

// serviceNames are the services whose health is told, "" being the server.
var serviceNames = []string{
	"",
	pb.RegistryService_ServiceDesc.ServiceName,
	pb.LogService_ServiceDesc.ServiceName,
	pb.AuditService_ServiceDesc.ServiceName,
	pb.TokenService_ServiceDesc.ServiceName,
}

// New returns a server for reg.
func New(reg Registry, o Options) *Server {
	s := &Server{
		health:   health.NewServer(),
		log:      o.Logger,
		limits:   newLimiter(o.Limits.withDefaults()),
		draining: make(chan struct{}),
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	options := append(transportOptions(),
		grpc.ChainUnaryInterceptor(s.unaryRequestID, unaryDeadline, s.unaryLimits, s.unaryLogging, s.unaryRecovery),
		grpc.ChainStreamInterceptor(s.streamRequestID, s.streamDeadline, s.streamLimits, s.streamLogging, s.streamRecovery),
		grpc.UnknownServiceHandler(unknownMethod),
	)
	s.grpc = grpc.NewServer(options...)
	pb.RegisterRegistryServiceServer(s.grpc, &registryService{reg: reg, server: s})
	pb.RegisterLogServiceServer(s.grpc, &logService{reg: reg})
	pb.RegisterAuditServiceServer(s.grpc, &auditService{reg: reg})
	pb.RegisterTokenServiceServer(s.grpc, &tokenService{reg: reg})
	grpc_health_v1.RegisterHealthServer(s.grpc, s.health)
	reflection.Register(s.grpc)
	s.setHealth(grpc_health_v1.HealthCheckResponse_NOT_SERVING)
	return s
}

// Serve accepts connections until Drain, and then returns nil. A Drain that came
// first leaves it nothing to do.
func (s *Server) Serve(lis net.Listener) error {
	if err := s.grpc.Serve(lis); !errors.Is(err, grpc.ErrServerStopped) {
		return err
	}
	return nil
}

// SetServing makes the health service say whether the registry can publish: nil
// is SERVING, an error NOT_SERVING. It may be called as often as one likes; what
// changes is logged. After Drain has begun it changes nothing.
func (s *Server) SetServing(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.serving == (err == nil) {
		return
	}
	s.serving = err == nil
	if !s.serving {
		s.log.Error("not serving", "error", err)
		s.setHealth(grpc_health_v1.HealthCheckResponse_NOT_SERVING)
		return
	}
	s.log.Info("serving")
	s.setHealth(grpc_health_v1.HealthCheckResponse_SERVING)
}

func (s *Server) setHealth(status grpc_health_v1.HealthCheckResponse_ServingStatus) {
	for _, name := range serviceNames {
		s.health.SetServingStatus(name, status)
	}
}

// Drain takes no new calls, lets those that run come to their end, acknowledges
// what publish streams have in flight and ends them with UNAVAILABLE. When ctx
// ends first the rest is cut off, and Drain says so. After it has returned, no
// call of the registry is running.
func (s *Server) Drain(ctx context.Context) error {
	s.health.Shutdown()
	s.drain.Do(func() { close(s.draining) })
	done := make(chan struct{})
	go func() {
		s.grpc.GracefulStop()
		close(done)
	}()
	var err error
	select {
	case <-done:
	case <-ctx.Done():
		s.grpc.Stop()
		<-done
		err = fmt.Errorf("draining: cut off the calls still running: %w", context.Cause(ctx))
	}
	s.handlers.Wait()
	return err
}

// unknownMethod answers for methods that no service has.
func unknownMethod(_ any, stream grpc.ServerStream) error {
	method, _ := grpc.MethodFromServerStream(stream)
	return &registry.Error{
		Code:    registry.Unimplemented,
		Reason:  "METHOD_UNKNOWN",
		Message: fmt.Sprintf("method %q is not served", method),
		Hint:    "server reflection lists what is",
	}
}
