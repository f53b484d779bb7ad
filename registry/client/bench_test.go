package client_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-registry/hallmark/registry/client"
	"github.com/hallmark-registry/hallmark/registry/rpc"
	"github.com/hallmark-registry/hallmark/registry/rpc/rpctest"
	"github.com/hallmark-registry/hallmark/verifier/entry"
)

// BenchmarkPublishStream measures both ends and the wire between them, over a
// registry in memory that verifies signatures and publishes every 200 ms:
// signed entries of some 500 bytes, receipts verified.
func BenchmarkPublishStream(b *testing.B) {
	reg := rpctest.New(1)
	reg.Interval = 200 * time.Millisecond
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	srv := rpc.New(reg, rpc.Options{})
	go srv.Serve(lis)
	defer srv.Drain(context.Background())
	c, err := client.Dial(lis.Addr().String(), client.Options{Policy: reg.Trust()})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	filler := strings.Repeat("x", 350)
	entries := make([]*entry.Entry, b.N)
	for i := range entries {
		entries[i] = rpctest.Entry(fmt.Sprint(i, filler))
	}
	stream, err := c.PublishStream(context.Background(), 0, func(r client.Result) {
		if r.Err != nil {
			b.Error(r.Err)
		}
	})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	for _, e := range entries {
		if err := stream.Send(e); err != nil {
			b.Fatal(err)
		}
	}
	if err := stream.Close(); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "entries/s")
}
