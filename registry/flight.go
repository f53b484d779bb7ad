package registry

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"sync"

	"github.com/hallmark-registry/hallmark/verifier/ledger"
	"github.com/hallmark-registry/hallmark/verifier/statement"
)

// A flight is one entry between its admission and the moment when index and
// fold have it. While it flies, admission sees it: the same entry joins it
// instead of being logged twice, and what it claims (a name, a serial, a nonce)
// is refused to others.
//
// It also carries what was learned on the way in, so that the follower neither
// parses nor verifies it again.
type flight struct {
	in     *ledger.Input // well formed, its signatures checked
	claims []claim

	placed   chan struct{} // closed when what follows is known
	index    uint64
	existing bool // it stood there before
	err      error
}

func (f *flight) id() [32]byte { return f.in.Entry().ID() }

// A claim is something that only one entry can have. Entries that claim the
// same value share it: that is an amendment or a repeat.
type claim struct {
	key   string
	value string
	code  ledger.Code // of the refusal
}

// flights is the table of all flights. Its slots bound them.
type flights struct {
	slots chan struct{}

	mu      sync.Mutex
	byID    map[[32]byte]*flight
	byIndex map[uint64]*flight
	claims  map[string]*held
	landed  uint64 // index and fold have every entry below it
}

type held struct {
	value string
	count int
}

func newFlights() *flights {
	return &flights{
		slots:   make(chan struct{}, MaxInFlight),
		byID:    map[[32]byte]*flight{},
		byIndex: map[uint64]*flight{},
		claims:  map[string]*held{},
	}
}

// enter takes a slot and puts f on the table, or returns the flight that the
// same entry is on already. It waits for a slot as long as ctx allows.
func (t *flights) enter(ctx context.Context, f *flight) (already *flight, err error) {
	select {
	case t.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, &Error{Code: ResourceExhausted, Reason: "BUSY", RetryAfter: retryBusy, err: context.Cause(ctx),
			Message: fmt.Sprintf("%d entries are in flight already", MaxInFlight)}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if already = t.byID[f.id()]; already != nil {
		<-t.slots
		return already, nil
	}
	for _, c := range f.claims {
		if h := t.claims[c.key]; h != nil && h.value != c.value {
			<-t.slots
			return nil, refusal(c.code, fmt.Sprintf("%s is claimed by another entry that is being published right now", c.key))
		}
	}
	for _, c := range f.claims {
		if h := t.claims[c.key]; h != nil {
			h.count++
		} else {
			t.claims[c.key] = &held{value: c.value, count: 1}
		}
	}
	t.byID[f.id()] = f
	return nil, nil
}

// place records where f stands and lets those who wait for it go on. The follower
// may have passed that place before we get to say so.
func (t *flights) place(f *flight, index uint64) {
	t.mu.Lock()
	if index < t.landed {
		t.remove(f)
	} else {
		t.byIndex[index] = f
	}
	t.mu.Unlock()
	f.index = index
	close(f.placed)
}

// fail ends a flight that was not placed: refused, or found in the index.
func (t *flights) fail(f *flight, err error) {
	t.mu.Lock()
	t.remove(f)
	t.mu.Unlock()
	f.err = err
	close(f.placed)
}

// at returns the flight that was placed at index, if this process placed it.
func (t *flights) at(index uint64) *flight {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.byIndex[index]
}

// land ends the flights below size: index and fold have them now.
func (t *flights) land(from, size uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.landed = size
	for i := from; i < size; i++ {
		if f := t.byIndex[i]; f != nil {
			delete(t.byIndex, i)
			t.remove(f)
		}
	}
}

// remove takes f off the table and frees its slot. The caller holds t.mu.
func (t *flights) remove(f *flight) {
	delete(t.byID, f.id())
	for _, c := range f.claims {
		if h := t.claims[c.key]; h.count == 1 {
			delete(t.claims, c.key)
		} else {
			h.count--
		}
	}
	<-t.slots
}

// claimsOf lists what an entry claims beyond what the fold already knows.
func (r *Registry) claimsOf(in *ledger.Input) []claim {
	id := in.Entry().ID()
	self := string(id[:])
	numbered := func(kind, of string, n uint64) string { return kind + " " + of + "/" + strconv.FormatUint(n, 10) }
	switch b := in.Body().(type) {
	case *ledger.Credit:
		return []claim{{numbered("credit", b.Class, b.Serial), self, ledger.SerialUsed}}
	case *ledger.Mint:
		return []claim{{numbered("mint", b.Class, b.Serial), self, ledger.AlreadyMinted}}
	case *ledger.Transfer:
		return []claim{{numbered("nonce", b.Account.String(), b.Nonce), self, ledger.NonceMismatch}}
	}
	st := in.Statement()
	if st == nil {
		return nil
	}
	if st.Kind == statement.KindNamespace {
		return []claim{{"namespace " + st.Subjects[0].Name, self, ledger.NamespaceSequence}}
	}
	b, ok := st.Binding()
	if !ok {
		return nil
	}
	claims := []claim{{b.Kind.String() + " " + b.Name.String(), b.Digest.String(), ledger.NameBound}}
	if _, claimed := r.claimedBelow(b.Name.Namespace, math.MaxUint64); !claimed {
		claims = append(claims, claim{"name " + b.Name.Base(), in.Entry().Signatures()[0].Key.ID().String(), ledger.NameHeld})
	}
	return claims
}
