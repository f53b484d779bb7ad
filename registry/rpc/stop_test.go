package rpc_test

import (
	"net"
	"testing"

	"github.com/hallmark-registry/hallmark/registry/rpc"
	"github.com/hallmark-registry/hallmark/registry/rpc/rpctest"
)

// A server that is told to stop before it has begun to accept ends well, and
// leaves no port behind.
func TestDrainBeforeServe(t *testing.T) {
	s := rpc.New(rpctest.New(1), rpc.Options{})
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Serve(lis); err != nil {
		t.Errorf("Serve after Drain: %v, want nil", err)
	}
	if conn, err := net.Dial("tcp", lis.Addr().String()); err == nil {
		conn.Close()
		t.Error("the port still accepts")
	}
}
