// Package web serves what people and mirrors read over HTTP. Today that is the
// static read path of the log, C2SP tlog-tiles:
//
//	GET /checkpoint                    the newest signed tree head, never cached
//	GET /tile/<L>/<N>[.p/<W>]          hashes, immutable
//	GET /tile/entries/<N>[.p/<W>]      entries, immutable
//	GET /healthz                       200 while entries are being published
//
// A mirror, a monitor or an auditor needs nothing else, and any static file
// server or cache can stand in front of it.
package web

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strconv"
	"strings"

	"github.com/hallmark-registry/hallmark/registry"
	"github.com/hallmark-registry/hallmark/registry/tlog"
)

const (
	// cacheForever marks what never changes: tiles by their path.
	cacheForever = "public, max-age=31536000, immutable"
	cacheNever   = "no-store"
)

// Handler serves the read path of a registry's log.
func Handler(r *registry.Registry) http.Handler { return TileHandler(r.Tiles(), r.Healthy) }

// TileHandler serves the read path of any log, such as a mirror's.
func TileHandler(tiles tlog.Reader, healthy func() error) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /checkpoint", func(w http.ResponseWriter, req *http.Request) { serveCheckpoint(w, req, tiles) })
	mux.HandleFunc("GET /tile/{path...}", func(w http.ResponseWriter, req *http.Request) { serveTile(w, req, tiles) })
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		if err := healthy(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
		}
	})
	return mux
}

func serveCheckpoint(w http.ResponseWriter, req *http.Request, tiles tlog.Reader) {
	note, err := tiles.ReadCheckpoint(req.Context())
	if err != nil {
		refuse(w, err)
		return
	}
	send(w, "text/plain; charset=utf-8", cacheNever, note)
}

func serveTile(w http.ResponseWriter, req *http.Request, tiles tlog.Reader) {
	level, path, ok := strings.Cut(req.PathValue("path"), "/")
	index, width, valid := parseTile(path)
	if !ok || !valid {
		http.NotFound(w, req)
		return
	}
	var data []byte
	var err error
	if level == "entries" {
		if data, err = tiles.ReadEntryBundle(req.Context(), index, width); err == nil {
			data, err = cutBundle(data, width)
		}
	} else {
		l, bad := strconv.ParseUint(level, 10, 6) // levels 0 to 63
		if bad != nil || strconv.FormatUint(l, 10) != level {
			http.NotFound(w, req)
			return
		}
		if data, err = tiles.ReadTile(req.Context(), l, index, width); err == nil {
			data, err = cutTile(data, width)
		}
	}
	if err != nil {
		refuse(w, err)
		return
	}
	send(w, "application/octet-stream", cacheForever, data)
}

// A log that grew may answer for a partial tile with a wider one. What leaves
// under a partial tile's path must be that tile: it is cached for ever, as the
// same bytes by everybody. A width of 0 is a full tile, which nothing is wider than.

// cutTile cuts a tile of hashes to its first width.
func cutTile(tile []byte, width uint8) ([]byte, error) {
	want := int(width) * sha256.Size
	if len(tile) < want {
		return nil, fmt.Errorf("tile of %d bytes, want %d hashes", len(tile), width)
	}
	if width == 0 {
		return tile, nil
	}
	return tile[:want], nil
}

// cutBundle cuts a bundle to its first width entries, each of which follows its
// length in 2 bytes.
func cutBundle(bundle []byte, width uint8) ([]byte, error) {
	if width == 0 {
		return bundle, nil
	}
	end := 0
	for i := range width {
		if len(bundle)-end < 2 {
			return nil, fmt.Errorf("bundle of %d entries, want %d", i, width)
		}
		end += 2 + int(binary.BigEndian.Uint16(bundle[end:]))
		if end > len(bundle) {
			return nil, fmt.Errorf("entry %d of a bundle ends %d bytes beyond it", i, end-len(bundle))
		}
	}
	return bundle[:end], nil
}

// parseTile reads <N>[.p/<W>] of c2sp.org/tlog-tiles: N in groups of three
// digits, all but the last with an x in front. One spelling per tile, or caches
// would hold it twice.
func parseTile(path string) (index uint64, width uint8, ok bool) {
	name, partial, isPartial := strings.Cut(path, ".p/")
	if isPartial {
		w, err := strconv.ParseUint(partial, 10, 8)
		if err != nil || w == 0 || strconv.FormatUint(w, 10) != partial {
			return 0, 0, false
		}
		width = uint8(w)
	}
	groups := strings.Split(name, "/")
	const maxGroups = 6 // 10^18 tiles are more than a log can have
	if len(groups) > maxGroups || (len(groups) > 1 && groups[0] == "x000") {
		return 0, 0, false
	}
	for i, g := range groups {
		digits, inner := strings.CutPrefix(g, "x")
		n, err := strconv.ParseUint(digits, 10, 64)
		if err != nil || len(digits) != 3 || inner == (i == len(groups)-1) {
			return 0, 0, false
		}
		index = index*1000 + n
	}
	return index, width, true
}

func send(w http.ResponseWriter, contentType, cache string, body []byte) {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Cache-Control", cache)
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body) // the reader went away: nobody is left to tell
}

// refuse answers without the server's paths.
func refuse(w http.ResponseWriter, err error) {
	w.Header().Set("Cache-Control", cacheNever)
	if errors.Is(err, fs.ErrNotExist) {
		http.Error(w, "not in this log", http.StatusNotFound)
		return
	}
	http.Error(w, "the log cannot be read at the moment", http.StatusServiceUnavailable)
}
