package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hallmark-registry/hallmark/cmd/hallmark-verify/verifycmd"
	"github.com/hallmark-registry/hallmark/cmd/internal/cli"
)

// Defaults of the settings.
const (
	defaultServer  = "127.0.0.1:7070"
	defaultTimeout = 30 * time.Second
)

// rootCommand builds the tree of commands around one session.
func rootCommand(s *session) *cobra.Command {
	root := &cobra.Command{
		Use:   program,
		Short: "Publish AI models to a verifiable registry, and verify them",
		Long: `Hallmark records which weights are which, what they were trained on and who
contributed, in a log that nobody has to trust: every receipt is verified here,
under the policy file that you choose.

Begin with "hallmark keygen me.key" and "hallmark publish model --help".`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          unknownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error {
			fmt.Fprint(s.stderr, cmd.UsageString())
			return exitCode(cli.ExitUsage)
		},
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return s.settle(cmd) },
	}
	root.SuggestionsMinimumDistance = mistyped
	root.SetIn(s.stdin)
	root.SetOut(s.stdout)
	root.SetErr(s.stderr)
	root.SetFlagErrorFunc(flagError)
	root.Version = cli.Version()
	root.SetVersionTemplate("{{.Name}} {{.Version}}\n")
	root.Flags().Bool("version", false, "print the version")
	flags := root.PersistentFlags()
	flags.StringVar(&s.server, "server", defaultServer, "registry to call, as host:port")
	s.timeout = defaultTimeout
	flags.Var(&span{"timeout", &s.timeout}, "timeout", "longest that one call to the registry may take")
	flags.StringVar(&s.policyFile, "policy", "", "trust policy by which receipts are verified (c2sp.org/tlog-policy)")
	flags.Var(newChoice(&s.format, "text", "json"), "format", "text or json")

	root.AddGroup(
		&cobra.Group{ID: "publish", Title: "Publish:"},
		&cobra.Group{ID: "ask", Title: "Ask and verify:"},
		&cobra.Group{ID: "token", Title: "Credits and tokens:"},
		&cobra.Group{ID: "keys", Title: "Keys and files:"},
	)
	add := func(group string, commands ...*cobra.Command) {
		for _, c := range commands {
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	add("publish", publishCommand(s), statusCommand(s), namespaceCommand(s), signCommand(s), exportCommand(s), datasetCommand(s))
	add("ask", getCommand(s), searchCommand(s), lineageCommand(s), bundleCommand(s), verifyCommand(s), verifyOMSCommand(s), auditCommand(s))
	add("token", creditCommand(s), tokenCommand(s))
	add("keys", keygenCommand(s), keyCommand(s), digestCommand(s), diffCommand(s))
	root.AddCommand(versionCommand(s))
	root.AddCommand(helpTopics()...)
	return root
}

// mistyped is by how many letters the name of a command may be off for it to be
// suggested.
const mistyped = 2

// unknownCommand refuses what cobra took for arguments of a command that only
// holds others.
func unknownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	e := cli.Usage("unknown command %q", args[0])
	if cmd.HasParent() {
		e = wantCommand(cmd, fmt.Sprintf("%q", args[0]))
	}
	if like := cmd.SuggestionsFor(args[0]); args[0] != "" && len(like) > 0 {
		return e.WithHint("%s %s", cmd.CommandPath(), like[0])
	}
	return e.WithHint("%s --help", cmd.CommandPath())
}

// wantCommand says which commands there are below one.
func wantCommand(cmd *cobra.Command, got string) *cli.Error {
	var names []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	return cli.Usage("got %s after %q, want one of %s", got, cmd.CommandPath(), strings.Join(names, ", "))
}

// group is a command that only holds others.
func group(use, short string, commands ...*cobra.Command) *cobra.Command {
	g := &cobra.Command{Use: use, Short: short, Args: unknownCommand, SuggestionsMinimumDistance: mistyped}
	g.RunE = func(cmd *cobra.Command, _ []string) error {
		return wantCommand(cmd, "nothing").WithHint("%s --help", cmd.CommandPath())
	}
	g.AddCommand(commands...)
	return g
}

// arguments requires one positional argument for each name.
func arguments(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == len(names) {
			return nil
		}
		want := "no arguments"
		if len(names) > 0 {
			want = strings.Join(names, " ")
		}
		return cli.Usage("got %d arguments, want %s", len(args), want).WithHint("%s --help", cmd.CommandPath())
	}
}

// requireFlags refuses a command line without the flags named. cobra's own check
// names them all at once, and without a hint.
func requireFlags(cmd *cobra.Command, names ...string) error {
	for _, n := range names {
		if !cmd.Flags().Changed(n) {
			return cli.Usage("no --%s", n).WithHint("%s --help", cmd.CommandPath())
		}
	}
	return nil
}

// A choice is a flag with a closed list of values.
type choice struct {
	value *string
	of    []string
}

// newChoice makes a flag of its list's first value.
func newChoice(value *string, of ...string) *choice {
	*value = of[0]
	return &choice{value, of}
}

func (c *choice) String() string {
	if c.value == nil { // the zero value, which pflag asks for its default
		return ""
	}
	return *c.value
}

// Type names the values in a help text.
func (c *choice) Type() string { return strings.Join(c.of, "|") }

// Set takes one of the values.
func (c *choice) Set(v string) error {
	for _, of := range c.of {
		if v == of {
			*c.value = v
			return nil
		}
	}
	return fmt.Errorf("got %q, want %s", v, strings.Join(c.of, ", "))
}

// verifyCommand is the offline verifier under another name. It reads its own
// flags, so that both are the same to the last byte.
func verifyCommand(s *session) *cobra.Command {
	return &cobra.Command{
		Use:                "verify BUNDLE [PATH] --policy FILE (--publisher KEY ... | --any-publisher)",
		Short:              "Verify a bundle, and the files that it is about, offline",
		DisableFlagParsing: true,
		PersistentPreRunE:  func(*cobra.Command, []string) error { return nil },
		RunE: func(cmd *cobra.Command, args []string) error {
			return exitCode(verifycmd.Run(cmd.Context(), program+" verify", args, s.stdout, s.stderr))
		},
	}
}

func versionCommand(s *session) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  arguments(),
		RunE: func(*cobra.Command, []string) error {
			if s.format == "json" {
				return s.json(struct {
					Version string `json:"version"`
				}{cli.Version()})
			}
			_, err := fmt.Fprintln(s.stdout, program, cli.Version())
			return err
		},
	}
}

// helpTopics are pages of help that belong to no command.
func helpTopics() []*cobra.Command {
	return []*cobra.Command{
		{Use: "exit-codes", Short: "What each exit code means", Long: strings.TrimSuffix(cli.ExitHelp, "\n")},
		{Use: "environment", Short: "Settings by environment and configuration file", Long: environmentHelp},
		{Use: "references", Short: "How to name what is in the log", Long: `A REF names what is in the log in one of three ways:

  acme/tiny@1.0.0     a model or dataset, by the name that its entry binds
  sha256:3f9a...      a digest: of a model, a dataset, an entry or a statement
  73894               an entry, by its index

Names and digests are the same for everybody who reads the same log.`},
	}
}
