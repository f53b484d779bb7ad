package tessera_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/hallmark-registry/hallmark/registry/tlog"
	"github.com/hallmark-registry/hallmark/registry/tlog/tessera"
	"github.com/hallmark-registry/hallmark/registry/tlog/tlogtest"
)

// open opens the log under dir: the tiles in dir/log, the guard in dir/guard, evidence in dir/evidence.
func open(_ testing.TB, dir string, keys tlogtest.Keys) (*tlogtest.Opened, error) {
	return openWith(dir, keys, tessera.Options{})
}

func openWith(dir string, keys tlogtest.Keys, o tessera.Options) (*tlogtest.Opened, error) {
	ctx := context.Background()
	store, err := tlog.OpenGuardFolder(filepath.Join(dir, "guard"))
	if err != nil {
		return nil, err
	}
	if _, err := store.Load(ctx); errors.Is(err, fs.ErrNotExist) {
		if err := tlog.CreateGuard(ctx, store, keys.Signer.Name()); err != nil {
			return nil, errors.Join(err, store.Close())
		}
	}
	o.Dir = filepath.Join(dir, "log")
	o.Guard = tlog.NewGuard(keys.Signer, store, tlog.NewFolder(os.DirFS(o.Dir)), filepath.Join(dir, "evidence"))
	log, err := tessera.Open(ctx, o)
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	return &tlogtest.Opened{Log: closer{log, store}, Guard: o.Guard}, nil
}

// closer closes the guard's store after the log.
type closer struct {
	*tessera.Log
	store *tlog.GuardFolder
}

func (c closer) Close(ctx context.Context) error {
	return errors.Join(c.Log.Close(ctx), c.store.Close())
}

func TestConformance(t *testing.T) { tlogtest.TestLog(t, open) }
