// Package sqlite keeps the registry's index in one SQLite file.
//
// The follower that feeds it shares two cores with everything else, so the layout is made for cheap writing.
// An ordinary inverted index inserts a dozen hashes an entry at random places of a tree that grows for ever, and
// soon each of them rewrites a page of its own. Here the log is cut into blocks of 16,384 entries, and a posting
// ("row i has key k") is one integer that begins with its block:
//
//	key of table postings = block (16 bits) | hash of k (33 bits) | i within its block (14 bits)
//
// So all writing falls into the newest block's range of the tree, a few hundred pages that stay in the cache,
// and a look-up probes one range per block, some microseconds each: linear in the log, with a constant that makes
// it half a millisecond at a million entries. Within a block the rows of one key lie in order, and the rows
// that have two keys are found by adding the difference of their hashes.
//
// A hash of 33 bits only nominates: every row found is read and asked whether it has the key (index.Filter.Match),
// so answers are exact. The hash is keyed with a secret of the file, or else somebody could publish entries that
// are nominated for a victim's keys and make those slow.
//
// Whether an entry is in the log is asked for each publish, and the answer is nearly always no. A Bloom filter of
// each block, two bytes an entry held in memory, answers that without touching the file.
//
// The file is a projection. It is written with synchronous=NORMAL: after a crash of the machine the newest batches
// may be missing, which the follower applies again; Sync rules that out.
package sqlite

import (
	"context"
	"crypto/rand"
	"database/sql"
	_ "embed"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/hallmark-registry/hallmark/registry/index"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

const (
	applicationID = 0x484d6978 // "HMix", at offset 68 of the file
	schemaVersion = 1

	// readers is the number of connections that answer questions, each with a page cache of its own.
	readers = 4

	// Page caches in KiB. The writer's holds the newest block's postings with room to spare.
	writerCache = 16 << 10
	readerCache = 2 << 10

	// checkpointPages is how many pages the write-ahead log may gather (16 MiB): the newest block's pages are
	// written to it many times and to the file once.
	checkpointPages = 4096

	// busyMillis is how long a connection waits for another one's lock, which SQLite needs for moments only.
	busyMillis = 5000

	secretSize = 16

	// positionQuery needs no record of its own: rows have no holes, and the last one stands at the tree's end.
	positionQuery = "SELECT ifnull(max(idx) + 1, 0) FROM rows"
)

//go:embed schema.sql
var schema string

// An Index is an index.Index in a SQLite file.
type Index struct {
	path   string
	write  *sql.DB // one connection
	read   *sql.DB
	secret [secretSize]byte

	insertRows     [2]*sql.Stmt // batchRows at a time, and one
	insertPostings [2]*sql.Stmt
	insertBloom    *sql.Stmt
	selectRow      *sql.Stmt
	selectRows     *sql.Stmt
	selectEdge     *sql.Stmt                           // last posting of a window
	selectPostings [index.MaxFilterTerms + 1]*sql.Stmt // by number of terms, from 1

	applying sync.Mutex // one Apply at a time
	position atomic.Uint64
	seen     seen
}

var _ index.Index = (*Index)(nil)

// Open opens the index of the log called origin, and creates the file if there is none. It is ErrForeign,
// ErrSchema or ErrCorrupt of package index if the file cannot be used; it never changes such a file. One process
// may have it open, which the caller sees to.
func Open(ctx context.Context, path, origin string) (*Index, error) {
	x, err := open(ctx, path, origin)
	if err != nil {
		return nil, fmt.Errorf("opening index %s: %w", path, err)
	}
	return x, nil
}

// Remove deletes an index file and what SQLite keeps beside it. The index must be closed.
func Remove(path string) error {
	for _, suffix := range []string{"-wal", "-shm", "-journal", ""} { // the file last: until then the next Remove finds it
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("removing index: %w", err)
		}
	}
	return nil
}

func open(ctx context.Context, path, origin string) (*Index, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	switch exists, err := checkHeader(path); {
	case err != nil:
		return nil, err
	case !exists:
		if err := create(ctx, path, origin); err != nil {
			return nil, fmt.Errorf("creating it: %w", err)
		}
	}
	x := &Index{path: path}
	if err := x.connect(); err != nil {
		return nil, err
	}
	if err := x.load(ctx, origin); err != nil {
		return nil, errors.Join(storeError(err), x.Close())
	}
	return x, nil
}

// checkHeader reads what a file is (sqlite.org/fileformat2.html, section 1.3) before SQLite sees it, which would
// change the journal mode of a stranger's database as soon as it opens it. An empty file is none.
func checkHeader(path string) (exists bool, err error) {
	const magic = "SQLite format 3\x00"
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	var head [100]byte
	n, err := io.ReadFull(f, head[:])
	switch {
	case err == io.EOF:
		return false, nil
	case err != nil && !errors.Is(err, io.ErrUnexpectedEOF):
		return false, err
	case n < len(head) || string(head[:len(magic)]) != magic:
		return false, fmt.Errorf("%w: no SQLite file", index.ErrForeign)
	}
	if app := binary.BigEndian.Uint32(head[68:]); app != applicationID {
		return false, fmt.Errorf("%w: SQLite application id %#x, want %#x", index.ErrForeign, app, applicationID)
	}
	if version := binary.BigEndian.Uint32(head[60:]); version != schemaVersion {
		return false, fmt.Errorf("%w: schema %d, want %d", index.ErrSchema, version, schemaVersion)
	}
	return true, nil
}

// create makes an empty index under another name and renames it, so that a file which exists is a whole one.
func create(ctx context.Context, path, origin string) error {
	fresh := path + ".new"
	if err := Remove(fresh); err != nil { // of a create that crashed
		return err
	}
	db, err := sql.Open("sqlite", dsn(fresh))
	if err != nil {
		return err
	}
	var secret [secretSize]byte
	rand.Read(secret[:]) // never fails
	pragmas := fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d;", applicationID, schemaVersion)
	_, err = db.ExecContext(ctx, "BEGIN;"+schema+pragmas+"INSERT INTO meta VALUES ('origin', ?), ('secret', ?); COMMIT", []byte(origin), secret[:])
	if err := errors.Join(err, db.Close()); err != nil {
		return err
	}
	return os.Rename(fresh, path)
}

func dsn(path string, pragmas ...string) string {
	query := url.Values{"_txlock": {"immediate"}, "_pragma": append(pragmas, fmt.Sprintf("busy_timeout(%d)", busyMillis))}
	return (&url.URL{Scheme: "file", Path: path, RawQuery: query.Encode()}).String()
}

func (x *Index) connect() (err error) {
	if x.write, err = sql.Open("sqlite", dsn(x.path,
		"journal_mode(wal)",
		"synchronous(normal)",
		"trusted_schema(0)",
		fmt.Sprintf("cache_size(-%d)", writerCache),
		fmt.Sprintf("wal_autocheckpoint(%d)", checkpointPages),
	)); err != nil {
		return err
	}
	x.write.SetMaxOpenConns(1)
	if x.read, err = sql.Open("sqlite", dsn(x.path, "query_only(1)", "trusted_schema(0)", fmt.Sprintf("cache_size(-%d)", readerCache))); err != nil {
		return errors.Join(err, x.write.Close())
	}
	x.read.SetMaxOpenConns(readers)
	x.read.SetMaxIdleConns(readers)
	return nil
}

// load checks that the file is of this log, and reads what is kept in memory.
func (x *Index) load(ctx context.Context, origin string) error {
	if err := x.readMeta(ctx, origin); err != nil {
		return err
	}
	if err := x.prepare(ctx); err != nil {
		return err
	}
	return x.loadSeen(ctx)
}

func (x *Index) readMeta(ctx context.Context, origin string) error {
	var gotOrigin, secret []byte
	if err := errors.Join(
		x.write.QueryRowContext(ctx, "SELECT value FROM meta WHERE name = 'origin'").Scan(&gotOrigin),
		x.write.QueryRowContext(ctx, "SELECT value FROM meta WHERE name = 'secret'").Scan(&secret),
	); err != nil {
		return fmt.Errorf("%w: reading what log it is of: %w", index.ErrCorrupt, err)
	}
	if string(gotOrigin) != origin {
		return fmt.Errorf("%w: it is of %q, want %q", index.ErrForeign, gotOrigin, origin)
	}
	if len(secret) != secretSize {
		return fmt.Errorf("%w: secret of %d bytes, want %d", index.ErrCorrupt, len(secret), secretSize)
	}
	copy(x.secret[:], secret)
	var position uint64
	if err := x.write.QueryRowContext(ctx, positionQuery).Scan(&position); err != nil {
		return err
	}
	x.position.Store(position)
	return nil
}

func (x *Index) prepare(ctx context.Context) error {
	var failed error
	stmt := func(db *sql.DB, text string) *sql.Stmt {
		s, err := db.PrepareContext(ctx, text)
		failed = errors.Join(failed, err)
		return s
	}
	for i, n := range [2]int{batchRows, 1} {
		x.insertRows[i] = stmt(x.write, "INSERT INTO rows VALUES "+tuples("(?,?)", n))
		x.insertPostings[i] = stmt(x.write, "INSERT INTO postings VALUES "+tuples("(?)", n))
	}
	x.insertBloom = stmt(x.write, "INSERT INTO blooms VALUES (?,?)")
	x.selectRow = stmt(x.read, "SELECT data FROM rows WHERE idx = ?")
	x.selectRows = stmt(x.read, "SELECT idx, data FROM rows WHERE idx >= ? AND idx < ? ORDER BY idx LIMIT ?")
	x.selectEdge = stmt(x.read, "SELECT key FROM postings WHERE key BETWEEN ? AND ? ORDER BY key LIMIT 1 OFFSET ?")
	for n := 1; n < len(x.selectPostings); n++ {
		x.selectPostings[n] = stmt(x.read, postingsQuery(n))
	}
	return failed
}

// Position implements index.Index.
func (x *Index) Position(context.Context) (uint64, error) { return x.position.Load(), nil }

// Close implements index.Index.
func (x *Index) Close() error {
	// The writer last: it is the one that folds the write-ahead log into the file.
	return errors.Join(x.read.Close(), x.write.Close())
}

// storeError gives SQLite's errors the names that callers branch on.
func storeError(err error) error {
	var e *sqlite.Error
	if errors.As(err, &e) {
		switch e.Code() & 0xff { // the low byte is the primary result code
		case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
			return fmt.Errorf("%w: %w", index.ErrCorrupt, err)
		}
	}
	return err
}
