// Package httptiles reads a log over HTTP, as any static file server can serve it: C2SP tlog-tiles below
// one URL.
//
//	GET BASE/checkpoint
//	GET BASE/tile/<level>/<index>[.p/<width>]
//	GET BASE/tile/entries/<index>[.p/<width>]
//
// Nothing that arrives is trusted: what reads tiles hashes them. So the package looks after what hashes do
// not show: a server that hangs, that sends without end, or that has a bad minute. It stands beside the
// monitor and not in package tlog because the log itself knows no transport.
package httptiles

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"time"

	"github.com/hallmark-registry/hallmark/registry/tlog"
	"github.com/hallmark-registry/hallmark/verifier/checkpoint"
)

// Bounds of a reply, in bytes. A body that is longer is refused, not cut: cut off it would be blamed on the
// log.
const (
	maxTile   = 256 * len(tlog.Hash{})       // a full tile
	maxBundle = 256 * (2 + tlog.MaxLeafSize) // a full bundle of the longest entries, each after its length
)

const (
	// requestTimeout bounds one attempt, body included. The largest bundle has 16 MiB, so it asks for
	// 300 kB/s; the usual one of 100 kB passes over any line.
	requestTimeout = time.Minute

	// attempts is how often a request is made that fails in a way that may pass. An audit of a large log
	// makes a million requests, so it must outlive a restart of the server, but no outage.
	attempts = 4

	// firstPause is the wait before the second attempt; it doubles, so that an outage is reported after 3.5 s.
	firstPause = 500 * time.Millisecond

	// maxRedirects is enough for a name that moved and a mirror behind it.
	maxRedirects = 4

	// maxIdle is how many connections to the server are kept: an audit reads that many bundles at once, and
	// would otherwise make a new connection for most of them.
	maxIdle = 64
)

// Reader is the log below a URL. It implements [tlog.Reader], is safe for concurrent use and holds nothing
// but idle connections.
type Reader struct {
	base   *url.URL
	client *http.Client
}

// New returns a reader of the log whose checkpoint lies at base + "/checkpoint". The URL must be http or
// https and carry no user, query or fragment. A nil client means one of its own, which follows a few
// redirects but never one from https to http.
func New(base string, client *http.Client) (*Reader, error) {
	u, err := url.Parse(base)
	if err != nil {
		return nil, fmt.Errorf("log URL: %w", err)
	}
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, fmt.Errorf("log URL %q: got scheme %q, want http or https", u.Redacted(), u.Scheme)
	case u.Host == "":
		return nil, fmt.Errorf("log URL %q: no host", u.Redacted())
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return nil, fmt.Errorf("log URL %q: want no user, query or fragment: paths are appended to it", u.Redacted())
	}
	if client == nil {
		client = newClient()
	}
	return &Reader{base: u, client: client}, nil
}

func newClient() *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = maxIdle
	return &http.Client{Transport: transport, CheckRedirect: checkRedirect}
}

func checkRedirect(next *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects {
		return fmt.Errorf("more than %d redirects", maxRedirects)
	}
	if via[0].URL.Scheme == "https" && next.URL.Scheme != "https" {
		return fmt.Errorf("redirect from https to %s", next.URL.Scheme)
	}
	return nil
}

// ReadCheckpoint implements [tlog.Reader].
func (r *Reader) ReadCheckpoint(ctx context.Context) ([]byte, error) {
	s := &site{ctx: ctx, r: r, most: checkpoint.MaxNoteSize}
	return s.settle(tlog.NewFolder(s).ReadCheckpoint(ctx))
}

// ReadTile implements [tlog.Reader].
func (r *Reader) ReadTile(ctx context.Context, level, index uint64, p uint8) ([]byte, error) {
	s := &site{ctx: ctx, r: r, most: maxTile}
	return s.settle(tlog.NewFolder(s).ReadTile(ctx, level, index, p))
}

// ReadEntryBundle implements [tlog.Reader].
func (r *Reader) ReadEntryBundle(ctx context.Context, index uint64, p uint8) ([]byte, error) {
	s := &site{ctx: ctx, r: r, most: maxBundle}
	return s.settle(tlog.NewFolder(s).ReadEntryBundle(ctx, index, p))
}

// site shows the server as a file system for the time of one call. So the layout of tlog-tiles, and where to
// look for a partial tile that has been collected, stand in [tlog.Folder] alone.
type site struct {
	ctx    context.Context // of the one call
	r      *Reader
	most   int   // bytes of a file
	failed error // the first failure that says nothing about whether the file exists
}

// Open implements fs.FS. Folder reads whole files.
func (s *site) Open(name string) (fs.File, error) {
	return nil, &fs.PathError{Op: "open", Path: name, Err: errors.ErrUnsupported}
}

// ReadFile implements fs.ReadFileFS.
func (s *site) ReadFile(name string) ([]byte, error) {
	raw, err := s.r.get(s.ctx, s.r.base.JoinPath(name).String(), s.most)
	if err != nil && s.failed == nil && !errors.Is(err, fs.ErrNotExist) {
		s.failed = err
	}
	return raw, err
}

// settle keeps a partial tile from being called absent when the full one could not be asked for.
func (s *site) settle(raw []byte, err error) ([]byte, error) {
	if err != nil && s.failed != nil {
		return nil, s.failed
	}
	return raw, err
}

// A passingError is a failure that another attempt may not meet.
type passingError struct{ error }

func (e passingError) Unwrap() error { return e.error }

// get fetches one file, trying again where that makes sense.
func (r *Reader) get(ctx context.Context, url string, most int) ([]byte, error) {
	pause := firstPause
	for attempt := 1; ; attempt++ {
		raw, err := r.getOnce(ctx, url, most)
		var passing passingError
		if !errors.As(err, &passing) {
			return raw, err
		}
		if attempt == attempts {
			return nil, fmt.Errorf("%d attempts: %w", attempts, passing.error)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(pause):
			pause *= 2
		}
	}
}

func (r *Reader) getOnce(ctx context.Context, url string, most int) ([]byte, error) {
	attempt, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(attempt, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", "hallmark")
	resp, err := r.client.Do(req)
	if err != nil {
		return nil, passes(ctx, err)
	}
	defer resp.Body.Close()
	if err := checkStatus(url, resp); err != nil {
		return nil, err
	}
	if resp.ContentLength > int64(most) {
		return nil, fmt.Errorf("GET %s: got %d bytes, want at most %d", url, resp.ContentLength, most)
	}
	raw, err := io.ReadAll(io.LimitReader(resp.Body, int64(most)+1))
	if err != nil {
		return nil, passes(ctx, fmt.Errorf("GET %s: %w", url, err))
	}
	if len(raw) > most {
		return nil, fmt.Errorf("GET %s: got more than %d bytes", url, most)
	}
	return raw, nil
}

// passes marks a fault of the network, unless it is that the caller has had enough.
func passes(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return passingError{err}
}

func checkStatus(url string, resp *http.Response) error {
	switch resp.StatusCode {
	case http.StatusOK:
		return nil
	case http.StatusNotFound, http.StatusGone:
		return &fs.PathError{Op: "GET", Path: url, Err: fs.ErrNotExist}
	case http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway,
		http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return passingError{fmt.Errorf("GET %s: %s", url, resp.Status)}
	default:
		return fmt.Errorf("GET %s: got %s, want 200 OK", url, resp.Status)
	}
}
