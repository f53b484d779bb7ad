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
	holders  table[uint32]          // nameHash -> position in keys
	keys     []entry.KeyID          // in the order in which they first held a name
	numbers  map[entry.KeyID]uint32 // keys, reversed
	bindings table[[32]byte]        // bindingHash -> digest
}

func newNames() names {
	return names{holders: newTable[uint32](), numbers: map[entry.KeyID]uint32{}, bindings: newTable[[32]byte]()}
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

func bindingHash(kind statement.Kind, name string) [32]byte {
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

func (n *names) holder(name [32]byte) (entry.KeyID, bool) {
	at, ok := n.holders.get(name)
	if !ok {
		return entry.KeyID{}, false
	}
	return n.keys[at], true
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
	if st.Kind == statement.KindStatus || st.Kind == statement.KindNamespace {
		return reject(Unsupported, "rules version %d do not enforce %s statements", RulesVersion, st.Kind)
	}
	name, ok := binds(st)
	if !ok {
		return verdict{}
	}
	// Anybody can add a signature to an entry and log that. Were several allowed,
	// a stranger could so become co-holder of a name that is new to the log.
	if n := len(in.entry.Signatures()); n != 1 {
		return reject(NameSigners, "%d signatures, want 1 in the unclaimed namespace %s", n, name.Namespace)
	}
	signer := in.entry.Signatures()[0].Key.ID()
	if holder, held := s.names.holder(nameHash(name.Base())); held && holder != signer {
		return reject(NameHeld, "%s is held by key %s, this is signed by %s", name.Base(), holder, signer)
	}
	// The same digest again is an amendment: it says more about the same thing.
	digest := [32]byte(st.Subjects[0].Digest)
	if bound, ok := s.names.bindings.get(bindingHash(st.Kind, name.String())); ok && bound != digest {
		return reject(NameBound, "%s %s is bound to %x, this says %x", st.Kind, name, bound, digest)
	}
	return verdict{}
}

func (s *State) acceptStatement(in *Input) {
	st := in.statement
	name, ok := binds(st)
	if !ok {
		return
	}
	s.names.hold(nameHash(name.Base()), in.entry.Signatures()[0].Key.ID())
	s.names.bindings.put(bindingHash(st.Kind, name.String()), [32]byte(st.Subjects[0].Digest))
}
