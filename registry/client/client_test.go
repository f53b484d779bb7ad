package client_test

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"

	"google.golang.org/grpc/test/bufconn"

	"github.com/hallmark-registry/hallmark/registry/client"
	"github.com/hallmark-registry/hallmark/registry/rpc"
	"github.com/hallmark-registry/hallmark/registry/rpc/rpctest"
	"github.com/hallmark-registry/hallmark/verifier/checkpoint"
)

// A site is where a server may listen, and be stopped and started again.
type site struct {
	t testing.TB

	mu  sync.Mutex
	lis *bufconn.Listener // nil while nobody listens; guarded by mu
	srv *rpc.Server       // guarded by mu
}

func newSite(t testing.TB, reg rpc.Registry) *site {
	s := &site{t: t}
	s.start(reg)
	t.Cleanup(s.stop)
	return s
}

func (s *site) start(reg rpc.Registry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lis, s.srv = bufconn.Listen(1<<20), rpc.New(reg, rpc.Options{})
	go s.srv.Serve(s.lis)
}

// stop ends the server at once, like a crash that closes its connections.
func (s *site) stop() {
	s.mu.Lock()
	srv := s.srv
	s.lis, s.srv = nil, nil
	s.mu.Unlock()
	if srv != nil {
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		srv.Drain(ended)
	}
}

func (s *site) dial(ctx context.Context, _ string) (net.Conn, error) {
	s.mu.Lock()
	lis := s.lis
	s.mu.Unlock()
	if lis == nil {
		return nil, errors.New("connection refused")
	}
	return lis.DialContext(ctx)
}

// client returns a client of the site, which is closed with the test.
func (s *site) client(policy *checkpoint.Policy) *client.Client {
	s.t.Helper()
	c, err := client.Dial("passthrough:site", client.Options{Policy: policy, Dialer: s.dial})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { c.Close() })
	return c
}

// connect serves reg and returns a client that believes its log.
func connect(t testing.TB, reg *rpctest.Registry) *client.Client {
	t.Helper()
	return newSite(t, reg).client(reg.Trust())
}

// refused returns err as the error of a call with the reason.
func refused(t *testing.T, err error, reason string) *client.Error {
	t.Helper()
	var e *client.Error
	if !errors.As(err, &e) || e.Reason != reason {
		t.Fatalf("got %v, want %s", err, reason)
	}
	return e
}

func TestDialRefusesTargetsThatAreNone(t *testing.T) {
	if c, err := client.Dial("dns://%zz/", client.Options{}); err == nil {
		c.Close()
		t.Error("no error")
	}
}
