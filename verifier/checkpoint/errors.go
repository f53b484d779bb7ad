package checkpoint

import (
	"errors"
	"fmt"
)

// The errors to branch on, in the order in which a verification meets them.
// They come wrapped, with what was got and what was wanted.
var (
	// ErrPolicy: the policy file itself can't be used.
	ErrPolicy = errors.New("malformed policy")
	// ErrMalformed: the bytes are no checkpoint, note or tlog-proof.
	ErrMalformed = errors.New("malformed checkpoint")
	// ErrUnknownLog: the policy names no log of this origin.
	ErrUnknownLog = errors.New("unknown log")
	// ErrLogSignature: no key that the policy gives for this origin signed, or
	// one that claims to have signed did not.
	ErrLogSignature = errors.New("bad log signature")
	// ErrCosignature: a known cosigner's signature does not verify. One is
	// enough to reject the note, whatever the others say. The error is a
	// *[CosignatureError].
	ErrCosignature = errors.New("bad cosignature")
	// ErrQuorum: every known signature is good, but there are too few. The error
	// is a *[QuorumError].
	ErrQuorum = errors.New("quorum not met")
	// ErrInclusion: the entry is not proven to be in the tree.
	ErrInclusion = errors.New("inclusion not proven")
	// ErrConsistency: one tree is not proven to extend the other.
	ErrConsistency = errors.New("consistency not proven")
)

// CosignatureError reports a checkpoint that its log signed, and on which a
// signature in a known cosigner's name is bad. It matches [ErrCosignature].
type CosignatureError struct {
	// Findings has the checkpoint and the log's key; no cosignature counts.
	Findings *Verified
	err      error
}

// Error says whose signature it is.
func (e *CosignatureError) Error() string { return e.err.Error() }

// Unwrap leads to ErrCosignature.
func (e *CosignatureError) Unwrap() error { return e.err }

// QuorumError reports a checkpoint that its log signed, but too few others. It
// carries the findings, so that a report can still say who did sign. It matches
// [ErrQuorum].
type QuorumError struct {
	// Findings is what was found true; its Time is 0.
	Findings *Verified
	// Quorum is the tally of the policy's quorum, which does not hold.
	Quorum Tally
}

// Error says how many were got and wanted.
func (e *QuorumError) Error() string {
	return fmt.Sprintf("%v: %q has %d of %d cosignatures on %q at size %d, needs %d",
		ErrQuorum, e.Quorum.Name, e.Quorum.Signed, e.Quorum.Of, e.Findings.Origin, e.Findings.Size, e.Quorum.Need)
}

// Is makes errors.Is(err, ErrQuorum) true.
func (e *QuorumError) Is(target error) bool { return target == ErrQuorum }
