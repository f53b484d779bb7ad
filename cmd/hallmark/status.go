package main

import (
	"context"
	"slices"

	"github.com/spf13/cobra"

	"github.com/hallmark-registry/hallmark/cmd/internal/cli"
	"github.com/hallmark-registry/hallmark/registry/client"
	"github.com/hallmark-registry/hallmark/verifier/entry"
	"github.com/hallmark-registry/hallmark/verifier/statement"
)

// A statusRun is one run of status.
type statusRun struct {
	signerFlags
	reason, by, document string
}

func statusCommand(s *session) *cobra.Command {
	var r statusRun
	cmd := &cobra.Command{
		Use:   "status REF revoked|superseded|deprecated|consent-withdrawn --reason CODE --key KEY",
		Short: "Revoke, supersede or deprecate what was published",
		Long: `Logs a status about a model, a dataset or any other statement. It takes effect on
what its signers signed, and, where REF is a name, on what was published under
that name's namespace if enough of its keys sign. Anything else is logged as a
dispute, and this command then exits with 4.

What is revoked, or whose consent is withdrawn, stays so for ever. A bundle that
was fetched before does not know: fetch it again, --with status.

REF may be a name or digest (every statement of the signers about it), or the id
or index of one statement. Where several keys must sign: --draft FILE writes the
entry instead of sending it, "hallmark sign" adds signatures, "hallmark publish
entry" sends it.`,
		Example: `  hallmark status acme/tiny@1.0.0 superseded --by acme/tiny@1.0.1 --reason accuracy --key me.key
  hallmark status acme/data@1.0.0 consent-withdrawn --reason subject-request --document letter.pdf --key me.key`,
		Args: arguments("REF", "STATE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := requireFlags(cmd, "reason"); err != nil {
				return err
			}
			keys, err := r.read(cmd)
			if err != nil {
				return err
			}
			st, err := r.status(args[1])
			if err != nil {
				return err
			}
			c, err := s.open(cmd.Context())
			if err != nil {
				return err
			}
			return r.run(cmd.Context(), c, args[0], st, keys)
		},
	}
	r.define(cmd)
	cmd.Flags().StringVar(&r.reason, "reason", "", "reason code: lower-case letters, digits and hyphens")
	cmd.Flags().StringVar(&r.by, "by", "", "REF of what supersedes it")
	cmd.Flags().StringVar(&r.document, "document", "", "file that explains; its SHA-256 is logged")
	return cmd
}

// status takes what needs no server.
func (r *statusRun) status(state string) (*statement.Status, error) {
	states := []statement.State{statement.StateRevoked, statement.StateSuperseded, statement.StateDeprecated, statement.StateConsentWithdrawn}
	st := &statement.Status{State: statement.State(state), Reason: r.reason}
	if !slices.Contains(states, st.State) {
		return nil, cli.Usage("got %q, want revoked, superseded, deprecated or consent-withdrawn", state)
	}
	if r.by != "" && st.State != statement.StateSuperseded {
		return nil, cli.Usage("--by with %s, want it with superseded only", state)
	}
	if r.document != "" {
		sum, err := hashFile(r.document)
		if err != nil {
			return nil, cli.Fail(cli.ExitUsage, "DOCUMENT_UNREADABLE", "reading the document", err)
		}
		st.Document = sum
	}
	return st, nil
}

// A statusResult is the result of status. Its members are stable.
type statusResult struct {
	published
	State    string         `json:"state"`
	InEffect bool           `json:"in_effect"`
	Standing *shownStanding `json:"standing"` // of what it is about, now
}

func (r *statusRun) run(ctx context.Context, c *connection, ref string, st *statement.Status, keys []*entry.PrivateKey) error {
	subject, err := c.target(ctx, ref)
	if err != nil {
		return err
	}
	if r.by != "" {
		by, err := c.target(ctx, r.by)
		if err != nil {
			return notFoundHint(err)
		}
		if by.Alg != subject.Alg {
			return cli.Usage("%s is superseded by %s, which is of another kind", ref, r.by)
		}
		st.By = by.Digest
	}
	attempted := "saying that " + ref + " is " + string(st.State)
	done, err := c.say(ctx, attempted, statement.NewStatus(subject, st), keys, &r.signerFlags)
	if err != nil || done.receipt == nil {
		return err
	}
	target, err := call(ctx, c.session, attempted, func(ctx context.Context) (*client.Entry, error) { return c.Entry(ctx, ref) })
	if err != nil {
		return err
	}
	now := target.Standing
	result := statusResult{published: done.published, State: string(st.State), Standing: showStanding(now),
		InEffect: now.State == string(st.State) && now.Index == done.receipt.Index}
	effect := "yes"
	if !result.InEffect {
		effect = "no"
	}
	err = c.show(result, done.lines(field{"state", result.State}, field{"by", r.by}, field{"in effect", effect}, field{"standing", standingText(now)})...)
	if err == nil && !result.InEffect {
		err = noEffect(attempted, now)
	}
	return err
}
