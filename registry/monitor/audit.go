// Package monitor watches a log from outside, with nothing but its tiles and the watcher's own policy.
//
// [Audit] replays a whole log. It believes no index, no server and no stored hash:
//
//	checkpoint --> policy: is it signed, and who vouches for it?
//	    |
//	bundles ------> entries --> signatures   on all cores, a bounded number of bundles at once
//	                   |            |
//	              leaf hashes    inputs
//	                   |            |
//	                   v            v
//	                 tree <------ fold       one after the other, in the log's order
//	                   |            |
//	             the signed root?   supply, outcomes, state digest
//
// The fold asks its own tree for roots, so a mint is checked against what was hashed here. Memory is a window
// of bundles, the fold's state, and 32 bytes an entry for the roots of all earlier sizes.
//
// # JSON
//
// [Report] has one JSON form. Members are only ever added to it:
//
//	mediaType         "application/vnd.hallmark.audit+json;version=1"
//	origin            name of the log
//	size              number of entries
//	root              their RFC 6962 root, 64 hex digits
//	time              of the checkpoint as its cosigners prove it, RFC 3339 in UTC, or ""
//	quorum            {name, signed, of, need}: the group of the policy that decided
//	witnesses         the same, of those who vouch that everybody is shown one tree
//	auditors          the same, of those who have replayed it too
//	operatorAsserted  true when no auditor has cosigned: what the log says of its content is then its
//	                  operator's word, and this audit
//	bytes             of all entries
//	tiles             number of tiles that were compared with the entries, 0 if that was not asked for
//	signatures        number of signatures that hold
//	kinds             [{kind, accepted, rejected}], ascending by kind; "unreadable" is what no kind can be told of
//	supply            the supply statement of package ledger
//	rules             version of the ledger's rules
//	outcomes          hash chain over what became of each entry, 64 hex digits
//	stateDigest       SHA-256 of the fold's state, 64 hex digits: equal for all who replay this log
package monitor

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"github.com/hallmark-registry/hallmark/registry/tlog"
	"github.com/hallmark-registry/hallmark/verifier/checkpoint"
	"github.com/hallmark-registry/hallmark/verifier/ledger"
)

// Options say what to audit.
type Options struct {
	Reader tlog.Reader        // the log
	Policy *checkpoint.Policy // whom to believe; it must come from elsewhere than the log

	// Tiles has every stored tile compared too, which reads the entries a second time. The root needs no tile:
	// a wrong one harms those who build proofs from it, and nobody who replays.
	Tiles bool

	// Workers is how many entries are checked at once; 0 means one for each core.
	Workers int

	// Progress, if set, is called now and then with the number of entries done and to do, by one goroutine at
	// a time.
	Progress func(done, size uint64)

	// EvidenceDir is where evidence is written, made when needed; empty means nowhere.
	EvidenceDir string
}

// Audit replays the log up to its newest checkpoint. The report says what was found; an error says that not
// all of it holds, and there is no report:
//
//   - the checkpoint is not to be believed: an error of [checkpoint.Policy.Verify];
//   - the log is not what its checkpoint says, or breaks its own rules: a *[MisbehavedError];
//   - anything else: it could not be read to the end.
//
// That entries are rejected by the fold is no fault of the log. They are counted.
func Audit(ctx context.Context, o Options) (*Report, error) {
	note, err := o.Reader.ReadCheckpoint(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the checkpoint: %w", err)
	}
	head, err := o.Policy.Verify(note)
	if err != nil {
		return nil, err
	}
	if o.Workers < 1 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	a := &audit{Options: o, note: note, head: head}
	a.state = ledger.New(head.Origin, &a.tree)
	if err := a.replay(ctx); err != nil {
		return nil, a.blame(ctx, err)
	}
	if root := a.tree.root(); root != head.Root {
		return nil, a.blame(ctx, a.misbehaved("the entries give another root than the checkpoint has"))
	}
	if err := a.state.CheckInvariants(); err != nil {
		return nil, a.blame(ctx, a.misbehaved(err.Error()))
	}
	if o.Tiles {
		if err := a.compareTiles(ctx); err != nil {
			return nil, a.blame(ctx, err)
		}
	}
	return a.report(), nil
}

// audit is one run.
type audit struct {
	Options
	note []byte
	head *checkpoint.Verified

	// What follows belongs to the goroutine that folds.
	tree  history
	state *ledger.State
	count counts

	unchecked int // entries since the invariants were checked
	records   int // accepted entries that left a record for the invariants to visit
}

// pinned is the log with the checkpoint that was verified, whatever is published meanwhile.
type pinned struct {
	tlog.Reader
	note []byte
}

func (p pinned) ReadCheckpoint(context.Context) ([]byte, error) { return p.note, nil }

func (a *audit) compareTiles(ctx context.Context) error {
	report, err := tlog.Fsck(ctx, pinned{a.Reader, a.note}, a.head.Log)
	var finding *tlog.FsckError
	if errors.As(err, &finding) {
		return &MisbehavedError{Evidence: finding.Evidence}
	}
	if err != nil {
		return fmt.Errorf("comparing tiles: %w", err)
	}
	a.count.tiles = report.Tiles
	return nil
}
