package checkpoint

import (
	"fmt"
	"slices"
)

// Verified is what a policy found true of a checkpoint. It is shared and must
// not be changed.
type Verified struct {
	// Checkpoint as its log signed it.
	Checkpoint
	// Log is the key of this origin that signed; the first, when several did.
	Log *Key
	// Cosignatures of the policy's witnesses, in the order of its lines, at most
	// one for each.
	Cosignatures []Cosignature
	// Quorum is the tally that decided. Without a quorum its name is "none" and
	// it needs 0.
	Quorum Tally
	// Witnesses is the tally of the group "witnesses". A policy that has none
	// gives every cosigner outside "auditors" instead, with Need 0.
	Witnesses Tally
	// Auditors is the tally of the group "auditors", zero when there is none.
	Auditors Tally
	// Groups holds the tally of every group, in the order of their lines.
	Groups []Tally
	// Time is the checkpoint's time in POSIX seconds: the greatest t at which the
	// quorum still holds when only cosignatures of time t or later count. So it
	// takes as many liars as make a false quorum to make an old checkpoint look
	// fresh. 0 means unknown: there is no quorum, or too many of its
	// cosignatures bear no time.
	Time int64
}

// Cosignature is the valid cosignature of a known witness.
type Cosignature struct {
	Witness string // the policy's name for it
	Key     *Key
	Time    int64 // POSIX seconds as the witness states them; 0: none stated
}

// Tally counts the cosigners of a witness or a group.
type Tally struct {
	// Name in the policy.
	Name string
	// Signed of Of witnesses cosigned, counting those in groups inside the group.
	Signed, Of int
	// Need is the number of direct members that must hold.
	Need int
	// Holds says that they do.
	Holds bool
	// Time is to this group what Verified.Time is to the quorum.
	Time int64
}

// Verify decides whether to believe a signed checkpoint. In this order: its
// origin must be a log of the policy ([ErrUnknownLog]); a key of that log must
// have signed it ([ErrLogSignature]); every signature by a known key must be good,
// whether it is needed or not ([ErrLogSignature]; [ErrCosignature], as a
// *[CosignatureError], once the log's holds); the quorum
// must hold ([ErrQuorum], as a *[QuorumError] with the findings). Bytes that are no
// checkpoint give [ErrMalformed]. Signatures by unknown keys are ignored, so a log
// may change keys and gather cosigners that this policy has not heard of.
//
// Of several cosignatures by one witness, all valid, the latest counts.
func (p *Policy) Verify(note []byte) (*Verified, error) {
	n, err := Parse(note)
	if err != nil {
		return nil, err
	}
	v := &Verified{Checkpoint: n.Checkpoint}
	text := n.Text() // what was signed: Parse accepts no other encoding
	if v.Log, err = p.verifyLog(n, text); err != nil {
		return nil, err
	}
	if v.Cosignatures, err = p.verifyWitnesses(n, text); err != nil {
		return nil, &CosignatureError{Findings: v, err: err}
	}
	p.count(v)
	if !v.Quorum.Holds {
		return nil, &QuorumError{Findings: v, Quorum: v.Quorum}
	}
	v.Time = v.Quorum.Time
	return v, nil
}

// verifyLog checks the signatures of all known log keys, and returns one that
// speaks for the note's origin.
func (p *Policy) verifyLog(n *Note, text []byte) (*Key, error) {
	keys := p.LogKeys(n.Origin)
	if len(keys) == 0 {
		return nil, fmt.Errorf("%w: origin is %q, and the policy names %d others", ErrUnknownLog, n.Origin, len(p.logs))
	}
	var log *Key
	for _, s := range n.Signatures {
		known, ok := p.signers[signerName{s.Name, s.KeyID}]
		if !ok || known.witness >= 0 {
			continue
		}
		if _, err := known.key.verify(n.Checkpoint, text, s.Bytes); err != nil {
			return nil, fmt.Errorf("%w: by %q, key id %08x: %v", ErrLogSignature, s.Name, s.KeyID, err)
		}
		if log == nil && s.Name == n.Origin {
			log = known.key
		}
	}
	if log == nil {
		return nil, fmt.Errorf("%w: none by %q with key id %08x", ErrLogSignature, n.Origin, keys[0].id)
	}
	return log, nil
}

// verifyWitnesses checks the cosignatures of all known witnesses.
func (p *Policy) verifyWitnesses(n *Note, text []byte) ([]Cosignature, error) {
	byWitness := make([]Cosignature, len(p.witnesses))
	for _, s := range n.Signatures {
		known, ok := p.signers[signerName{s.Name, s.KeyID}]
		if !ok || known.witness < 0 {
			continue
		}
		w := p.witnesses[known.witness]
		time, err := known.key.verify(n.Checkpoint, text, s.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%w: by witness %q, key %q, id %08x: %v", ErrCosignature, w.Name, s.Name, s.KeyID, err)
		}
		time = max(time, byWitness[known.witness].Time)
		byWitness[known.witness] = Cosignature{Witness: w.Name, Key: known.key, Time: time}
	}
	return slices.DeleteFunc(byWitness, func(c Cosignature) bool { return c.Key == nil }), nil
}

// count fills the tallies from the cosignatures.
func (p *Policy) count(v *Verified) {
	tallies := make([]Tally, len(p.components))
	v.Groups = make([]Tally, 0, len(p.groups))
	for i, c := range p.components {
		if c.witness >= 0 {
			tallies[i] = countWitness(c.name, v.Cosignatures)
			continue
		}
		tallies[i] = c.count(tallies)
		v.Groups = append(v.Groups, tallies[i])
	}
	v.Quorum = Tally{Name: QuorumNone, Holds: true}
	if p.quorum >= 0 {
		v.Quorum = tallies[p.quorum]
	}
	if i := p.component(GroupAuditors); i >= 0 {
		v.Auditors = tallies[i]
	}
	if i := p.component(GroupWitnesses); i >= 0 {
		v.Witnesses = tallies[i]
	} else {
		v.Witnesses = Tally{
			Name: GroupWitnesses, Holds: true,
			Signed: len(v.Cosignatures) - v.Auditors.Signed,
			Of:     len(p.witnesses) - v.Auditors.Of,
		}
	}
}

// countWitness is the tally of one witness.
func countWitness(name string, cosignatures []Cosignature) Tally {
	t := Tally{Name: name, Of: 1, Need: 1}
	for _, c := range cosignatures {
		if c.Witness == name {
			t.Signed, t.Holds, t.Time = 1, true, c.Time
		}
	}
	return t
}

// count is the tally of a group, from those of its members. Of a group that
// needs k the time is the k-th latest of its members' times: at that time k of
// them still hold, later they don't.
func (c *component) count(tallies []Tally) Tally {
	t := Tally{Name: c.name, Of: c.leaves, Need: c.need}
	var times []int64
	for _, member := range c.members {
		t.Signed += tallies[member].Signed
		if tallies[member].Holds {
			times = append(times, tallies[member].Time)
		}
	}
	if len(times) < c.need {
		return t
	}
	slices.Sort(times)
	t.Holds, t.Time = true, times[len(times)-c.need]
	return t
}
