package monitor_test

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/hallmark-registry/hallmark/registry/monitor"
	"github.com/hallmark-registry/hallmark/verifier/ledger"
)

// BenchmarkAudit replays 20,000 signed entries, one in four of the ledger, and prints how that compares with
// as many bare Ed25519 checks on as many cores: ed25519-ratio 1 would mean that everything but the
// signatures costs nothing.
func BenchmarkAudit(b *testing.B) {
	const size = 20_000
	s := newScene(b).found()
	for i := 0; s.size() < size-1; i++ {
		s.model(ledger.Accepted, fmt.Sprintf("acme/m%d@1.0.0", i), 7)
		s.model(ledger.Accepted, fmt.Sprintf("acme/n%d@1.0.0", i), 7)
		s.model(ledger.Accepted, fmt.Sprintf("acme/o%d@1.0.0", i), 7)
		s.addBody(ledger.Accepted, s.credit(uint64(i)), eva)
	}
	s.publish()
	o := s.options()
	count := float64(s.size())
	runtime.GC()
	b.ResetTimer()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := monitor.Audit(context.Background(), o); err != nil {
			b.Fatal(err)
		}
	}
	rate := count * float64(b.N) / b.Elapsed().Seconds()
	limit := verifyRate(int(count))
	b.ReportMetric(rate, "entries/s")
	b.ReportMetric(limit, "ed25519/s")
	b.ReportMetric(rate/limit, "ed25519-ratio")
}

// verifyRate returns how many signatures of an entry's length all cores together check in a second.
func verifyRate(n int) float64 {
	public, private, _ := ed25519.GenerateKey(nil)
	message := make([]byte, 600)
	signature := ed25519.Sign(private, message)
	cores := runtime.GOMAXPROCS(0)
	var wg sync.WaitGroup
	begin := time.Now()
	for range cores {
		wg.Go(func() {
			for range n / cores {
				if !ed25519.Verify(public, message, signature) {
					panic("a good signature does not verify")
				}
			}
		})
	}
	wg.Wait()
	return float64(n) / time.Since(begin).Seconds()
}
