package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/hallmark-registry/hallmark/cmd/internal/cli"
)

// readBounded reads a file of at most so many bytes.
func readBounded(name string, most int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(text)) > most {
		err = fmt.Errorf("%s has more than %d bytes", name, most)
	}
	return text, err
}

// writeAtomic replaces a file by a whole new one: a reader never finds half of
// it, and a failure leaves what was there. The new one is made in the same
// folder, since a rename across file systems is a copy.
func writeAtomic(name string, b []byte, mode os.FileMode) (err error) {
	f, err := os.CreateTemp(filepath.Dir(name), ".hallmark-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	if _, err := f.Write(b); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := errors.Join(f.Chmod(mode), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}

// checkOutput refuses a file that can't be written, before something is logged
// whose bundle it was to hold. It makes a file beside it and removes that at once:
// the folder may be the model that is about to be hashed. No name is no file.
func checkOutput(name string) error {
	if name == "" {
		return nil
	}
	if info, err := os.Stat(name); err == nil && info.IsDir() {
		return outputError(name, errors.New("it is a folder"))
	}
	f, err := os.CreateTemp(filepath.Dir(name), ".hallmark-*")
	if err == nil {
		err = errors.Join(f.Close(), os.Remove(f.Name()))
	}
	var path *fs.PathError
	if errors.As(err, &path) { // which names our own file, and not the one that was asked for
		err = path.Err
	}
	if err != nil {
		return outputError(name, err)
	}
	return nil
}

func outputError(name string, err error) error {
	return cli.Fail(cli.ExitUsage, "OUTPUT_UNWRITABLE", "writing "+name, err).WithHint("nothing was sent: name a file in a folder that you may write to")
}

// writeFile replaces a result's file in one step.
func writeFile(name string, b []byte) error {
	if err := writeAtomic(name, b, 0o644); err != nil {
		return cli.Fail(cli.ExitUnknown, "OUTPUT_FAILED", "writing "+name, err)
	}
	return nil
}
