package registry

import (
	"fmt"
	"time"

	"github.com/hallmark-registry/hallmark/verifier/ledger"
)

// A Code is one of the canonical codes that a refusal maps to on every
// transport. The numbers are gRPC's.
type Code int

// Canonical codes that the registry answers with.
const (
	Canceled           Code = 1
	InvalidArgument    Code = 3
	DeadlineExceeded   Code = 4
	NotFound           Code = 5
	AlreadyExists      Code = 6
	PermissionDenied   Code = 7
	ResourceExhausted  Code = 8
	FailedPrecondition Code = 9
	Unimplemented      Code = 12
	Internal           Code = 13
	Unavailable        Code = 14
	DataLoss           Code = 15
)

// An Error is a refusal with a name. Reason is stable UPPER_SNAKE text, the
// same on gRPC, in JSON and on the command line.
type Error struct {
	Code       Code
	Reason     string
	Message    string        // what was attempted and why not: got and want
	Hint       string        // what helps, or empty
	RetryAfter time.Duration // 0: do not retry as it is
	err        error         // cause, for errors.Is
}

func (e *Error) Error() string { return fmt.Sprintf("%s: %s", e.Reason, e.Message) }

// Unwrap returns the cause, if there is one.
func (e *Error) Unwrap() error { return e.err }

// A Receipt proves that an entry is in the published log. The server verified
// it with the verifier's own code before it was handed out.
type Receipt struct {
	Index    uint64
	EntryID  [32]byte
	Proof    []byte // verbatim c2sp.org/tlog-proof text: index, hashes, checkpoint
	Existing bool   // the entry was logged before this call
}

// PublishOptions are a publisher's choices.
type PublishOptions struct {
	ValidateOnly bool // run every check, log nothing; the receipt has only the EntryID
}

// An EntryView is one published entry and what the fold said of it.
type EntryView struct {
	Index   uint64
	Raw     []byte
	Kind    string // model, dataset, ..., genesis, credit, mint, ..., malformed
	Name    string // ns/name@version, where it binds one
	Digest  string // sha256:..., what it is about
	Code    string // ACCEPTED or the fold's rejection code
	Size    uint64 // the tree size that this answer is valid for
	EntryID [32]byte

	Standing Standing
}

// A Standing is what became of an accepted statement since. The zero Standing is
// that of an entry which has none.
type Standing struct {
	State    string   // revoked, consent-withdrawn, superseded or deprecated: the gravest in effect; empty: none is
	By       string   // sha256:..., what superseded it, or empty
	Index    uint64   // of the status entry, if State says something
	Disputed int      // how many have said something that takes no effect on it
	Disputes []uint64 // entries in which the first of them did
	Unbound  bool     // its namespace was claimed after it, so that it binds its name no more
	Size     uint64   // of the log as of which all this holds: at least the tree size of the answer
}

// Empty reports whether there is nothing to say.
func (s *Standing) Empty() bool { return s.State == "" && s.Disputed == 0 && !s.Unbound }

// A SearchQuery is one page of a search.
type SearchQuery struct {
	Filter    string // field = "value" AND ...
	PageSize  int    // 0: 50; at most 1,000
	PageToken string // from the page before; bound to filter and tree size
}

// A SearchPage is a page of entries, ascending by index, all below Size.
type SearchPage struct {
	Entries []EntryView // without Raw
	Next    string      // empty on the last page
	Size    uint64      // the tree size that all pages of one query share
}

// A LineageQuery asks for what a model or dataset was made from (up) or what
// was made from it (Down).
type LineageQuery struct {
	Ref   string
	Down  bool
	Depth int // 0: as deep as the bound allows
}

// A Lineage is a graph pinned to a tree size. Node 0 is what was asked for.
type Lineage struct {
	Nodes     []LineageNode
	Edges     []LineageEdge
	Size      uint64
	Truncated bool // a bound cut the walk: ask again from a leaf
}

// A LineageNode is one model or dataset; unregistered means that no accepted
// entry below Size binds its digest.
type LineageNode struct {
	Digest     string
	Kind       string // model or dataset
	Name       string
	Index      uint64
	Registered bool
	Standing   Standing // of the entry at Index
}

// A LineageEdge says that node Child was made from node Parent.
type LineageEdge struct {
	Child, Parent int    // positions in Nodes
	Relation      string // finetune, adapter, ..., or dataset:role
}

// BundleOptions choose what a bundle carries beside the entry and its proof.
type BundleOptions struct {
	Manifest bool // the manifest, if its blob is stored
	Related  bool // the entries of bases and datasets, each with its proof
	Status   bool // the statuses about the entry's statement, each with its proof
}

// A LedgerResult is a receipt and what the fold decided of the entry.
type LedgerResult struct {
	Receipt Receipt
	Outcome ledger.Outcome
}

// An AccountView is an account of the ledger as of Size.
type AccountView struct {
	ID       string        // bech32m
	Balance  ledger.Amount // base units
	Nonce    uint64        // the next account entry carries Nonce
	Decimals uint8
	Symbol   string
	Size     uint64
}

// A SupplyView is the supply statement as of Size.
type SupplyView struct {
	Supply ledger.Supply
	Size   uint64
	Digest [32]byte // of the fold's state
}
