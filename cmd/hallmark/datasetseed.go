package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/hallmark-registry/hallmark/cmd/internal/cli"
	"github.com/hallmark-registry/hallmark/verifier/dataset"
)

// A seedFile is where the owner of a salted dataset keeps its salts.
//
// What happens to it must not be half done: a seed that is lost can open no
// record any more, and one that comes back has erased nothing. So it is replaced
// by a rename, durably, and FILE.new is at once the new file and the lock.
type seedFile string

// read reads a seed that nobody else can read.
func (name seedFile) read() (*dataset.SeedFile, error) {
	attempted := "reading the seed " + string(name)
	info, err := os.Lstat(string(name))
	switch {
	case err != nil:
		return nil, cli.Fail(cli.ExitUsage, "SEED_UNREADABLE", "reading the seed", err)
	case !info.Mode().IsRegular():
		return nil, cli.Fail(cli.ExitUsage, "SEED_UNREADABLE", attempted, fmt.Errorf("it is no regular file (mode %v), which is what can be replaced", info.Mode()))
	case info.Mode().Perm()&0o077 != 0:
		return nil, cli.Fail(cli.ExitUsage, "SEED_EXPOSED", attempted, fmt.Errorf("others may read it: mode %04o, want 0600", info.Mode().Perm())).
			WithHint("if nobody has read it: chmod 600 %s", name)
	}
	text, err := readBounded(string(name), dataset.MaxSeedFile)
	if err != nil {
		return nil, cli.Fail(cli.ExitUsage, "SEED_UNREADABLE", "reading the seed", err)
	}
	defer clear(text)
	seed, err := dataset.ParseSeedFile(text)
	if err != nil {
		return nil, cli.Fail(cli.ExitUsage, "SEED_MALFORMED", attempted, err)
	}
	return seed, nil
}

// readOrMake reads the seed, or draws one when there is no such file.
func (name seedFile) readOrMake(s *session, split dataset.Split) (*dataset.SeedFile, error) {
	if _, err := os.Lstat(string(name)); errors.Is(err, fs.ErrNotExist) {
		var drawn [32]byte
		rand.Read(drawn[:])
		seed := &dataset.SeedFile{Split: split, Salts: dataset.NewSaltTree(drawn)}
		if err := writeDurably(string(name), seed.Marshal()); err != nil {
			return nil, cli.Fail(cli.ExitUnknown, "SEED_UNWRITABLE", "writing the seed", err)
		}
		s.status("made the seed %s: keep it secret, and keep it, or no record can be shown any more", name)
		return seed, nil
	}
	seed, err := name.read()
	if err == nil && seed.Split != split {
		err = cli.Usage("the seed %s is for records that are %v, want %v", name, seed.Split, split)
	}
	return seed, err
}

// bind writes down which dataset the seed is for, and refuses a second one: the
// salts that are shown for one would lay the records of the other open.
func (name seedFile) bind(digest [32]byte) error {
	seed, err := name.read()
	if err != nil || seed.Dataset == digest {
		return err
	}
	return name.replace(func(seed *dataset.SeedFile) error {
		if seed.Dataset != [32]byte{} {
			return cli.Fail(cli.ExitUsage, "SEED_USED", "using the seed "+string(name),
				fmt.Errorf("it is for the dataset %s, and these files are %s", digestText(seed.Dataset), digestText(digest))).
				WithHint("every version takes a seed of its own: --seed ANOTHER-FILE")
		}
		seed.Dataset = digest
		return nil
	})
}

// replace changes the seed, one process at a time, and overwrites what was there
// before: some file systems keep the old blocks all the same, as do backups, and
// nothing here can tell.
func (name seedFile) replace(change func(*dataset.SeedFile) error) (err error) {
	fail := func(err error) error {
		return cli.Fail(cli.ExitUnknown, "SEED_UNWRITABLE", "writing the seed", err)
	}
	next := string(name) + ".new"
	f, err := os.OpenFile(next, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return cli.Fail(cli.ExitUnknown, "SEED_LOCKED", "writing the seed", fmt.Errorf("%s exists: another command changes the seed, or died while it did", next)).
			WithHint("if none is running: rm %s", next)
	}
	if err != nil {
		return fail(err)
	}
	renamed := false
	defer func() {
		err = errors.Join(err, f.Close())
		if !renamed {
			err = errors.Join(err, os.Remove(next))
		}
	}()
	seed, err := name.read()
	if err != nil {
		return err
	}
	if err := change(seed); err != nil {
		return err
	}
	if _, err := f.Write(seed.Marshal()); err != nil {
		return fail(err)
	}
	old, err := os.OpenFile(string(name), os.O_WRONLY, 0)
	if err != nil {
		return fail(err)
	}
	defer old.Close()
	if err := f.Sync(); err != nil {
		return fail(err)
	}
	if err := os.Rename(next, string(name)); err != nil {
		return fail(err)
	}
	renamed = true
	// Dying here leaves the new seed or, until its name is durable, the old one:
	// only then may the old bytes go.
	err = syncFolder(string(name))
	if err == nil {
		err = overwrite(old)
	}
	if err != nil {
		return cli.Fail(cli.ExitUnknown, "SEED_UNWRITABLE", "the seed is replaced; making that durable", err)
	}
	return nil
}

// overwrite puts zeros over a file that no name leads to any more.
func overwrite(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	_, err = f.WriteAt(make([]byte, info.Size()), 0)
	return errors.Join(err, f.Sync())
}

// writeDurably makes a new file for its owner's eyes alone.
func writeDurably(name string, b []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Sync(), f.Close(), syncFolder(name))
}

// syncFolder makes a file's name durable.
func syncFolder(file string) error {
	folder, err := os.Open(filepath.Dir(file))
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// outside refuses a seed that lies among the files it salts: it would be hashed
// with them, and go where they go.
func (name seedFile) outside(path string) error {
	root, err := filepath.EvalSymlinks(path)
	if err == nil {
		root, err = filepath.Abs(root)
	}
	folder, err2 := filepath.EvalSymlinks(filepath.Dir(string(name)))
	if err2 == nil {
		folder, err2 = filepath.Abs(folder)
	}
	if err := errors.Join(err, err2); err != nil {
		return cli.Fail(cli.ExitUnknown, "FILES_UNREADABLE", "finding "+path, err)
	}
	if info, err := os.Stat(root); err == nil && !info.IsDir() {
		return nil
	}
	if rel, err := filepath.Rel(root, folder); err == nil && filepath.IsLocal(rel) {
		return cli.Usage("the seed %s lies inside %s: it would be a part of the dataset, and travel with it", name, path)
	}
	return nil
}
