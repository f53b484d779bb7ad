package tlogtest_test

import (
	"context"
	"testing"

	"github.com/hallmark-registry/hallmark/registry/tlog"
	"github.com/hallmark-registry/hallmark/registry/tlog/tlogtest"
)

// never is the guard of a log without one.
type never struct{}

func (never) Refused() <-chan struct{} { return nil }
func (never) Err() error               { return nil }

// TestMemory has the suite pass on the log in memory. What is "stored" under a folder's name is the log
// itself, which outlives its closing.
func TestMemory(t *testing.T) {
	logs := map[string]*tlogtest.Memory{}
	tlogtest.TestLog(t, func(t testing.TB, dir string, keys tlogtest.Keys) (*tlogtest.Opened, error) {
		log := logs[dir]
		if log == nil {
			log = tlogtest.NewMemory(keys.Signer)
			logs[dir] = log
		}
		if err := log.Open(); err != nil {
			return nil, err
		}
		return &tlogtest.Opened{Log: log, Guard: never{}}, log.Publish()
	})
}

func TestMemoryIsALog(t *testing.T) {
	var log tlog.Log = tlogtest.NewMemory(nil)
	if _, err := log.ReadCheckpoint(context.Background()); err == nil {
		t.Error("an unpublished log has a checkpoint")
	}
}
