package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/hallmark-registry/hallmark/cmd/internal/cli"
	"github.com/hallmark-registry/hallmark/registry/client"
	"github.com/hallmark-registry/hallmark/registry/index"
	"github.com/hallmark-registry/hallmark/verifier/entry"
)

func getCommand(s *session) *cobra.Command {
	var raw bool
	cmd := &cobra.Command{
		Use:   "get REF",
		Short: "Show an entry of the log",
		Long: `Shows an entry: what it says, who signed it, and what the rules made of it. Its
signatures are checked; that the log holds it is the registry's word (see
"hallmark bundle" for the proof).`,
		Example: "  hallmark get acme/tiny@1.0.0",
		Args:    arguments("REF"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := s.ask()
			if err != nil {
				return err
			}
			e, err := call(cmd.Context(), s, "getting "+args[0], func(ctx context.Context) (*client.Entry, error) {
				return c.Entry(ctx, args[0])
			})
			if err != nil {
				return err
			}
			if raw {
				return s.writeRaw(e.Raw)
			}
			return s.showEntry(cmd.Context(), c, e)
		},
	}
	cmd.Flags().BoolVar(&raw, "raw", false, "print the entry's bytes as they are logged")
	return cmd
}

// writeRaw writes bytes that are not for a terminal.
func (s *session) writeRaw(b []byte) error {
	if isTerminal(s.stdout) {
		return cli.Usage("these bytes are not for a terminal").WithHint("send them to a file: --raw > FILE")
	}
	return s.write(b)
}

// A shownEntry is the JSON form of get.
type shownEntry struct {
	listedEntry
	StatementID string   `json:"statement_id"`
	Type        string   `json:"type"`
	Signers     []string `json:"signers"` // key ids
	Body        any      `json:"body"`    // a statement as it is; of a ledger entry, what describe says of it
	Raw         []byte   `json:"raw"`     // base64
	TreeSize    uint64   `json:"tree_size"`
	Amends      *uint64  `json:"amends,omitempty"`  // the entry of the same name and digest that came first
	Amended     []uint64 `json:"amended,omitempty"` // those that came after it
}

// A listedEntry is an entry of a search.
type listedEntry struct {
	Index   uint64 `json:"index"`
	EntryID string `json:"entry_id"`
	Kind    string `json:"kind"`
	Name    string `json:"name"`
	Digest  string `json:"digest"`
	Code    string `json:"code"`

	Standing *shownStanding `json:"standing,omitempty"`
}

// summary is the outcome and, where anything became of it, the standing, in a
// column's width.
func (e *listedEntry) summary() string {
	switch s := e.Standing; {
	case s == nil:
		return e.Code
	case s.State != "":
		return e.Code + ", " + s.State
	case s.Unbound:
		return e.Code + ", unbound"
	default:
		return e.Code + ", disputed"
	}
}

func listEntry(e *client.Entry) listedEntry {
	return listedEntry{Index: e.Index, EntryID: digestText(e.EntryID), Kind: e.Kind, Name: e.Name, Digest: e.Digest, Code: e.Code, Standing: showStanding(e.Standing)}
}

func (s *session) showEntry(ctx context.Context, c *client.Client, e *client.Entry) error {
	out := shownEntry{listedEntry: listEntry(e), Signers: []string{}, Raw: e.Raw, TreeSize: e.TreeSize}
	fields := []field{
		{"entry", fmt.Sprintf("%d of %d", e.Index, e.TreeSize)},
		{"entry id", out.EntryID},
		{"outcome", e.Code},
		{"standing", standingText(e.Standing)},
	}
	if err := s.addAmendments(ctx, c, e, &out); err != nil {
		return err
	}
	fields = append(fields, field{"amends", amendsText(out.Amends)}, field{"amended", amendedText(out.Amended)})
	parsed, err := entry.Parse(e.Raw)
	if err != nil { // anybody can log anything; the fold says MALFORMED
		return s.show(out, append(fields, field{"what", "not an entry: " + err.Error()})...)
	}
	if err := parsed.Verify(); err != nil && e.Code == "ACCEPTED" {
		return cli.Fail(cli.ExitProof, "SIGNATURE_INVALID", "checking entry "+number(e.Index), err)
	}
	out.StatementID, out.Type, out.Signers = digestText(parsed.StatementID()), parsed.Type(), signersOf(parsed)
	said := describe(parsed)
	if parsed.Type() == entry.TypeStatement && json.Valid(parsed.Body()) {
		out.Body = json.RawMessage(parsed.Body())
	} else {
		body := make(map[string]string)
		for _, f := range said {
			body[f.label] = f.value
		}
		out.Body = body
	}
	fields = append(fields, field{"statement", out.StatementID})
	fields = append(fields, said...)
	return s.show(out, append(fields, field{"signers", strings.Join(out.Signers, ", ")})...)
}

// defaultLimit is how many entries a search prints: what a person reads.
const defaultLimit = 50

func searchCommand(s *session) *cobra.Command {
	limit := uint64(defaultLimit)
	cmd := &cobra.Command{
		Use:     "search FILTER",
		Short:   "Find entries",
		Long:    searchHelp(),
		Example: `  hallmark search 'kind = "model" AND namespace = "acme"'`,
		Args:    arguments("FILTER"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := s.ask()
			if err != nil {
				return err
			}
			return s.search(cmd.Context(), c, args[0], limit)
		},
	}
	cmd.Flags().Var(&whole[uint64]{"limit", &limit, 1}, "limit", "most entries to print")
	return cmd
}

// searchHelp lists the fields from the table by which filters are read.
func searchHelp() string {
	var b strings.Builder
	b.WriteString(`Finds entries by terms field = "value" joined by AND, in the order of the log. An
empty FILTER finds all. Fields:

`)
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	names, says := index.Fields()
	for i := range names {
		fmt.Fprintf(w, "  %s\t%s\n", names[i], says[i])
	}
	w.Flush() // into memory
	b.WriteString("\nThe answer is the registry's word as of the tree size that it names.")
	return b.String()
}

// pageMax is the most entries of one page that is asked for.
const pageMax = 1000

func (s *session) search(ctx context.Context, c *client.Client, filter string, limit uint64) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	found := struct {
		Entries  []listedEntry `json:"entries"`
		More     bool          `json:"more"` // the limit cut the list
		TreeSize uint64        `json:"tree_size"`
	}{Entries: []listedEntry{}}
	for page, err := range c.Search(ctx, filter, int32(min(limit, pageMax-1)+1)) {
		if err != nil {
			return serverError("searching", err)
		}
		found.TreeSize = page.TreeSize
		for i := range page.Entries {
			found.Entries = append(found.Entries, listEntry(&page.Entries[i]))
		}
		if uint64(len(found.Entries)) > limit {
			found.Entries, found.More = found.Entries[:limit], true
			break
		}
	}
	if s.format == "json" {
		return s.json(found)
	}
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, e := range found.Entries {
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\n", e.Index, printable(e.Kind), printable(e.Name), shortDigest(e.Digest), printable(e.summary()))
	}
	w.Flush() // into memory
	if err := s.write([]byte(b.String())); err != nil {
		return err
	}
	more := ""
	if found.More {
		more = ", and there are more (--limit)"
	}
	s.status("%d entries as of tree size %d%s", len(found.Entries), found.TreeSize, more)
	return nil
}

// shortDigest shows the ends of a digest, enough to tell it from its neighbours.
func shortDigest(d string) string {
	hex := strings.TrimPrefix(d, "sha256:")
	if len(hex) != 64 {
		return printable(d)
	}
	return printable(hex[:8] + "…" + hex[56:])
}

func bundleCommand(s *session) *cobra.Command {
	var out string
	var with []string
	cmd := &cobra.Command{
		Use:   "bundle REF -o FILE",
		Short: "Fetch the offline proof of an entry",
		Long: `Fetches a bundle: an entry, the proof that the log holds it, and what you ask for
beside it. It is verified before it is written. Without -o it goes to standard
output.`,
		Example: "  hallmark bundle acme/tiny@1.0.0 --with manifest,related -o tiny.hallmark",
		Args:    arguments("REF"),
		RunE: func(cmd *cobra.Command, args []string) error {
			var o client.BundleOptions
			for _, w := range with {
				switch w {
				case "manifest":
					o.Manifest = true
				case "related":
					o.Related = true
				case "status":
					o.Status = true
				default:
					return cli.Usage("--with %q, want manifest, related, status", w)
				}
			}
			if out == "-" {
				out = ""
			}
			if err := checkOutput(out); err != nil {
				return err
			}
			c, err := s.open(cmd.Context())
			if err != nil {
				return err
			}
			return c.saveBundle(cmd.Context(), args[0], o, out)
		},
	}
	cmd.Flags().StringVarP(&out, "output", "o", "", "file to write (default: standard output)")
	cmd.Flags().StringSliceVar(&with, "with", nil, "what to bring along: manifest, related (bases and datasets), status (what was said of it since)")
	return cmd
}

func (c *connection) saveBundle(ctx context.Context, ref string, o client.BundleOptions, out string) error {
	text, report, err := c.fetch(ctx, ref, o)
	if err != nil {
		return err
	}
	if d := report.Decisive(); d != nil {
		c.status("warning: %s: %s", ref, printable(d.Message))
	}
	if out == "" {
		return c.write(text)
	}
	if err := writeFile(out, text); err != nil {
		return err
	}
	f := report.Facts
	saved := savedBundle{Kind: f.Kind, Name: f.Name, Digest: f.Digest, Index: f.Index, TreeSize: f.Size,
		EntryID: digestText(f.EntryID), StatementID: digestText(f.StatementID), Bundle: out}
	return c.show(saved,
		field{saved.Kind, saved.Name},
		field{"digest", saved.Digest},
		field{"entry", fmt.Sprintf("%d of %d", saved.Index, saved.TreeSize)},
		field{"entry id", saved.EntryID},
		field{"statement", saved.StatementID},
		field{"bundle", saved.Bundle})
}

// A savedBundle is the result of bundle. Its members are stable.
type savedBundle struct {
	Kind        string `json:"kind"`
	Name        string `json:"name"`
	Digest      string `json:"digest"`
	Index       uint64 `json:"index"`
	TreeSize    uint64 `json:"tree_size"`
	EntryID     string `json:"entry_id"`
	StatementID string `json:"statement_id"`
	Bundle      string `json:"bundle"`
}
