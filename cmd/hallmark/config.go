package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/go-json-experiment/json"
	"github.com/spf13/cobra"

	"github.com/hallmark-registry/hallmark/cmd/internal/cli"
)

const environmentHelp = `A setting is taken from the first that names it: flag, environment,
configuration file, default.

  flag        environment         file        default
  --server    HALLMARK_SERVER     "server"    127.0.0.1:7070
  --policy    HALLMARK_POLICY     "policy"    none
  --timeout   HALLMARK_TIMEOUT    "timeout"   30s
  --format    HALLMARK_FORMAT     "format"    text

The file is $XDG_CONFIG_HOME/hallmark/config.json, or without that variable
~/.config/hallmark/config.json, such as

  {"server": "registry.example.com:7070", "policy": "/etc/hallmark/trust.policy"}

A member that is not in the table is refused.`

// maxConfig bounds the configuration file, in bytes: four short settings, and
// room for long paths.
const maxConfig = 64 << 10

// A config is the configuration file. Its values are those of the flags.
type config struct {
	Server  string `json:"server"`
	Policy  string `json:"policy"`
	Timeout string `json:"timeout"`
	Format  string `json:"format"`
}

// settle fills every setting that no flag gave, from the environment or else
// from the configuration file. It goes through the command's own flags, so a
// command that has a setting under another meaning settles it likewise.
func (s *session) settle(cmd *cobra.Command) error {
	path := configPath()
	c, err := readConfig(path)
	if err != nil {
		return err
	}
	for _, setting := range []struct{ flag, variable, file string }{
		{"format", "HALLMARK_FORMAT", c.Format},
		{"server", "HALLMARK_SERVER", c.Server},
		{"policy", "HALLMARK_POLICY", c.Policy},
		{"timeout", "HALLMARK_TIMEOUT", c.Timeout},
	} {
		f := cmd.Flags().Lookup(setting.flag)
		if f == nil || f.Changed {
			continue
		}
		from, value := setting.variable, os.Getenv(setting.variable)
		if value == "" {
			from, value = path, setting.file
		}
		if value == "" {
			continue
		}
		if err := f.Value.Set(value); err != nil {
			return cli.Fail(cli.ExitUsage, "CONFIG_MALFORMED", setting.flag+" from "+from, err).WithHint("hallmark help environment")
		}
	}
	if f := cmd.Flags().Lookup("format"); f != nil {
		s.format = f.Value.String()
	}
	return nil
}

// configPath returns where the configuration file is looked for, or "" where
// there is no such place.
func configPath() string {
	dir := os.Getenv("XDG_CONFIG_HOME")
	if dir == "" {
		home := os.Getenv("HOME")
		if home == "" {
			return ""
		}
		dir = filepath.Join(home, ".config")
	}
	return filepath.Join(dir, "hallmark", "config.json")
}

// readConfig reads the file strictly, if there is one: a member that is not
// known is a setting that somebody believes to be in force.
func readConfig(path string) (c config, err error) {
	if path == "" {
		return c, nil
	}
	text, err := readBounded(path, maxConfig)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err != nil {
		return c, cli.Fail(cli.ExitUsage, "CONFIG_UNREADABLE", "reading the configuration", err)
	}
	if err := json.Unmarshal(text, &c, json.RejectUnknownMembers(true)); err != nil {
		return c, cli.Fail(cli.ExitUsage, "CONFIG_MALFORMED", "reading "+path, err).WithHint("hallmark help environment")
	}
	return c, nil
}
