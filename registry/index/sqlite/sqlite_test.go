package sqlite_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"database/sql"

	"github.com/hallmark-registry/hallmark/registry/index"
	"github.com/hallmark-registry/hallmark/registry/index/indextest"
	"github.com/hallmark-registry/hallmark/registry/index/sqlite"
)

const origin = "log.example.com/models"

func TestIndex(t *testing.T) {
	indextest.TestIndex(t, func(t *testing.T) indextest.Store {
		path := filepath.Join(t.TempDir(), "a # strange? 100% name.db")
		return func() (index.Index, error) { return sqlite.Open(t.Context(), path, origin) }
	})
}

func open(t *testing.T, path string) *sqlite.Index {
	t.Helper()
	x, err := sqlite.Open(t.Context(), path, origin)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { x.Close() })
	return x
}

func apply(t *testing.T, x *sqlite.Index, from, n int) {
	t.Helper()
	if err := x.Apply(t.Context(), uint64(from), indextest.Rows(uint64(from), n)); err != nil {
		t.Fatal(err)
	}
}

// TestBlocks looks into several blocks of the layout, on both sides of their borders, before and after reopening.
func TestBlocks(t *testing.T) {
	const block, n, batch = 1 << 14, 2*(1<<14) + 1000, 5000
	path := filepath.Join(t.TempDir(), "index.db")
	x := open(t, path)
	for at := 0; at < n; at += batch {
		apply(t, x, at, min(batch, n-at))
	}
	rows := indextest.Rows(0, n)
	check := func(x *sqlite.Index) {
		t.Helper()
		for _, i := range []uint64{0, block - 1, block, block + 1, 2*block - 1, 2 * block, n - 1} {
			got, err := x.Lookup(t.Context(), rows[i].EntryID)
			if want := i - i%10/9; err != nil || got != want {
				t.Errorf("Lookup of entry %d = %d, %v, want %d", i, got, err, want)
			}
		}
		for _, text := range []string{`kind = model AND version = v1 AND code = NAME_BOUND`, `namespace = ns3`, `kind = model AND kind = credit`} {
			filter, err := index.ParseFilter(text)
			if err != nil {
				t.Fatal(err)
			}
			want := 0
			for i := range rows {
				if filter.Match(&rows[i]) {
					want++
				}
			}
			got, pages := count(t, x, filter, n)
			if got != want || pages > want/index.MaxPage+8 {
				t.Errorf("Search(%s) found %d rows in %d pages, want %d in few", text, got, pages, want)
			}
		}
	}
	check(x)
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	check(open(t, path))
}

func count(t *testing.T, x *sqlite.Index, filter index.Filter, size uint64) (rows, pages int) {
	t.Helper()
	q := index.Query{Filter: filter, Size: size, Limit: index.MaxPage}
	for more := true; more; pages++ {
		page, err := x.Search(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		rows, q.From, more = rows+len(page.Rows), page.Next, page.More
	}
	return rows, pages
}

func TestOpenRefuses(t *testing.T) {
	valid := func(t *testing.T, path string) {
		x := open(t, path)
		apply(t, x, 0, 3000)
		if err := x.Close(); err != nil {
			t.Fatal(err)
		}
	}
	exec := func(statement string) func(t *testing.T, path string) {
		return func(t *testing.T, path string) {
			valid(t, path)
			db, err := sql.Open("sqlite", path)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			if _, err := db.Exec(statement); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, c := range []struct {
		story string
		make  func(t *testing.T, path string)
		want  error
	}{
		{"a text file", func(t *testing.T, path string) { write(t, path, []byte("not a database, but somebody's notes")) }, index.ErrForeign},
		{"one byte", func(t *testing.T, path string) { write(t, path, []byte("x")) }, index.ErrForeign},
		{"another program's database", func(t *testing.T, path string) {
			db, err := sql.Open("sqlite", path)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			if _, err := db.Exec("CREATE TABLE rows (idx INTEGER PRIMARY KEY)"); err != nil {
				t.Fatal(err)
			}
		}, index.ErrForeign},
		{"another log's index", exec("UPDATE meta SET value = CAST('other.example' AS BLOB) WHERE name = 'origin'"), index.ErrForeign},
		{"a later version's index", exec("PRAGMA user_version = 2"), index.ErrSchema},
		{"a secret that was cut", exec("UPDATE meta SET value = x'00' WHERE name = 'secret'"), index.ErrCorrupt},
		{"no meta", exec("DELETE FROM meta"), index.ErrCorrupt},
		{"a row lost", exec("DELETE FROM rows WHERE idx = 2000"), index.ErrCorrupt},
		{"a row overwritten", exec("UPDATE rows SET data = x'0011' WHERE idx = 2000"), index.ErrCorrupt},
		{"a file cut short", func(t *testing.T, path string) {
			valid(t, path)
			if err := os.Truncate(path, 4096*3); err != nil {
				t.Fatal(err)
			}
		}, index.ErrCorrupt},
	} {
		t.Run(c.story, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "index.db")
			c.make(t, path)
			before := read(t, path)
			x, err := sqlite.Open(t.Context(), path, origin)
			if err == nil {
				x.Close()
			}
			if !errors.Is(err, c.want) {
				t.Fatalf("Open: got error %v, want %v", err, c.want)
			}
			if string(read(t, path)) != string(before) {
				t.Error("the refused file was changed")
			}
			if err := sqlite.Remove(path); err != nil {
				t.Fatal(err)
			}
			apply(t, open(t, path), 0, 10)
		})
	}
}

// TestCrash copies the files as a kill leaves them, cuts the write-ahead log anywhere, as a crash of the machine
// may, and wants whole batches up to a position, and that the follower can go on from it.
func TestCrash(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "index.db")
	x := open(t, path)
	const batch, batches = 50, 12
	for i := range batches {
		apply(t, x, i*batch, batch)
	}
	file, wal := read(t, path), read(t, path+"-wal")
	for i := range 9 {
		cut := len(wal) * i / 8
		t.Run(fmt.Sprintf("write-ahead log of %d bytes", cut), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "index.db")
			write(t, path, file)
			write(t, path+"-wal", wal[:cut])
			x := open(t, path)
			position, err := x.Position(t.Context())
			if err != nil || position%batch != 0 || cut == len(wal) && position != batch*batches {
				t.Fatalf("Position = %d, %v, want a multiple of %d, and %d with the whole log", position, err, batch, batch*batches)
			}
			for _, row := range indextest.Rows(0, int(position)) {
				if at, err := x.Lookup(t.Context(), row.EntryID); err != nil || at > row.Index {
					t.Fatalf("Lookup of entry %d = %d, %v", row.Index, at, err)
				}
			}
			for at := int(position); at < batches*batch; at += batch {
				apply(t, x, at, batch)
			}
			if rows, _ := count(t, x, index.Filter{}, batch*batches); rows != batch*batches {
				t.Errorf("%d rows after going on, want %d", rows, batch*batches)
			}
		})
	}
}

// TestCorruptPage damages the file behind an index that was opened while it was whole.
func TestCorruptPage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "index.db")
	x := open(t, path)
	for i := range 5 {
		apply(t, x, i*4000, 4000)
	}
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	x = open(t, path)
	damaged := read(t, path)
	for at := 200 * 4096; at < len(damaged); at += 4096 {
		copy(damaged[at:], "\xff\xff\xff\xff\xff\xff\xff\xff")
	}
	write(t, path, damaged)
	var failed error
	for i := range uint64(20_000) {
		if _, err := x.Get(t.Context(), i); err != nil {
			failed = err
			break
		}
	}
	if !errors.Is(failed, index.ErrCorrupt) {
		t.Errorf("reading a damaged file: got error %v, want %v", failed, index.ErrCorrupt)
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func write(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}
