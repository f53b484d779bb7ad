package rpc

import (
	"context"
	"encoding/base64"
	"encoding/binary"

	pb "github.com/hallmark-registry/hallmark/proto/hallmark/v1"
)

type registryService struct {
	reg    Registry
	server *Server
}

// GetEntry returns one entry.
func (s *registryService) GetEntry(ctx context.Context, req *pb.GetEntryRequest) (*pb.GetEntryResponse, error) {
	v, err := s.reg.Entry(ctx, req.GetRef())
	if err != nil {
		return nil, about("ref", err)
	}
	return &pb.GetEntryResponse{Entry: entryMessage(v), TreeSize: v.Size}, nil
}

// ListEntries returns a page of the log. The page ends early when it has grown
// large; only a missing token says that there is no more.
func (s *registryService) ListEntries(ctx context.Context, req *pb.ListEntriesRequest) (*pb.ListEntriesResponse, error) {
	size, err := pageSize(req.GetPageSize())
	if err != nil {
		return nil, err
	}
	cursor := listCursor{start: req.GetStartIndex(), next: req.GetStartIndex()}
	if token := req.GetPageToken(); token != "" {
		if cursor, err = parseListToken(token, req.GetStartIndex()); err != nil {
			return nil, err
		}
	}
	resp := &pb.ListEntriesResponse{}
	for bytes := 0; len(resp.Entries) < size && bytes < pageBytesMax; {
		views, published, err := s.reg.Entries(ctx, cursor.next, min(pageStep, size-len(resp.Entries)))
		if err != nil {
			return nil, about("start_index", err)
		}
		cursor.pin(published)
		for i := range views {
			if bytes >= pageBytesMax || cursor.next >= cursor.size {
				break
			}
			resp.Entries = append(resp.Entries, entryMessage(&views[i]))
			bytes += len(views[i].Raw)
			cursor.next++
		}
		if len(views) == 0 || cursor.next >= cursor.size {
			break
		}
	}
	resp.TreeSize = cursor.size
	if len(resp.Entries) > 0 && cursor.next < cursor.size {
		resp.NextPageToken = cursor.token()
	}
	return resp, nil
}

// pageSize applies AIP-158: too much is cut, less than nothing refused.
func pageSize(asked int32) (int, error) {
	switch {
	case asked < 0:
		return 0, invalid("page_size", "PAGE_SIZE", "got %d, want 0 to %d", asked, pageSizeMax)
	case asked == 0:
		return pageSizeDefault, nil
	}
	return min(int(asked), pageSizeMax), nil
}

// A listCursor is where a listing stands. Its token is bound to where the
// listing began and to the size of the log then, so that pages of one listing
// belong together.
type listCursor struct {
	start, next uint64
	size        uint64 // 0: not known yet
}

// pin sets the size at which the listing ends, once. A token that names more
// than is published gets what is published.
func (c *listCursor) pin(published uint64) {
	if c.size == 0 || c.size > published {
		c.size = published
	}
}

func (c *listCursor) token() string {
	var b []byte
	for _, n := range []uint64{c.start, c.next, c.size} {
		b = binary.BigEndian.AppendUint64(b, n)
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

func parseListToken(token string, start uint64) (listCursor, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(b) != 24 {
		return listCursor{}, invalid("page_token", "PAGE_TOKEN_MALFORMED", "not a token that this server gave out")
	}
	c := listCursor{
		start: binary.BigEndian.Uint64(b),
		next:  binary.BigEndian.Uint64(b[8:]),
		size:  binary.BigEndian.Uint64(b[16:]),
	}
	if c.start != start {
		return listCursor{}, invalid("page_token", "PAGE_TOKEN_MISMATCH", "it belongs to a listing from index %d, not %d", c.start, start)
	}
	if c.next <= c.start || c.next >= c.size {
		return listCursor{}, invalid("page_token", "PAGE_TOKEN_MALFORMED", "not a token that this server gave out")
	}
	return c, nil
}
