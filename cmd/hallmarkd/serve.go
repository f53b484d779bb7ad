package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hallmark-registry/hallmark/cmd/internal/cli"
	"github.com/hallmark-registry/hallmark/registry/rpc"
	"github.com/hallmark-registry/hallmark/registry/web"
)

const (
	// drainTimeout bounds the end of calls under way; with closeTimeout the
	// server is gone within 30 seconds of SIGTERM.
	drainTimeout = 8 * time.Second

	// httpDrainTimeout is the same for the read path, whose answers take
	// milliseconds. It is short because a connection that a client opened in
	// advance and never used counts as busy for 5 seconds.
	httpDrainTimeout = time.Second

	// healthInterval is how often health is brought up to date.
	healthInterval = 500 * time.Millisecond

	// Bounds of the read path: a tile is small, so whoever takes this long is
	// holding a connection and not reading.
	httpReadTimeout  = 10 * time.Second
	httpWriteTimeout = 60 * time.Second
	httpMaxHeader    = 16 << 10
)

// A server is one run of serve.
type server struct {
	dir        folder
	config     *config
	grpc, http string
	hello      func(grpc string) string // what to print before the addresses, once they are known; or nil
	logger     *slog.Logger
	stdout     io.Writer
}

func runServe(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var s server
	var dir, file string
	fs := flag.NewFlagSet("serve", flag.ContinueOnError)
	fs.StringVar(&dir, "data", "", "")
	fs.StringVar(&file, "config", "", "")
	fs.StringVar(&s.grpc, "grpc", "", "")
	fs.StringVar(&s.http, "http", "", "")
	if err := parseFlags(fs, args); err != nil {
		return err
	}
	if err := requireData(dir); err != nil {
		return err
	}
	s.dir, s.stdout, s.logger = folder(dir), stdout, newLogger(stderr)
	return s.start(ctx, cmp.Or(file, s.dir.config()))
}

func runDev(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var s server
	dir := "hallmark-dev"
	fs := flag.NewFlagSet("dev", flag.ContinueOnError)
	fs.StringVar(&dir, "data", dir, "")
	fs.StringVar(&s.grpc, "grpc", "", "")
	fs.StringVar(&s.http, "http", "", "")
	if err := parseFlags(fs, args); err != nil {
		return err
	}
	s.dir, s.stdout, s.logger = folder(dir), stdout, newLogger(stderr)
	if _, err := os.Lstat(s.dir.config()); errors.Is(err, os.ErrNotExist) {
		f := &foundation{dir: s.dir, origin: "localhost/hallmark-dev"}
		if err := f.found(ctx, io.Discard, stderr); err != nil {
			return err
		}
	}
	absolute, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	s.hello = func(grpc string) string {
		server := ""
		if grpc != defaultGRPC {
			server = "  export HALLMARK_SERVER=" + grpc + "\n"
		}
		return fmt.Sprintf(devHelp, absolute, server)
	}
	return s.start(ctx, s.dir.config())
}

// devHelp is what to type next, in another terminal.
const devHelp = `A log for trying things out. In another terminal:

  export HALLMARK_POLICY=%[1]s/trust.policy
%[2]s  hallmark keygen me.key
  hallmark publish model DIR --name me/first --version 1.0.0 --key me.key -o first.hallmark
  hallmark-verify first.hallmark DIR --policy $HALLMARK_POLICY --publisher me.key.pub
  hallmark audit %[1]s/log --policy $HALLMARK_POLICY

`

func newLogger(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }

// start opens everything, then listens: a port that answers belongs to a log
// that can publish.
func (s *server) start(ctx context.Context, configPath string) error {
	c, err := readConfig(configPath)
	if err != nil {
		return err
	}
	s.config = c
	s.grpc = cmp.Or(s.grpc, c.GRPC, defaultGRPC)
	s.http = cmp.Or(s.http, c.HTTP, defaultHTTP)
	for _, addr := range []string{s.grpc, s.http} {
		if err := requireLoopback(addr); err != nil {
			return err
		}
	}
	lock, err := s.dir.acquire()
	if err != nil {
		return err
	}
	o, err := open(ctx, s.dir, c, lock, s.logger)
	if err != nil {
		return err
	}
	if err := errors.Join(s.serve(ctx, o), o.close()); err != nil {
		return err
	}
	s.logger.Info("stopped")
	return nil
}

// requireLoopback refuses to speak plaintext to a network.
func requireLoopback(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return cli.Usage("address %q: %v", addr, err)
	}
	if ip, err := netip.ParseAddr(host); host == "localhost" || (err == nil && ip.IsLoopback()) {
		return nil
	}
	return cli.Usage("address %q is not loopback, and without TLS only loopback is served", addr).
		WithHint("listen on 127.0.0.1 and put a TLS proxy in front")
}

// serve runs both listeners until ctx ends, then drains: health says so first,
// calls under way are finished, the log gets its last checkpoint from close.
func (s *server) serve(ctx context.Context, o *opened) error {
	grpcListener, err := net.Listen("tcp", s.grpc)
	if err != nil {
		return cli.Fail(cli.ExitUnknown, "LISTEN_FAILED", "serving gRPC", err).WithHint("another address: --grpc HOST:PORT")
	}
	httpListener, err := net.Listen("tcp", s.http)
	if err != nil {
		return cli.Fail(cli.ExitUnknown, "LISTEN_FAILED", "serving HTTP", errors.Join(err, grpcListener.Close())).WithHint("another address: --http HOST:PORT")
	}
	grpcServer := rpc.New(o.registry, rpc.Options{Logger: s.logger})
	httpServer := &http.Server{
		Handler:           web.Handler(o.registry),
		ReadHeaderTimeout: httpReadTimeout, ReadTimeout: httpReadTimeout, WriteTimeout: httpWriteTimeout,
		MaxHeaderBytes: httpMaxHeader,
		ErrorLog:       slog.NewLogLogger(s.logger.Handler(), slog.LevelDebug),
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return grpcServer.Serve(grpcListener) })
	g.Go(func() error {
		if err := httpServer.Serve(httpListener); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	g.Go(func() error { keepHealth(ctx, o, grpcServer); return nil })
	g.Go(func() error {
		<-ctx.Done()
		s.drain(grpcServer, httpServer)
		return nil
	})
	if s.hello != nil {
		fmt.Fprint(s.stdout, s.hello(grpcListener.Addr().String()))
	}
	fmt.Fprintf(s.stdout, "grpc %s\nhttp %s\n", grpcListener.Addr(), httpListener.Addr())
	s.logger.Info("serving", "origin", s.config.Origin, "grpc", grpcListener.Addr().String(), "http", httpListener.Addr().String())
	if err := g.Wait(); err != nil {
		return cli.Fail(cli.ExitUnknown, "SERVE_FAILED", "serving", err)
	}
	return nil
}

// drain ends both servers at once. Whoever is still there at its end, reading or
// watching, is cut off: that is no failure of ours.
func (s *server) drain(grpcServer *rpc.Server, httpServer *http.Server) {
	var both sync.WaitGroup
	both.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), drainTimeout)
		defer cancel()
		if err := grpcServer.Drain(ctx); err != nil {
			s.logger.Warn("serving gRPC", "error", err)
		}
	})
	both.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), httpDrainTimeout)
		defer cancel()
		if err := httpServer.Shutdown(ctx); err != nil {
			s.logger.Info("serving HTTP: cut off the connections still open", "error", errors.Join(err, httpServer.Close()))
		}
	})
	both.Wait()
}

// keepHealth lets the health service tell the truth. It is told of changes
// alone, since each of them is a line in the log.
func keepHealth(ctx context.Context, o *opened, s *rpc.Server) {
	tick := time.NewTicker(healthInterval)
	defer tick.Stop()
	last := errors.New("not serving yet")
	for {
		if err := o.registry.Healthy(); (err == nil) != (last == nil) {
			s.SetServing(err)
			last = err
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
