package rpc

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/peer"

	"github.com/hallmark-registry/hallmark/registry"
)

// A limiter keeps Limits.
type limiter struct {
	limits  Limits
	entries chan struct{} // one element for each streamed entry in flight

	mu    sync.Mutex
	calls int                   // in flight, of all peers; guarded by mu
	peers map[string]*peerState // by peerName; guarded by mu
}

// A peerState is what one address occupies.
type peerState struct {
	calls   int // in flight; guarded by limiter.mu
	uploads int // of the calls; guarded by limiter.mu
	rate    *rate.Limiter
}

func newLimiter(l Limits) *limiter {
	return &limiter{limits: l, entries: make(chan struct{}, l.Entries), peers: map[string]*peerState{}}
}

// admit counts a call of a peer, or refuses it.
func (l *limiter) admit(name string) (*peerState, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.calls >= l.limits.Calls {
		return nil, busy("SERVER_BUSY", busyRetryAfter, "the server has %d calls in flight, its bound", l.calls)
	}
	p, err := l.peer(name)
	if err != nil {
		return nil, err
	}
	if p.calls >= l.limits.PeerCalls {
		return nil, busy("PEER_BUSY", busyRetryAfter, "this address has %d calls in flight, the bound for one", p.calls)
	}
	if r := p.rate.Reserve(); r.Delay() > 0 {
		defer r.Cancel()
		return nil, busy("RATE_LIMITED", r.Delay(), "this address makes more than %d calls a second", l.limits.PeerRate)
	}
	l.calls++
	p.calls++
	return p, nil
}

// release ends what admit counted.
func (l *limiter) release(p *peerState) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls--
	p.calls--
}

// admitUpload counts an upload among the calls of a peer, or refuses it.
func (l *limiter) admitUpload(p *peerState) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if p.uploads >= maxPeerUploads {
		return &registry.Error{
			Code: registry.ResourceExhausted, Reason: "PEER_BUSY", RetryAfter: busyRetryAfter,
			Message: fmt.Sprintf("this address has %d uploads in flight, the bound for one", p.uploads),
			Hint:    "send one document after the other",
		}
	}
	p.uploads++
	return nil
}

// releaseUpload ends what admitUpload counted.
func (l *limiter) releaseUpload(p *peerState) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p.uploads--
}

// peer returns the state of an address. The caller holds mu.
func (l *limiter) peer(name string) (*peerState, error) {
	if p := l.peers[name]; p != nil {
		return p, nil
	}
	if len(l.peers) >= maxPeers {
		l.forgetIdle()
	}
	if len(l.peers) >= maxPeers {
		return nil, busy("SERVER_BUSY", busyRetryAfter, "the server talks to %d addresses, its bound", maxPeers)
	}
	p := &peerState{rate: rate.NewLimiter(rate.Limit(l.limits.PeerRate), l.limits.PeerRate)}
	l.peers[name] = p
	return p, nil
}

// forgetIdle drops the peers that a new one would not differ from: nothing in
// flight, and a full second's worth of calls to spend. The caller holds mu.
func (l *limiter) forgetIdle() {
	for name, p := range l.peers {
		if p.calls == 0 && p.rate.Tokens() >= float64(l.limits.PeerRate) {
			delete(l.peers, name)
		}
	}
}

// acquireEntry waits until a streamed entry may be taken on; releaseEntry ends
// that, when its acknowledgement is sent or never will be.
func (l *limiter) acquireEntry(ctx context.Context, p *peerState) error {
	if p.rate.Wait(ctx) != nil {
		// It gives up early when ctx would end before its turn comes.
		return cmp.Or(ctx.Err(), context.DeadlineExceeded)
	}
	select {
	case l.entries <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l *limiter) releaseEntry() { <-l.entries }

func busy(reason string, after time.Duration, format string, args ...any) error {
	return &registry.Error{
		Code:       registry.ResourceExhausted,
		Reason:     reason,
		Message:    fmt.Sprintf(format, args...),
		Hint:       "send the same entry again later, or publish by stream, which is slowed down instead",
		RetryAfter: after,
	}
}

// peerName is what one peer is counted under: an IPv4 address, an IPv6 network
// of 64 bits, which is what one customer gets, or what else the transport says.
func peerName(ctx context.Context) string {
	p, ok := peer.FromContext(ctx)
	if !ok || p.Addr == nil {
		return ""
	}
	tcp, ok := p.Addr.(*net.TCPAddr)
	if !ok {
		return p.Addr.String()
	}
	ip := tcp.AddrPort().Addr().Unmap()
	if ip.Is4() {
		return ip.String()
	}
	return netip.PrefixFrom(ip.WithZone(""), 64).Masked().String()
}

// unlimited are methods that must answer when all others are refused: a busy
// server is not an unhealthy one.
func unlimited(method string) bool {
	return strings.HasPrefix(method, "/"+grpc_health_v1.Health_ServiceDesc.ServiceName+"/")
}

func (s *Server) unaryLimits(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	if unlimited(info.FullMethod) {
		return handler(ctx, req)
	}
	p, err := s.limits.admit(peerName(ctx))
	if err != nil {
		return nil, err
	}
	defer s.limits.release(p)
	return handler(ctx, req)
}

func (s *Server) streamLimits(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	if unlimited(info.FullMethod) {
		return handler(srv, stream)
	}
	p, err := s.limits.admit(peerName(stream.Context()))
	if err != nil {
		return err
	}
	defer s.limits.release(p)
	ctx := context.WithValue(stream.Context(), peerKey{}, p)
	return handler(srv, &contextStream{stream, ctx})
}

// peerKey is the context key under which a stream finds its *peerState.
type peerKey struct{}

// contextStream is a stream with another context.
type contextStream struct {
	grpc.ServerStream
	ctx context.Context
}

func (s *contextStream) Context() context.Context { return s.ctx }
