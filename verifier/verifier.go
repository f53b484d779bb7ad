// Package verifier decides, offline, whether a bundle proves what it claims:
//
//	report, err := verifier.Verify(ctx, bundle, trust, subject)
//
// It is the one door to the packages below it, each of which owns one idea:
//
//	entry       what was signed, by which keys
//	statement   what it says about a model or dataset
//	ledger      what it says about credits and units, and the rules for both
//	weights     a model folder's digest        dataset   a dataset's digest
//	checkpoint  which log, vouched for by whom
//	bundle      the file that carries all this
//
// Bytes come in and a verdict goes out: the packages open no connection, read
// no path of their own, and ask no clock. Keys and policy come from the caller,
// never from the bundle. Every answer says *recorded*, never *true*: a log
// proves that somebody signed a statement and cannot take it back, not that
// the statement is right.
//
// SPEC.md beside this file is the normative description of every byte.
package verifier

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/transparency-dev/merkle/rfc6962"

	"github.com/hallmark-registry/hallmark/verifier/bundle"
	"github.com/hallmark-registry/hallmark/verifier/checkpoint"
	"github.com/hallmark-registry/hallmark/verifier/entry"
	"github.com/hallmark-registry/hallmark/verifier/filetree"
	"github.com/hallmark-registry/hallmark/verifier/ledger"
	"github.com/hallmark-registry/hallmark/verifier/statement"
)

// Trust is what the verifying side believes before it has seen a bundle.
type Trust struct {
	// Policy names the logs to believe and who has to vouch for them.
	Policy *checkpoint.Policy
	// Publishers are the keys of which one must have signed the entry.
	Publishers []entry.KeyID
	// AnyPublisher accepts every signer: the report then proves that somebody
	// recorded this, and the caller has to read who.
	AnyPublisher bool
	// Now and MaxAge bound the checkpoint's age, as its cosigners state its
	// time. A MaxAge of 0 asks nothing; a Now asks that the time is not to come.
	Now    time.Time
	MaxAge time.Duration
	// MinSize is the least tree size to accept. 0 asks nothing.
	MinSize uint64
}

// A Subject is what to compare with what was logged: a folder or file, an
// opened record, or both. Which of a folder's paths count is in the signed
// statement.
type Subject struct {
	FS   fs.FS  // nil: no folder
	Root string // within FS: a folder, or a file standing for a folder of one
	// Bundle is the bundle's own path relative to Root if it lies in the folder
	// that it describes, else "".
	Bundle string
	// FollowLinks and LinkFolders are those of filetree.Options.
	FollowLinks bool
	LinkFolders []string
	// Opening shows one record of the dataset that was logged (dataset.Opening,
	// as text). nil: none.
	Opening []byte
	// Part compares one tensor or range of a model's files in place of all.
	Part *Part

	Workers  int                      // goroutines that hash
	Progress func(done, total uint64) // may be nil
}

// ErrTrust says that the caller's own side of a verification is unusable.
var ErrTrust = errors.New("unusable trust")

// Verify answers every question about a bundle. A nil subject asks about the
// bundle alone. The error is non-nil only if the question itself is unusable
// (ErrTrust) or ctx ended; whatever is wrong with the bundle or the files
// stands in the report.
func Verify(ctx context.Context, text []byte, trust Trust, subject *Subject) (*Report, error) {
	if err := trust.check(); err != nil {
		return nil, err
	}
	v := &verification{ctx: ctx, trust: trust, report: &Report{}}
	v.believe = checkpoint.NewMemo(trust.Policy, checkpointsRemembered).Verify
	v.run(text, subject)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	v.report.finish()
	return v.report, nil
}

func (t Trust) check() error {
	switch {
	case t.Policy == nil:
		return fmt.Errorf("%w: no policy", ErrTrust)
	case len(t.Publishers) == 0 && !t.AnyPublisher:
		return fmt.Errorf("%w: neither a publisher nor any publisher", ErrTrust)
	case len(t.Publishers) > 0 && t.AnyPublisher:
		return fmt.Errorf("%w: both publishers and any publisher", ErrTrust)
	case t.MaxAge != 0 && t.Now.IsZero():
		return fmt.Errorf("%w: a greatest age without the time now", ErrTrust)
	}
	return nil
}

// checkpointsRemembered is more than a bundle has whose proofs were fetched
// together.
const checkpointsRemembered = 8

// A verification is one call of Verify on its way through the questions.
type verification struct {
	ctx    context.Context
	trust  Trust
	report *Report

	bundle *bundle.Bundle
	proof  *checkpoint.Proof
	signed *checkpoint.Verified // nil unless the log's signature holds
	quorum bool                 // and enough others vouch for it
	// believe is the policy's Verify, which remembers: the related entries of a
	// bundle mostly share a checkpoint, and may all have one of their own.
	believe  func(note []byte) (*checkpoint.Verified, error)
	included []*Included // the related entries, once all are proven
	entry    *entry.Entry
	stmt     *statement.Statement // nil for ledger entries
}

// run asks in verification order: what everything else rests on comes first.
func (v *verification) run(text []byte, subject *Subject) {
	r := v.report
	var err error
	if v.bundle, err = bundle.Parse(text); err != nil {
		r.fail("bundle", ClassProof, "BUNDLE_MALFORMED", err)
		return
	}
	if v.proof, err = checkpoint.ParseProof(v.bundle.Proof); err != nil {
		r.fail("bundle", ClassProof, "PROOF_MALFORMED", err)
		return
	}
	if v.entry, err = entry.Parse(v.bundle.Entry); err != nil {
		r.fail("bundle", ClassProof, "ENTRY_MALFORMED", err)
		return
	}
	v.checkpoint()
	v.inclusion()
	v.content()
	v.publisher()
	v.files(subject)
	v.opening(subject)
	v.related()
	v.status()
	v.freshness()
}

// checkpoint asks which log signed, and whether enough others vouch for it.
func (v *verification) checkpoint() {
	r, f := v.report, &v.report.Facts
	signed, err := v.believe(v.proof.Checkpoint)
	var few *checkpoint.QuorumError
	var bad *checkpoint.CosignatureError
	switch {
	case err == nil:
		v.signed, v.quorum = signed, true
	case errors.As(err, &few):
		v.signed = few.Findings
	case errors.As(err, &bad):
		v.signed = bad.Findings
	case errors.Is(err, checkpoint.ErrUnknownLog):
		r.fail("checkpoint", ClassPolicy, "UNKNOWN_LOG", err)
	case errors.Is(err, checkpoint.ErrLogSignature):
		r.fail("checkpoint", ClassProof, "LOG_SIGNATURE_INVALID", err)
	default:
		r.fail("checkpoint", ClassProof, "CHECKPOINT_MALFORMED", err)
	}
	if v.signed == nil {
		r.skip("cosigners", "the checkpoint is not believed")
		return
	}
	f.Origin, f.Size = v.signed.Origin, v.signed.Size
	r.ok("checkpoint", "%s", v.signed.Origin)
	switch {
	case bad != nil:
		r.fail("cosigners", ClassProof, "COSIGNATURE_INVALID", err)
		return
	case few != nil:
		r.fail("cosigners", ClassPolicy, "QUORUM_UNMET", err)
		return
	}
	if v.signed.Time != 0 {
		f.Time = time.Unix(v.signed.Time, 0).UTC()
	}
	if v.signed.Quorum.Name == checkpoint.QuorumNone {
		r.notAsked("cosigners", "none required by the policy: %s", describeCosigners(v.signed))
		return
	}
	r.ok("cosigners", "%s", describeCosigners(v.signed))
}

// describeCosigners says who vouches. Where no auditor does, nobody but the log's
// operator says that its entries keep its rules.
func describeCosigners(c *checkpoint.Verified) string {
	var parts []string
	for _, t := range []struct {
		name  string
		tally checkpoint.Tally
	}{{"witnesses", c.Witnesses}, {"auditors", c.Auditors}} {
		if t.tally.Of > 0 {
			parts = append(parts, fmt.Sprintf("%s %d of %d", t.name, t.tally.Signed, t.tally.Of))
		}
	}
	if !c.Auditors.Holds {
		parts = append(parts, "operator-asserted")
	}
	if c.Time == 0 {
		return strings.Join(append(parts, "time unknown"), ", ")
	}
	return strings.Join(append(parts, "time "+time.Unix(c.Time, 0).UTC().Format(time.RFC3339)), ", ")
}

// inclusion asks whether the entry stands where the proof says. A proof is
// walked under a checkpoint that the log signed, and under no other: its size
// and root are numbers that anybody could have made up.
func (v *verification) inclusion() {
	r, f := v.report, &v.report.Facts
	f.Index = v.proof.Index
	if v.signed == nil {
		r.skip("inclusion", "the checkpoint is not believed")
		return
	}
	leaf := [32]byte(rfc6962.DefaultHasher.HashLeaf(v.entry.Raw()))
	if err := v.proof.Verify(leaf, v.signed.Checkpoint); err != nil {
		r.fail("inclusion", ClassProof, "INCLUSION_INVALID", err)
		return
	}
	r.Trace = trace(v.proof, v.signed.Size, leaf, v.signed.Root)
	r.ok("inclusion", "entry %d of %d, %d hashes, root %s", v.proof.Index, v.signed.Size, len(v.proof.Hashes), short(v.signed.Root[:]))
}

// trace walks a proof that holds once more and keeps every step (RFC 9162,
// 2.1.3.2: fn and sn are the paths of the leaf and of the last leaf).
func trace(p *checkpoint.Proof, size uint64, leaf, root [32]byte) *Trace {
	t := &Trace{Leaf: leaf, Root: root}
	fn, sn, node := p.Index, size-1, leaf
	for _, sibling := range p.Hashes {
		left := fn&1 == 1 || fn == sn
		if left {
			node = [32]byte(rfc6962.DefaultHasher.HashChildren(sibling[:], node[:]))
			for fn&1 == 0 && fn != 0 {
				fn, sn = fn>>1, sn>>1
			}
		} else {
			node = [32]byte(rfc6962.DefaultHasher.HashChildren(node[:], sibling[:]))
		}
		fn, sn = fn>>1, sn>>1
		t.Steps = append(t.Steps, Step{SiblingLeft: left, Sibling: sibling, Node: node})
	}
	return t
}

// content asks whether the signatures hold and the body is well formed.
func (v *verification) content() {
	r, f := v.report, &v.report.Facts
	f.EntryID, f.StatementID = v.entry.ID(), v.entry.StatementID()
	for _, s := range v.entry.Signatures() {
		f.Signers = append(f.Signers, s.Key.ID().String())
	}
	if err := v.entry.Verify(); err != nil {
		r.fail("entry", ClassProof, "SIGNATURE_INVALID", err)
		return
	}
	what, err := v.describe()
	if err != nil {
		r.fail("entry", ClassProof, "STATEMENT_MALFORMED", err)
		return
	}
	r.ok("entry", "%s, statement %s, signed by %s", what, short(f.StatementID[:]), shortKeys(f.Signers))
}

// describe reads the body into the report's facts.
func (v *verification) describe() (string, error) {
	f := &v.report.Facts
	switch v.entry.Type() {
	case entry.TypeStatement:
		s, err := statement.Parse(v.entry.Body())
		if err != nil {
			return "", err
		}
		v.stmt, v.report.Statement = s, s
		f.Kind = s.Kind.String()
		if len(s.Subjects) > 0 {
			f.Name, f.Digest = s.Subjects[0].Name, s.Subjects[0].Digest.String()
		}
		if f.Name == "" {
			return f.Kind, nil
		}
		return f.Kind + " " + filetree.Show(f.Name), nil
	case entry.TypeLedger:
		b, err := ledger.ParseBody(v.entry.Body())
		if err != nil {
			return "", err
		}
		v.report.Ledger = b
		f.Kind = b.Kind().String()
		if c, ok := b.(*ledger.Credit); ok {
			f.Digest = statement.Digest(c.Subject).String()
		}
		return f.Kind, nil
	}
	return "", fmt.Errorf("body type %q, want %q or %q", v.entry.Type(), entry.TypeStatement, entry.TypeLedger)
}

// publisher asks whether one of the pinned keys signed.
func (v *verification) publisher() {
	r := v.report
	switch c := r.Check("entry"); {
	case c.Result != OK:
		r.skip("publisher", "the entry's signatures do not hold")
	case v.trust.AnyPublisher:
		r.ok("publisher", "any accepted; signed by %s", strings.Join(r.Facts.Signers, ", "))
	default:
		for _, id := range v.trust.Publishers {
			if v.entry.SignedBy(id) {
				r.ok("publisher", "%s, pinned", id)
				return
			}
		}
		want := make([]string, len(v.trust.Publishers))
		for i, id := range v.trust.Publishers {
			want[i] = id.String()
		}
		r.add(Check{Name: "publisher", Result: Failed, Class: ClassPolicy, Reason: "PUBLISHER_UNKNOWN",
			Message: "signed, but by no key that you pinned",
			Got:     strings.Join(r.Facts.Signers, ", "), Want: "one of " + strings.Join(want, ", "),
			Hint: "pin the key with --publisher if you know whose it is"})
	}
}

// related asks whether everything that the bundle brings along is in the same
// log under the same policy. It says nothing about what those entries claim.
func (v *verification) related() {
	all := v.bundle.Related
	if len(all) == 0 {
		return
	}
	if v.signed == nil {
		v.report.skip("related", "the checkpoint is not believed")
		return
	}
	// An entry that stands there again, with as many signatures as fit, costs nothing.
	known := map[[32]byte]*entry.Entry{v.entry.ID(): v.entry}
	for i, p := range all {
		if v.ctx.Err() != nil {
			return // which Verify answers
		}
		in, err := v.relatedEntry(p, known)
		if err != nil {
			v.report.fail("related", ClassProof, "RELATED_INVALID", fmt.Errorf("entry %d of %d: %w", i+1, len(all), err))
			return
		}
		v.included = append(v.included, in)
	}
	v.report.ok("related", "%d entries, each proven in the log", len(all))
}

// relatedEntry proves one related entry. known has those that were met before.
func (v *verification) relatedEntry(p bundle.Proven, known map[[32]byte]*entry.Entry) (*Included, error) {
	id := sha256.Sum256(p.Entry)
	if known[id] == nil {
		e, err := entry.Parse(p.Entry)
		if err != nil {
			return nil, err
		}
		known[id] = e
	}
	in, err := VerifyReceiptOf(known[id], p.Proof, v.believe)
	if err != nil {
		return nil, err
	}
	if got, want := in.Checkpoint.Origin, v.signed.Origin; got != want {
		return nil, fmt.Errorf("it is of the log %q, want %q", got, want)
	}
	return in, nil
}

// maxClockSkew is how far a cosigner's clock may be ahead of the verifier's. A
// time beyond that would make any checkpoint look fresh, for as long as it likes.
const maxClockSkew = 5 * time.Minute

// freshness asks whether the log was seen recently enough, and large enough.
func (v *verification) freshness() {
	r, t := v.report, v.trust
	if v.quorum && !t.Now.IsZero() && v.signed.Time > t.Now.Add(maxClockSkew).Unix() {
		r.add(Check{Name: "freshness", Result: Failed, Class: ClassPolicy, Reason: "TIME_FUTURE", Message: "the cosigners' time is not yet",
			Got: time.Unix(v.signed.Time, 0).UTC().Format(time.RFC3339), Want: "at most " + t.Now.Add(maxClockSkew).UTC().Format(time.RFC3339),
			Hint: "is this computer's clock right?"})
		return
	}
	if t.MaxAge == 0 && t.MinSize == 0 {
		return
	}
	if v.signed == nil || !v.quorum {
		r.skip("freshness", "the checkpoint is not believed")
		return
	}
	if v.signed.Size < t.MinSize {
		r.add(Check{Name: "freshness", Result: Failed, Class: ClassPolicy, Reason: "TOO_SMALL", Message: "the tree is smaller than you asked for",
			Got: fmt.Sprint(v.signed.Size), Want: fmt.Sprintf("at least %d", t.MinSize)})
		return
	}
	if t.MaxAge != 0 {
		if v.signed.Time == 0 {
			r.add(Check{Name: "freshness", Result: Failed, Class: ClassPolicy, Reason: "TIME_UNKNOWN", Message: "no quorum of cosigners states a time for this checkpoint",
				Want: "a cosigned time at most " + t.MaxAge.String() + " old", Hint: "a policy whose quorum names witnesses gives checkpoints a time"})
			return
		}
		if age := t.Now.Sub(time.Unix(v.signed.Time, 0)); age > t.MaxAge {
			r.add(Check{Name: "freshness", Result: Failed, Class: ClassPolicy, Reason: "STALE", Message: "the checkpoint is older than you asked for",
				Got: age.Round(time.Second).String(), Want: "at most " + t.MaxAge.String()})
			return
		}
	}
	r.ok("freshness", "size %d, as recent as asked", v.signed.Size)
}

// short shows the ends of a hash, enough to compare by eye with another line.
func short(b []byte) string {
	s := hex.EncodeToString(b)
	return s[:8] + "…" + s[len(s)-8:]
}

func shortKeys(ids []string) string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = "key " + id[:16]
	}
	return strings.Join(out, ", ")
}
