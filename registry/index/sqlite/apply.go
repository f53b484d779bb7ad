package sqlite

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hallmark-registry/hallmark/registry/index"
)

// The parts of a posting, from the low end.
const (
	placeBits = 14
	hashBits  = 33
	blockBits = 16 // 63 bits in all: SQLite's integers are signed

	blockSize = 1 << placeBits

	// maxRows is what the parts can address, a thousand million entries.
	maxRows = 1 << (blockBits + placeBits)
)

// batchRows is how many rows or postings one statement inserts: enough that the cost of a statement no longer
// shows, and longer ones were no faster.
const batchRows = 64

func posting(idx, hash uint64) int64 {
	return int64(idx/blockSize<<(hashBits+placeBits) | hash<<placeBits | idx%blockSize)
}

// place returns the index that a posting is of.
func place(posting int64) uint64 {
	p := uint64(posting)
	return p>>(hashBits+placeBits)*blockSize + p%blockSize
}

// hash returns the part of a posting that stands for a key.
func (x *Index) hash(t index.Term) uint64 {
	b := make([]byte, 0, 128)
	b = append(b, x.secret[:]...)
	b = append(b, byte(t.Field))
	b = append(b, t.Value...)
	sum := sha256.Sum256(b)
	return binary.BigEndian.Uint64(sum[:]) >> (64 - hashBits)
}

// Apply implements index.Index. Once begun it does not heed the context: it is some tens of milliseconds.
func (x *Index) Apply(ctx context.Context, from uint64, rows []index.Row) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	x.applying.Lock()
	defer x.applying.Unlock()
	if err := x.checkBatch(from, rows); err != nil {
		return fmt.Errorf("applying %d rows at %d: %w", len(rows), from, err)
	}
	if len(rows) == 0 {
		return nil
	}
	if err := x.commit(context.WithoutCancel(ctx), from, rows); err != nil {
		return fmt.Errorf("applying %d rows at %d: %w", len(rows), from, storeError(err))
	}
	return nil
}

func (x *Index) checkBatch(from uint64, rows []index.Row) error {
	if position := x.position.Load(); from != position {
		return fmt.Errorf("%w %d", index.ErrGap, position)
	}
	if len(rows) > index.MaxApply {
		return fmt.Errorf("want at most %d at once", index.MaxApply)
	}
	if from+uint64(len(rows)) > maxRows {
		return fmt.Errorf("the index holds at most %d", maxRows)
	}
	for i := range rows {
		if want := from + uint64(i); rows[i].Index != want {
			return fmt.Errorf("%w: row %d has index %d, want %d", index.ErrGap, i, rows[i].Index, want)
		}
	}
	return nil
}

func (x *Index) commit(ctx context.Context, from uint64, rows []index.Row) error {
	tx, err := x.write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // does nothing after the commit
	if err := x.putRows(ctx, tx, rows); err != nil {
		return err
	}
	if err := x.putPostings(ctx, tx, rows); err != nil {
		return err
	}
	if err := x.putBlooms(ctx, tx, from, rows); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		// It may have happened all the same: what memory says must be what the file says.
		var position uint64
		if x.read.QueryRowContext(ctx, positionQuery).Scan(&position) == nil && position != from {
			x.note(from, rows)
		}
		return err
	}
	x.note(from, rows)
	return nil
}

// note brings what is held in memory up to the file. A reader may see a row before its position, never a position
// before its rows.
func (x *Index) note(from uint64, rows []index.Row) {
	for i := range rows {
		x.seen.add(rows[i].Index, rows[i].EntryID)
	}
	x.position.Store(from + uint64(len(rows)))
}

// Sync implements index.Index. A committed batch is in the write-ahead log until a checkpoint has carried it into
// the file, which syncs the one before it writes the other: so syncing first the log and then the file misses none.
// Syncing by another descriptor is as good, since it is the file that is synced (POSIX, fsync).
func (x *Index) Sync(ctx context.Context) error {
	for _, path := range []string{x.path + "-wal", x.path, filepath.Dir(x.path)} {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := syncPath(path); err != nil {
			return fmt.Errorf("syncing the index: %w", err)
		}
	}
	return nil
}

func syncPath(path string) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) { // no write-ahead log: all is in the file
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func (x *Index) putRows(ctx context.Context, tx *sql.Tx, rows []index.Row) error {
	var args []any
	var data []byte
	many, one := tx.StmtContext(ctx, x.insertRows[0]), tx.StmtContext(ctx, x.insertRows[1])
	for len(rows) > 0 {
		stmt, n := many, batchRows
		if len(rows) < batchRows {
			stmt, n = one, 1
		}
		args, data = args[:0], data[:0]
		for i := range rows[:n] {
			start := len(data)
			data = appendRow(data, &rows[i])
			args = append(args, int64(rows[i].Index), data[start:len(data):len(data)])
		}
		if _, err := stmt.ExecContext(ctx, args...); err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}

// putPostings inserts in the tree's own order, so that each page is visited once.
func (x *Index) putPostings(ctx context.Context, tx *sql.Tx, rows []index.Row) error {
	var keys []int64
	for i := range rows {
		for t := range rows[i].Keys() {
			keys = append(keys, posting(rows[i].Index, x.hash(t)))
		}
	}
	slices.Sort(keys)
	keys = slices.Compact(keys)
	args := make([]any, 0, batchRows)
	many, one := tx.StmtContext(ctx, x.insertPostings[0]), tx.StmtContext(ctx, x.insertPostings[1])
	for len(keys) > 0 {
		stmt, n := many, batchRows
		if len(keys) < batchRows {
			stmt, n = one, 1
		}
		args = args[:0]
		for _, k := range keys[:n] {
			args = append(args, k)
		}
		if _, err := stmt.ExecContext(ctx, args...); err != nil {
			return err
		}
		keys = keys[n:]
	}
	return nil
}

// putBlooms stores the filters of the blocks that the rows complete. The last one began in memory, with rows
// that were applied earlier.
func (x *Index) putBlooms(ctx context.Context, tx *sql.Tx, from uint64, rows []index.Row) error {
	end := from + uint64(len(rows))
	for block := from / blockSize; (block+1)*blockSize <= end; block++ {
		b := x.seen.copyOf(block)
		for i := max(block*blockSize, from); i < (block+1)*blockSize; i++ {
			b.add(rows[i-from].EntryID)
		}
		if _, err := tx.StmtContext(ctx, x.insertBloom).ExecContext(ctx, int64(block), b.encode()); err != nil {
			return err
		}
	}
	return nil
}

func tuples(tuple string, n int) string {
	return tuple + strings.Repeat(","+tuple, n-1)
}
