package tlog_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/hallmark-registry/hallmark/registry/tlog"
	"github.com/hallmark-registry/hallmark/registry/tlog/tlogtest"
)

func bundle(entries ...[]byte) []byte {
	var raw []byte
	for _, e := range entries {
		raw = binary.BigEndian.AppendUint16(raw, uint16(len(e)))
		raw = append(raw, e...)
	}
	return raw
}

func TestParseBundle(t *testing.T) {
	for _, test := range []struct {
		name    string
		raw     []byte
		entries int
		err     string
	}{
		{"one entry", bundle([]byte("a")), 1, ""},
		{"an empty entry is an entry", bundle(nil, []byte("a")), 2, ""},
		{"a full bundle", bundle(tlogtest.LeavesOf(256)...), 256, ""},
		{"nothing", nil, 0, "no entries"},
		{"half a length", []byte{0}, 0, "length of entry 0 cut off"},
		{"a short entry", []byte{0, 3, 'a', 'b'}, 0, "entry 0 cut off: got 2 bytes, want 3"},
		{"a byte behind the last entry", append(bundle([]byte("a")), 0), 0, "length of entry 1 cut off"},
		{"257 entries", bundle(tlogtest.LeavesOf(257)...), 0, "after entry 256"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := tlog.ParseBundle(test.raw)
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) {
					t.Fatalf("got %v, want an error with %q", err, test.err)
				}
				return
			}
			if err != nil || len(got) != test.entries {
				t.Fatalf("got %d entries, %v, want %d", len(got), err, test.entries)
			}
		})
	}
}

func FuzzParseBundle(f *testing.F) {
	f.Add(bundle([]byte("a"), nil, []byte("bc")))
	f.Add([]byte{0, 1})
	f.Fuzz(func(t *testing.T, raw []byte) {
		entries, err := tlog.ParseBundle(raw)
		if err == nil && !bytes.Equal(bundle(entries...), raw) {
			t.Errorf("%x is taken for %q, which is written %x", raw, entries, bundle(entries...))
		}
	})
}

func TestEntries(t *testing.T) {
	log := grown(t, 600)
	for _, test := range []struct {
		name       string
		from, size uint64
		want       int
	}{
		{"all", 0, 600, 600},
		{"from the middle of a bundle", 300, 600, 300},
		{"the last", 599, 600, 1},
		{"none at the end", 600, 600, 0},
		{"none beyond the end", 700, 600, 0},
		{"an older size", 0, 512, 512},
	} {
		t.Run(test.name, func(t *testing.T) {
			n := 0
			for e, err := range tlog.Entries(context.Background(), log, test.from, test.size) {
				if want := tlogtest.Leaf(int(test.from) + n); err != nil || !bytes.Equal(e, want) {
					t.Fatalf("entry %d: got %q, %v, want %q", int(test.from)+n, e, err, want)
				}
				n++
			}
			if n != test.want {
				t.Errorf("got %d entries, want %d", n, test.want)
			}
		})
	}
}

func TestEntriesEndWithTheFirstError(t *testing.T) {
	log := grown(t, 600)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	n := 0
	for _, err := range tlog.Entries(ctx, log, 0, 600) {
		if n++; n == 256 {
			cancel()
		}
		if n == 257 && err != context.Canceled {
			t.Errorf("got %v, want %v", err, context.Canceled)
		}
	}
	if n != 257 {
		t.Errorf("got %d steps, want 256 entries and one error", n)
	}
}

func TestReadEntryBeyondTheTree(t *testing.T) {
	if _, err := tlog.ReadEntry(context.Background(), grown(t, 3), 3, 3); err == nil {
		t.Error("entry 3 of 3 was found")
	}
}

// grown returns a log in memory with n entries, unpublished.
func grown(t testing.TB, n int) *tlogtest.Memory {
	t.Helper()
	log := tlogtest.NewMemory(nil)
	for from := 0; from < n; from += tlog.MaxAppend {
		if _, err := log.Append(context.Background(), tlogtest.LeavesOf(n)[from:min(n, from+tlog.MaxAppend)]); err != nil {
			t.Fatal(err)
		}
	}
	return log
}
