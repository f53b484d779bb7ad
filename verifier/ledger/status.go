package ledger

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"slices"

	"github.com/hallmark-registry/hallmark/verifier/entry"
	"github.com/hallmark-registry/hallmark/verifier/statement"
)

// statuses are what was said about the standing of models, datasets and
// statements, and by whom.
//
//	target (digest or statement id) <--- remark (state, index) --- author
//
// Anybody may log a status, and anybody may log somebody else's statement, or
// the digest of somebody else's model, under a key of their own. So a remark
// belongs to its author, and is weighed only when an entry is at hand: it takes
// effect on what its author signed, and on what was bound under its author's
// namespace, and is a dispute of everything else. What nobody speaks about takes
// no room here.
type statuses struct {
	targets table[target]
	authors []author          // in the order in which they first spoke
	numbers map[author]uint32 // authors, reversed
	remarks []remark          // in the order in which authors first spoke about targets
	spoken  map[spoken]uint32 // -> position in remarks
	spent   table[struct{}]   // spentHash of what must not count again
}

// maxDisputes bounds how many authors of each target are remembered in order,
// and so how many disputes an answer names. All are counted.
const maxDisputes = 8

// A target is spoken about.
type target struct {
	count uint32              // authors
	first [maxDisputes]uint32 // positions in remarks, of the first authors
}

// An author is a type byte, then a key id or the digest of a namespace, for
// which a quorum of its keys in force spoke.
type author [33]byte

const (
	authorKey       = 1
	authorNamespace = 2
)

func keyAuthor(id entry.KeyID) author { return authorOf(authorKey, id) }

func authorOf(kind byte, id [32]byte) (a author) {
	a[0] = kind
	copy(a[1:], id[:])
	return a
}

func (a author) compare(o author) int { return bytes.Compare(a[:], o[:]) }

type spoken struct{ target, author uint32 }

// A remark is what stands of all that one author said about one target.
type remark struct {
	spoken
	first uint64 // index of the author's first status about the target
	index uint64 // of the status that stands
	state uint8  // see stateNumber
	by    statement.Digest
}

// States are numbered by how grave they are. The numbers stand in the
// serialisation.
const (
	stateDeprecated       = 1
	stateSuperseded       = 2
	stateConsentWithdrawn = 3
	stateRevoked          = 4
)

var stateOf = [...]statement.State{
	stateDeprecated: statement.StateDeprecated, stateSuperseded: statement.StateSuperseded,
	stateConsentWithdrawn: statement.StateConsentWithdrawn, stateRevoked: statement.StateRevoked,
}

func stateNumber(s statement.State) uint8 { return uint8(slices.Index(stateOf[1:], s) + 1) }

func newStatuses() statuses {
	return statuses{targets: newTable[target](), numbers: map[author]uint32{}, spoken: map[spoken]uint32{}, spent: newTable[struct{}]()}
}

// targetHash is SHA-256("hallmark/target/v1\n" || kind u8 || digest). Kinds are
// 1 model, 2 dataset, 3 statement; false is what no status takes effect on.
func targetHash(alg string, digest statement.Digest) ([32]byte, bool) {
	kind := slices.Index([]string{statement.AlgModel, statement.AlgDataset, statement.AlgStatement}, alg) + 1
	b := append(make([]byte, 0, 64), "hallmark/target/v1\n"...)
	return sha256.Sum256(append(append(b, byte(kind)), digest[:]...)), kind > 0
}

// spentHash is SHA-256("hallmark/spent/v1\n" || statement id || author).
func spentHash(id [32]byte, a author) [32]byte {
	b := append(make([]byte, 0, 96), "hallmark/spent/v1\n"...)
	return sha256.Sum256(append(append(b, id[:]...), a[:]...))
}

// acceptStatus takes a status to the authors who signed it, each key for itself
// and, if the subject's name lies in a claimed namespace of whose keys in force
// a quorum signed, for the namespace. Who else signed adds nothing and spoils
// nothing: those speak for themselves.
func (s *State) acceptStatus(in *Input) {
	sub := in.statement.Subjects[0]
	about, ok := targetHash(sub.Alg, sub.Digest)
	if !ok {
		return
	}
	var speakers []author
	signed := 0 // by keys in force
	claim := s.claimOf(sub.Name)
	for _, sig := range in.entry.Signatures() {
		id := sig.Key.ID()
		speakers = append(speakers, keyAuthor(id))
		if claim != nil && slices.Contains(claim.keys, id) {
			signed++
		}
	}
	if claim != nil && signed >= claim.threshold {
		name, _ := statement.ParseName(sub.Name)
		speakers = append(speakers, authorOf(authorNamespace, statement.NamespaceDigest(name.Namespace)))
	}
	slices.SortFunc(speakers, author.compare)
	for _, a := range speakers {
		s.statuses.speak(about, a, in.entry.StatementID(), in.statement.Status, s.size)
	}
}

// claimOf returns the claimed namespace of a ns/name@version, else nil.
func (s *State) claimOf(text string) *namespace {
	name, err := statement.ParseName(text)
	if err != nil {
		return nil
	}
	return s.names.namespace(name.Namespace)
}

// speak records a status of one author. The latest stands, but none grows
// milder: what was revoked, or whose consent was withdrawn, stays so, and the
// first to say so stands. Of the milder two, which replace each other, each
// statement counts once: else anybody could log an old one again and undo what
// its author said since.
func (s *statuses) speak(about [32]byte, a author, id [32]byte, st *statement.Status, index uint64) {
	next := remark{spoken: spoken{s.target(about), s.number(a)}, first: index, index: index, state: stateNumber(st.State), by: st.By}
	at, known := s.spoken[next.spoken]
	if known && final(s.remarks[at].state) && next.state <= s.remarks[at].state {
		return
	}
	if !final(next.state) {
		once := spentHash(id, a)
		if s.spent.find(once) != nil {
			return
		}
		s.spent.put(once, struct{}{})
	}
	if known {
		next.first = s.remarks[at].first
		s.remarks[at] = next
		return
	}
	s.add(next)
}

// final reports whether a state is never undone.
func final(state uint8) bool { return state >= stateConsentWithdrawn }

// add records the first remark of an author about a target.
func (s *statuses) add(w remark) {
	t := &s.targets.at(w.target).value
	if t.count < maxDisputes {
		t.first[t.count] = uint32(len(s.remarks))
	}
	t.count++
	s.spoken[w.spoken] = uint32(len(s.remarks))
	s.remarks = append(s.remarks, w)
}

func (s *statuses) target(about [32]byte) uint32 {
	if at, ok := s.targets.position(about); ok {
		return at
	}
	s.targets.put(about, target{})
	return uint32(s.targets.len() - 1)
}

func (s *statuses) number(a author) uint32 {
	n, ok := s.numbers[a]
	if !ok {
		n = uint32(len(s.authors))
		s.authors = append(s.authors, a)
		s.numbers[a] = n
	}
	return n
}

// Said is what a standing is asked of: an accepted statement in its log entry.
type Said struct {
	Index   uint64   // of the entry
	ID      [32]byte // statement id
	Kind    statement.Kind
	Name    string           // of its subject, or empty
	Digest  statement.Digest // of its subject
	Signers []entry.KeyID
}

// SaidBy returns what a standing is asked of.
func SaidBy(index uint64, e *entry.Entry, st *statement.Statement) Said {
	of := Said{Index: index, ID: e.StatementID(), Kind: st.Kind}
	if len(st.Subjects) > 0 {
		of.Name, of.Digest = st.Subjects[0].Name, st.Subjects[0].Digest
	}
	for _, sig := range e.Signatures() {
		of.Signers = append(of.Signers, sig.Key.ID())
	}
	return of
}

// binds reports whether the statement binds its name.
func (of *Said) binds() bool {
	return of.Kind == statement.KindModel || of.Kind == statement.KindDataset
}

// A Standing is what became of a statement after it was accepted.
type Standing struct {
	// Effects are the statuses in effect: by the statement's signers, or by the
	// keys in force of the namespace under which it binds its name; about the
	// statement, or about the digest that it binds. The gravest is the first, of
	// several the latest. Each status stands here once.
	Effects []Effect
	// Disputed is how many others have spoken, keys and namespaces. Disputes are
	// the log indexes of the statuses that stand of the first of them, ascending.
	// Whoever signed what is in effect disputes nothing, as far as that is seen:
	// of each target's first authors.
	Disputed int
	Disputes []uint64
	// Unbound says that its name's namespace was claimed after it, so that it
	// binds the name no more.
	Unbound bool
}

// An Effect is a status in effect.
type Effect struct {
	State statement.State
	By    statement.Digest // what supersedes the subject; zero when it was not said
	Index uint64           // of the status statement in the log
}

// Standing returns how a statement stands.
func (s *State) Standing(of Said) Standing {
	var out Standing
	var ours []author
	for _, id := range of.Signers {
		ours = append(ours, keyAuthor(id))
	}
	if claim := s.claimOf(of.Name); claim != nil && of.binds() {
		out.Unbound = of.Index < claim.claimed
		if name, _ := statement.ParseName(of.Name); !out.Unbound {
			ours = append(ours, authorOf(authorNamespace, statement.NamespaceDigest(name.Namespace)))
		}
	}
	s.statuses.weigh(&out, ours, statement.AlgStatement, of.ID)
	switch of.Kind {
	case statement.KindModel:
		s.statuses.weigh(&out, ours, statement.AlgModel, of.Digest)
	case statement.KindDataset:
		s.statuses.weigh(&out, ours, statement.AlgDataset, of.Digest)
	}
	slices.SortFunc(out.Effects, func(a, b Effect) int {
		return cmp.Or(cmp.Compare(stateNumber(b.State), stateNumber(a.State)), cmp.Compare(b.Index, a.Index))
	})
	out.Effects = slices.Compact(out.Effects)
	slices.Sort(out.Disputes)
	out.Disputes = slices.Compact(out.Disputes)
	return out
}

// weigh parts what was said about a target into what our authors said and what
// others did. Its cost does not depend on how many others there are.
func (s *statuses) weigh(out *Standing, ours []author, alg string, digest statement.Digest) {
	about, _ := targetHash(alg, digest)
	at, ok := s.targets.position(about)
	if !ok {
		return
	}
	t := &s.targets.at(at).value
	others := int(t.count)
	var inEffect []uint64
	for _, a := range ours {
		n, known := s.numbers[a]
		if !known {
			continue
		}
		if i, ok := s.spoken[spoken{at, n}]; ok {
			w := &s.remarks[i]
			out.Effects = append(out.Effects, Effect{stateOf[w.state], w.by, w.index})
			inEffect = append(inEffect, w.index)
			others--
		}
	}
	for _, i := range t.first[:min(t.count, maxDisputes)] {
		switch w := &s.remarks[i]; {
		case slices.Contains(ours, s.authors[w.author]):
		case slices.Contains(inEffect, w.index):
			others--
		default:
			out.Disputes = append(out.Disputes, w.index)
		}
	}
	out.Disputed += others
}
