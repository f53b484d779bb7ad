package ledger

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/hallmark-registry/hallmark/verifier/entry"
	"github.com/hallmark-registry/hallmark/verifier/statement"
)

// names are who holds which name, and what each version of it is bound to,
// under hashes: a name takes 32 bytes however long it is, and its holder four,
// since one key holds many.
type names struct {
	holders    table[uint32]          // nameHash -> position in keys; of names outside claimed namespaces
	keys       []entry.KeyID          // in the order in which they first held a name
	numbers    map[entry.KeyID]uint32 // keys, reversed
	bindings   table[[32]byte]        // bindingHash -> digest
	namespaces table[namespace]       // statement.NamespaceDigest -> who holds it
	inhabited  table[struct{}]        // statement.NamespaceDigest of those in which names are held
	residents  map[resident]struct{}  // who holds one or more of them
}

// A resident is a key that holds a name in a namespace that nobody has claimed,
// or had not when the name was taken. One key holds many names in one namespace:
// eight bytes tell of all of them.
type resident struct {
	space uint32 // position in inhabited
	key   uint32 // position in keys
}

func newNames() names {
	return names{
		holders: newTable[uint32](), numbers: map[entry.KeyID]uint32{},
		bindings: newTable[[32]byte](), namespaces: newTable[namespace](),
		inhabited: newTable[struct{}](), residents: map[resident]struct{}{},
	}
}

// hashed is SHA-256(domain || kind u8 || name(u16)).
func hashed(domain string, kind uint8, name string) [32]byte {
	var buf [256]byte // a name has at most 194 bytes
	b := append(buf[:0], domain...)
	b = append(b, kind)
	b = binary.BigEndian.AppendUint16(b, uint16(len(name)))
	return sha256.Sum256(append(b, name...))
}

func nameHash(base string) [32]byte { return hashed("hallmark/holder/v1\n", 0, base) }

// bindingHash tells a binding under a claim from one before it. So a claim
// voids all that was bound in its namespace at once: those records stay, and
// nobody asks for them again.
func bindingHash(kind statement.Kind, name string, claimed bool) [32]byte {
	if claimed {
		return hashed("hallmark/claimed-binding/v1\n", uint8(kind), name)
	}
	return hashed("hallmark/binding/v1\n", uint8(kind), name)
}

func (n *names) hold(name [32]byte, key entry.KeyID) {
	at, known := n.numbers[key]
	if !known {
		at = uint32(len(n.keys))
		n.keys = append(n.keys, key)
		n.numbers[key] = at
	}
	n.holders.put(name, at)
}

// settle makes a key, which must hold a name, a resident of a namespace.
func (n *names) settle(namespace statement.Digest, key entry.KeyID) {
	n.inhabited.put(namespace, struct{}{})
	space, _ := n.inhabited.position(namespace)
	n.residents[resident{space, n.numbers[key]}] = struct{}{}
}

// isResident reports whether a key holds a name in a namespace.
func (n *names) isResident(namespace statement.Digest, key entry.KeyID) bool {
	space, inhabited := n.inhabited.position(namespace)
	at, holds := n.numbers[key]
	if !inhabited || !holds {
		return false
	}
	_, ok := n.residents[resident{space, at}]
	return ok
}

func (n *names) holder(name [32]byte) (entry.KeyID, bool) {
	at, ok := n.holders.get(name)
	if !ok {
		return entry.KeyID{}, false
	}
	return n.keys[at], true
}

// namespace returns the namespace of that name if it is claimed, else nil. It
// is good until the next statement is accepted.
func (n *names) namespace(name string) *namespace {
	if n.namespaces.len() == 0 { // most small logs: not worth a hash for each name
		return nil
	}
	if r := n.namespaces.find(statement.NamespaceDigest(name)); r != nil {
		return &r.value
	}
	return nil
}

// binds returns the name that a statement binds, and false if it binds none.
func binds(s *statement.Statement) (statement.Name, bool) {
	if s.Kind != statement.KindModel && s.Kind != statement.KindDataset {
		return statement.Name{}, false
	}
	name, err := statement.ParseName(s.Subjects[0].Name)
	if err != nil {
		panic("ledger: a parsed statement has the subject name " + s.Subjects[0].Name)
	}
	return name, true
}

func (s *State) judgeStatement(in *Input) verdict {
	st := in.statement
	if st.Kind == statement.KindNamespace {
		return s.judgeNamespace(in)
	}
	// A status is accepted whoever signs it: whether it takes effect is asked of
	// each entry that it could be about, see Standing.
	name, ok := binds(st)
	if !ok {
		return verdict{}
	}
	claim := s.names.namespace(name.Namespace)
	if v := s.judgePublisher(in.entry, name, claim); v.code != Accepted {
		return v
	}
	// The same digest again is an amendment: it says more about the same thing.
	digest := [32]byte(st.Subjects[0].Digest)
	if bound, ok := s.names.bindings.get(bindingHash(st.Kind, name.String(), claim != nil)); ok && bound != digest {
		return reject(NameBound, "%s %s is bound to %x, this says %x", st.Kind, name, bound, digest)
	}
	return verdict{}
}

// judgePublisher asks who may bind a name: a quorum of the keys in force of its
// namespace, or in an unclaimed one the key that came first.
func (s *State) judgePublisher(e *entry.Entry, name statement.Name, claim *namespace) verdict {
	if claim != nil {
		return judgeSigners(e, claim.inForce("keys in force of namespace "+name.Namespace))
	}
	// Anybody can add a signature to an entry and log that. Were several allowed,
	// a stranger could so become co-holder of a name that is new to the log.
	if n := len(e.Signatures()); n != 1 {
		return reject(NameSigners, "%d signatures, want 1 in the unclaimed namespace %s", n, name.Namespace)
	}
	signer := e.Signatures()[0].Key.ID()
	if holder, held := s.names.holder(nameHash(name.Base())); held && holder != signer {
		return reject(NameHeld, "%s is held by key %s, this is signed by %s", name.Base(), holder, signer)
	}
	return verdict{}
}

func (s *State) acceptStatement(in *Input) {
	st := in.statement
	switch st.Kind {
	case statement.KindNamespace:
		s.acceptNamespace(in)
		return
	case statement.KindStatus:
		s.acceptStatus(in)
		return
	}
	name, ok := binds(st)
	if !ok {
		return
	}
	claimed := s.names.namespace(name.Namespace) != nil
	base := nameHash(name.Base())
	if _, held := s.names.holder(base); !held && !claimed {
		signer := in.entry.Signatures()[0].Key.ID()
		s.names.hold(base, signer)
		s.names.settle(statement.NamespaceDigest(name.Namespace), signer)
	}
	s.names.bindings.put(bindingHash(st.Kind, name.String(), claimed), [32]byte(st.Subjects[0].Digest))
}
