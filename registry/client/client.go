// Package client calls a Hallmark registry and believes nothing that it says.
//
// A publisher gets a [Receipt] only after this package has checked, under the
// caller's own policy, that the log holds exactly the bytes that were sent:
//
//	entry sent ──SHA-256──▶ entry id    = receipt's
//	entry sent ──leaf hash──▶ proof ──▶ root = checkpoint's ◀── policy believes it
//
// A receipt that fails is an error with reason RECEIPT_INVALID, and evidence
// that something between the log and the caller is broken or lies. Answers to
// queries are the server's word; each names the tree size for which anybody who
// has the log can check it.
//
// Sending the same signed entry again is harmless, since the same bytes are
// logged once. So every call is repeated while the server is unavailable, until
// its context ends; a server that can't be reached at all is given a few
// seconds.
package client

import (
	"context"
	"fmt"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"

	pb "github.com/hallmark-registry/hallmark/proto/hallmark/v1"
	"github.com/hallmark-registry/hallmark/verifier/bundle"
	"github.com/hallmark-registry/hallmark/verifier/checkpoint"
)

// Bounds of a connection.
const (
	// maxMessageSize bounds an answer, in bytes: the largest is a bundle.
	maxMessageSize = bundle.MaxSize + 1<<10
	// maxBlobSize bounds a download, in bytes; the registry stores none larger.
	maxBlobSize = 64 << 20
	// chunkSize is the size of one piece of an upload, in bytes; a server takes
	// no larger ones.
	chunkSize = 256 << 10
	// bufferSize is the size of the read and write buffers, in bytes: some
	// hundred entries or receipts to a system call.
	bufferSize = 128 << 10
	// streamBytes and connectionBytes are HTTP/2's flow control windows: room
	// for the receipts of a full publish window, of 1 to 2 kB each.
	streamBytes     = 4 << 20
	connectionBytes = 8 << 20
	// memoSize is the number of checkpoints remembered as good. Receipts arrive
	// under the latest few.
	memoSize = 16
)

// Options of a Client.
type Options struct {
	// Policy judges the checkpoints of receipts. Without one, no call is made
	// that would return a receipt.
	Policy *checkpoint.Policy
	// Dialer connects; nil dials TCP.
	Dialer func(ctx context.Context, address string) (net.Conn, error)
	// UserAgent is put before gRPC's own, such as "hallmark/1.0".
	UserAgent string
}

// A Client calls one registry. It is safe for concurrent use, and its calls
// share one connection.
type Client struct {
	conn *grpc.ClientConn
	memo *checkpoint.Memo // nil without a policy

	registry pb.RegistryServiceClient
	log      pb.LogServiceClient
	audit    pb.AuditServiceClient
	token    pb.TokenServiceClient
}

// Dial returns a client for the registry at target, a host:port. It does not
// wait for the connection: whether there is one, the first call tells. The
// connection is plaintext; receipts need no secrecy to be verified, but who
// listens learns what is asked.
func Dial(target string, o Options) (*Client, error) {
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithUserAgent(o.UserAgent),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessageSize)),
		grpc.WithReadBufferSize(bufferSize),
		grpc.WithWriteBufferSize(bufferSize),
		grpc.WithInitialWindowSize(streamBytes),
		grpc.WithInitialConnWindowSize(connectionBytes),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: time.Minute, Timeout: 20 * time.Second}),
		// Connecting is retried about as often as a call is.
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: retryFirst, Multiplier: 1.6, Jitter: 0.2, MaxDelay: retryMax},
			MinConnectTimeout: unreachableMax,
		}),
		// A service configuration from the name service could add retries of its
		// own to ours.
		grpc.WithDisableServiceConfig(),
	}
	if o.Dialer != nil {
		options = append(options, grpc.WithContextDialer(o.Dialer))
	}
	conn, err := grpc.NewClient(target, options...)
	if err != nil {
		return nil, fmt.Errorf("connecting to %q: %w", target, err)
	}
	c := &Client{
		conn:     conn,
		registry: pb.NewRegistryServiceClient(conn),
		log:      pb.NewLogServiceClient(conn),
		audit:    pb.NewAuditServiceClient(conn),
		token:    pb.NewTokenServiceClient(conn),
	}
	if o.Policy != nil {
		c.memo = checkpoint.NewMemo(o.Policy, memoSize)
	}
	return c, nil
}

// Close closes the connection. Calls still running fail.
func (c *Client) Close() error { return c.conn.Close() }
