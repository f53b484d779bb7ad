package web_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/hallmark-registry/hallmark/registry/tlog"
	"github.com/hallmark-registry/hallmark/registry/web"
)

// folder is a log of a few files, as c2sp.org/tlog-tiles lays them out.
var folder = fstest.MapFS{
	"checkpoint":                     {Data: []byte("origin\n1\nroot\n\n— sig\n")},
	"tile/0/000":                     {Data: []byte(strings.Repeat("h", 8192))},
	"tile/0/001.p/7":                 {Data: []byte(strings.Repeat("p", 7*32))},
	"tile/1/x001/x234/067":           {Data: []byte(strings.Repeat("d", 8192))},
	"tile/entries/000":               {Data: []byte("entries")},
	"tile/entries/x001/x234/067.p/9": {Data: bundle("few", "entries", "3", "4", "5", "6", "7", "8", "9")},
	"secret":                         {Data: []byte("not part of the log")},
}

// bundle lays entries out as a bundle does.
func bundle(entries ...string) []byte {
	var b []byte
	for _, e := range entries {
		b = append(binary.BigEndian.AppendUint16(b, uint16(len(e))), e...)
	}
	return b
}

// A reader may answer with more than it was asked for, because the log has grown
// since. Caches keep what they get for ever, so the tile's width decides.
func TestPartialTilesHaveTheirWidth(t *testing.T) {
	full := wide{tile: []byte(strings.Repeat("h", 8192)), bundle: bundle("first", "", "third")}
	h := web.TileHandler(full, func() error { return nil })
	for _, c := range []struct {
		path   string
		status int
		want   string
	}{
		{"/tile/0/000", 200, string(full.tile)},
		{"/tile/0/000.p/1", 200, strings.Repeat("h", 32)},
		{"/tile/0/000.p/255", 200, strings.Repeat("h", 255*32)},
		{"/tile/entries/000", 200, string(full.bundle)},
		{"/tile/entries/000.p/1", 200, string(bundle("first"))},
		{"/tile/entries/000.p/2", 200, string(bundle("first", ""))},
		{"/tile/entries/000.p/3", 200, string(full.bundle)},
		{"/tile/entries/000.p/4", 503, "the log cannot be read at the moment\n"}, // the reader's fault
	} {
		r := get(t, h, "GET", c.path)
		body := new(strings.Builder)
		if _, err := copyAll(body, r); err != nil {
			t.Fatal(err)
		}
		if r.StatusCode != c.status || body.String() != c.want {
			t.Errorf("%s: status %d, %d bytes %.40q; want %d, %d bytes", c.path, r.StatusCode, body.Len(), body, c.status, len(c.want))
		}
	}
}

// wide reads the full tile, whatever the width.
type wide struct {
	tlog.Reader
	tile, bundle []byte
}

func (w wide) ReadTile(context.Context, uint64, uint64, uint8) ([]byte, error) { return w.tile, nil }

func (w wide) ReadEntryBundle(context.Context, uint64, uint8) ([]byte, error) { return w.bundle, nil }

func get(t *testing.T, h http.Handler, method, target string) *http.Response {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, target, nil))
	return w.Result()
}

func TestReadPath(t *testing.T) {
	h := web.TileHandler(tlog.NewFolder(folder), func() error { return nil })
	for _, c := range []struct {
		path   string
		file   string // served
		status int
		cache  string
	}{
		{"/checkpoint", "checkpoint", 200, "no-store"},
		{"/tile/0/000", "tile/0/000", 200, "immutable"},
		{"/tile/0/001.p/7", "tile/0/001.p/7", 200, "immutable"},
		{"/tile/1/x001/x234/067", "tile/1/x001/x234/067", 200, "immutable"},
		{"/tile/entries/000", "tile/entries/000", 200, "immutable"},
		{"/tile/entries/x001/x234/067.p/9", "tile/entries/x001/x234/067.p/9", 200, "immutable"},
		{"/tile/0/002", "", 404, "no-store"},
		{"/tile/0/000000", "", 404, ""},
		{"/tile/0/0", "", 404, ""},
		{"/tile/0/x000/000", "", 404, ""},      // a second spelling of 000
		{"/tile/0/x001", "", 404, ""},          // the last group has no x
		{"/tile/0/001/067", "", 404, ""},       // all others have one
		{"/tile/00/000", "", 404, ""},          // a second spelling of level 0
		{"/tile/64/000", "", 404, ""},          // levels end at 63
		{"/tile/-1/000", "", 404, ""},          //
		{"/tile/0/001.p/0", "", 404, ""},       // a full tile is not partial
		{"/tile/0/001.p/07", "", 404, ""},      // a second spelling of 7
		{"/tile/0/001.p/256", "", 404, ""},     //
		{"/tile/0/001.p/7/x", "", 404, ""},     //
		{"/tile/0/+01", "", 404, ""},           //
		{"/tile/other/000", "", 404, ""},       //
		{"/tile/0", "", 404, ""},               //
		{"/secret", "", 404, ""},               //
		{"/tile/0/%2e%2e/secret", "", 404, ""}, // no way out of the log
	} {
		r := get(t, h, "GET", c.path)
		body := new(strings.Builder)
		if _, err := copyAll(body, r); err != nil {
			t.Fatal(err)
		}
		if r.StatusCode != c.status || (c.file != "" && body.String() != string(folder[c.file].Data)) {
			t.Errorf("%s: status %d, %.40q; want %d, %s", c.path, r.StatusCode, body, c.status, c.file)
		}
		if got := r.Header.Get("Cache-Control"); !strings.Contains(got, c.cache) {
			t.Errorf("%s: Cache-Control %q, want %s", c.path, got, c.cache)
		}
	}
	if r := get(t, h, "POST", "/checkpoint"); r.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST: status %d, want 405", r.StatusCode)
	}
}

func copyAll(to io.Writer, r *http.Response) (int64, error) {
	defer r.Body.Close()
	return io.Copy(to, r.Body)
}

func TestHealthTellsTheTruth(t *testing.T) {
	sick := error(nil)
	h := web.TileHandler(tlog.NewFolder(folder), func() error { return sick })
	if r := get(t, h, "GET", "/healthz"); r.StatusCode != 200 {
		t.Errorf("healthy: status %d", r.StatusCode)
	}
	sick = errors.New("the guard refused")
	if r := get(t, h, "GET", "/healthz"); r.StatusCode != 503 {
		t.Errorf("sick: status %d, want 503", r.StatusCode)
	}
}

// A disk that fails is not "not found": caches would remember that.
func TestFailingDisk(t *testing.T) {
	h := web.TileHandler(tlog.NewFolder(failing{}), func() error { return nil })
	for _, path := range []string{"/checkpoint", "/tile/0/000", "/tile/entries/000"} {
		r := get(t, h, "GET", path)
		body := new(strings.Builder)
		if _, err := copyAll(body, r); err != nil {
			t.Fatal(err)
		}
		if r.StatusCode != 503 || strings.Contains(body.String(), "/srv") {
			t.Errorf("%s: status %d, %q; want 503 and no path of the server", path, r.StatusCode, body)
		}
	}
}

type failing struct{}

func (failing) Open(name string) (fs.File, error) {
	return nil, &fs.PathError{Op: "open", Path: "/srv/log/" + name, Err: errors.New("input/output error")}
}
