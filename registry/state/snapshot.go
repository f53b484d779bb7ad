package state

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// A snapshot file is
//
//	magic "hallmark/snapshot/v2\n" | position u64 | root of the tree of that size | the fold's serialisation |
//	SHA-256 of all before
//
// The root ties it to one history of the log: that of a log which was taken back to an older copy, or founded anew,
// may carry the same origin. It is zero at position 0, where there is no tree. The checksum finds a damaged file. It
// is no proof of anything: whoever can write the file can make one up, and what depends on the fold is proven by
// replaying the log.
const snapshotMagic = "hallmark/snapshot/v2\n"

// snapshotHeader is what stands before the fold's serialisation, in bytes.
const snapshotHeader = len(snapshotMagic) + 8 + sha256.Size

func encodeSnapshot(position uint64, root [sha256.Size]byte, data []byte) []byte {
	b := make([]byte, 0, snapshotHeader+len(data)+sha256.Size)
	b = append(b, snapshotMagic...)
	b = binary.BigEndian.AppendUint64(b, position)
	b = append(b, root[:]...)
	b = append(b, data...)
	sum := sha256.Sum256(b)
	return append(b, sum[:]...)
}

func decodeSnapshot(file []byte) (position uint64, root [sha256.Size]byte, data []byte, err error) {
	rest, ok := bytes.CutPrefix(file, []byte(snapshotMagic))
	if !ok {
		return 0, root, nil, fmt.Errorf("does not begin with %q", snapshotMagic)
	}
	if len(file) < snapshotHeader+sha256.Size {
		return 0, root, nil, fmt.Errorf("%d bytes, want at least %d", len(file), snapshotHeader+sha256.Size)
	}
	body := file[:len(file)-sha256.Size]
	if got, want := sha256.Sum256(body), file[len(body):]; !bytes.Equal(got[:], want) {
		return 0, root, nil, fmt.Errorf("checksum %x, want %x", got, want)
	}
	copy(root[:], rest[8:])
	return binary.BigEndian.Uint64(rest), root, body[snapshotHeader:], nil
}

// Steps of a durable write, for tests that fail one of them.
type step string

const (
	stepWrite  step = "write"
	stepSync   step = "sync"
	stepRename step = "rename"
	stepFolder step = "sync the folder"
)

// fault is nil but in tests. It is asked before each step.
var fault func(step) error

func check(s step) error {
	if fault == nil {
		return nil
	}
	return fault(s)
}

// writeDurably replaces a file as a whole. If we die before the rename the old file stands; after it the new one
// does. An error after the rename leaves open which of the two a crash of the machine would leave.
func writeDurably(path string, data []byte) error {
	fresh := path + ".new" // one writer, so one name, which the next write replaces
	f, err := os.OpenFile(fresh, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	if err := errors.Join(fill(f, data), f.Close()); err != nil {
		return errors.Join(err, ignoreNotExist(os.Remove(fresh)))
	}
	if err := check(stepRename); err != nil {
		return err
	}
	if err := os.Rename(fresh, path); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(path))
}

func fill(f *os.File, data []byte) error {
	if err := check(stepWrite); err != nil {
		return err
	}
	if _, err := f.Write(data); err != nil {
		return err
	}
	if err := check(stepSync); err != nil {
		return err
	}
	return f.Sync()
}

func syncFolder(path string) error {
	if err := check(stepFolder); err != nil {
		return err
	}
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func ignoreNotExist(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
