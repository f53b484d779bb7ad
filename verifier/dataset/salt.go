package dataset

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
)

const (
	// saltDepth is the number of levels under the seed: 2^48 salts are more than a data set has records, and a salt
	// more than a record costs nothing.
	saltDepth = 48
	maxSalts  = 1 << saltDepth

	saltPrefix = "hallmark/ggm/v1\n"
)

// ErrErased says that a record's salt was erased: nobody can open the record, or show that it was there, any more.
var ErrErased = errors.New("record is erased")

// A SaltTree holds the salts of a salted data set in little room: each is a leaf of a tree in which a node gives its two
// children and no other (Goldreich, Goldwasser, Micali; SPEC.md, "Dataset tree").
//
//	        seed                 to erase the salt 2 is to keep, in place of the seed,
//	     /        \              what stands beside the way to it:
//	   a           b
//	 /   \       /   \                      a, and the salt 3
//	0     1     2     3
//
// Whoever holds the tree can open every record: it is a secret, and no verb of fmt prints it. A SaltTree may be read by
// several goroutines at once.
type SaltTree struct {
	nodes  []saltNode // disjoint, ascending; with erased they cover all salts
	erased []Erased   // ascending by record
}

// saltNode is a node of the tree: the salts of records from index<<(saltDepth-depth) on follow from its value.
type saltNode struct {
	depth uint8
	index uint64 // from the left, below 1<<depth
	value [32]byte
}

func (n *saltNode) first() uint64 { return n.index << (saltDepth - n.depth) }
func (n *saltNode) end() uint64   { return (n.index + 1) << (saltDepth - n.depth) }

// Erased is what is left of a record whose salt was erased. Its leaf hash says nothing of what the record was, and
// lets the other records be opened as before.
type Erased struct {
	Record uint64 // its number in the whole data set
	Size   uint64 // bytes that it had
	Leaf   [32]byte
}

// NewSaltTree returns the tree of a seed, 32 bytes drawn uniformly at random for one version of one data set and for
// nothing else: salts that are shown for one version would lay the records of another open.
func NewSaltTree(seed [32]byte) *SaltTree {
	return &SaltTree{nodes: []saltNode{{value: seed}}}
}

// Format prints none of the tree, whatever the verb.
func (t *SaltTree) Format(f fmt.State, _ rune) { fmt.Fprint(f, "secret salts") }

// Erased returns the records whose salts were erased, ascending.
func (t *SaltTree) Erased() []Erased { return slices.Clone(t.erased) }

// Salt returns the salt of a record, by its number in the whole data set. It fails with ErrErased.
func (t *SaltTree) Salt(record uint64) ([32]byte, error) {
	w := saltWalk{tree: t}
	salt, gone := w.salt(record)
	switch {
	case gone != nil:
		return salt, fmt.Errorf("record %d: %w", record, ErrErased)
	case record >= maxSalts:
		return salt, fmt.Errorf("record %d, want one below 2^%d", record, saltDepth)
	}
	return salt, nil
}

// Erase forgets the salts of records. Every other salt still follows from what is left. Records that were erased before
// are left as they are. What stood in memory is overwritten; a copy of the seed elsewhere is its owner's to destroy.
func (t *SaltTree) Erase(records ...Erased) {
	records = slices.Clone(records)
	records = slices.DeleteFunc(records, func(e Erased) bool { return e.Record >= maxSalts || t.find(e.Record) < 0 })
	slices.SortFunc(records, byRecord)
	records = slices.CompactFunc(records, func(a, b Erased) bool { return a.Record == b.Record })

	var kept []saltNode
	rest := records
	for i := range t.nodes {
		n := &t.nodes[i]
		inside := 0
		for inside < len(rest) && rest[inside].Record < n.end() {
			inside++
		}
		kept = n.without(kept, rest[:inside])
		rest = rest[inside:]
	}
	clear(t.nodes)
	t.nodes = kept
	t.erased = append(t.erased, records...)
	slices.SortFunc(t.erased, byRecord)
}

func byRecord(a, b Erased) int { return cmp.Compare(a.Record, b.Record) }

// without appends to kept the nodes from which exactly the node's other salts follow. All erased lie under it.
func (n saltNode) without(kept []saltNode, erased []Erased) []saltNode {
	switch {
	case len(erased) == 0:
		return append(kept, n)
	case n.depth == saltDepth:
		return kept
	}
	for bit := range uint64(2) {
		child := saltNode{n.depth + 1, n.index<<1 | bit, saltChild(&n.value, byte(bit))}
		under := 0
		for under < len(erased) && erased[under].Record < child.end() {
			under++
		}
		kept = child.without(kept, erased[:under])
		erased = erased[under:]
	}
	return kept
}

func saltChild(x *[32]byte, bit byte) [32]byte {
	var b [len(saltPrefix) + 1 + len(x)]byte // one block of SHA-256
	copy(b[:], saltPrefix)
	b[len(saltPrefix)] = bit
	copy(b[len(saltPrefix)+1:], x[:])
	return sha256.Sum256(b[:])
}

// find returns the node that a record's salt follows from, or -1.
func (t *SaltTree) find(record uint64) int {
	i, _ := slices.BinarySearchFunc(t.nodes, record, func(n saltNode, r uint64) int {
		if n.end() <= r {
			return -1
		}
		return 1
	})
	if i == len(t.nodes) || t.nodes[i].first() > record {
		return -1
	}
	return i
}

func (t *SaltTree) findErased(record uint64) *Erased {
	i, ok := slices.BinarySearchFunc(t.erased, Erased{Record: record}, byRecord)
	if !ok {
		return nil
	}
	return &t.erased[i]
}
