package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hallmark-registry/hallmark/cmd/internal/cli"
	"github.com/hallmark-registry/hallmark/registry/client"
	"github.com/hallmark-registry/hallmark/verifier/entry"
	"github.com/hallmark-registry/hallmark/verifier/statement"
)

func namespaceCommand(s *session) *cobra.Command {
	g := group("namespace", "Claim a namespace, hand it on, see who holds it",
		namespaceClaimCommand(s), namespaceRotateCommand(s), namespaceShowCommand(s))
	g.Long = `A namespace is the first part of a name. Unclaimed, each NS/NAME belongs to the
key that published it first. Once claimed, its keys alone, so many of them, bind
names in it; what others bound before is bound no more.

It proves no identity: whoever verifies pins keys.`
	return g
}

// A namespaceRun is one run of claim or rotate.
type namespaceRun struct {
	signerFlags
	holders   []string
	threshold uint64
}

func (r *namespaceRun) define(cmd *cobra.Command) {
	r.signerFlags.define(cmd)
	cmd.Flags().StringSliceVar(&r.holders, "keys", nil, "public key that holds the namespace; may be repeated")
	cmd.Flags().Uint64Var(&r.threshold, "threshold", 0, "how many of the keys must sign (may be left out with one key)")
}

// namespace takes what needs no server.
func (r *namespaceRun) namespace(cmd *cobra.Command, name string) (*statement.Namespace, []*entry.PrivateKey, error) {
	if _, err := statement.ParseNamespace(name); err != nil {
		return nil, nil, statementError("reading the namespace", err)
	}
	if err := requireFlags(cmd, "keys"); err != nil {
		return nil, nil, err
	}
	n := &statement.Namespace{Threshold: r.threshold}
	for _, file := range r.holders {
		k, err := readPublicKey(file)
		if err != nil {
			return nil, nil, err
		}
		n.Keys = append(n.Keys, k)
	}
	switch {
	case n.Threshold == 0 && len(n.Keys) > 1:
		return nil, nil, cli.Usage("no --threshold: how many of the %d keys must sign", len(n.Keys))
	case n.Threshold == 0:
		n.Threshold = 1
	}
	keys, err := r.read(cmd)
	return n, keys, err
}

func namespaceClaimCommand(s *session) *cobra.Command {
	var r namespaceRun
	cmd := &cobra.Command{
		Use:   "claim NS --keys KEY.pub... --threshold K --key KEY",
		Short: "Claim a namespace that nobody holds",
		Long: `Claims a namespace for a set of keys, of which so many must sign whatever is
published in it; as many must sign the claim, and so must the log's registrars
where its genesis names any. What was bound in it before is bound no more:
publish it again.

Where the keys lie on several machines: --draft FILE writes the entry instead of
sending it, "hallmark sign" adds signatures, "hallmark publish entry" sends it.`,
		Example: `  hallmark namespace claim acme --keys me.key.pub --key me.key
  hallmark namespace claim acme --keys a.pub,b.pub,c.pub --threshold 2 --key a.key --draft acme.entry`,
		Args: arguments("NS"),
		RunE: func(cmd *cobra.Command, args []string) error {
			n, keys, err := r.namespace(cmd, args[0])
			if err != nil {
				return err
			}
			c, err := s.open(cmd.Context())
			if err != nil {
				return err
			}
			return r.run(cmd.Context(), c, "claiming "+args[0], args[0], n, keys)
		},
	}
	r.define(cmd)
	return cmd
}

func namespaceRotateCommand(s *session) *cobra.Command {
	var r namespaceRun
	cmd := &cobra.Command{
		Use:   "rotate NS --keys KEY.pub... --threshold K --key KEY",
		Short: "Give a namespace other keys",
		Long: `Replaces the keys of a namespace. As many of the old keys must sign as they had
to until now, and as many of the new ones as will have to; a key that stays
signs once and counts for both.`,
		Example: "  hallmark namespace rotate acme --keys new.key.pub --key old.key --key new.key",
		Args:    arguments("NS"),
		RunE: func(cmd *cobra.Command, args []string) error {
			n, keys, err := r.namespace(cmd, args[0])
			if err != nil {
				return err
			}
			c, err := s.open(cmd.Context())
			if err != nil {
				return err
			}
			now, err := c.namespace(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			n.Sequence, n.Previous = now.statement.Sequence+1, now.id
			return r.run(cmd.Context(), c, "rotating the keys of "+args[0], args[0], n, keys)
		},
	}
	r.define(cmd)
	return cmd
}

func namespaceShowCommand(s *session) *cobra.Command {
	return &cobra.Command{
		Use:   "show NS",
		Short: "Show who holds a namespace",
		Long: `Shows the statement in force of a namespace. That the log holds it is verified;
that none came after it is the registry's word.`,
		Args: arguments("NS"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := s.open(cmd.Context())
			if err != nil {
				return err
			}
			now, err := c.namespace(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return s.showNamespace(args[0], now)
		},
	}
}

func (r *namespaceRun) run(ctx context.Context, c *connection, attempted, name string, n *statement.Namespace, keys []*entry.PrivateKey) error {
	st := statement.NewNamespace(name, n)
	st.Sort()
	done, err := c.say(ctx, attempted, st, keys, &r.signerFlags)
	if err != nil || done.receipt == nil {
		return err
	}
	if err := c.show(done.published, done.lines(namespaceFields(n)...)...); err != nil {
		return err
	}
	return c.outcome(ctx, attempted, done.receipt)
}

func namespaceFields(n *statement.Namespace) []field {
	return []field{{"sequence", number(n.Sequence)}, {"must sign", fmt.Sprintf("%d of %d keys", n.Threshold, len(n.Keys))}, {"keys", strings.Join(keyIDs(n), ", ")}}
}

func keyIDs(n *statement.Namespace) []string {
	ids := []string{}
	for _, k := range n.Keys {
		ids = append(ids, k.ID().String())
	}
	return ids
}

// A heldNamespace is the statement in force of a namespace.
type heldNamespace struct {
	statement *statement.Namespace
	id        statement.Digest // statement id
	index     uint64
}

// namespace returns the statement in force: the last that was accepted. A server
// that leaves the last one out makes a rotation that the log refuses.
func (c *connection) namespace(ctx context.Context, name string) (*heldNamespace, error) {
	attempted := "looking namespace " + name + " up"
	if _, err := statement.ParseNamespace(name); err != nil {
		return nil, statementError(attempted, err)
	}
	last, err := call(ctx, c.session, attempted, func(ctx context.Context) (last *client.Entry, err error) {
		for page, err := range c.Search(ctx, fmt.Sprintf("kind = \"namespace\" AND namespace = %q AND code = \"ACCEPTED\"", name), pageMax) {
			if err != nil {
				return nil, err
			}
			if n := len(page.Entries); n > 0 {
				last = &page.Entries[n-1]
			}
		}
		return last, nil
	})
	if err != nil {
		return nil, err
	}
	if last == nil {
		return nil, cli.Fail(cli.ExitNotInLog, "NAMESPACE_UNCLAIMED", attempted, fmt.Errorf("nobody has claimed it")).
			WithHint("hallmark namespace claim %s", name)
	}
	_, report, err := c.fetch(ctx, number(last.Index), client.BundleOptions{})
	if err != nil {
		return nil, err
	}
	if st := report.Statement; st == nil || st.Namespace == nil || st.Subjects[0].Name != name {
		return nil, cli.Fail(cli.ExitProof, "ANSWER_MISMATCH", attempted, fmt.Errorf("entry %d is a %s %s", last.Index, report.Facts.Kind, report.Facts.Name))
	}
	return &heldNamespace{report.Statement.Namespace, report.Facts.StatementID, last.Index}, nil
}

// A shownNamespace is the result of namespace show. Its members are stable.
type shownNamespace struct {
	Namespace   string   `json:"namespace"`
	Sequence    uint64   `json:"sequence"`
	Threshold   uint64   `json:"threshold"`
	Keys        []string `json:"keys"` // key ids
	Index       uint64   `json:"index"`
	StatementID string   `json:"statement_id"`
}

func (s *session) showNamespace(name string, n *heldNamespace) error {
	shown := shownNamespace{Namespace: name, Sequence: n.statement.Sequence, Threshold: n.statement.Threshold, Keys: keyIDs(n.statement),
		Index: n.index, StatementID: n.id.String()}
	fields := append([]field{{"namespace", name}}, namespaceFields(n.statement)...)
	return s.show(shown, append(fields, field{"entry", number(n.index)}, field{"statement", shown.StatementID})...)
}
