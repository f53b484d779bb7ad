package rpc

import (
	"context"
	"errors"
	"strings"

	pb "github.com/hallmark-registry/hallmark/proto/hallmark/v1"
	"github.com/hallmark-registry/hallmark/registry"
)

type auditService struct{ reg Registry }

// SearchEntries returns a page of a search.
func (s *auditService) SearchEntries(ctx context.Context, req *pb.SearchEntriesRequest) (*pb.SearchEntriesResponse, error) {
	size, err := pageSize(req.GetPageSize())
	if err != nil {
		return nil, err
	}
	page, err := s.reg.Search(ctx, registry.SearchQuery{Filter: req.GetFilter(), PageSize: size, PageToken: req.GetPageToken()})
	if err != nil {
		return nil, about(searchField(err), err)
	}
	resp := &pb.SearchEntriesResponse{NextPageToken: page.Next, TreeSize: page.Size}
	for i := range page.Entries {
		resp.Entries = append(resp.Entries, entryMessage(&page.Entries[i]))
	}
	return resp, nil
}

// searchField tells which argument of a search the registry complains about.
func searchField(err error) string {
	if e := (*registry.Error)(nil); errors.As(err, &e) && strings.HasPrefix(e.Reason, "PAGE_TOKEN_") {
		return "page_token"
	}
	return "filter"
}

// GetLineage returns a lineage graph.
func (s *auditService) GetLineage(ctx context.Context, req *pb.GetLineageRequest) (*pb.GetLineageResponse, error) {
	q := registry.LineageQuery{Ref: req.GetRef(), Depth: int(min(req.GetDepth(), depthMax))}
	switch req.GetDirection() {
	case pb.LineageDirection_LINEAGE_DIRECTION_UNSPECIFIED, pb.LineageDirection_LINEAGE_DIRECTION_UP:
	case pb.LineageDirection_LINEAGE_DIRECTION_DOWN:
		q.Down = true
	default:
		return nil, invalid("direction", "DIRECTION", "got %d, want up or down", req.GetDirection())
	}
	lineage, err := s.reg.Lineage(ctx, q)
	if err != nil {
		return nil, about("ref", err)
	}
	return lineageMessage(lineage), nil
}

func lineageMessage(l *registry.Lineage) *pb.GetLineageResponse {
	resp := &pb.GetLineageResponse{TreeSize: l.Size, Truncated: l.Truncated}
	for _, n := range l.Nodes {
		node := &pb.LineageNode{Digest: n.Digest, Kind: n.Kind, Name: n.Name}
		if n.Registered {
			node.Index, node.Standing = &n.Index, standingMessage(&n.Standing)
		}
		resp.Nodes = append(resp.Nodes, node)
	}
	for _, e := range l.Edges {
		resp.Edges = append(resp.Edges, &pb.LineageEdge{Child: uint32(e.Child), Parent: uint32(e.Parent), Relation: e.Relation})
	}
	return resp
}
