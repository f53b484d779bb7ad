package sqlite

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/hallmark-registry/hallmark/registry/index"
	"github.com/hallmark-registry/hallmark/verifier/statement"
)

// What one call may cost, in postings looked at: about ten milliseconds. A page that would cost more ends
// early, and the next one goes on from there.
const (
	maxCost = 1 << 12

	// probeCost is that of finding a block's range of a key, whatever is in it.
	probeCost = 16

	// window is the most postings of one key that a statement compares with those of another.
	window = 2048
)

// postingsQuery finds the rows that have n keys. Its arguments are the first and last posting of the first key in
// one block, the differences between the other keys' hashes and the first one's, and a limit.
func postingsQuery(n int) string {
	also := strings.Repeat(" AND EXISTS (SELECT 1 FROM postings b WHERE b.key = a.key + ?)", n-1)
	return fmt.Sprintf(`SELECT r.idx, r.data
		FROM postings a CROSS JOIN rows r ON r.idx = ((a.key >> %d) << %d) | (a.key & %d)
		WHERE a.key BETWEEN ? AND ?%s ORDER BY a.key LIMIT ?`, hashBits+placeBits, placeBits, blockSize-1, also)
}

// A find is one walk over the rows that match a filter.
type find struct {
	x      *Index
	filter index.Filter
	hashes []uint64 // of the filter's terms, the most selective one first
	at     uint64   // next index to look at
	size   uint64
	cost   int
}

func (x *Index) find(filter index.Filter, from, size uint64) *find {
	f := &find{x: x, filter: filter, at: from, size: size}
	for _, t := range filter.Terms() {
		f.hashes = append(f.hashes, x.hash(t))
	}
	return f
}

func (f *find) done() bool { return f.at >= f.size }

// page walks on until it has limit rows, the cost is spent, or nothing is left.
func (f *find) page(ctx context.Context, limit int) (rows []index.Row, err error) {
	for f.cost = 0; len(rows) < limit && !f.done() && f.cost < maxCost; {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		found, err := f.step(context.WithoutCancel(ctx), limit-len(rows))
		if err != nil {
			return nil, storeError(err)
		}
		for i := range found {
			if f.filter.Match(&found[i]) {
				rows = append(rows, found[i])
			}
		}
	}
	return rows, nil
}

// step reads the candidates of one window, at most limit, and moves on behind what it looked at. A statement is
// bounded by its window and its limit, so that it isn't worth a goroutine to interrupt it.
func (f *find) step(ctx context.Context, limit int) (rows []index.Row, err error) {
	if len(f.hashes) == 0 {
		f.cost += limit
		rows, err = f.x.readRows(ctx, f.at, f.size, limit)
		f.pass(rows, limit, f.size)
		return rows, err
	}
	end := min(f.size, (f.at/blockSize+1)*blockSize)
	if end, err = f.window(ctx, end); err != nil {
		return nil, err
	}
	args := []any{posting(f.at, f.hashes[0]), posting(end-1, f.hashes[0])}
	for _, h := range f.hashes[1:] {
		args = append(args, (int64(h)-int64(f.hashes[0]))<<placeBits)
	}
	rows, err = scanRows(f.x.selectPostings[len(f.hashes)].QueryContext(ctx, append(args, limit)...))
	f.cost += probeCost + len(rows)
	f.pass(rows, limit, end)
	return rows, err
}

// pass moves on behind the last row if the limit may have cut the answer, or else to the end.
func (f *find) pass(rows []index.Row, limit int, end uint64) {
	if f.at = end; len(rows) == limit {
		f.at = rows[limit-1].Index + 1
	}
}

// window returns where to stop within the block, so that the postings of the first key which are compared with
// those of other keys are bounded.
func (f *find) window(ctx context.Context, end uint64) (uint64, error) {
	if len(f.hashes) == 1 {
		return end, nil // all of them are results
	}
	var last int64
	err := f.x.selectEdge.QueryRowContext(ctx, posting(f.at, f.hashes[0]), posting(end-1, f.hashes[0]), window-1).Scan(&last)
	if errors.Is(err, sql.ErrNoRows) {
		return end, nil
	}
	f.cost += window
	return place(last) + 1, err
}

func (x *Index) readRows(ctx context.Context, from, to uint64, limit int) ([]index.Row, error) {
	return scanRows(x.selectRows.QueryContext(ctx, int64(from), int64(to), limit))
}

func scanRows(from *sql.Rows, err error) (rows []index.Row, _ error) {
	if err != nil {
		return nil, err
	}
	defer from.Close()
	for from.Next() {
		var idx int64
		var data sql.RawBytes
		if err := from.Scan(&idx, &data); err != nil {
			return nil, err
		}
		row, err := decodeRow(uint64(idx), data)
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	return rows, from.Err()
}

// Get implements index.Index.
func (x *Index) Get(ctx context.Context, idx uint64) (index.Row, error) {
	if idx >= x.position.Load() {
		return index.Row{}, fmt.Errorf("%w: row %d", index.ErrNotFound, idx)
	}
	var data []byte
	if err := x.selectRow.QueryRowContext(ctx, int64(idx)).Scan(&data); err != nil {
		return index.Row{}, fmt.Errorf("reading row %d: %w", idx, missing(err))
	}
	return decodeRow(idx, data)
}

// missing names the absence of a row below the position.
func missing(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("%w: it is missing", index.ErrCorrupt)
	}
	return storeError(err)
}

// Lookup implements index.Index. Of an absent entry it nearly always knows so from memory.
func (x *Index) Lookup(ctx context.Context, entryID [32]byte) (uint64, error) {
	filter := index.NewFilter(index.Term{Field: index.FieldEntry, Value: hex.EncodeToString(entryID[:])})
	for _, block := range x.seen.in(entryID) {
		rows, err := x.find(filter, block*blockSize, min((block+1)*blockSize, x.position.Load())).page(ctx, 1)
		if err != nil {
			return 0, fmt.Errorf("looking up entry %x: %w", entryID, err)
		}
		if len(rows) > 0 {
			return rows[0].Index, nil
		}
	}
	return 0, fmt.Errorf("%w: entry %x", index.ErrNotFound, entryID)
}

// ByName implements index.Index.
func (x *Index) ByName(ctx context.Context, kind, name string, size uint64) ([]uint64, error) {
	return x.accepted(ctx, size, index.Term{Field: index.KeyRef, Value: name}, kind)
}

// Resolve implements index.Index.
func (x *Index) Resolve(ctx context.Context, digest string, size uint64) ([]uint64, error) {
	return x.accepted(ctx, size, index.Term{Field: index.FieldDigest, Value: digest}, "")
}

// accepted returns the indexes of the accepted entries under a key, of one kind or any.
func (x *Index) accepted(ctx context.Context, size uint64, key index.Term, kind string) (found []uint64, err error) {
	if err := x.reached(size); err != nil {
		return nil, err
	}
	terms := []index.Term{key, {Field: index.FieldCode, Value: index.CodeAccepted}}
	if kind != "" {
		terms = append(terms, index.Term{Field: index.FieldKind, Value: kind})
	}
	for f := x.find(index.NewFilter(terms...), 0, size); !f.done() && len(found) < index.MaxBindings; {
		rows, err := f.page(ctx, index.MaxBindings-len(found))
		if err != nil {
			return nil, fmt.Errorf("looking up %s: %w", key.Value, err)
		}
		for _, r := range rows {
			found = append(found, r.Index)
		}
	}
	return found, nil
}

// Search implements index.Index.
func (x *Index) Search(ctx context.Context, q index.Query) (index.Page, error) {
	if err := x.checkPage(q.Size, q.Limit); err != nil {
		return index.Page{}, err
	}
	f := x.find(q.Filter, q.From, q.Size)
	rows, err := f.page(ctx, q.Limit)
	if err != nil {
		return index.Page{}, fmt.Errorf("searching from %d: %w", q.From, err)
	}
	return index.Page{Rows: rows, Next: f.at, More: !f.done()}, nil
}

// Parents implements index.Index.
func (x *Index) Parents(ctx context.Context, digest string, size, from uint64, limit int) (index.LinkPage, error) {
	return x.links(ctx, index.Term{Field: index.KeyChild, Value: digest}, size, from, limit)
}

// Children implements index.Index.
func (x *Index) Children(ctx context.Context, digest string, size, from uint64, limit int) (index.LinkPage, error) {
	return x.links(ctx, index.Term{Field: index.KeyParent, Value: digest}, size, from, limit)
}

func (x *Index) links(ctx context.Context, key index.Term, size, from uint64, limit int) (index.LinkPage, error) {
	if err := x.checkPage(size, limit); err != nil {
		return index.LinkPage{}, err
	}
	f := x.find(index.NewFilter(key), from, size)
	rows, err := f.page(ctx, limit)
	if err != nil {
		return index.LinkPage{}, fmt.Errorf("reading edges of %s: %w", key.Value, err)
	}
	page := index.LinkPage{Next: f.at, More: !f.done()}
	for _, r := range rows {
		for _, e := range r.Edges {
			if key.Field == index.KeyChild && e.Child == key.Value || key.Field == index.KeyParent && e.Parent == key.Value {
				page.Links = append(page.Links, index.Link{Index: r.Index, Edge: e})
			}
		}
	}
	return page, nil
}

// Named implements index.Index.
func (x *Index) Named(ctx context.Context, digest [32]byte) (bool, error) {
	text := statement.Digest(digest).String()
	for _, field := range [...]index.Field{index.FieldDocument, index.FieldFile} {
		f := x.find(index.NewFilter(index.Term{Field: field, Value: text}), 0, x.position.Load())
		for !f.done() {
			rows, err := f.page(ctx, 1)
			if err != nil {
				return false, fmt.Errorf("looking up blob %s: %w", text, err)
			}
			if len(rows) > 0 {
				return true, nil
			}
		}
	}
	return false, nil
}

func (x *Index) checkPage(size uint64, limit int) error {
	if limit < 1 || limit > index.MaxPage {
		return fmt.Errorf("page of %d rows, want 1 to %d", limit, index.MaxPage)
	}
	return x.reached(size)
}

func (x *Index) reached(size uint64) error {
	if position := x.position.Load(); size > position {
		return fmt.Errorf("%w: want %d, it is at %d", index.ErrBehind, size, position)
	}
	return nil
}
