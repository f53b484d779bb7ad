package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/hallmark-registry/hallmark/cmd/internal/cli"
	"github.com/hallmark-registry/hallmark/registry/tlog"
	"github.com/hallmark-registry/hallmark/verifier/checkpoint"
)

// refuseExisting refuses to make a log where there is anything of one. Keys,
// guard and log can't be made again, so init never writes over them.
//
// An init that was cut off has left no configuration. Nobody was ever served
// from there, and the log holds the genesis at most, so that the error can say
// that it may be thrown away.
func (d folder) refuseExisting(c *config) error {
	path, err := d.existing(c)
	if err != nil {
		return cli.Fail(cli.ExitUnknown, "INIT_FAILED", "making a log in "+string(d), err)
	}
	fail := func(reason, format string, args ...any) *cli.Error {
		return cli.Fail(cli.ExitUsage, reason, "making a log in "+string(d), fmt.Errorf(format, args...))
	}
	switch path {
	case "":
		return nil
	case d.config():
		return fail("LOG_EXISTS", "%s exists", path).WithHint("init never touches an existing log: choose another folder")
	case guardState(d.guard(c)):
		return fail("LOG_EXISTS", "%s exists", path).WithHint("a sign guard belongs to one log for ever: choose another --guard")
	}
	size, err := d.signedSize(c)
	if err != nil {
		return fail("LOG_EXISTS", "%s exists, and %v", path, err).WithHint("init never touches an existing log: choose another folder")
	}
	if size > 1 {
		return fail("LOG_EXISTS", "%s exists, %d entries were signed, and only %s is missing", path, size, d.config()).
			WithHint(`write the configuration anew, {"origin": ...} with the name in %s; init never touches an existing log`, d.policy())
	}
	return fail("INIT_UNFINISHED", "%s exists and %s does not: an earlier init did not finish", path, d.config()).
		WithHint("it logged nothing but its genesis: remove %s and try again", d)
}

// existing returns the first thing of a log that it finds, or "".
func (d folder) existing(c *config) (string, error) {
	for _, path := range []string{d.config(), d.key("log"), d.policy(), d.log(), guardState(d.guard(c))} {
		info, err := os.Lstat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return "", err
		case !info.IsDir():
			return path, nil
		}
		// An empty folder may be where a disk of its own was mounted.
		if files, err := os.ReadDir(path); err != nil || len(files) > 0 {
			return path, err
		}
	}
	return "", nil
}

// signedSize returns the largest size that guard and checkpoint know of, 0 when
// there is neither.
func (d folder) signedSize(c *config) (uint64, error) {
	var size uint64
	raw, err := os.ReadFile(guardState(d.guard(c)))
	if err == nil {
		state, err := tlog.ParseGuardState(raw)
		if err != nil {
			return 0, err
		}
		size = state.Size
	} else if !errors.Is(err, fs.ErrNotExist) {
		return 0, err
	}
	raw, err = os.ReadFile(filepath.Join(d.log(), "checkpoint"))
	if errors.Is(err, fs.ErrNotExist) {
		return size, nil
	}
	if err != nil {
		return 0, err
	}
	note, err := checkpoint.Parse(raw)
	if err != nil {
		return 0, err
	}
	return max(size, note.Size), nil
}

func guardState(dir string) string { return filepath.Join(dir, "state") }

// create makes the data folder and that of its keys, for their owner alone.
func (d folder) create() error {
	if err := os.MkdirAll(filepath.Join(string(d), "keys"), 0o700); err != nil {
		return err
	}
	return syncDir(filepath.Dir(filepath.Clean(string(d))))
}
