package monitor

import (
	"cmp"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hallmark-registry/hallmark/registry/tlog"
	"github.com/hallmark-registry/hallmark/verifier/checkpoint"
	"github.com/hallmark-registry/hallmark/verifier/ledger"
)

// ReportMediaType names the JSON form of a [Report], version included.
const ReportMediaType = "application/vnd.hallmark.audit+json;version=1"

// KindUnreadable is the kind of entries of which none can be told.
const KindUnreadable = "unreadable"

// Report is what an audit found of a log that holds what it promises. The package comment has its JSON form.
type Report struct {
	// Checkpoint has origin, size, root and who vouches for them.
	Checkpoint *checkpoint.Verified

	Bytes      uint64      // of all entries
	Tiles      uint64      // compared; 0 unless asked for
	Signatures uint64      // that hold
	Kinds      []KindCount // ascending by kind

	Supply      ledger.Supply
	Outcomes    tlog.Hash // hash chain over what became of each entry
	StateDigest tlog.Hash // SHA-256 of the fold's state
}

// KindCount says what became of the entries of one kind.
type KindCount struct {
	Kind     string `json:"kind"`
	Accepted uint64 `json:"accepted"`
	Rejected uint64 `json:"rejected"`
}

// OperatorAsserted reports whether no auditor has cosigned.
func (r *Report) OperatorAsserted() bool { return r.Checkpoint.Auditors.Signed == 0 }

// counts are what the fold's outcomes sum up to.
type counts struct {
	bytes, tiles, signatures uint64
	kinds                    map[string]KindCount
}

func (c *counts) add(o ledger.Outcome, in *ledger.Input) {
	if in.Entry() != nil && o.Code != ledger.SignatureInvalid {
		c.signatures += uint64(len(in.Entry().Signatures()))
	}
	kind := kindOf(o)
	if c.kinds == nil {
		c.kinds = make(map[string]KindCount)
	}
	k := c.kinds[kind]
	k.Kind = kind
	if o.Accepted() {
		k.Accepted++
	} else {
		k.Rejected++
	}
	c.kinds[kind] = k
}

func kindOf(o ledger.Outcome) string { return cmp.Or(o.Kind, KindUnreadable) }

func (a *audit) report() *Report {
	r := &Report{
		Checkpoint: a.head,
		Bytes:      a.count.bytes, Tiles: a.count.tiles, Signatures: a.count.signatures, Kinds: []KindCount{},
		Supply: a.state.Supply(), Outcomes: a.state.Outcomes(), StateDigest: a.state.Digest(),
	}
	for _, kind := range slices.Sorted(maps.Keys(a.count.kinds)) {
		r.Kinds = append(r.Kinds, a.count.kinds[kind])
	}
	return r
}

// tally is the JSON form of a checkpoint.Tally.
type tally struct {
	Name   string `json:"name"`
	Signed int    `json:"signed"`
	Of     int    `json:"of"`
	Need   int    `json:"need"`
}

func tallyOf(t checkpoint.Tally, name string) tally { return tally{name, t.Signed, t.Of, t.Need} }

// MarshalJSON implements json.Marshaler. Its numbers are JSON numbers: nobody replays 2^53 entries.
func (r *Report) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		MediaType        string        `json:"mediaType"`
		Origin           string        `json:"origin"`
		Size             uint64        `json:"size"`
		Root             string        `json:"root"`
		Time             string        `json:"time"`
		Quorum           tally         `json:"quorum"`
		Witnesses        tally         `json:"witnesses"`
		Auditors         tally         `json:"auditors"`
		OperatorAsserted bool          `json:"operatorAsserted"`
		Bytes            uint64        `json:"bytes"`
		Tiles            uint64        `json:"tiles"`
		Signatures       uint64        `json:"signatures"`
		Kinds            []KindCount   `json:"kinds"`
		Supply           ledger.Supply `json:"supply"`
		Rules            int           `json:"rules"`
		Outcomes         string        `json:"outcomes"`
		StateDigest      string        `json:"stateDigest"`
	}{
		ReportMediaType, r.Checkpoint.Origin, r.Checkpoint.Size, hex.EncodeToString(r.Checkpoint.Root[:]), r.time(),
		tallyOf(r.Checkpoint.Quorum, r.Checkpoint.Quorum.Name),
		tallyOf(r.Checkpoint.Witnesses, checkpoint.GroupWitnesses), tallyOf(r.Checkpoint.Auditors, checkpoint.GroupAuditors),
		r.OperatorAsserted(), r.Bytes, r.Tiles, r.Signatures, r.Kinds, r.Supply, ledger.RulesVersion,
		hex.EncodeToString(r.Outcomes[:]), hex.EncodeToString(r.StateDigest[:]),
	})
}

func (r *Report) time() string {
	if r.Checkpoint.Time == 0 {
		return ""
	}
	return time.Unix(r.Checkpoint.Time, 0).UTC().Format(time.RFC3339)
}

// Text draws the report as lines, the last of which is the verdict.
func (r *Report) Text() string {
	var b strings.Builder
	ok := func(name, format string, args ...any) {
		fmt.Fprintf(&b, " ok   %-10s  %s\n", name, fmt.Sprintf(format, args...))
	}
	ok("checkpoint", "%s, size %d, root %x", r.Checkpoint.Origin, r.Checkpoint.Size, r.Checkpoint.Root)
	ok("cosigners", "%s", r.cosigners())
	ok("entries", "%d bytes, hashed to the root%s", r.Bytes, r.compared())
	ok("signatures", "%d hold", r.Signatures)
	ok("ledger", "replayed by rules %d, state %x", ledger.RulesVersion, r.StateDigest)
	ok("supply", "balances = issued - burned: %s", r.Supply.Equation) // one of the invariants
	r.writeEntries(&b)
	r.writeSupply(&b)
	b.WriteString("audited\n")
	return b.String()
}

// cosigners says who vouches, and what nobody vouches for.
func (r *Report) cosigners() string {
	c := r.Checkpoint
	s := fmt.Sprintf("quorum %s, witnesses %d of %d, auditors %d of %d", c.Quorum.Name, c.Witnesses.Signed, c.Witnesses.Of, c.Auditors.Signed, c.Auditors.Of)
	if t := r.time(); t != "" {
		s += ", time " + t
	}
	if r.OperatorAsserted() {
		s += "; operator-asserted: no auditor has cosigned"
	}
	return s
}

func (r *Report) compared() string {
	if r.Tiles == 0 {
		return ""
	}
	return fmt.Sprintf(", tiles compared: %d", r.Tiles)
}

func (r *Report) writeEntries(b *strings.Builder) {
	fmt.Fprintf(b, "\nentries       accepted    rejected\n")
	for _, k := range r.Kinds {
		fmt.Fprintf(b, "  %-12s%8d%12d\n", k.Kind, k.Accepted, k.Rejected)
	}
	if len(r.Supply.Rejected) == 0 {
		return
	}
	fmt.Fprintf(b, "\nrejected\n")
	for _, c := range r.Supply.Rejected {
		fmt.Fprintf(b, "  %-24s%8d\n", c.Code, c.Count)
	}
}

// writeSupply writes the supply statement in whole tokens, as people count them.
func (r *Report) writeSupply(b *strings.Builder) {
	s := r.Supply
	if s.Symbol == "" {
		fmt.Fprintf(b, "\nno ledger\n\n")
		return
	}
	decimal := func(a ledger.Amount) string { return a.FormatDecimal(int(s.Decimals)) }
	fmt.Fprintf(b, "\nsupply in %s, ledger %s\n", s.Symbol, s.Ledger)
	for _, line := range []struct {
		name   string
		amount ledger.Amount
	}{{"cap", s.Cap}, {"issued", s.Issued}, {"burned", s.Burned}, {"balances", s.Balances}, {"pending", s.Pending}} {
		fmt.Fprintf(b, "  %-10s%24s\n", line.name, decimal(line.amount))
	}
	for _, e := range s.Epochs {
		fmt.Fprintf(b, "epoch %d, budget %s\n", e.Epoch, decimal(e.Budget))
		for _, c := range e.Classes {
			fmt.Fprintf(b, "  %s: credited %s of %s, minted %s\n", c.Class, decimal(c.Credited), decimal(c.Budget), decimal(c.Minted))
		}
	}
	b.WriteByte('\n')
}
