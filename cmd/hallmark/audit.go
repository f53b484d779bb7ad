package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hallmark-registry/hallmark/cmd/internal/cli"
	"github.com/hallmark-registry/hallmark/registry/monitor"
	"github.com/hallmark-registry/hallmark/registry/monitor/httptiles"
	"github.com/hallmark-registry/hallmark/registry/tlog"
	"github.com/hallmark-registry/hallmark/verifier/checkpoint"
)

// auditCommand replays a log. It calls no registry: all it reads is tiles.
func auditCommand(s *session) *cobra.Command {
	evidence := "."
	cmd := &cobra.Command{
		Use:   "audit URL|DIR --policy FILE",
		Short: "Replay a whole log from its tiles and believe nothing else",
		Long: `Audit reads the log at URL, or in the folder DIR, from its first entry to its
newest checkpoint: every entry is hashed to the signed root, every signature is
checked, the token's rules are applied to all of it, and the supply is counted
anew. A folder's tiles are compared with its entries too.

The server's index, its statuses and its supply statement play no part. Who else
repeats the audit gets the same state digest.

An entry that the rules reject is counted and is no fault. If the log is not
what its checkpoint says, evidence is written and the exit code is 7.`,
		Example: `  hallmark audit https://log.example.com/models --policy trust.policy
  hallmark audit /var/lib/hallmark/log --policy trust.policy --format json`,
		Args: arguments("URL|DIR"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.audit(cmd.Context(), args[0], evidence)
		},
	}
	cmd.Flags().StringVar(&evidence, "evidence", evidence, "folder for evidence of misbehaviour")
	return cmd
}

func (s *session) audit(ctx context.Context, place, evidence string) error {
	if s.policyFile == "" {
		return cli.Usage("no --policy: a log that vouches for itself proves nothing").
			WithHint("get the log's trust.policy by a way that you trust, then --policy FILE or HALLMARK_POLICY=FILE")
	}
	policy, err := s.policy()
	if err != nil {
		return err
	}
	log, local, err := openTiles(place)
	if err != nil {
		return err
	}
	progress, finish := s.auditProgress()
	report, err := monitor.Audit(ctx, monitor.Options{
		Reader: log, Policy: policy, Tiles: local, Progress: progress, EvidenceDir: evidence,
	})
	finish()
	if err != nil {
		return auditError(place, err)
	}
	if s.format == "json" {
		return s.json(report)
	}
	return s.write([]byte(report.Text()))
}

// openTiles returns the log at a URL or in a folder, and whether it is in a folder.
func openTiles(place string) (log tlog.Reader, local bool, err error) {
	if strings.Contains(place, "://") {
		r, err := httptiles.New(place, nil)
		if err != nil {
			return nil, false, cli.Fail(cli.ExitUsage, "URL_MALFORMED", "", err)
		}
		return r, false, nil
	}
	info, err := os.Stat(place)
	switch {
	case err != nil:
		e := cli.Fail(cli.ExitUnknown, "LOG_UNREADABLE", "opening the log", err)
		if url, ok := urlOf(place); ok {
			return nil, true, e.WithHint("if a server is meant: hallmark audit %s", url)
		}
		return nil, true, e.WithHint("give the folder that holds checkpoint and tile, or the URL that they are served below")
	case !info.IsDir():
		return nil, true, cli.Usage("%s is no folder", place).WithHint("give the folder that holds checkpoint and tile")
	}
	return tlog.NewFolder(os.DirFS(place)), true, nil
}

// urlOf guesses the URL of a place that lacks its scheme. Plaintext is spoken on
// loopback only.
func urlOf(place string) (string, bool) {
	address, _, _ := strings.Cut(place, "/")
	host, port, err := net.SplitHostPort(address)
	if err != nil || host == "" || port == "" {
		return "", false
	}
	if ip, err := netip.ParseAddr(host); host == "localhost" || (err == nil && ip.IsLoopback()) {
		return "http://" + place, true
	}
	return "https://" + place, true
}

// auditProgress tells on a terminal how far the replay is.
func (s *session) auditProgress() (update func(done, size uint64), finish func()) {
	if !isTerminal(s.stderr) {
		return nil, func() {}
	}
	var last time.Time
	update = func(done, size uint64) {
		if now := time.Now(); now.Sub(last) >= redrawInterval {
			last = now
			fmt.Fprintf(s.stderr, "\rauditing %3d%% %d of %d entries\x1b[K", 100*done/size, done, size)
		}
	}
	return update, func() { fmt.Fprint(s.stderr, "\r\x1b[K") }
}

// checkpointReasons are the reasons for which a checkpoint is not believed, as the verifier names them.
var checkpointReasons = []struct {
	err    error
	code   int
	reason string
}{
	{checkpoint.ErrMalformed, cli.ExitProof, "CHECKPOINT_MALFORMED"},
	{checkpoint.ErrUnknownLog, cli.ExitPolicy, "UNKNOWN_LOG"},
	{checkpoint.ErrLogSignature, cli.ExitProof, "LOG_SIGNATURE_INVALID"},
	{checkpoint.ErrCosignature, cli.ExitProof, "COSIGNATURE_INVALID"},
	{checkpoint.ErrQuorum, cli.ExitPolicy, "QUORUM_UNMET"},
}

// notHTTP is what the HTTP client says of an answer in another protocol. It has no
// type by which to know it, and quotes bytes that help nobody.
const notHTTP = "malformed HTTP response"

// auditError gives what an audit found its exit code.
func auditError(place string, err error) error {
	attempted := "auditing " + place
	var misbehaved *monitor.MisbehavedError
	if errors.As(err, &misbehaved) {
		return cli.Fail(cli.ExitMisbehaved, "LOG_MISBEHAVED", attempted, err).
			WithHint("keep the evidence and a copy of the log, and tell those who rely on it")
	}
	for _, r := range checkpointReasons {
		if errors.Is(err, r.err) {
			return cli.Fail(r.code, r.reason, attempted, err)
		}
	}
	if strings.Contains(err.Error(), notHTTP) {
		return cli.Fail(cli.ExitUnknown, "LOG_UNREADABLE", attempted, errors.New("what listens there does not answer in HTTP")).
			WithHint("a registry's gRPC port has no tiles: give its --http port, such as 127.0.0.1:7071")
	}
	failure := cli.Fail(cli.ExitUnknown, "LOG_UNREADABLE", attempted, err)
	if !errors.Is(err, fs.ErrNotExist) {
		return failure
	}
	inner := filepath.Join(place, "log") // of a server's data folder
	if _, err := os.Stat(filepath.Join(inner, "checkpoint")); err == nil {
		return failure.WithHint("hallmark audit %s", inner)
	}
	return failure.WithHint("nothing is published there: give the folder, or the URL, that holds checkpoint and tile")
}
