package monitor

import (
	"context"
	"errors"

	"github.com/hallmark-registry/hallmark/registry/tlog"
)

// MisbehavedError says that a log is not what its checkpoint says, or breaks its own rules. The evidence holds
// the signed checkpoint; with the log's entries anybody can repeat the finding, and without them it accuses
// nobody.
type MisbehavedError struct {
	tlog.Evidence        // what was found
	Path          string // file with the evidence; empty when none was asked for or it could not be written
	NoPath        error  // why it could not
}

func (e *MisbehavedError) Error() string {
	s := "the log misbehaved: " + e.Reason
	if e.First != nil {
		s += ": first difference: " + e.First.String()
	}
	switch {
	case e.NoPath != nil:
		s += ": no evidence written: " + e.NoPath.Error()
	case e.Path != "":
		s += ": evidence in " + e.Path
	}
	return s
}

// kindAudit is the kind of evidence that a replay finds; what comparing tiles finds is of kind fsck.
const kindAudit = "audit"

// misbehaved begins a finding with what is known.
func (a *audit) misbehaved(reason string) *MisbehavedError {
	return &MisbehavedError{Evidence: tlog.Evidence{
		Kind:       kindAudit,
		Reason:     reason,
		Origin:     a.head.Origin,
		Offered:    &tlog.Head{Size: a.head.Size, Root: a.head.Root},
		Recomputed: &tlog.Head{Size: a.tree.size, Root: a.tree.root()},
		Note:       string(a.note),
	}}
}

// blame writes the evidence of a finding; other errors it returns as they are.
//
// What the entries say counts only if they are the log's entries. So before a log is blamed for a genesis or
// for its ledger, all is hashed against the checkpoint: a flipped bit in an entry is then found as what it is,
// with the place where it lies.
func (a *audit) blame(ctx context.Context, err error) error {
	var found *MisbehavedError
	if !errors.As(err, &found) {
		return err
	}
	if found.Kind == kindAudit {
		deeper := a.compareTiles(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		errors.As(deeper, &found)
	}
	if a.EvidenceDir != "" {
		found.Path, found.NoPath = tlog.WriteEvidence(a.EvidenceDir, &found.Evidence)
	}
	return found
}
