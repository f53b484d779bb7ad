package weights_test

import (
	"bufio"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/hallmark-registry/hallmark/verifier/weights"
)

// BenchmarkDigest measures how near Digest comes to the limit that SHA-256 itself sets. L is what one core hashes in the
// same run; "of-limit" is the rate over
//
//	fast   cores x L                     every byte is hashed once
//	full   min(cores x L / 2, files x L) every byte is hashed twice, and a file's own SHA-256 is serial
//
// The files are warm in the page cache. -short takes a sixteenth of their size.
func BenchmarkDigest(b *testing.B) {
	const mib = 1 << 20
	for _, c := range []struct{ files, size int }{{4, 256 * mib}, {1, 1024 * mib}} {
		if testing.Short() {
			c.size /= 16
		}
		dir := b.TempDir()
		for i := range c.files {
			writeNoise(b, filepath.Join(dir, fmt.Sprintf("part-%d.bin", i)), uint64(i), c.size)
		}
		for _, fast := range []bool{false, true} {
			name := fmt.Sprintf("%dx%dMiB/full", c.files, c.size/mib)
			if fast {
				name = fmt.Sprintf("%dx%dMiB/fast", c.files, c.size/mib)
			}
			b.Run(name, func(b *testing.B) {
				benchmarkDigest(b, os.DirFS(dir), c.files, int64(c.files)*int64(c.size), fast)
			})
		}
	}
}

// benchmarkDigest takes the best of all rounds on both sides: what other processes take away is nobody's merit.
func benchmarkDigest(b *testing.B, fsys fs.FS, files int, size int64, fast bool) {
	cores := runtime.GOMAXPROCS(0)
	b.SetBytes(size)
	var best, one, all float64
	for b.Loop() {
		start := time.Now()
		if _, err := weights.Digest(b.Context(), fsys, weights.Options{Fast: fast, Workers: cores}); err != nil {
			b.Fatal(err)
		}
		best = max(best, float64(size)/time.Since(start).Seconds())
		b.StopTimer()
		one, all = max(one, hashRate(1)), max(all, hashRate(cores))
		b.StartTimer()
	}
	limit := float64(cores) * one
	if !fast {
		limit = min(float64(cores)*one/2, float64(files)*one)
	}
	b.ReportMetric(best/limit, "of-limit")
	b.ReportMetric(one/1e6, "L-MB/s")
	b.ReportMetric(all/one, "L-cores")
}

// hashRate is how many bytes a second the given number of goroutines hash together.
func hashRate(goroutines int) float64 {
	const rounds = 64
	done := make(chan struct{})
	start := time.Now()
	for range goroutines {
		go func() {
			block := make([]byte, 1<<20)
			for range rounds {
				sha256.Sum256(block)
			}
			done <- struct{}{}
		}()
	}
	for range goroutines {
		<-done
	}
	return float64(goroutines) * rounds * (1 << 20) / time.Since(start).Seconds()
}

func writeNoise(tb testing.TB, name string, seed uint64, size int) {
	tb.Helper()
	f, err := os.Create(name)
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	w := bufio.NewWriterSize(f, 1<<20)
	noise := rand.NewChaCha8([32]byte{byte(seed)})
	block := make([]byte, 1<<20)
	for left := size; left > 0; left -= len(block) {
		noise.Read(block)
		w.Write(block[:min(left, len(block))])
	}
	if err := w.Flush(); err != nil {
		tb.Fatal(err)
	}
}
