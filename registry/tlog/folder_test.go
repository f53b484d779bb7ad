package tlog_test

import (
	"context"
	"errors"
	"io/fs"
	"testing"
	"testing/fstest"

	"github.com/hallmark-registry/hallmark/registry/tlog"
)

func TestFolder(t *testing.T) {
	ctx := context.Background()
	files := fstest.MapFS{}
	for _, path := range []string{
		"checkpoint", "tile/0/000", "tile/3/255.p/7", "tile/0/x001/x234/067", "tile/0/x001/x234/067.p/8",
		"tile/entries/001", "tile/entries/x001/000.p/255",
	} {
		files[path] = &fstest.MapFile{Data: []byte(path)}
	}
	folder := tlog.NewFolder(files)
	tile := func(level, index uint64, p uint8) func() ([]byte, error) {
		return func() ([]byte, error) { return folder.ReadTile(ctx, level, index, p) }
	}
	entries := func(index uint64, p uint8) func() ([]byte, error) {
		return func() ([]byte, error) { return folder.ReadEntryBundle(ctx, index, p) }
	}
	for _, test := range []struct {
		name string
		read func() ([]byte, error)
		want string // empty: not found
	}{
		{"checkpoint", func() ([]byte, error) { return folder.ReadCheckpoint(ctx) }, "checkpoint"},
		{"a full tile", tile(0, 0, 0), "tile/0/000"},
		{"a partial tile", tile(3, 255, 7), "tile/3/255.p/7"},
		{"an index of three groups", tile(0, 1234067, 0), "tile/0/x001/x234/067"},
		{"a partial tile beside the full one", tile(0, 1234067, 8), "tile/0/x001/x234/067.p/8"},
		{"a collected partial tile", tile(0, 1234067, 9), "tile/0/x001/x234/067"},
		{"a partial tile of another width", tile(3, 255, 8), ""},
		{"a full tile that is only partial yet", tile(3, 255, 0), ""},
		{"a full bundle", entries(1, 0), "tile/entries/001"},
		{"a partial bundle", entries(1000, 255), "tile/entries/x001/000.p/255"},
		{"a collected partial bundle", entries(1, 100), "tile/entries/001"},
		{"no bundle", entries(2, 0), ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := test.read()
			if test.want == "" {
				if !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("got %q, %v, want %v", got, err, fs.ErrNotExist)
				}
				return
			}
			if err != nil || string(got) != test.want {
				t.Errorf("got %q, %v, want %q", got, err, test.want)
			}
		})
	}
}
