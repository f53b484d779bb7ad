package main_test

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/hallmark-registry/hallmark/registry/client"
)

// TestDrainUnderLoad tells the server to go while publishers are busy. Each of
// them gets its receipt or a clean refusal, and no receipt is worthless.
func TestDrainUnderLoad(t *testing.T) {
	dir := found(t)
	l := newLoad(t, dir)
	s := serve(t, dir)
	health := watchHealth(t, s)
	if got := <-health; got != grpc_health_v1.HealthCheckResponse_SERVING {
		t.Fatalf("health is %v, want SERVING", got)
	}
	const answers = 200
	l.watch = func(_, acked uint64) {
		if acked == answers {
			s.signal(syscall.SIGTERM)
		}
	}
	l.publish(s, ^uint64(0))
	l.watch = nil
	if code := s.await(); code != 0 {
		t.Errorf("exit %d, want 0\n%s", code, &s.stderr)
	}
	if got, ok := <-health; !ok || got != grpc_health_v1.HealthCheckResponse_NOT_SERVING {
		t.Errorf("health while draining is %v, %v, want NOT_SERVING", got, ok)
	}
	if n := len(l.receipts); n < answers {
		t.Errorf("%d receipts, want at least %d", n, answers)
	}
	must(t, "fsck", "--data", dir)
	again := serve(t, dir)
	l.resend(again)
	l.check(again)
}

// watchHealth tells what health the server has, as it changes. It hangs up at
// the first that is not SERVING, so that nobody waits for it.
func watchHealth(t *testing.T, s *server) <-chan grpc_health_v1.HealthCheckResponse_ServingStatus {
	t.Helper()
	conn, err := grpc.NewClient(s.grpc, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	watch, err := grpc_health_v1.NewHealthClient(conn).Watch(ctx, &grpc_health_v1.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	statuses := make(chan grpc_health_v1.HealthCheckResponse_ServingStatus, 2)
	go func() {
		defer conn.Close()
		defer cancel()
		defer close(statuses)
		serving := false
		for {
			m, err := watch.Recv()
			if err != nil {
				return
			}
			now := m.GetStatus() == grpc_health_v1.HealthCheckResponse_SERVING
			if now || serving { // it is not serving yet at the very beginning
				statuses <- m.GetStatus()
			}
			if serving && !now {
				return
			}
			serving = now
		}
	}()
	return statuses
}

// TestDrainCutsOffWhoStays has a watcher and a reader who never finish: they do
// not keep the server from ending well.
func TestDrainCutsOffWhoStays(t *testing.T) {
	s := serve(t, found(t))
	conn, err := net.Dial("tcp", s.http)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("GET /checkpoint HTTP/1.1\r\nHost: ")); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stream, err := s.client().PublishStream(ctx, 1, func(client.Result) {})
	if err != nil {
		t.Fatal(err)
	}
	s.stop()
	cancel() // it would wait for the server to come back
	if err := stream.Close(); err == nil || !interrupted(err) {
		t.Errorf("the stream ended with %v, want that the server is gone", err)
	}
}

// TestStateRestoredWhileServing puts an older state of the engine under a server
// that runs, which makes the engine write where entries stand already. Nobody
// gets a receipt for that, and the server says so until it is stopped.
func TestStateRestoredWhileServing(t *testing.T) {
	dir := found(t)
	state, older := filepath.Join(dir, "log/.state/treeState"), filepath.Join(t.TempDir(), "older")
	l := newLoad(t, dir)
	s := serve(t, dir)
	l.publish(s, 50)
	clone(t, state, older)
	l.publish(s, 50)
	health := watchHealth(t, s)
	<-health
	if err := os.Rename(older, state); err != nil {
		t.Fatal(err)
	}
	before := len(l.receipts)
	l.publish(s, 30)
	if n := len(l.receipts) - before; n > 0 {
		t.Errorf("%d receipts from a log that was set back", n)
	}
	for _, err := range l.broken {
		var e *client.Error
		if !errors.As(err, &e) || e.Code != codes.DataLoss || e.Reason != "GUARD_REFUSED" && e.Reason != "SELF_CHECK_FAILED" {
			t.Errorf("publishing: %v, want that the guard has refused or the receipt does not verify", err)
		}
	}
	if len(l.broken) != 30 {
		t.Errorf("%d of 30 publishes failed with a reason", len(l.broken))
	}
	if got := <-health; got != grpc_health_v1.HealthCheckResponse_NOT_SERVING {
		t.Errorf("health is %v, want NOT_SERVING", got)
	}
	if code := s.terminate(); code != 7 || !strings.Contains(s.stderr.String(), rollback) {
		t.Errorf("exit %d, want 7 with %q\n%s", code, rollback, &s.stderr)
	}
	checkEvidence(t, s.stderr.String())
}
