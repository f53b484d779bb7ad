package checkpoint

import (
	"fmt"
	"slices"
	"strings"
)

// Names with a meaning in a policy.
const (
	// GroupWitnesses is the group whose tally reports call "witnesses".
	GroupWitnesses = "witnesses"
	// GroupAuditors is the group of cosigners who say that they also replayed
	// every entry; its tally reports call "auditors".
	GroupAuditors = "auditors"
	// QuorumNone is the quorum that asks for no cosignature. Nothing else may
	// bear the name.
	QuorumNone = "none"
)

// Policy says which logs to believe, and on whose word (C2SP tlog-policy):
//
//	log log.example.com/models+c1f1e3d5+AXY...
//	witness w1 witness1.example+9c6b0a11+BMk...
//	witness w2 witness2.example+51d0e2b7+BPA...
//	witness a1 auditor.example+77aa01c4+BJx...
//	group witnesses 2 w1 w2
//	group auditors any a1
//	quorum witnesses
//
// A checkpoint is believed when one of the keys listed for its origin signed it
// and the quorum holds. Other groups have no say in that; they are counted and
// reported. It is immutable and safe for concurrent use.
type Policy struct {
	logs      []Log
	witnesses []Witness
	groups    []Group

	signers map[signerName]signer
	// components are witnesses and groups in the order of their lines, so that a
	// group's members stand before it.
	components []component
	quorum     int // index into components, or -1 for none
}

// Log is a line "log vkey [url]". The key's name is the origin; several lines
// with one name give one log several keys, of which one has to sign.
type Log struct {
	Key *Key   // type 0x01 or 0x06
	URL string // may be empty
}

// Witness is a line "witness name vkey [url]". Its name is the policy's own and
// need not be the key's.
type Witness struct {
	Name string
	Key  *Key   // type 0x04 or 0x06
	URL  string // may be empty
}

// Group is a line "group name k member...": it holds when at least Need of its
// members do.
type Group struct {
	Name    string
	Need    int // 1 to len(Members)
	Members []string
}

// signerName is what a signature line says about who signed.
type signerName struct {
	name string
	id   uint32
}

// signer is a known key, and whose it is.
type signer struct {
	key     *Key
	witness int // index into Policy.witnesses, or -1 for a log
}

// component is a witness or a group, as a node of the quorum's tree.
type component struct {
	name    string
	witness int   // index into Policy.witnesses, or -1 for a group
	need    int   // 1 for a witness
	members []int // indices of earlier components
	leaves  int   // witnesses at and below this node
}

// Logs returns the logs in the order of their lines; at least one.
func (p *Policy) Logs() []Log { return slices.Clone(p.logs) }

// LogKeys returns the keys that may sign for an origin, none if it is unknown.
func (p *Policy) LogKeys(origin string) []*Key {
	var keys []*Key
	for _, l := range p.logs {
		if l.Key.name == origin {
			keys = append(keys, l.Key)
		}
	}
	return keys
}

// Witnesses returns every cosigner, auditors too, in the order of their lines.
func (p *Policy) Witnesses() []Witness { return slices.Clone(p.witnesses) }

// Groups returns the groups in the order of their lines. The caller must not
// change their members.
func (p *Policy) Groups() []Group { return slices.Clone(p.groups) }

// Quorum returns the name of the witness or group that decides, or "none".
func (p *Policy) Quorum() string {
	if p.quorum < 0 {
		return QuorumNone
	}
	return p.components[p.quorum].name
}

// String returns the policy in canonical form: logs, witnesses, groups, quorum,
// without comments, thresholds as numbers. It parses to an equal policy.
func (p *Policy) String() string {
	var b strings.Builder
	line := func(fields ...string) {
		b.WriteString(strings.TrimSuffix(strings.Join(fields, " "), " ")) // no URL, no space
		b.WriteByte('\n')
	}
	for _, l := range p.logs {
		line("log", l.Key.String(), l.URL)
	}
	for _, w := range p.witnesses {
		line("witness", w.Name, w.Key.String(), w.URL)
	}
	for _, g := range p.groups {
		line("group", g.Name, fmt.Sprint(g.Need), strings.Join(g.Members, " "))
	}
	line("quorum", p.Quorum())
	return b.String()
}

// component returns the index of the named witness or group, or -1.
func (p *Policy) component(name string) int {
	return slices.IndexFunc(p.components, func(c component) bool { return c.name == name })
}
