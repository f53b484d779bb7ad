package checkpoint

import (
	"crypto/sha256"
	"sync"
)

// Memo remembers which checkpoints a policy found good, so that a thousand
// receipts under one checkpoint cost one check of its signatures. A checkpoint
// is known again by SHA-256 of the whole note: another set of signatures is
// another note. Refusals are not remembered. It is safe for concurrent use.
type Memo struct {
	policy *Policy
	size   int

	mu sync.Mutex
	// recent takes what is new or used again; when it is full it becomes older,
	// and what was in older is forgotten. Guarded by mu, both.
	recent, older map[[sha256.Size]byte]*Verified
}

// NewMemo returns an empty memo that remembers at least the size checkpoints
// used last, and at most twice as many. A size below 1 counts as 1.
func NewMemo(p *Policy, size int) *Memo {
	return &Memo{policy: p, size: max(size, 1), recent: make(map[[sha256.Size]byte]*Verified)}
}

// Policy returns the policy that decides.
func (m *Memo) Policy() *Policy { return m.policy }

// Verify is [Policy.Verify]. The result may be shared with other callers.
func (m *Memo) Verify(note []byte) (*Verified, error) {
	if len(note) > MaxNoteSize {
		return m.policy.Verify(note) // refused there, and not worth hashing
	}
	key := sha256.Sum256(note)
	if v := m.get(key); v != nil {
		return v, nil
	}
	// Unlocked: callers that meet a new note at once each verify it, and none
	// waits for another's.
	v, err := m.policy.Verify(note)
	if err != nil {
		return nil, err
	}
	m.put(key, v)
	return v, nil
}

func (m *Memo) get(key [sha256.Size]byte) *Verified {
	m.mu.Lock()
	defer m.mu.Unlock()
	if v := m.recent[key]; v != nil {
		return v
	}
	v := m.older[key]
	if v != nil {
		m.add(key, v)
	}
	return v
}

func (m *Memo) put(key [sha256.Size]byte, v *Verified) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.add(key, v)
}

// add puts v among the recent ones. The caller holds mu.
func (m *Memo) add(key [sha256.Size]byte, v *Verified) {
	if len(m.recent) >= m.size {
		m.older, m.recent = m.recent, make(map[[sha256.Size]byte]*Verified)
	}
	m.recent[key] = v
}
