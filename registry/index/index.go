// Package index is the registry's search and lineage: a projection of the log that answers "which entries
// name this" without reading the log again.
//
//	log entry --Project--> Row --Apply--> Index --Search, Parents, Children...--> entry indexes
//
// Nothing here is truth. A row is a pure function of one entry and of what the fold said of it, so an index can
// be deleted at any time and is rebuilt from the log; and because an index may be wrong or lie, an answer is a
// list of entries which the caller proves, never a proof itself.
//
// A row is found under its keys, pairs of a [Field] and a value: some stand in the row's own columns (kind,
// name, publisher), some are its Terms (licence, file hash), and two belong to its Edges. [Row.Keys] lists them
// all, and [Filter.Match] is defined by them; a driver keeps whatever finds the same rows faster.
//
// Every question that pages names the tree size that its answer is for. Rows at or above that size do not
// exist for it, so that all pages of one question, and the same question asked again later, agree.
package index

import (
	"context"
	"encoding/hex"
	"errors"
	"iter"
	"strings"

	"github.com/hallmark-registry/hallmark/verifier/entry"
)

// Bounds of an index. Each is what one request may cost.
const (
	// MaxApply is the most rows of one Apply: a few megabytes, and a transaction of some tens of milliseconds.
	MaxApply = 8192

	// MaxPage is the most rows of one page. A page of rows is held in memory, about a kilobyte each.
	MaxPage = 1000

	// MaxBindings is the most indexes that ByName and Resolve return: the first binding and the amendments
	// after it. A name amended more often is looked through with Search.
	MaxBindings = 256
)

// Errors to branch on.
var (
	// ErrNotFound says that no row answers.
	ErrNotFound = errors.New("not in the index")

	// ErrGap says that Apply was given rows which do not begin at the index's position, whether they would
	// leave a hole or were applied before. Nothing was applied; the caller reads Position and goes on from there.
	ErrGap = errors.New("rows do not begin at the index's position")

	// ErrBehind says that a question is pinned to a tree size which the index has not reached, so that an
	// answer could not be complete.
	ErrBehind = errors.New("index has not reached the tree size asked for")

	// ErrSchema says that the store was written by another version of the driver: rebuild it from the log.
	ErrSchema = errors.New("index was written by another version")

	// ErrForeign says that the store holds something that is not an index of this log. It is not overwritten.
	ErrForeign = errors.New("not an index of this log")

	// ErrCorrupt says that the store is damaged: rebuild it from the log.
	ErrCorrupt = errors.New("index is damaged")
)

// CodeAccepted is the Code of a row whose entry the fold accepted.
const CodeAccepted = "ACCEPTED"

// KindMalformed is the Kind of an entry that says nothing that can be read or that anybody signed.
const KindMalformed = "malformed"

// A Row is what the index knows of one entry. Its slices are owned by whoever holds the row.
type Row struct {
	Index       uint64        // position in the log
	EntryID     [32]byte      // SHA-256 of the entry
	StatementID [32]byte      // SHA-256 of what was signed; zero for a malformed entry
	Kind        string        // model, dataset, ..., genesis, credit, ..., or malformed
	Name        string        // ns/name@version, or the namespace alone, or empty
	Digest      string        // sha256:<64 hex>, what the entry is about, or empty
	Publishers  []entry.KeyID // whose signatures hold, in the entry's order
	Code        string        // ACCEPTED, or the fold's rejection code
	Terms       []Term        // further keys under which it is found
	Edges       []Edge        // lineage that it claims; empty unless accepted
}

// A Term is a key under which rows are found.
type Term struct {
	Field Field
	Value string // canonical for its field, see Field.Canonical
}

// An Edge says that Child was made from Parent.
type Edge struct {
	Child, Parent string // digests, sha256:<64 hex>
	ParentName    string // ns/name@version as the child's publisher wrote it, unproven, or empty
	Relation      string // finetune, merge, ..., or dataset:<role>
}

// A Link is an edge with the index of the entry that claims it.
type Link struct {
	Index uint64
	Edge
}

// A Query asks for the rows that match a filter, ascending by index.
type Query struct {
	Filter Filter
	Size   uint64 // tree size that the answer is for: only rows with index < Size
	From   uint64 // smallest index to look at: Page.Next of the page before, 0 for the first
	Limit  int    // most rows of the page, 1 to MaxPage
}

// A Page is part of an answer. A page may hold fewer rows than asked for, even none, and still not be the last
// one, because a page is also bounded by what it costs to look for it.
type Page struct {
	Rows []Row
	Next uint64 // Query.From of the next page
	More bool   // false: the answer is complete
}

// A LinkPage is part of an answer of Parents or Children, as Page is of Search.
type LinkPage struct {
	Links []Link // by index, then in the entry's order
	Next  uint64
	More  bool
}

// An Index holds one row for each entry of a log's prefix.
//
// All methods are safe for concurrent use; Apply has one caller at a time by design, and of two concurrent
// ones one fails with ErrGap. Rows never change once applied, so a question pinned to a size at or below
// Position has one answer for ever. An error that is none of those named here is of the store, and the same call
// may be repeated; after a failed Apply the caller reads Position first, because the failure may have come
// after the commit.
type Index interface {
	// Position returns how many rows the index holds, which is the log index of the next one.
	Position(ctx context.Context) (uint64, error)

	// Apply adds rows, which must carry the indexes from, from+1, and so on, with from the index's position:
	// otherwise it is ErrGap, also for a batch that was applied before. The rows and the new position become
	// visible together, and survive a crash of the process together or not at all. A crash of the machine may
	// take the newest batches back, never a part of one, until Sync: the log still has them. At most MaxApply
	// rows; none is allowed and does nothing.
	Apply(ctx context.Context, from uint64, rows []Row) error

	// Sync makes durable what was applied before it was called. A follower needs it before it writes down
	// anywhere else how far it has come.
	Sync(ctx context.Context) error

	// Get returns the row of an index, equal to the one applied, or ErrNotFound.
	Get(ctx context.Context, index uint64) (Row, error)

	// Lookup returns the smallest index of an entry, or ErrNotFound. It is not pinned to a size.
	Lookup(ctx context.Context, entryID [32]byte) (uint64, error)

	// ByName returns the accepted entries of the kind (model or dataset) that bind name, a ns/name@version, the
	// first binding first: at most MaxBindings, none if it is not bound below size.
	ByName(ctx context.Context, kind, name string, size uint64) ([]uint64, error)

	// Resolve returns the accepted model and dataset entries that bind a digest, ascending: at most
	// MaxBindings, none if it is not bound below size.
	Resolve(ctx context.Context, digest string, size uint64) ([]uint64, error)

	// Search returns one page. It is ErrBehind if q.Size is beyond Position.
	Search(ctx context.Context, q Query) (Page, error)

	// Parents returns the edges whose child is digest, claimed below size by entries at or above from. It reads
	// at most limit (1 to MaxPage) entries, and never splits the edges of one. ErrBehind as Search.
	Parents(ctx context.Context, digest string, size, from uint64, limit int) (LinkPage, error)

	// Children returns the edges whose parent is digest, as Parents does.
	Children(ctx context.Context, digest string, size, from uint64, limit int) (LinkPage, error)

	// Named reports whether a logged entry, accepted or not, names a blob: by its listed files, manifest,
	// document or evidence. It is not pinned to a size.
	Named(ctx context.Context, digest [32]byte) (bool, error)

	// Close releases the store. Calls under way may fail; calls after it do.
	Close() error
}

// Keys yields every key under which the row is found, in no useful order. Nothing is yielded twice by one
// column, but a term that repeats another is yielded again.
func (r *Row) Keys() iter.Seq[Term] {
	return func(yield func(Term) bool) {
		for _, t := range r.columnKeys() {
			if t.Value != "" && !yield(t) {
				return
			}
		}
		for _, p := range r.Publishers {
			if !yield(Term{FieldPublisher, p.String()}) {
				return
			}
		}
		for _, t := range r.Terms {
			if !yield(t) {
				return
			}
		}
		for _, e := range r.Edges {
			if !yield(Term{fieldChild, e.Child}) || !yield(Term{fieldParent, e.Parent}) {
				return
			}
		}
	}
}

// columnKeys returns the keys that stand in single columns. An empty value is no key.
func (r *Row) columnKeys() [9]Term {
	keys := [9]Term{
		{FieldEntry, hex.EncodeToString(r.EntryID[:])},
		{FieldKind, r.Kind},
		{FieldCode, r.Code},
		{r.digestField(), r.Digest},
	}
	if r.StatementID != [32]byte{} {
		keys[4] = Term{FieldStatement, hex.EncodeToString(r.StatementID[:])}
	}
	base, version, versioned := strings.Cut(r.Name, "@")
	namespace, _, _ := strings.Cut(base, "/")
	keys[5] = Term{FieldNamespace, namespace}
	if versioned {
		keys[6] = Term{FieldName, base}
		keys[7] = Term{FieldVersion, version}
		keys[8] = Term{fieldRef, r.Name}
	}
	return keys
}

// digestField tells an entry that binds a digest from one that speaks about it.
func (r *Row) digestField() Field {
	if r.Kind == "model" || r.Kind == "dataset" {
		return FieldDigest
	}
	return FieldSubject
}

// Has reports whether the row is found under the key.
func (r *Row) Has(t Term) bool {
	for k := range r.Keys() {
		if k == t {
			return true
		}
	}
	return false
}
