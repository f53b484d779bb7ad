package main_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/hallmark-registry/hallmark/registry/client"
	"github.com/hallmark-registry/hallmark/registry/tlog"
	"github.com/hallmark-registry/hallmark/verifier"
	"github.com/hallmark-registry/hallmark/verifier/checkpoint"
	"github.com/hallmark-registry/hallmark/verifier/entry"
	"github.com/hallmark-registry/hallmark/verifier/ledger"
	"github.com/hallmark-registry/hallmark/verifier/statement"
)

const (
	// publishers is how many entries are on their way one by one, each behind a
	// call of its own, and window how many beside them in one stream: enough for
	// batches, checkpoints and the follower to overlap at any moment.
	publishers = 16
	window     = 64

	// creditEvery is how often an entry is a credit, so that the fold has money
	// to keep and not only names.
	creditEvery = 8
)

// A load is what publishers made, sent and were promised. Entries are numbered,
// and the same number is the same entry.
type load struct {
	t         *testing.T
	policy    *checkpoint.Policy
	publisher *entry.PrivateKey
	evaluator *entry.PrivateKey
	ledger    ledger.LedgerID

	mu       sync.Mutex
	made     uint64
	pending  map[[32]byte]*entry.Entry       // sent, without an answer that settles it
	receipts map[[32]byte]promise            // acknowledged
	heads    map[uint64][sha256.Size]byte    // root by size, of every receipt's checkpoint
	broken   []error                         // answers that no crash explains
	watch    func(sent, acknowledged uint64) // called with mu held
	sent     uint64                          // in this round
	acked    uint64                          // in this round
}

// A promise is what a receipt says.
type promise struct {
	entry *entry.Entry
	index uint64
	proof []byte
}

func newLoad(t *testing.T, dir string) *load {
	t.Helper()
	publisher, err := entry.GenerateKey(entry.Ed25519, bytes.NewReader(bytes.Repeat([]byte{1}, 32)))
	if err != nil {
		t.Fatal(err)
	}
	evaluator, err := entry.ParsePrivateKeyPEM(read(t, filepath.Join(dir, "keys", "evaluator.key")))
	if err != nil {
		t.Fatal(err)
	}
	genesis, err := tlog.ReadEntry(t.Context(), folder(dir), 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	e, err := entry.Parse(genesis)
	if err != nil {
		t.Fatal(err)
	}
	return &load{
		t: t, policy: trust(t, dir), publisher: publisher, evaluator: evaluator, ledger: e.StatementID(),
		pending: map[[32]byte]*entry.Entry{}, receipts: map[[32]byte]promise{}, heads: map[uint64][32]byte{},
	}
}

// next makes the next entry and counts it as sent. It returns nil when enough
// were sent in this round.
func (l *load) next(enough uint64) *entry.Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sent >= enough {
		return nil
	}
	e := l.make(l.made)
	l.made++
	l.pending[e.ID()] = e
	l.sent++
	l.tell()
	return e
}

func (l *load) tell() {
	if l.watch != nil {
		l.watch(l.sent, l.acked)
	}
}

// make makes entry n: a credit now and then, otherwise a dataset.
func (l *load) make(n uint64) *entry.Entry {
	typ, key := entry.TypeStatement, l.publisher
	var body []byte
	var err error
	d := &statement.Dataset{Root: sha256.Sum256(fmt.Append(nil, n)), Records: n + 1, Files: 1, Bytes: n + 1, Form: statement.FormLines, License: "CC0-1.0"}
	if n%creditEvery == 0 {
		account, errAccount := ledger.AccountOf(l.publisher.Public())
		if errAccount != nil {
			panic(errAccount) // an Ed25519 key has an account
		}
		typ, key = entry.TypeLedger, l.evaluator
		c := &ledger.Credit{Ledger: l.ledger, Class: "data", Serial: n, Subject: d.Digest(), Beneficiary: account, Work: 1, Evidence: [32]byte{1}}
		body, err = c.Marshal()
	} else {
		name, errName := statement.ParseName(fmt.Sprintf("load/rows@1.0.%d", n))
		if errName != nil {
			panic(errName)
		}
		body, err = statement.NewDataset(name, d).Marshal()
	}
	if err != nil {
		panic(err) // the same for every n, so the first test finds it
	}
	e, err := entry.Sign(typ, body, key)
	if err != nil {
		panic(err)
	}
	return e
}

// settled takes an answer. A receipt is checked once more, by the verifier
// alone; an error is fine if a crash or a drain explains it.
func (l *load) settled(e *entry.Entry, r *client.Receipt, err error) {
	var included *verifier.Included
	if err == nil {
		included, err = verifier.VerifyReceiptOf(e, r.Proof, l.policy.Verify)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		if !interrupted(err) {
			l.broken = append(l.broken, err)
		}
		return
	}
	if old, ok := l.receipts[e.ID()]; ok && old.index != r.Index {
		l.broken = append(l.broken, fmt.Errorf("entry %x was promised index %d, and then %d", e.ID(), old.index, r.Index))
	}
	at := included.Checkpoint
	if root, ok := l.heads[at.Size]; ok && root != at.Root {
		l.broken = append(l.broken, fmt.Errorf("two signed roots of size %d: %x and %x", at.Size, root, at.Root))
	}
	delete(l.pending, e.ID())
	l.receipts[e.ID()] = promise{e, r.Index, r.Proof}
	l.heads[at.Size] = at.Root
	l.acked++
	l.tell()
}

// publish runs all publishers against a server until as many entries as are
// enough have an answer, or the server goes away.
func (l *load) publish(s *server, enough uint64) {
	l.mu.Lock()
	l.sent, l.acked = 0, 0
	l.mu.Unlock()
	ctx, cancel := context.WithTimeout(l.t.Context(), patience)
	defer cancel()
	go func() { // a client would wait for a server that crashed to come back
		select {
		case <-s.ended:
			cancel()
		case <-ctx.Done():
		}
	}()
	c := s.client()
	var all sync.WaitGroup
	for range publishers {
		all.Go(func() {
			for e := l.next(enough); e != nil; e = l.next(enough) {
				r, err := c.Publish(ctx, e)
				l.settled(e, r, err)
				if ctx.Err() != nil {
					return
				}
			}
		})
	}
	all.Go(func() { l.stream(ctx, c, enough) })
	all.Wait()
}

func (l *load) stream(ctx context.Context, c *client.Client, enough uint64) {
	s, err := c.PublishStream(ctx, window, func(r client.Result) { l.settled(r.Entry, r.Receipt, r.Err) })
	if err != nil {
		l.t.Errorf("opening a stream: %v", err)
		return
	}
	for e := l.next(enough); e != nil; e = l.next(enough) {
		if s.Send(e) != nil || ctx.Err() != nil {
			break
		}
	}
	if err := s.Close(); err != nil && !interrupted(err) {
		l.t.Errorf("publish stream: %v", err)
	}
}

// resend publishes again what has no answer, as a publisher does after a crash.
func (l *load) resend(s *server) {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), patience)
	defer cancel()
	l.mu.Lock()
	var left []*entry.Entry
	for _, e := range l.pending {
		left = append(left, e)
	}
	l.mu.Unlock()
	stream, err := s.client().PublishStream(ctx, window, func(r client.Result) { l.settled(r.Entry, r.Receipt, r.Err) })
	if err != nil {
		l.t.Fatal(err)
	}
	for _, e := range left {
		if err := stream.Send(e); err != nil {
			l.t.Fatalf("sending again: %v", err)
		}
	}
	if err := stream.Close(); err != nil {
		l.t.Fatalf("sending again: %v", err)
	}
	if n := len(l.pending); n > 0 {
		l.t.Fatalf("%d entries still have no receipt after they were sent again", n)
	}
}

// interrupted reports whether an error is one that a server's end explains: no
// answer, or one that says to try again. Whatever it says of the entry or of the
// log is not.
func interrupted(err error) bool {
	var e *client.Error
	if !errors.As(err, &e) {
		return errors.Is(err, context.Canceled)
	}
	switch e.Code {
	case codes.Unavailable, codes.Canceled, codes.DeadlineExceeded:
		return true
	}
	return false
}
