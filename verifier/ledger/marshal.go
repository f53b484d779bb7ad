package ledger

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"

	"github.com/hallmark-registry/hallmark/verifier/entry"
)

// stateMagic begins every serialised state.
const stateMagic = "hallmark/ledger-state/v1\n"

// ErrState says that bytes are no serialised state of this log.
var ErrState = errors.New("malformed ledger state")

// Digest returns SHA-256 of MarshalBinary. It covers all that later outcomes
// depend on, and the outcomes of all entries so far.
func (s *State) Digest() [32]byte {
	h := sha256.New()
	s.write(&stateWriter{out: h})
	return [32]byte(h.Sum(nil))
}

// MarshalBinary returns the state in its one serialisation. SPEC.md has the
// layout.
func (s *State) MarshalBinary() ([]byte, error) {
	w := &stateWriter{}
	s.write(w)
	return w.writer, nil
}

// A stateWriter hands on what it was given bit by bit, if there is somebody to
// take it: a state may be much larger than what its reader wants to hold.
type stateWriter struct {
	writer
	out io.Writer // a hash, which never fails; nil = keep everything
}

// flushSize is large enough for SHA-256 to be busy and small enough for caches.
const flushSize = 32 << 10

func (w *stateWriter) flush(least int) {
	if w.out != nil && len(w.writer) >= least {
		w.out.Write(w.writer)
		w.writer = w.writer[:0]
	}
}

// A section is a sorted list of records: a map, with one encoding.
type section[K comparable, V any] struct {
	name    string
	width   int // of a record, in bytes; the least that it can have
	compare func(a, b K) int
	put     func(w *writer, k K, v V)
	get     func(r *reader) (K, V)
}

func (c section[K, V]) write(w *stateWriter, count int, sorted iter.Seq2[K, V]) {
	w.u64(uint64(count))
	for k, v := range sorted {
		c.put(&w.writer, k, v)
		w.flush(flushSize)
	}
}

func (c section[K, V]) writeMap(w *stateWriter, m map[K]V) {
	c.write(w, len(m), func(yield func(K, V) bool) {
		for _, k := range slices.SortedFunc(maps.Keys(m), c.compare) {
			if !yield(k, m[k]) {
				return
			}
		}
	})
}

// read hands on the records one by one.
func (c section[K, V]) read(r *reader, add func(K, V)) {
	n := r.u64()
	if n > uint64(len(r.rest)/c.width) {
		r.fail(fmt.Errorf("%d %s in %d bytes", n, c.name, len(r.rest)))
		return
	}
	var last K
	for i := range n {
		k, v := c.get(r)
		if i > 0 && c.compare(last, k) >= 0 {
			r.fail(fmt.Errorf("%s: record %d is not in strictly ascending order", c.name, i))
			return
		}
		add(k, v)
		last = k
	}
}

func (c section[K, V]) readMap(r *reader) map[K]V {
	m := map[K]V{}
	c.read(r, func(k K, v V) { m[k] = v })
	return m
}

var (
	outcomeSection = section[Code, uint64]{
		name: "outcomes", width: 2 + 8, compare: cmp.Compare[Code],
		put: func(w *writer, k Code, v uint64) { w.u16(uint16(k)); w.u64(v) },
		get: func(r *reader) (Code, uint64) { return Code(r.u16()), r.u64() },
	}
	contributorSection = section[AccountID, Amount]{
		name: "contributors", width: 33 + 16, compare: compareAccounts,
		put: func(w *writer, k AccountID, v Amount) { w.account(k); w.amount(v) },
		get: func(r *reader) (AccountID, Amount) { return r.account(), r.amount() },
	}
	subjectSection = section[[32]byte, Amount]{
		name: "subjects", width: 32 + 16, compare: compareHashes,
		put: func(w *writer, k [32]byte, v Amount) { w.hash(k); w.amount(v) },
		get: func(r *reader) ([32]byte, Amount) { return r.hash(), r.amount() },
	}
	accountSection = section[AccountID, account]{
		name: "accounts", width: 33 + 16 + 8, compare: compareAccounts,
		put: func(w *writer, k AccountID, v account) { w.account(k); w.amount(v.balance); w.u64(v.nonce) },
		get: func(r *reader) (AccountID, account) { return r.account(), account{r.amount(), r.u64()} },
	}
	creditSection = section[creditKey, credit]{
		name: "credits", width: 4 + 8 + 8 + 16 + 33 + 1 + 8, compare: creditKey.compare,
		put: putCredit, get: getCredit,
	}
	holderSection = section[[32]byte, entry.KeyID]{
		name: "holders", width: 32 + 32, compare: compareHashes,
		put: func(w *writer, k [32]byte, v entry.KeyID) { w.hash(k); w.hash(v) },
		get: func(r *reader) ([32]byte, entry.KeyID) { return r.hash(), r.hash() },
	}
	bindingSection = section[[32]byte, [32]byte]{
		name: "bindings", width: 32 + 32, compare: compareHashes,
		put: func(w *writer, k, v [32]byte) { w.hash(k); w.hash(v) },
		get: func(r *reader) ([32]byte, [32]byte) { return r.hash(), r.hash() },
	}
	residentSection = section[residentKey, struct{}]{
		name: "residents", width: 32 + 32, compare: residentKey.compare,
		put: func(w *writer, k residentKey, _ struct{}) { w.hash(k.space); w.hash(k.key) },
		get: func(r *reader) (residentKey, struct{}) { return residentKey{r.hash(), r.hash()}, struct{}{} },
	}
	namespaceSection = section[[32]byte, namespace]{
		name: "namespaces", width: 32 + 8 + 8 + 32 + 1 + 1 + 32, compare: compareHashes,
		put: putNamespace, get: getNamespace,
	}
	remarkSection = section[remarkKey, remark]{
		name: "remarks", width: 32 + 33 + 8 + 8 + 1 + 32, compare: remarkKey.compare,
		put: putRemark, get: getRemark,
	}
	spentSection = section[[32]byte, struct{}]{
		name: "spent", width: 32, compare: compareHashes,
		put: func(w *writer, k [32]byte, _ struct{}) { w.hash(k) },
		get: func(r *reader) ([32]byte, struct{}) { return r.hash(), struct{}{} },
	}
)

func putCredit(w *writer, k creditKey, c credit) {
	w.u32(k.class)
	w.u64(k.serial)
	w.u64(c.index)
	w.amount(c.amount)
	w.account(c.beneficiary)
	w.flag(c.minted)
	w.u64(c.mintIndex)
}

func getCredit(r *reader) (k creditKey, c credit) {
	k.class, k.serial = r.u32(), r.u64()
	c.index, c.amount, c.beneficiary, c.minted, c.mintIndex = r.u64(), r.amount(), r.account(), r.flag(), r.u64()
	return k, c
}

func putNamespace(w *writer, k [32]byte, n namespace) {
	w.hash(k)
	w.u64(n.claimed)
	w.u64(n.sequence)
	w.hash(n.statement)
	w.u8(uint8(n.threshold))
	w.u8(uint8(len(n.keys)))
	for _, id := range n.keys {
		w.hash(id)
	}
}

func getNamespace(r *reader) (k [32]byte, n namespace) {
	k, n.claimed, n.sequence, n.statement, n.threshold = r.hash(), r.u64(), r.u64(), r.hash(), int(r.u8())
	for range r.u8() {
		if r.err != nil {
			break
		}
		n.keys = append(n.keys, r.hash())
	}
	return k, n
}

// A residentKey says who holds a name in which namespace.
type residentKey struct {
	space [32]byte // statement.NamespaceDigest
	key   entry.KeyID
}

func (k residentKey) compare(o residentKey) int {
	return cmp.Or(compareHashes(k.space, o.space), compareKeyIDs(k.key, o.key))
}

// A remarkKey says whose remark about what it is.
type remarkKey struct {
	about [32]byte // targetHash
	by    author
}

func (k remarkKey) compare(o remarkKey) int {
	return cmp.Or(compareHashes(k.about, o.about), k.by.compare(o.by))
}

func putRemark(w *writer, k remarkKey, v remark) {
	w.hash(k.about)
	w.raw(k.by[:])
	w.u64(v.first)
	w.u64(v.index)
	w.u8(v.state)
	w.hash(v.by)
}

func getRemark(r *reader) (k remarkKey, v remark) {
	k.about = r.hash()
	copy(k.by[:], r.take(len(k.by)))
	v.first, v.index, v.state, v.by = r.u64(), r.u64(), r.u8(), r.hash()
	return k, v
}

func (s *State) write(w *stateWriter) {
	w.raw([]byte(stateMagic))
	w.u16(RulesVersion)
	w.text(s.origin)
	w.u64(s.size)
	w.hash(s.chain)
	outcomeSection.writeMap(w, s.counted())
	s.writeLedger(&w.writer)
	contributorSection.writeMap(w, s.contributors)
	subjectSection.writeMap(w, s.subjects)
	accountSection.writeMap(w, s.accounts)
	creditSection.writeMap(w, s.credits)
	s.names.write(w)
	s.statuses.write(w)
	w.flush(0)
}

// counted returns how often each code was given, without those that never were.
func (s *State) counted() map[Code]uint64 {
	m := map[Code]uint64{}
	for c, n := range s.outcomes {
		if n != 0 {
			m[Code(c)] = n
		}
	}
	return m
}

func (s *State) writeLedger(w *writer) {
	w.flag(s.genesis != nil)
	if s.genesis == nil {
		return
	}
	body, err := s.genesis.Marshal()
	if err != nil {
		panic("ledger: a genesis that was accepted does not marshal: " + err.Error())
	}
	w.bytes(body)
	w.u64(s.epoch)
	w.u64(s.nonces)
	w.amount(s.issued)
	w.amount(s.pending)
	for _, c := range s.classes {
		w.amount(c.credited)
		w.amount(c.minted)
	}
}

// write writes holders by key, not by the number that a key has here: in which
// order keys came is of no consequence to any later outcome.
func (n *names) write(w *stateWriter) {
	holderSection.write(w, n.holders.len(), func(yield func([32]byte, entry.KeyID) bool) {
		for name, at := range n.holders.sorted() {
			if !yield(name, n.keys[at]) {
				return
			}
		}
	})
	bindingSection.write(w, n.bindings.len(), n.bindings.sorted())
	n.writeResidents(w)
	namespaceSection.write(w, n.namespaces.len(), n.namespaces.sorted())
}

// writeResidents sorts the small pairs, not the records that they stand for.
func (n *names) writeResidents(w *stateWriter) {
	keyOf := func(r resident) residentKey { return residentKey{n.inhabited.at(r.space).key, n.keys[r.key]} }
	all := slices.SortedFunc(maps.Keys(n.residents), func(a, b resident) int { return keyOf(a).compare(keyOf(b)) })
	residentSection.write(w, len(all), func(yield func(residentKey, struct{}) bool) {
		for _, v := range all {
			if !yield(keyOf(v), struct{}{}) {
				return
			}
		}
	})
}

// write writes remarks by their keys. In which order authors came to a target
// follows from where they first spoke.
func (s *statuses) write(w *stateWriter) {
	keyOf := func(w remark) remarkKey { return remarkKey{s.targets.at(w.target).key, s.authors[w.author]} }
	all := slices.SortedFunc(slices.Values(s.remarks), func(a, b remark) int { return keyOf(a).compare(keyOf(b)) })
	remarkSection.write(w, len(all), func(yield func(remarkKey, remark) bool) {
		for _, v := range all {
			if !yield(keyOf(v), v) {
				return
			}
		}
	})
	spentSection.write(w, s.spent.len(), s.spent.sorted())
}

// UnmarshalBinary replaces a state made by New with the one serialised, which
// must be of the same origin. What it accepts, MarshalBinary gives back byte for
// byte, and CheckInvariants holds. It can't know whether the bytes came from a
// replay: whoever doesn't trust where they lay compares Digest.
func (s *State) UnmarshalBinary(data []byte) error {
	next := New(s.origin, s.roots)
	r := &reader{rest: data}
	next.read(r)
	if err := r.end(); err != nil {
		return fmt.Errorf("%w: %w", ErrState, err)
	}
	if err := next.CheckInvariants(); err != nil {
		return fmt.Errorf("%w: %w", ErrState, err)
	}
	*s = *next
	return nil
}

func (s *State) read(r *reader) {
	if magic := r.take(len(stateMagic)); string(magic) != stateMagic {
		r.fail(fmt.Errorf("does not begin with %q", stateMagic))
	}
	if rules := r.u16(); rules != RulesVersion {
		r.fail(fmt.Errorf("rules version %d, want %d", rules, RulesVersion))
	}
	if origin := r.text(); origin != s.origin {
		r.fail(fmt.Errorf("origin %q, want %q", clip(origin), s.origin))
	}
	s.size, s.chain = r.u64(), r.hash()
	for c, n := range outcomeSection.readMap(r) {
		if c > maxCode || n == 0 {
			r.fail(fmt.Errorf("%d outcomes of code %d", n, c))
			return
		}
		s.outcomes[c] = n
	}
	s.readLedger(r)
	s.contributors = contributorSection.readMap(r)
	s.subjects = subjectSection.readMap(r)
	s.accounts = accountSection.readMap(r)
	s.credits = creditSection.readMap(r)
	s.names.read(r)
	s.statuses.read(r)
}

func (s *State) readLedger(r *reader) {
	if !r.flag() {
		return
	}
	raw := r.bytes()
	if r.err != nil {
		return
	}
	body, err := ParseBody(raw)
	g, ok := body.(*Genesis)
	if err != nil || !ok || g.Rules != RulesVersion || g.Origin != s.origin {
		r.fail(fmt.Errorf("genesis: not one of this log (%v)", err))
		return
	}
	p, err := ParsePolicy(g.Policy)
	if err == nil {
		err = p.Enforced()
	}
	if err != nil {
		r.fail(fmt.Errorf("genesis: %w", err))
		return
	}
	s.acceptGenesis(g, ledgerID(raw), p)
	if s.epoch = r.u64(); s.epoch != 0 {
		r.fail(fmt.Errorf("epoch %d, rules version %d never leave epoch 0", s.epoch, RulesVersion))
	}
	s.nonces, s.issued, s.pending = r.u64(), r.amount(), r.amount()
	for i := range s.classes {
		s.classes[i] = classTotals{r.amount(), r.amount()}
	}
}

func (n *names) read(r *reader) {
	holderSection.read(r, n.hold)
	bindingSection.read(r, n.bindings.put)
	residentSection.read(r, func(k residentKey, _ struct{}) {
		if _, holds := n.numbers[k.key]; !holds {
			r.fail(fmt.Errorf("residents: key %s holds no name", k.key))
			return
		}
		n.settle(k.space, k.key)
	})
	namespaceSection.read(r, n.namespaces.put)
}

func (s *statuses) read(r *reader) {
	type record struct {
		remarkKey
		remark
	}
	var all []record
	remarkSection.read(r, func(k remarkKey, w remark) { all = append(all, record{k, w}) })
	slices.SortFunc(all, func(a, b record) int {
		return cmp.Or(cmp.Compare(a.first, b.first), a.remarkKey.by.compare(b.remarkKey.by), compareHashes(a.about, b.about))
	})
	for _, rec := range all {
		rec.remark.spoken = spoken{s.target(rec.about), s.number(rec.remarkKey.by)}
		s.add(rec.remark)
	}
	spentSection.read(r, s.spent.put)
}
