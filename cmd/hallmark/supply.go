package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/hallmark-registry/hallmark/cmd/internal/cli"
	"github.com/hallmark-registry/hallmark/verifier/ledger"
)

func supplyCommand(s *session) *cobra.Command {
	return &cobra.Command{
		Use:   "supply",
		Short: "Show where every token comes from, and the equation that must balance",
		Long: `Prints the supply statement: cap, what each class was budgeted, credited and
minted, what was burned and rejected, and the equation

  sum of all balances = issued - burned

which is checked here. The statement is the registry's word as of a tree size;
"hallmark audit" computes the same from the log, with no word of anybody's.
--format json prints the statement's own bytes.`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := s.ask()
			if err != nil {
				return err
			}
			got, err := call(cmd.Context(), s, "asking for the supply", c.Supply)
			if err != nil {
				return err
			}
			var statement ledger.Supply
			if err := json.Unmarshal(got.Statement, &statement); err != nil {
				return cli.Fail(cli.ExitUnknown, "RESPONSE_INVALID", "reading the supply statement", err)
			}
			if s.format == "json" {
				err = s.write(append(bytes.TrimSpace(got.Statement), '\n'))
			} else {
				err = s.write([]byte(supplyText(&statement)))
			}
			if err == nil && !balanced(&statement) {
				err = cli.Fail(cli.ExitProof, "SUPPLY_UNBALANCED", "checking the supply", errors.New("balances are not what was issued less what was burned")).
					WithHint("hallmark audit replays the log and says what is true")
			}
			return err
		},
	}
}

// balanced checks the equation, the cap, and that what classes minted is within
// what they were credited.
func balanced(s *ledger.Supply) bool {
	left, ok := s.Issued.Sub(s.Burned)
	if !ok || left != s.Balances || s.Issued.Cmp(s.Cap) > 0 {
		return false
	}
	for _, e := range s.Epochs {
		for _, c := range e.Classes {
			if c.Minted.Cmp(c.Credited) > 0 || c.Credited.Cmp(c.Budget) > 0 {
				return false
			}
		}
	}
	return true
}

func supplyText(s *ledger.Supply) string {
	show := func(a ledger.Amount) string { return a.FormatDecimal(int(s.Decimals)) }
	holds := "does NOT hold"
	if balanced(s) {
		holds = "holds"
	}
	var rejected []string
	for _, r := range s.Rejected {
		rejected = append(rejected, fmt.Sprintf("%s %d", r.Code, r.Count))
	}
	if rejected == nil {
		rejected = []string{"none"}
	}
	var b strings.Builder
	b.WriteString(formatFields([]field{
		{"token", fmt.Sprintf("%s, %d decimals", s.Symbol, s.Decimals)},
		{"cap", show(s.Cap)},
		{"issued", show(s.Issued)},
		{"burned", show(s.Burned)},
		{"pending", show(s.Pending) + " credited and not minted"},
		{"accounts", fmt.Sprintf("%d, which hold %s", s.Accounts, show(s.Balances))},
	}))
	for _, e := range s.Epochs {
		fmt.Fprintf(&b, "\nepoch %d, budget %s\n", e.Epoch, show(e.Budget))
		w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
		fmt.Fprintln(w, "class\tbudget\tcredited\tminted\t")
		for _, c := range e.Classes {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t\n", printable(c.Class), show(c.Budget), show(c.Credited), show(c.Minted))
		}
		w.Flush() // into memory
	}
	b.WriteString("\n")
	b.WriteString(formatFields([]field{
		{"entries", fmt.Sprintf("%d accepted", s.Accepted)},
		{"rejected", strings.Join(rejected, ", ")},
		{"equation", fmt.Sprintf("%s = %s - %s  %s", show(s.Balances), show(s.Issued), show(s.Burned), holds)},
		{"as of", "tree size " + number(s.Size)},
	}))
	return b.String()
}

func policyShowCommand(s *session) *cobra.Command {
	return &cobra.Command{
		Use:   "show",
		Short: "Print the token policy in force",
		Args:  arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := s.ask()
			if err != nil {
				return err
			}
			p, err := call(cmd.Context(), s, "asking for the token policy", c.Policy)
			if err != nil {
				return err
			}
			if s.format == "json" {
				return s.json(struct {
					Text     string `json:"text"`
					Epoch    uint64 `json:"epoch"`
					TreeSize uint64 `json:"tree_size"`
				}{p.Text, p.Epoch, p.TreeSize})
			}
			s.status("policy of epoch %d, as of tree size %d", p.Epoch, p.TreeSize)
			lines := strings.Split(strings.TrimSuffix(p.Text, "\n"), "\n")
			for i := range lines {
				lines[i] = printable(lines[i])
			}
			return s.write([]byte(strings.Join(lines, "\n") + "\n"))
		},
	}
}

// maxTokenPolicy bounds a policy file, in bytes. It stands in an entry, which is
// smaller; the parser says what is too much.
const maxTokenPolicy = 64 << 10

func policyCheckCommand(s *session) *cobra.Command {
	return &cobra.Command{
		Use:   "check FILE",
		Short: "Check a token policy's text before it is proposed",
		Args:  arguments("FILE"),
		RunE: func(_ *cobra.Command, args []string) error {
			text, err := readBounded(args[0], maxTokenPolicy)
			if err != nil {
				return cli.Fail(cli.ExitUsage, "POLICY_UNREADABLE", "reading the token policy", err)
			}
			p, err := ledger.ParsePolicy(string(text))
			if err != nil {
				return cli.Fail(cli.ExitUsage, "POLICY_MALFORMED", "reading "+args[0], err)
			}
			if err := p.Enforced(); err != nil {
				return cli.Fail(cli.ExitUsage, "POLICY_UNSUPPORTED", "reading "+args[0], err)
			}
			return s.show(struct {
				OK      bool `json:"ok"`
				Classes int  `json:"classes"`
			}{true, len(p.Classes)}, field{"policy", fmt.Sprintf("well formed, %d classes, all of it enforced", len(p.Classes))})
		},
	}
}
