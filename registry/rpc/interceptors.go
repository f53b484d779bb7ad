package rpc

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	pb "github.com/hallmark-registry/hallmark/proto/hallmark/v1"
)

// now is this package's only clock. It measures what a call took.
var now = time.Now

// requestIDHeader carries the request id, both ways.
const requestIDHeader = "x-request-id"

type requestIDKey struct{}

// requestID takes the caller's name for the call if it is one that can stand in
// a log line, or makes one up.
func requestID(ctx context.Context) string {
	if got := metadata.ValueFromIncomingContext(ctx, requestIDHeader); len(got) == 1 && plain(got[0]) {
		return got[0]
	}
	var id [8]byte
	rand.Read(id[:]) // never fails
	return hex.EncodeToString(id[:])
}

// plain reports whether a request id is 1 to 64 letters, digits, dots, dashes
// and underlines.
func plain(id string) bool {
	const most = 64
	return id != "" && len(id) <= most && !strings.ContainsFunc(id, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '.' && r != '-' && r != '_'
	})
}

// The first interceptor is the last to see an error, so it is where every error
// becomes a status.

func (s *Server) unaryRequestID(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	id := requestID(ctx)
	if err := grpc.SetHeader(ctx, metadata.Pairs(requestIDHeader, id)); err != nil {
		return nil, statusError(err, id)
	}
	resp, err := handler(context.WithValue(ctx, requestIDKey{}, id), req)
	return resp, statusError(err, id)
}

func (s *Server) streamRequestID(srv any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	id := requestID(stream.Context())
	if err := stream.SetHeader(metadata.Pairs(requestIDHeader, id)); err != nil {
		return statusError(err, id)
	}
	ctx := context.WithValue(stream.Context(), requestIDKey{}, id)
	return statusError(handler(srv, &contextStream{stream, ctx}), id)
}

func unaryDeadline(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	limit := callTimeout
	if _, ok := ctx.Deadline(); ok {
		limit = callTimeoutMax
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return handler(ctx, req)
}

// streamDeadline caps transfers. Publish streams last as long as the pipeline
// behind them, and each of their entries has a deadline of its own. Streams of
// other services, which may wait for ever, end when the server drains; ours see
// to that themselves.
func (s *Server) streamDeadline(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	switch info.FullMethod {
	case pb.RegistryService_PublishEntries_FullMethodName:
		return handler(srv, stream)
	case pb.RegistryService_UploadBlob_FullMethodName, pb.RegistryService_DownloadBlob_FullMethodName:
		ctx, cancel := context.WithTimeout(stream.Context(), transferTimeout)
		defer cancel()
		return s.leave(ctx, func() error { return handler(srv, &contextStream{stream, ctx}) })
	}
	ctx, cancel := context.WithCancel(stream.Context())
	var watch sync.WaitGroup
	watch.Go(func() {
		defer cancel()
		select {
		case <-s.draining:
		case <-ctx.Done():
		}
	})
	defer watch.Wait()
	defer cancel()
	return handler(srv, &contextStream{stream, ctx})
}

// leave returns when handle does or when ctx ends. A stream's Recv and Send heed
// the client alone, who may keep them waiting for ever; the return of a stream's
// handler is what wakes them. So handle ends soon after, and Drain waits for it.
func (s *Server) leave(ctx context.Context, handle func() error) error {
	ended := make(chan error, 1)
	s.handlers.Go(func() { ended <- handle() })
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Server) unaryLogging(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	began := now()
	resp, err := handler(ctx, req)
	s.logCall(ctx, info.FullMethod, began, err)
	return resp, err
}

func (s *Server) streamLogging(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	began := now()
	err := handler(srv, stream)
	s.logCall(stream.Context(), info.FullMethod, began, err)
	return err
}

// logCall writes one line: failures of ours at the level of an error, with
// their text, which the client does not get; what clients got wrong for
// information; success for whoever debugs. Nothing of a request is logged.
func (s *Server) logCall(ctx context.Context, method string, began time.Time, err error) {
	level, code, reason := slog.LevelDebug, codes.OK, ""
	if err != nil {
		e := classify(err)
		code, reason = codes.Code(e.Code), e.Reason
		level = slog.LevelInfo
		if code == codes.Internal || code == codes.DataLoss {
			level = slog.LevelError
		}
	}
	if !s.log.Enabled(ctx, level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("request_id", requestIDOf(ctx)),
		slog.String("method", method),
		slog.String("peer", peerName(ctx)),
		slog.String("code", code.String()),
		slog.Duration("took", now().Sub(began)),
	}
	if err != nil {
		attrs = append(attrs, slog.String("reason", reason), slog.String("error", err.Error()))
	}
	s.log.LogAttrs(ctx, level, "call", attrs...)
}

func requestIDOf(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

func (s *Server) unaryRecovery(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (resp any, err error) {
	defer s.recovered(ctx, &err)
	return handler(ctx, req)
}

func (s *Server) streamRecovery(srv any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler) (err error) {
	defer s.recovered(stream.Context(), &err)
	return handler(srv, stream)
}

// recovered, deferred, turns a panic into an error: one request that found a
// defect must not end everybody's.
func (s *Server) recovered(ctx context.Context, err *error) {
	if p := recover(); p != nil {
		s.log.LogAttrs(ctx, slog.LevelError, "panic",
			slog.String("request_id", requestIDOf(ctx)), slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
		*err = fmt.Errorf("panic: %v", p)
	}
}
