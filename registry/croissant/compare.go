package croissant

import (
	"encoding/hex"
	"fmt"
	"net/url"
	"path"
	"strings"
)

// A FileError says that a file is not as the document describes it.
type FileError struct {
	File File
	Path string   // in the data set, or "" if it is missing
	Got  [32]byte // SHA-256 of the file at Path
}

func (e *FileError) Error() string {
	if e.Path == "" {
		return fmt.Sprintf("%q (%s) is missing", e.File.ID, e.File.URL)
	}
	return fmt.Sprintf("%q: got sha256 %s, the document has %s", e.Path, hex.EncodeToString(e.Got[:]), hex.EncodeToString(e.File.SHA256[:]))
}

// Compare holds the files that the document describes against those of a data
// set: files maps each path to its SHA-256. resolve takes a path relative to
// the document and returns the path in the data set that it stands for, or "".
//
// A file with an address is looked for by its hash, and then by its name. What
// lies in an archive, or at an address without a hash, can't be told here and
// is not counted in checked. Files that the document is silent about are fine.
func (d *Document) Compare(files map[string][32]byte, resolve func(string) string) (checked int, faults []*FileError) {
	byHash := make(map[[32]byte]bool, len(files))
	byName := make(map[string]string, len(files))
	for p, sum := range files {
		byHash[sum] = true
		if old, ok := byName[path.Base(p)]; !ok || p < old {
			byName[path.Base(p)] = p
		}
	}
	for _, f := range d.Files {
		remote := strings.Contains(f.URL, "://")
		if f.Hashed && byHash[f.SHA256] && (remote || f.Contained) {
			checked++
			continue
		}
		if f.Contained || remote && !f.Hashed {
			continue
		}
		at := ""
		if remote {
			at = byName[nameOf(f.URL)]
		} else {
			at = locate(f.URL, files, resolve)
		}
		sum := files[at]
		switch {
		case at == "":
			faults = append(faults, &FileError{File: f})
		case !f.Hashed:
		case sum != f.SHA256:
			faults = append(faults, &FileError{File: f, Path: at, Got: sum})
		default:
			checked++
		}
	}
	return checked, faults
}

// locate finds a relative address, as it stands or with its escapes resolved.
func locate(address string, files map[string][32]byte, resolve func(string) string) string {
	candidates := []string{address}
	if plain, err := url.PathUnescape(address); err == nil && plain != address {
		candidates = append(candidates, plain)
	}
	for _, c := range candidates {
		at := resolve(c)
		if _, ok := files[at]; ok {
			return at
		}
	}
	return ""
}

// nameOf returns the name of the file at an address.
func nameOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return path.Base(u.Path)
}
