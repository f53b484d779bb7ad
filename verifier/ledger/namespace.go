package ledger

import (
	"bytes"
	"slices"

	"github.com/hallmark-registry/hallmark/verifier/entry"
	"github.com/hallmark-registry/hallmark/verifier/statement"
)

// A namespace is who may bind names in it.
//
//	unclaimed            claim             rotation            rotation
//	ns/name belongs      k of n of its     k of n of the old   ...
//	to the key that      own keys, and     keys, and of the
//	published it first   the registrars    new ones
//
// A claim begins it anew: the names that were bound in it before are bound no
// more, whoever bound them, and only a quorum of the keys in force binds names
// from there on. Else whoever squats on a name would keep it for ever. That is
// much power, so a claim takes somebody with a stake: the registrars or, where
// the genesis names none, a key that holds a name there.
type namespace struct {
	claimed   uint64        // index of the claim
	sequence  uint64        // of the statement in force
	statement [32]byte      // its statement id
	threshold int           // how many of the keys must sign
	keys      []entry.KeyID // in force, strictly ascending
}

// A signerList is one of the lists that an entry's signers are looked up on.
type signerList struct {
	who   string
	least int  // how many must sign
	few   Code // of an entry that fewer sign
	has   func(entry.PublicKey) bool
}

// judgeSigners holds an entry's signers to several quorums at once. A signature
// counts on every list that has its key, since an entry carries one signature of
// a key only. Everyone who signs must be on one: see quorum.
func judgeSigners(e *entry.Entry, lists ...signerList) verdict {
	signed := make([]int, len(lists))
	for _, sig := range e.Signatures() {
		listed := false
		for i, l := range lists {
			if l.has(sig.Key) {
				signed[i]++
				listed = true
			}
		}
		if !listed {
			return reject(SignerUnlisted, "key %s is not among the %s", sig.Key.ID(), lists[0].who)
		}
	}
	for i, l := range lists {
		if signed[i] < l.least {
			return reject(l.few, "%d of %d signatures of the %s", signed[i], l.least, l.who)
		}
	}
	return verdict{}
}

// inForce is the list of a namespace's keys as it stands.
func (n *namespace) inForce(who string) signerList {
	return signerList{who: who, least: n.threshold, few: QuorumUnmet, has: func(k entry.PublicKey) bool {
		return slices.Contains(n.keys, k.ID())
	}}
}

// named is the list of the keys that a namespace statement names.
func named(n *statement.Namespace, who string) signerList {
	return signerList{who: who, least: int(n.Threshold), few: QuorumUnmet, has: func(k entry.PublicKey) bool {
		return slices.ContainsFunc(n.Keys, func(o entry.PublicKey) bool { return o.Alg == k.Alg && bytes.Equal(o.Bytes, k.Bytes) })
	}}
}

// registrars are those whom the genesis names. Without any, judgeHolder decides.
func (s *State) registrars() (signerList, bool) {
	if s.genesis == nil || s.genesis.Registrars.none() {
		return signerList{}, false
	}
	set := s.genesis.Registrars
	return signerList{who: "registrars", least: set.Threshold, few: NamespaceRegistrars, has: func(k entry.PublicKey) bool {
		return k.Alg == entry.Ed25519 && set.has(k.Bytes)
	}}, true
}

func (s *State) judgeNamespace(in *Input) verdict {
	next, sub := in.statement.Namespace, in.statement.Subjects[0]
	held := s.names.namespaces.find(sub.Digest)
	if held == nil {
		return s.judgeClaim(in.entry, sub.Name, next)
	}
	switch want := held.value.sequence + 1; {
	case next.Sequence == 0:
		return reject(NamespaceClaimed, "%s was claimed at index %d", sub.Name, held.value.claimed)
	case next.Sequence != want:
		return reject(NamespaceSequence, "sequence %d, want %d in namespace %s", next.Sequence, want, sub.Name)
	case next.Previous != held.value.statement:
		return reject(NamespacePrevious, "previous statement %x, want %x in namespace %s", next.Previous, held.value.statement, sub.Name)
	}
	return judgeSigners(in.entry, held.value.inForce("keys in force of namespace "+sub.Name), named(next, "new keys of namespace "+sub.Name))
}

func (s *State) judgeClaim(e *entry.Entry, name string, first *statement.Namespace) verdict {
	if first.Sequence != 0 {
		return reject(NamespaceSequence, "sequence %d, want 0 in the unclaimed namespace %s", first.Sequence, name)
	}
	lists := []signerList{named(first, "keys of namespace "+name)}
	if registrars, ok := s.registrars(); ok {
		lists = append(lists, registrars)
	}
	if v := judgeSigners(e, lists...); v.code != Accepted || len(lists) > 1 {
		return v
	}
	return s.judgeHolder(e, name)
}

// judgeHolder asks who may claim a namespace that no registrars watch over:
// anybody while it is empty, and one who holds a name in it from then on. Else
// a key that has no part in it could void all names in it with one entry. (It
// still can with two, by taking a free name first: keeping strangers out for
// good is what registrars are for.)
func (s *State) judgeHolder(e *entry.Entry, name string) verdict {
	digest := statement.NamespaceDigest(name)
	if s.names.inhabited.find(digest) == nil {
		return verdict{}
	}
	for _, sig := range e.Signatures() {
		if s.names.isResident(digest, sig.Key.ID()) {
			return verdict{}
		}
	}
	return reject(NamespaceHolder, "names are held in %s, and none of the %d signers holds one", name, len(e.Signatures()))
}

func (s *State) acceptNamespace(in *Input) {
	next, sub := in.statement.Namespace, in.statement.Subjects[0]
	n := namespace{claimed: s.size, sequence: next.Sequence, statement: in.entry.StatementID(), threshold: int(next.Threshold)}
	if held, claimed := s.names.namespaces.get(sub.Digest); claimed {
		n.claimed = held.claimed
	}
	for _, k := range next.Keys {
		n.keys = append(n.keys, k.ID())
	}
	slices.SortFunc(n.keys, compareKeyIDs)
	s.names.namespaces.put(sub.Digest, n)
}

func compareKeyIDs(a, b entry.KeyID) int { return bytes.Compare(a[:], b[:]) }
