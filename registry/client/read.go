package client

import (
	"context"
	"crypto/sha256"
	"iter"

	"google.golang.org/grpc/codes"

	pb "github.com/hallmark-registry/hallmark/proto/hallmark/v1"
	"github.com/hallmark-registry/hallmark/verifier/checkpoint"
)

// An Entry is a published entry, as the server presents it.
type Entry struct {
	Index    uint64
	EntryID  [32]byte
	Raw      []byte // hashes to EntryID; nil in search results
	Kind     string // model, dataset, genesis, credit, malformed and so on
	Name     string // ns/name@version, or empty
	Digest   string // sha256:..., or empty
	Code     string // ACCEPTED, or why the fold rejected it
	TreeSize uint64 // tree size that this answer is valid for

	Standing Standing
}

// A Standing is what became of an accepted statement since, by the server's
// word: a bundle with its statuses proves as much of it as its signers said. The
// zero Standing says nothing.
type Standing struct {
	State    string   // revoked, consent-withdrawn, superseded or deprecated: the gravest in effect; empty: none is
	By       string   // sha256:..., what superseded it, or empty
	Index    uint64   // of the status in effect, if State says something
	Disputed uint32   // how many have said something that takes no effect on it
	Disputes []uint64 // entries in which the first of them did
	Unbound  bool     // its namespace was claimed after it, so that it binds its name no more
}

// Empty reports whether there is nothing to say.
func (s *Standing) Empty() bool { return s.State == "" && s.Disputed == 0 && !s.Unbound }

func readStanding(s *pb.Standing) Standing {
	return Standing{State: s.GetState(), By: s.GetBy(), Index: s.GetIndex(), Disputed: s.GetDisputed(), Disputes: s.GetDisputes(), Unbound: s.GetUnbound()}
}

// A Page is a part of a listing. All pages of one listing have the same
// TreeSize.
type Page struct {
	Entries  []Entry // ascending by index; a search may have pages without any
	TreeSize uint64
}

// Entry returns the entry that ref names: ns/name@version, a digest or entry id
// as sha256: and 64 hex digits, or an index.
func (c *Client) Entry(ctx context.Context, ref string) (*Entry, error) {
	resp, err := call(ctx, c.registry.GetEntry, &pb.GetEntryRequest{Ref: ref})
	if err != nil {
		return nil, err
	}
	e, err := readEntry(resp.GetEntry(), resp.GetTreeSize(), true)
	if err != nil {
		return nil, err
	}
	return &e, nil
}

// Entries lists the log from an index on, in pages of pageSize entries or
// fewer; 0 means the server's choice. It ends at the size that the log has when
// the listing begins.
func (c *Client) Entries(ctx context.Context, start uint64, pageSize int32) iter.Seq2[*Page, error] {
	return pages(true, func(token string) (*pb.ListEntriesResponse, error) {
		return call(ctx, c.registry.ListEntries, &pb.ListEntriesRequest{StartIndex: start, PageSize: pageSize, PageToken: token})
	})
}

// Search finds entries by a filter such as `kind = "model" AND name = "acme/m"`,
// in pages of pageSize entries or fewer; 0 means the server's choice.
func (c *Client) Search(ctx context.Context, filter string, pageSize int32) iter.Seq2[*Page, error] {
	return pages(false, func(token string) (*pb.SearchEntriesResponse, error) {
		return call(ctx, c.audit.SearchEntries, &pb.SearchEntriesRequest{Filter: filter, PageSize: pageSize, PageToken: token})
	})
}

// emptyPagesMax bounds the empty pages in a row. A server looks through some
// hundred thousand entries before it sends one, so no log needs as many.
const emptyPagesMax = 10_000

// A pageMessage is a page as either service sends it.
type pageMessage interface {
	GetEntries() []*pb.Entry
	GetNextPageToken() string
	GetTreeSize() uint64
}

// pages yields page after page. It holds the server to ascending order and to
// tokens that move on, which ends a listing that would go round in circles. A
// page without entries need not be the last (AIP-158): a server bounds what it
// looks through for one.
func pages[M pageMessage](withRaw bool, get func(token string) (M, error)) iter.Seq2[*Page, error] {
	return func(yield func(*Page, error) bool) {
		var token string
		var next uint64 // least index that may follow
		var empty int   // pages in a row
		for first := true; first || token != ""; first = false {
			m, err := get(token)
			if err != nil {
				yield(nil, err)
				return
			}
			page := &Page{TreeSize: m.GetTreeSize()}
			for _, got := range m.GetEntries() {
				e, err := readEntry(got, page.TreeSize, withRaw)
				if err == nil && e.Index < next {
					err = responseInvalid("entry %d follows entry %d", e.Index, next-1)
				}
				if err != nil {
					yield(nil, err)
					return
				}
				next = e.Index + 1
				page.Entries = append(page.Entries, e)
			}
			if empty++; len(page.Entries) > 0 {
				empty = 0
			}
			before := token
			if token = m.GetNextPageToken(); token != "" && (token == before || empty > emptyPagesMax) {
				yield(nil, responseInvalid("a page after which the listing does not go on"))
				return
			}
			if !yield(page, nil) {
				return
			}
		}
	}
}

// readEntry checks what can be checked of an entry by itself.
func readEntry(got *pb.Entry, treeSize uint64, withRaw bool) (Entry, error) {
	e := Entry{
		Index: got.GetIndex(), Raw: got.GetRaw(), TreeSize: treeSize,
		Kind: got.GetKind(), Name: got.GetName(), Digest: got.GetDigest(), Code: got.GetCode(),
		Standing: readStanding(got.GetStanding()),
	}
	if e.Index >= treeSize {
		return Entry{}, responseInvalid("entry %d lies beyond tree size %d", e.Index, treeSize)
	}
	if len(got.GetEntryId()) != sha256.Size {
		return Entry{}, responseInvalid("entry %d has an id of %d bytes", e.Index, len(got.GetEntryId()))
	}
	e.EntryID = [32]byte(got.GetEntryId())
	if withRaw && sha256.Sum256(e.Raw) != e.EntryID {
		return Entry{}, responseInvalid("the bytes of entry %d do not hash to its id %x", e.Index, e.EntryID)
	}
	return e, nil
}

// Checkpoint returns the latest published checkpoint as a signed note, and what
// the policy finds true of it.
func (c *Client) Checkpoint(ctx context.Context) ([]byte, *checkpoint.Verified, error) {
	if err := c.needPolicy(); err != nil {
		return nil, nil, err
	}
	resp, err := call(ctx, c.log.GetCheckpoint, &pb.GetCheckpointRequest{})
	if err != nil {
		return nil, nil, err
	}
	note := []byte(resp.GetCheckpoint())
	verified, err := c.memo.Verify(note)
	if err != nil {
		return nil, nil, &Error{
			Code: codes.DataLoss, Reason: ReasonCheckpointInvalid,
			Message: "the server's checkpoint does not hold: " + err.Error(), cause: err,
		}
	}
	return note, verified, nil
}

// InclusionProof returns the tlog-proof text of an entry, unverified: a verifier
// needs the entry for that.
func (c *Client) InclusionProof(ctx context.Context, index uint64) ([]byte, error) {
	resp, err := call(ctx, c.log.GetInclusionProof, &pb.GetInclusionProofRequest{Index: index})
	if err != nil {
		return nil, err
	}
	return []byte(resp.GetProof()), nil
}

// ConsistencyProof returns the hashes that lead from one tree size to another,
// for checkpoint.VerifyConsistency.
func (c *Client) ConsistencyProof(ctx context.Context, from, to uint64) ([][32]byte, error) {
	resp, err := call(ctx, c.log.GetConsistencyProof, &pb.GetConsistencyProofRequest{FromSize: from, ToSize: to})
	if err != nil {
		return nil, err
	}
	hashes := make([][32]byte, 0, len(resp.GetHashes()))
	for i, h := range resp.GetHashes() {
		if len(h) != sha256.Size {
			return nil, responseInvalid("hash %d has %d bytes, want 32", i, len(h))
		}
		hashes = append(hashes, [32]byte(h))
	}
	return hashes, nil
}

// BundleOptions choose what a bundle carries beside the entry and its proof.
type BundleOptions struct {
	Manifest bool // the manifest, if the server has it
	Related  bool // the entries of bases and datasets, each with its proof
	Status   bool // the statuses about the entry's statement, each with its proof
}

// Bundle returns the bundle of what ref names, unverified: the verifier's one
// door is for that.
func (c *Client) Bundle(ctx context.Context, ref string, o BundleOptions) ([]byte, error) {
	resp, err := call(ctx, c.log.GetBundle, &pb.GetBundleRequest{Ref: ref, WithManifest: o.Manifest, WithRelated: o.Related, WithStatus: o.Status})
	if err != nil {
		return nil, err
	}
	return resp.GetBundle(), nil
}

// A Lineage is a graph of models and datasets as of a tree size. Node 0 is what
// was asked for.
type Lineage struct {
	Nodes     []LineageNode
	Edges     []LineageEdge
	TreeSize  uint64
	Truncated bool // the server's bound cut the walk: ask again from the rim
}

// A LineageNode is a model or dataset.
type LineageNode struct {
	Digest     string
	Kind       string // model or dataset
	Name       string // ns/name@version, or empty
	Index      uint64 // of the entry that registered it
	Registered bool   // false: known only from entries that refer to it
	Standing   Standing
}

// A LineageEdge says that Child was made from Parent.
type LineageEdge struct {
	Child, Parent int    // positions in Nodes
	Relation      string // finetune, adapter and so on, or dataset:role
}

// LineageOptions choose which way a lineage is followed, and how far.
type LineageOptions struct {
	Down  bool   // to what was made from it, instead of what it was made from
	Depth uint32 // edges to follow; 0: as many as the server allows
}

// Lineage returns the lineage of what ref names.
func (c *Client) Lineage(ctx context.Context, ref string, o LineageOptions) (*Lineage, error) {
	req := &pb.GetLineageRequest{Ref: ref, Direction: pb.LineageDirection_LINEAGE_DIRECTION_UP, Depth: o.Depth}
	if o.Down {
		req.Direction = pb.LineageDirection_LINEAGE_DIRECTION_DOWN
	}
	resp, err := call(ctx, c.audit.GetLineage, req)
	if err != nil {
		return nil, err
	}
	l := &Lineage{TreeSize: resp.GetTreeSize(), Truncated: resp.GetTruncated()}
	for _, n := range resp.GetNodes() {
		l.Nodes = append(l.Nodes, LineageNode{
			Digest: n.GetDigest(), Kind: n.GetKind(), Name: n.GetName(),
			Index: n.GetIndex(), Registered: n.Index != nil, Standing: readStanding(n.GetStanding()),
		})
	}
	for _, e := range resp.GetEdges() {
		if max(e.GetChild(), e.GetParent()) >= uint32(len(l.Nodes)) {
			return nil, responseInvalid("a lineage edge from %d to %d among %d nodes", e.GetChild(), e.GetParent(), len(l.Nodes))
		}
		l.Edges = append(l.Edges, LineageEdge{Child: int(e.GetChild()), Parent: int(e.GetParent()), Relation: e.GetRelation()})
	}
	if len(l.Nodes) == 0 {
		return nil, responseInvalid("a lineage without nodes")
	}
	return l, nil
}
