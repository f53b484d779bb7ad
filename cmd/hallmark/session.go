package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/hallmark-registry/hallmark/cmd/internal/cli"
	"github.com/hallmark-registry/hallmark/registry/client"
	"github.com/hallmark-registry/hallmark/verifier/checkpoint"
)

// A session is what one run of the command shares: its streams, its settings,
// and the connection, made when the first command needs it.
type session struct {
	stdin          io.Reader
	stdout, stderr io.Writer

	// The settings of settle.
	server, policyFile, format string
	timeout                    time.Duration

	client *client.Client
}

func newSession(stdin io.Reader, stdout, stderr io.Writer) *session {
	return &session{stdin: stdin, stdout: stdout, stderr: stderr}
}

func (s *session) close() {
	if s.client != nil {
		s.client.Close()
	}
}

// policy reads the trust policy.
func (s *session) policy() (*checkpoint.Policy, error) {
	if s.policyFile == "" {
		return nil, cli.Usage("no --policy: a receipt verified under keys from the server would prove nothing").
			WithHint("get the log's trust.policy by a way that you trust, then --policy FILE or HALLMARK_POLICY=FILE")
	}
	text, err := readBounded(s.policyFile, checkpoint.MaxPolicySize)
	if err != nil {
		return nil, cli.Fail(cli.ExitUsage, "POLICY_UNREADABLE", "reading the policy", err)
	}
	p, err := checkpoint.ParsePolicy(text)
	if err != nil {
		return nil, cli.Fail(cli.ExitUsage, "POLICY_MALFORMED", "reading the policy "+s.policyFile, err)
	}
	return p, nil
}

// ask returns a client for commands that only ask: no receipt comes back, so no
// policy is needed.
func (s *session) ask() (*client.Client, error) { return s.connect(nil) }

func (s *session) connect(p *checkpoint.Policy) (*client.Client, error) {
	if err := checkServer(s.server); err != nil {
		return nil, err
	}
	c, err := client.Dial(s.server, client.Options{Policy: p, UserAgent: program + "/" + cli.Version()})
	if err != nil {
		return nil, cli.Fail(cli.ExitUsage, "SERVER_MALFORMED", "", err).WithHint("--server HOST:PORT, such as %s", defaultServer)
	}
	s.client = c
	return c, nil
}

// checkServer refuses an address that no server can have. To find that out by
// calling it takes seconds, and ends in "not reachable".
func checkServer(address string) error {
	host, port, err := net.SplitHostPort(address)
	if err == nil && host != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err == nil && n > 0 {
			return nil
		}
	}
	return cli.Fail(cli.ExitUsage, "SERVER_MALFORMED", "", fmt.Errorf("server %q, want host:port", address)).
		WithHint("--server HOST:PORT, such as %s", defaultServer)
}

// call bounds one call to the registry. Hashing a large folder takes longer than
// any sensible timeout, so calls have it each, and the command has none.
func call[T any](ctx context.Context, s *session, attempted string, do func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	v, err := do(ctx)
	return v, serverError(attempted, err)
}

// status says on stderr what happens.
func (s *session) status(format string, args ...any) {
	fmt.Fprintf(s.stderr, program+": "+format+"\n", args...)
}

// json prints one value as one line.
func (s *session) json(v any) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	return s.write(b.Bytes())
}

func (s *session) write(b []byte) error {
	if _, err := s.stdout.Write(b); err != nil {
		return cli.Fail(cli.ExitUnknown, "OUTPUT_FAILED", "writing the result", err)
	}
	return nil
}

// A field is one line of a result.
type field struct{ label, value string }

// show prints a result: v as JSON, or its fields as aligned lines. Fields with
// no value are left out.
func (s *session) show(v any, fields ...field) error {
	if s.format == "json" {
		return s.json(v)
	}
	return s.write([]byte(formatFields(fields)))
}

func formatFields(fields []field) string {
	width := 0
	for _, f := range fields {
		if f.value != "" {
			width = max(width, len(f.label))
		}
	}
	var b strings.Builder
	for _, f := range fields {
		if f.value != "" {
			fmt.Fprintf(&b, "%-*s  %s\n", width, f.label, printable(f.value))
		}
	}
	return b.String()
}

// printable keeps what a file or a server wrote from steering the terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
			return '\uFFFD'
		}
		return r
	}, s)
}
