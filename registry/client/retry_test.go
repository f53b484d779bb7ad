package client_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hallmark-registry/hallmark/registry"
	"github.com/hallmark-registry/hallmark/registry/rpc/rpctest"
)

func TestTheSameEntryIsSentAgain(t *testing.T) {
	unavailable := &registry.Error{Code: registry.Unavailable, Reason: "OUTCOME_UNKNOWN", Message: "m"}
	full := &registry.Error{Code: registry.ResourceExhausted, Reason: "BUSY", Message: "m", RetryAfter: 20 * time.Second}
	fullForEver := &registry.Error{Code: registry.ResourceExhausted, Reason: "BLOBS_FULL", Message: "m"}
	refusal := &registry.Error{Code: registry.AlreadyExists, Reason: "NAME_BOUND", Message: "m", RetryAfter: time.Second}
	tests := []struct {
		name     string
		failures []error // of the first attempts
		timeout  time.Duration
		attempts int
		atLeast  time.Duration
		reason   string // of the error, or empty
	}{
		{"after the server was unavailable", []error{unavailable, unavailable, unavailable}, time.Minute, 4, 300 * time.Millisecond, ""},
		{"when a busy server said", []error{full}, time.Minute, 2, 20 * time.Second, ""},
		{"unless the server is full for good", []error{fullForEver}, time.Minute, 1, 0, "BLOBS_FULL"},
		{"unless it is refused", []error{refusal}, time.Minute, 1, 0, "NAME_BOUND"},
		{"until there is no time left", []error{full, full, full}, 30 * time.Second, 2, 30 * time.Second, "BUSY"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				reg := rpctest.New(1)
				c := connect(t, reg)
				attempts := 0
				reg.BeforePublish = func(context.Context, []byte) error {
					attempts++
					if attempts <= len(tt.failures) {
						return tt.failures[attempts-1]
					}
					return nil
				}
				ctx, cancel := context.WithTimeout(context.Background(), tt.timeout)
				defer cancel()
				began := time.Now()
				_, err := c.Publish(ctx, rpctest.Entry("mine"))
				if tt.reason != "" {
					refused(t, err, tt.reason)
				} else if err != nil {
					t.Error(err)
				}
				if took := time.Since(began); attempts != tt.attempts || took < tt.atLeast {
					t.Errorf("%d attempts in %v, want %d in at least %v", attempts, took, tt.attempts, tt.atLeast)
				}
			})
		})
	}
}

func TestAServerThatIsNotThereIsTriedForFiveSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, rpctest.New(1))
		s.stop()
		c := s.client(nil)
		began := time.Now()
		_, err := c.Entry(context.Background(), "0")
		e := refused(t, err, "SERVER_UNREACHABLE")
		if e.Hint == "" {
			t.Error("no hint")
		}
		if got := time.Since(began); got != 5*time.Second {
			t.Errorf("gave up after %v, want 5s", got)
		}
	})
}

func TestAServerThatStartsLateIsReached(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := rpctest.New(1)
		s := newSite(t, reg)
		s.stop()
		c := s.client(nil)
		go func() {
			time.Sleep(2 * time.Second) // of the bubble's clock
			s.start(reg)
		}()
		if _, err := c.Entry(context.Background(), "0"); err != nil {
			t.Error(err)
		}
	})
}

func TestACallEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := rpctest.New(1)
		c := connect(t, reg)
		reg.BeforePublish = func(ctx context.Context, _ []byte) error {
			<-ctx.Done()
			return ctx.Err()
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_, err := c.Publish(ctx, rpctest.Entry("mine"))
		refused(t, err, "DEADLINE_EXCEEDED")
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want one that wraps %v", err, context.DeadlineExceeded)
		}
	})
}
