package registry_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/hallmark-registry/hallmark/registry"
	"github.com/hallmark-registry/hallmark/verifier/entry"
	"github.com/hallmark-registry/hallmark/verifier/ledger"
)

func TestPublishedEntryIsFoundAtOnce(t *testing.T) {
	s := newSite(t)
	ctx := context.Background()
	for i := range 5 {
		name := fmt.Sprintf("acme/rows@1.0.%d", i)
		raw := s.dataset(name, uint64(i+1))
		r := s.publish(raw)
		for _, ref := range []string{name, fmt.Sprint(r.Index), s.datasetDigest(uint64(i + 1)).String(), fmt.Sprintf("sha256:%x", r.EntryID)} {
			v, err := s.Entry(ctx, ref)
			if err != nil {
				t.Fatalf("right after its receipt, %s: %v", ref, err)
			}
			if v.Index != r.Index || !bytes.Equal(v.Raw, raw) || v.Code != "ACCEPTED" || v.Size <= v.Index {
				t.Errorf("%s is entry %d, %s, valid for size %d; want entry %d, accepted", ref, v.Index, v.Code, v.Size, r.Index)
			}
		}
	}
}

func TestTheSameEntryIsLoggedOnce(t *testing.T) {
	s := newSite(t)
	raw := s.dataset("acme/rows@1.0.0", 1)
	var mu sync.Mutex
	places := map[uint64]int{}
	fresh := 0
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() {
			r, err := s.Publish(context.Background(), raw, registry.PublishOptions{})
			if err != nil {
				t.Errorf("publishing: %v", err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			places[r.Index]++
			if !r.Existing {
				fresh++
			}
		})
	}
	wg.Wait()
	if len(places) != 1 || fresh != 1 {
		t.Errorf("32 publishes of one entry went to %v, %d of them as new; want one place, once new", places, fresh)
	}
	if again := s.publish(raw); !again.Existing || places[again.Index] != 32 {
		t.Errorf("published again: index %d, existing %v", again.Index, again.Existing)
	}
}

func TestRefusals(t *testing.T) {
	s := newSite(t)
	ctx := context.Background()
	s.publish(s.dataset("acme/rows@1.0.0", 1))
	size := func() uint64 {
		_, n, err := s.Entries(ctx, 0, 1)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	before := size()
	evil := s.dataset("acme/rows@2.0.0", 2)
	evil[len(evil)-3] ^= 1
	unknown := s.signBody(entry.TypeStatement, []byte(`{"_type":"https://in-toto.io/Statement/v1","predicate":{},"predicateType":"https://example.com/x/v1","subject":[{"digest":{"sha256":"`+strings.Repeat("0", 63)+`1"}}]}`))
	credit := func(class string) ledger.Body {
		return &ledger.Credit{Ledger: s.ledger, Class: class, Serial: 1, Subject: [32]byte{1}, Beneficiary: account(t, "ada"), Work: 1, Evidence: [32]byte{2}}
	}
	for _, c := range []struct {
		story string
		raw   []byte
		want  string
	}{
		{"no entry at all", []byte("entry"), "ENTRY_MALFORMED"},
		{"a byte of the signature changed", evil, "SIGNATURE_INVALID"},
		{"an unknown predicate", unknown, "PREDICATE_UNKNOWN"},
		{"a statement that is none", s.signBody(entry.TypeStatement, []byte("{}")), "STATEMENT_MALFORMED"},
		{"an unknown body type", s.signBody("text/plain", []byte("hello")), "TYPE_UNKNOWN"},
		{"a ledger body that is none", s.signBody(entry.TypeLedger, []byte{200}), "BODY_MALFORMED"},
		{"an entry above the limit", append(s.signBody(entry.TypeLedger, make([]byte, entry.MaxEntrySize-200)), make([]byte, 200)...), "ENTRY_TOO_LARGE"},
		{"a name bound to another digest", s.dataset("acme/rows@1.0.0", 2), "NAME_BOUND"},
		{"another key under a taken name", s.dataset("acme/rows@1.0.1", 2, "stranger"), "NAME_HELD"},
		{"two keys on a name", s.dataset("acme/other@1.0.0", 2, "publisher", "stranger"), "NAME_SIGNERS"},
		{"a credit by a stranger", s.body(credit("data"), "stranger"), "SIGNER_UNLISTED"},
		{"a credit of an unknown class", s.body(credit("poetry"), "evaluator"), "CREDIT_CLASS_UNKNOWN"},
		{"a second genesis", s.genesis.Raw(), "none"}, // the very same entry: it exists
		{"a forged genesis", forgedGenesis(s), "GENESIS_NOT_FIRST"},
	} {
		_, err := s.Publish(ctx, c.raw, registry.PublishOptions{})
		if got := reason(err); got != c.want {
			t.Errorf("%s: %s (%v), want %s", c.story, got, err, c.want)
		}
	}
	if after := size(); after != before {
		t.Errorf("the refused left %d entries in the log", after-before)
	}
}

func forgedGenesis(s *site) []byte {
	b, err := ledger.ParseBody(s.genesis.Body())
	if err != nil {
		s.t.Fatal(err)
	}
	g := b.(*ledger.Genesis)
	g.EpochStart++
	return s.body(g, "governance")
}

// Of two entries that claim one name at the same moment, one is refused before
// it is logged.
func TestInFlightClaims(t *testing.T) {
	s := newSite(t)
	errs := make([]error, 16)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() {
			_, errs[i] = s.Publish(context.Background(), s.dataset("acme/rows@1.0.0", uint64(i+1)), registry.PublishOptions{})
		})
	}
	wg.Wait()
	accepted := 0
	for _, err := range errs {
		if err == nil {
			accepted++
		} else if r := reason(err); r != "NAME_BOUND" {
			t.Errorf("refused with %s, want NAME_BOUND", r)
		}
	}
	if accepted != 1 {
		t.Errorf("%d of 16 digests got the name, want 1", accepted)
	}
	if _, size, err := s.Entries(context.Background(), 0, 1); err != nil || size != 2 {
		t.Errorf("the log has %d entries, %v; want genesis and one", size, err)
	}
}

func TestValidateOnlyLogsNothing(t *testing.T) {
	s := newSite(t)
	raw := s.dataset("acme/rows@1.0.0", 1)
	r, err := s.Publish(context.Background(), raw, registry.PublishOptions{ValidateOnly: true})
	if err != nil || r.EntryID != sha256.Sum256(raw) || r.Proof != nil {
		t.Errorf("%+v, %v", r, err)
	}
	if _, err := s.Entry(context.Background(), "acme/rows@1.0.0"); reason(err) != "NOT_FOUND" {
		t.Errorf("after a dry run: %v, want NOT_FOUND", err)
	}
}
