package httptiles_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/hallmark-registry/hallmark/registry/monitor/httptiles"
	"github.com/hallmark-registry/hallmark/registry/tlog"
)

func open(t testing.TB, base string, client *http.Client) *httptiles.Reader {
	t.Helper()
	r, err := httptiles.New(base, client)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// folder writes files, each of which holds its own path, and serves them below /log.
func folder(t testing.TB, paths ...string) *httptest.Server {
	t.Helper()
	dir := t.TempDir()
	for _, p := range paths {
		full := filepath.Join(dir, "log", filepath.FromSlash(p))
		if err := errors.Join(os.MkdirAll(filepath.Dir(full), 0o755), os.WriteFile(full, []byte(p), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	server := httptest.NewServer(http.FileServerFS(os.DirFS(dir)))
	t.Cleanup(server.Close)
	return server
}

func TestReader(t *testing.T) {
	ctx := context.Background()
	server := folder(t, "checkpoint", "tile/0/000", "tile/3/255.p/7", "tile/0/x001/x234/067", "tile/entries/001", "tile/entries/x001/000.p/255")
	for _, base := range []string{server.URL + "/log", server.URL + "/log/"} {
		r := open(t, base, nil)
		tile := func(level, index uint64, p uint8) func() ([]byte, error) {
			return func() ([]byte, error) { return r.ReadTile(ctx, level, index, p) }
		}
		entries := func(index uint64, p uint8) func() ([]byte, error) {
			return func() ([]byte, error) { return r.ReadEntryBundle(ctx, index, p) }
		}
		for _, test := range []struct {
			name string
			read func() ([]byte, error)
			want string // empty: not found
		}{
			{"checkpoint", func() ([]byte, error) { return r.ReadCheckpoint(ctx) }, "checkpoint"},
			{"a full tile", tile(0, 0, 0), "tile/0/000"},
			{"a partial tile", tile(3, 255, 7), "tile/3/255.p/7"},
			{"an index of three groups", tile(0, 1234067, 0), "tile/0/x001/x234/067"},
			{"a collected partial tile", tile(0, 1234067, 9), "tile/0/x001/x234/067"},
			{"a partial tile of another width", tile(3, 255, 8), ""},
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
}

func TestNewRefuses(t *testing.T) {
	for _, base := range []string{
		"", "log.example.com", "/var/log", "file:///var/log", "ftp://log.example.com", "https:", "https:///log", "https:log.example.com",
		"https://user:secret@log.example.com", "https://log.example.com/?a=b", "https://log.example.com/?", "https://log.example.com/#top", "https://[::1",
	} {
		if _, err := httptiles.New(base, nil); err == nil {
			t.Errorf("%q is taken for the URL of a log", base)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: the error tells the password: %v", base, err)
		}
	}
}

// A reader is used by as many goroutines as an audit has bundles under way.
func TestReaderIsSafeForConcurrentUse(t *testing.T) {
	server := folder(t, "checkpoint", "tile/entries/000")
	r := open(t, server.URL+"/log", nil)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if got, err := r.ReadEntryBundle(t.Context(), 0, 9); err != nil || string(got) != "tile/entries/000" {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
	wg.Wait()
}

// replies is a transport whose server gives one reply after another, the last for ever.
type replies struct {
	list []reply
	mu   sync.Mutex
	made []string // paths asked for
}

type reply struct {
	status int
	body   io.Reader
	length int64 // as announced; -1 if not
	err    error
}

func (r *replies) RoundTrip(req *http.Request) (*http.Response, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	next := r.list[min(len(r.made), len(r.list)-1)]
	r.made = append(r.made, req.URL.Path)
	if next.err != nil {
		return nil, next.err
	}
	return &http.Response{
		StatusCode: next.status, Status: fmt.Sprint(next.status, " ", http.StatusText(next.status)),
		Body: io.NopCloser(next.body), ContentLength: next.length, Request: req,
	}, nil
}

func says(status int, body string) reply {
	return reply{status: status, body: strings.NewReader(body), length: int64(len(body))}
}

var errNetwork = errors.New("connection reset")

func TestReaderMeetsFaults(t *testing.T) {
	endless := func() reply { return reply{status: 200, body: zeros{}, length: -1} }
	brokenOff := reply{status: 200, body: io.MultiReader(strings.NewReader("half"), broken{}), length: 100}
	for _, test := range []struct {
		name  string
		list  []reply
		p     uint8
		want  string // of the body
		err   string
		tries int
	}{
		{"a server that restarts", []reply{{err: errNetwork}, says(503, ""), says(200, "tile")}, 0, "tile", "", 3},
		{"a body that breaks off", []reply{brokenOff, says(200, "tile")}, 0, "tile", "", 2},
		{"an outage", []reply{{err: errNetwork}}, 0, "", "4 attempts: ", 4},
		{"a limit on requests that stays", []reply{says(429, "slow down")}, 0, "", "429 Too Many Requests", 4},
		{"no access", []reply{says(403, "who are you")}, 0, "", "403 Forbidden", 1},
		{"a part of a file", []reply{says(206, "ti")}, 0, "", "206 Partial Content", 1},
		{"a tile that is too long, and says so", []reply{says(200, strings.Repeat("x", 8193))}, 0, "", "got 8193 bytes, want at most 8192", 1},
		{"a tile without end", []reply{endless()}, 0, "", "got more than 8192 bytes", 1},
		{"a tile of the full length", []reply{says(200, strings.Repeat("x", 8192))}, 0, strings.Repeat("x", 8192), "", 1},
		{"neither a partial tile nor a full one", []reply{says(404, ""), says(404, "")}, 5, "", fs.ErrNotExist.Error(), 2},
		{"no partial tile, and an outage", []reply{says(404, ""), says(502, "")}, 5, "", "502 Bad Gateway", 5},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // its clock does not wait
				server := &replies{list: test.list}
				r := open(t, "https://log.example.com", &http.Client{Transport: server})
				got, err := r.ReadTile(t.Context(), 0, 0, test.p)
				switch {
				case test.err == "" && (err != nil || string(got) != test.want):
					t.Errorf("got %q, %v, want %q", got, err, test.want)
				case test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)):
					t.Errorf("got %v, want an error with %q", err, test.err)
				case errors.Is(err, fs.ErrNotExist) != (test.err == fs.ErrNotExist.Error()):
					t.Errorf("got %v: an outage is not an absence", err)
				}
				if len(server.made) != test.tries {
					t.Errorf("got requests %q, want %d", server.made, test.tries)
				}
			})
		})
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errNetwork }

func TestBundlesMayBeLong(t *testing.T) {
	const most = 256 * (2 + tlog.MaxLeafSize)
	for size, ok := range map[int]bool{most: true, most + 1: false} {
		server := &replies{list: []reply{{status: 200, body: bytes.NewReader(make([]byte, size)), length: -1}}}
		_, err := open(t, "https://log.example.com", &http.Client{Transport: server}).ReadEntryBundle(t.Context(), 0, 0)
		if (err == nil) != ok {
			t.Errorf("%d bytes: got %v", size, err)
		}
	}
}

func TestReaderHeedsItsCaller(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	server := &replies{list: []reply{{err: errNetwork}}}
	r := open(t, "https://log.example.com", &http.Client{Transport: server})
	if _, err := r.ReadCheckpoint(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	if len(server.made) > 1 {
		t.Errorf("%d requests for a caller who is gone", len(server.made))
	}
}

func TestRedirects(t *testing.T) {
	server := folder(t, "checkpoint")
	moved := httptest.NewServer(http.RedirectHandler(server.URL+"/log/checkpoint", http.StatusMovedPermanently))
	defer moved.Close()
	if got, err := open(t, moved.URL, nil).ReadCheckpoint(t.Context()); err != nil || string(got) != "checkpoint" {
		t.Errorf("a log that moved: got %q, %v", got, err)
	}
}
