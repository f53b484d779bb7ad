package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/hallmark-registry/hallmark/cmd/internal/cli"
	"github.com/hallmark-registry/hallmark/registry/tlog"
	"github.com/hallmark-registry/hallmark/verifier/checkpoint"
)

// config is hallmarkd.json in the data folder. Its fields are the manual; all
// but origin may be left out.
type config struct {
	// Origin names the log for ever: it stands in every checkpoint.
	Origin string `json:"origin"`
	// Guard is the sign guard's folder. Another disk than the log's protects
	// against a restored backup of that disk. A relative path begins at the data
	// folder. Default: guard.
	Guard string `json:"guard,omitempty"`
	// GRPC and HTTP are where serve listens, host:port. Plaintext, so loopback
	// only. Defaults: 127.0.0.1:7070 and 127.0.0.1:7071.
	GRPC string `json:"grpc,omitempty"`
	HTTP string `json:"http,omitempty"`
}

const (
	defaultGRPC = "127.0.0.1:7070"
	defaultHTTP = "127.0.0.1:7071"
)

// folder is a data folder. It names every path once.
type folder string

func (d folder) at(name string) string { return filepath.Join(string(d), name) }

func (d folder) config() string { return d.at("hallmarkd.json") }
func (d folder) policy() string { return d.at("trust.policy") }
func (d folder) lock() string   { return d.at("lock") }
func (d folder) log() string    { return d.at("log") }
func (d folder) index() string  { return d.at("index.db") }
func (d folder) state() string  { return d.at("state.db") }
func (d folder) blobs() string  { return d.at("blobs") }
func (d folder) key(name string) string {
	return filepath.Join(string(d), "keys", name+".key")
}

// guard returns the sign guard's folder. A relative one is meant from the data
// folder: where serve is called from must not decide which guard it finds.
func (d folder) guard(c *config) string {
	if filepath.IsAbs(c.Guard) {
		return c.Guard
	}
	return d.at(cmp.Or(c.Guard, "guard"))
}

// readConfig reads a configuration strictly: a field that is unknown, misspelt
// or given twice is a setting that somebody believes to be in force.
func readConfig(path string) (*config, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, cli.Fail(cli.ExitUsage, "CONFIG_UNREADABLE", "reading the configuration", err).
			WithHint("make the log first: hallmarkd init --data DIR --origin ORIGIN")
	}
	var c config
	if err := json.Unmarshal(text, &c, json.RejectUnknownMembers(true)); err != nil {
		return nil, cli.Fail(cli.ExitUsage, "CONFIG_MALFORMED", "reading "+path, err)
	}
	if c.Origin == "" {
		return nil, cli.Fail(cli.ExitUsage, "CONFIG_MALFORMED", "reading "+path, errors.New("no origin"))
	}
	return &c, nil
}

// writeConfig puts the configuration in place whole or not at all: with it, a
// folder is a log that can be served.
func writeConfig(path string, c *config) error {
	text, err := json.Marshal(c, jsontext.WithIndent("  "))
	if err != nil {
		return err
	}
	fresh := path + ".new"
	if err := errors.Join(removeIfThere(fresh), writeNew(fresh, append(text, '\n'), 0o644)); err != nil {
		return err
	}
	if err := os.Rename(fresh, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// acquire takes the folder's lock for the life of the process. It is a flock,
// so a process that dies leaves nothing behind.
func (d folder) acquire() (*tlog.Lock, error) {
	l, err := tlog.AcquireLock(d.lock())
	if err != nil {
		return nil, logError("opening "+string(d), err)
	}
	return l, nil
}

// logSigner reads the log's private key.
func (d folder) logSigner(origin string) (*checkpoint.Signer, error) {
	text, err := readSecret(d.key("log"))
	if err != nil {
		return nil, err
	}
	s, err := checkpoint.ParseSigner(strings.TrimSuffix(string(text), "\n"))
	if err != nil {
		return nil, cli.Fail(cli.ExitUsage, "KEY_MALFORMED", "reading the log's key", err)
	}
	if got := s.Name(); got != origin {
		return nil, cli.Fail(cli.ExitUsage, "KEY_MALFORMED", "reading the log's key", fmt.Errorf("it is the key of %q, this log is %q", got, origin))
	}
	return s, nil
}

func (d folder) trustPolicy() (*checkpoint.Policy, []byte, error) {
	text, err := os.ReadFile(d.policy())
	if err != nil {
		return nil, nil, cli.Fail(cli.ExitUsage, "POLICY_UNREADABLE", "reading the trust policy", err)
	}
	p, err := checkpoint.ParsePolicy(text)
	if err != nil {
		return nil, nil, cli.Fail(cli.ExitUsage, "POLICY_MALFORMED", "reading "+d.policy(), err)
	}
	return p, text, nil
}

// readSecret reads a private key's file, if nobody else can.
func readSecret(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, cli.Fail(cli.ExitUsage, "KEY_UNREADABLE", "reading a key", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, cli.Fail(cli.ExitUsage, "KEY_EXPOSED", "reading "+path, fmt.Errorf("others may read it: mode %04o, want 0600", info.Mode().Perm())).
			WithHint("chmod 600 %s", path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, cli.Fail(cli.ExitUsage, "KEY_UNREADABLE", "reading a key", err)
	}
	return text, nil
}

// writeNew writes a file that must not exist yet, durably: a key that signed
// something must survive the crash after it.
func writeNew(path string, text []byte, mode fs.FileMode) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := f.Write(text); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// syncDir makes the names in a folder durable.
func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
