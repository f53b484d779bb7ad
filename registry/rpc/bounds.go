package rpc

import (
	"math"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"
)

// What one message may hold.
const (
	// maxMessageSize bounds a received message, in bytes. The largest is a Mint:
	// a bundle with an entry of 16 KiB and a proof whose checkpoint has up to
	// 256 KiB, in base64, and another entry. Those of a few entries of 64 KiB or
	// a blob's chunk stay far below.
	maxMessageSize = 1 << 20
	// maxChunkSize bounds one piece of a blob, in bytes: large enough that the
	// cost of a message vanishes, small enough that a slow reader pins little.
	maxChunkSize = 256 << 10
	// maxHeaderSize bounds the headers of a call, in bytes. Ours have a request
	// id; proxies add some.
	maxHeaderSize = 16 << 10
)

// What one connection may hold.
const (
	// maxStreams bounds the calls of one connection at a time. A publisher that
	// keeps 1,024 unary calls in flight over one connection is within it.
	maxStreams = 2048
	// bufferSize is the size of a connection's read and write buffers, in bytes:
	// some hundred entries or receipts to a system call.
	bufferSize = 128 << 10
	// streamBytes and connectionBytes are HTTP/2's flow control windows: what a
	// client may send before the server has read it. They bound what a server
	// that has stopped reading must hold, and leave room for a full window of
	// entries of usual size.
	streamBytes     = 1 << 20
	connectionBytes = 4 << 20
	// handshakeTimeout is how long a connection may take to become one.
	handshakeTimeout = 10 * time.Second
)

// How long things may take.
const (
	// callTimeout is the deadline of a unary call whose client set none, and of
	// each entry of a stream: some checkpoint intervals.
	callTimeout = 30 * time.Second
	// callTimeoutMax caps what a client may ask for, so that abandoned calls
	// don't pile up.
	callTimeoutMax = 2 * time.Minute
	// transferTimeout caps the transfer of one blob: 64 MiB, the largest, over a
	// line of 1 Mbit/s.
	transferTimeout = 10 * time.Minute
	// sendTimeout is how long a publisher may let an acknowledgement wait for room
	// in its buffers. It has read nothing in that time, while what it published
	// counts against everybody's bound.
	sendTimeout = 30 * time.Second
	// keepaliveTime is how long a connection may be silent before the server
	// asks whether anyone is there, keepaliveTimeout how long it waits for the
	// answer, keepaliveMin how often clients may ask.
	keepaliveTime    = time.Minute
	keepaliveTimeout = 20 * time.Second
	keepaliveMin     = 15 * time.Second
	// busyRetryAfter is when a refused client should come back: a busy server
	// publishes what it holds in about this time.
	busyRetryAfter = 500 * time.Millisecond
)

// streamWindow is the number of entries that one publish stream may have in
// flight before the server stops reading it: at 9,000 entries a second and a
// checkpoint every 200 ms, twice what keeps the log busy.
const streamWindow = 4096

// maxPeerUploads is the number of uploads at a time from one address. A publisher
// sends a document or two; each upload may hold 64 MiB of the disk for as long as
// transferTimeout.
const maxPeerUploads = 8

// Pages (AIP-158).
const (
	pageSizeDefault = 50
	pageSizeMax     = 1000
	// pageBytesMax is where a page of entries is cut, in bytes, so that the
	// answer with its last entry stays below the 4 MiB that gRPC clients accept
	// by default.
	pageBytesMax = 2 << 20
	// pageStep is how many entries are read at once for a page: 64 of the largest
	// possible are as much as a page may hold.
	pageStep = 64
)

// depthMax bounds what a client may ask of a lineage; the registry's own bound
// on its size cuts it before.
const depthMax = math.MaxInt32

// Limits bound what all clients together, and each alone, may occupy. A zero
// field takes its default.
type Limits struct {
	// Calls is the number of calls at a time, of all clients. Beyond it calls
	// are refused with RESOURCE_EXHAUSTED.
	Calls int
	// PeerCalls is the number of calls at a time from one address: an IPv4
	// address or an IPv6 network of 64 bits.
	PeerCalls int
	// Entries is the number of entries of all publish streams at a time, each from
	// its arrival until its acknowledgement is sent. At the bound streams are not
	// read on, rather than refused.
	Entries int
	// PeerRate is the number of calls and streamed entries per second from one
	// address; bursts may hold one second's worth. Calls beyond it are refused,
	// streams slowed down.
	PeerRate int
}

// Defaults of Limits. An entry in flight costs some 15 kB, mostly the stack on
// which its signatures are checked; 16,384 of them stay below 250 MB.
const (
	defaultCalls     = 8192
	defaultPeerCalls = 2048
	defaultEntries   = 16384
	// defaultPeerRate is more than two cores can verify, so that on one's own
	// machine it is out of the way. Lower it where strangers may publish.
	defaultPeerRate = 50_000
	// maxPeers bounds the table of addresses; idle ones are forgotten first.
	maxPeers = 65_536
)

func (l Limits) withDefaults() Limits {
	set := func(field *int, value int) {
		if *field == 0 {
			*field = value
		}
	}
	set(&l.Calls, defaultCalls)
	set(&l.PeerCalls, defaultPeerCalls)
	set(&l.Entries, defaultEntries)
	set(&l.PeerRate, defaultPeerRate)
	return l
}

// transportOptions are the bounds that gRPC itself keeps. A connection has no
// maximal age: pipelines publish for days, and nothing balances load by age.
func transportOptions() []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.MaxRecvMsgSize(maxMessageSize),
		grpc.MaxHeaderListSize(maxHeaderSize),
		grpc.MaxConcurrentStreams(maxStreams),
		grpc.ReadBufferSize(bufferSize),
		grpc.WriteBufferSize(bufferSize),
		grpc.InitialWindowSize(streamBytes),
		grpc.InitialConnWindowSize(connectionBytes),
		grpc.ConnectionTimeout(handshakeTimeout),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: keepaliveTime, Timeout: keepaliveTimeout}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: keepaliveMin, PermitWithoutStream: true}),
		// Stop waits for handlers, so that after Drain nobody calls the registry.
		grpc.WaitForHandlers(true),
	}
}
