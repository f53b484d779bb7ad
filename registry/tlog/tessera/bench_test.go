package tessera_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	upstream "github.com/transparency-dev/tessera"
	"github.com/transparency-dev/tessera/storage/posix"

	"github.com/hallmark-registry/hallmark/registry/tlog"
	"github.com/hallmark-registry/hallmark/registry/tlog/tessera"
	"github.com/hallmark-registry/hallmark/registry/tlog/tlogtest"
)

// publish puts one leaf into a log and returns when it is published.
type publish func(leaf []byte) error

// BenchmarkAppendAwait measures leaves of 300 bytes from Append to a published checkpoint, one leaf a call, by
// calls in flight. "bare" is Tessera by itself with the same settings and its own awaiter, with no guard, no
// lock and no bound: the ratio of the two is what this package costs.
//
// Run it with -benchtime 20000x or more: at 1,024 in flight an entry's share is microseconds, while a
// checkpoint takes 100 ms.
func BenchmarkAppendAwait(b *testing.B) {
	for _, inFlight := range []int{1, 256, 1024, 4096} {
		b.Run(fmt.Sprintf("inflight=%d", inFlight), func(b *testing.B) {
			closedLoop(b, inFlight, ours(b, tessera.Options{}))
		})
	}
}

func BenchmarkBareTessera(b *testing.B) {
	for _, inFlight := range []int{1, 256, 1024, 4096} {
		b.Run(fmt.Sprintf("inflight=%d", inFlight), func(b *testing.B) {
			closedLoop(b, inFlight, bare(b))
		})
	}
}

// BenchmarkIdle measures one leaf at a time on a log whose last checkpoint is older than the checkpoint
// interval, as a lone publisher finds it.
func BenchmarkIdle(b *testing.B) {
	publish := ours(b, tessera.Options{})
	for i := range b.N {
		b.StopTimer()
		time.Sleep(2 * tessera.DefaultCheckpointInterval)
		b.StartTimer()
		if err := publish(leaf(uint64(i))); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkBatching compares settings at 1,024 in flight.
func BenchmarkBatching(b *testing.B) {
	for _, size := range []int{256, 1024, 4096} {
		for _, age := range []time.Duration{10 * time.Millisecond, 20 * time.Millisecond, 50 * time.Millisecond} {
			b.Run(fmt.Sprintf("batch=%d/age=%v", size, age), func(b *testing.B) {
				closedLoop(b, 1024, ours(b, tessera.Options{BatchMaxSize: size, BatchMaxAge: age}))
			})
		}
	}
}

// BenchmarkAppendBatch appends 1,000 leaves a call, four calls in flight, without waiting for publication.
func BenchmarkAppendBatch(b *testing.B) {
	opened := openBench(b, tessera.Options{})
	leaves := make([][]byte, 1000)
	for i := range leaves {
		leaves[i] = leaf(uint64(i))
	}
	b.SetParallelism(2)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := opened.Log.Append(context.Background(), leaves); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)*1000/b.Elapsed().Seconds(), "entries/s")
}

func openBench(b *testing.B, o tessera.Options) *tlogtest.Opened {
	b.Helper()
	opened, err := openWith(b.TempDir(), tlogtest.NewKeys(b, origin), o)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { opened.Log.Close(context.Background()) })
	return opened
}

func ours(b *testing.B, o tessera.Options) publish {
	b.Helper()
	ctx, keys := context.Background(), tlogtest.NewKeys(b, origin)
	opened, err := openWith(b.TempDir(), keys, o)
	if err != nil {
		b.Fatal(err)
	}
	pub, err := tlog.NewPublication(ctx, opened.Log, keys.Verifier, opened.Guard)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		pub.Close()
		opened.Log.Close(ctx)
	})
	return func(leaf []byte) error {
		positions, err := opened.Log.Append(ctx, [][]byte{leaf})
		if err != nil {
			return err
		}
		_, err = pub.Await(ctx, positions[0])
		return err
	}
}

func bare(b *testing.B) publish {
	b.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	driver, err := posix.New(ctx, posix.Config{Path: filepath.Join(b.TempDir(), "log")})
	if err != nil {
		b.Fatal(err)
	}
	appender, shutdown, reader, err := upstream.NewAppender(ctx, driver, upstream.NewAppendOptions().
		WithCheckpointSigner(tlogtest.NewKeys(b, origin).Signer).
		WithBatching(tessera.DefaultBatchMaxSize, tessera.DefaultBatchMaxAge).
		WithCheckpointInterval(tessera.DefaultCheckpointInterval).
		WithCheckpointRepublishInterval(tessera.DefaultRepublishInterval).
		WithGarbageCollectionInterval(tessera.DefaultCollectInterval))
	if err != nil {
		b.Fatal(err)
	}
	awaiter := upstream.NewPublicationAwaiter(ctx, reader.ReadCheckpoint, 5*time.Millisecond)
	b.Cleanup(func() {
		shutdown(ctx)
		cancel()
	})
	return func(leaf []byte) error {
		_, _, err := awaiter.Await(ctx, appender.Add(ctx, upstream.NewEntry(leaf)))
		return err
	}
}

// closedLoop keeps inFlight callers busy until b.N leaves are published.
func closedLoop(b *testing.B, inFlight int, publish publish) {
	b.Helper()
	var next atomic.Int64
	var group sync.WaitGroup
	took := make([]time.Duration, b.N)
	b.ResetTimer()
	for range inFlight {
		group.Go(func() {
			for i := next.Add(1) - 1; i < int64(b.N); i = next.Add(1) - 1 {
				start := time.Now()
				if err := publish(leaf(uint64(i))); err != nil {
					b.Errorf("entry %d: %v", i, err)
					return
				}
				took[i] = time.Since(start)
			}
		})
	}
	group.Wait()
	b.StopTimer()
	slices.Sort(took)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "entries/s")
	b.ReportMetric(float64(took[b.N/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(took[b.N*99/100].Microseconds())/1000, "p99-ms")
}

// leaf returns 300 bytes that no other n has.
func leaf(n uint64) []byte {
	return binary.BigEndian.AppendUint64(make([]byte, 292, 300), n)
}
