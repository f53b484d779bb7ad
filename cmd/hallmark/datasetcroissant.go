package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/hallmark-registry/hallmark/cmd/internal/cli"
	"github.com/hallmark-registry/hallmark/registry/croissant"
	"github.com/hallmark-registry/hallmark/verifier/dataset"
	"github.com/hallmark-registry/hallmark/verifier/statement"
)

// A document is what others wrote down about a dataset, or nil: then it says
// nothing.
type document struct {
	*croissant.Document
	file string
}

func readDocument(file string) (*document, error) {
	if file == "" {
		return nil, nil
	}
	text, err := readBounded(file, croissant.MaxSize)
	if err != nil {
		return nil, cli.Fail(cli.ExitUsage, "CROISSANT_UNREADABLE", "reading the document", err)
	}
	d, err := croissant.Parse(text)
	if err != nil {
		return nil, cli.Fail(cli.ExitUsage, "CROISSANT_MALFORMED", "reading "+file, err)
	}
	return &document{d, file}, nil
}

// describe adds what the document says and no flag has said.
func (d *document) describe(st *statement.Dataset) error {
	if d == nil {
		return nil
	}
	st.Croissant = d.Digest
	if len(st.Sources) == 0 {
		st.Sources = d.Sources
	}
	if st.License != "" {
		return nil
	}
	license, err := d.License()
	if err != nil {
		return cli.Fail(cli.ExitUsage, "CROISSANT_LICENSE", "reading "+d.file, err).WithHint("name it yourself: --license SPDX")
	}
	st.License = license
	return nil
}

// compare holds the files against the document's SHA-256 values.
func (d *document) compare(s *session, path string, hashed *dataset.Dataset) error {
	if d == nil {
		return nil
	}
	resolve, err := d.resolver(path)
	if err != nil {
		return cli.Fail(cli.ExitUnknown, "FILES_UNREADABLE", "finding "+path, err)
	}
	files := make(map[string][32]byte, len(hashed.Files))
	for _, f := range hashed.Files {
		files[f.Path] = f.SHA256
	}
	checked, faults := d.Compare(files, resolve)
	if len(faults) == 0 {
		s.status("%s: %d of the %d files that it describes have the SHA-256 that it gives", d.file, checked, len(d.Files))
		return nil
	}
	return d.fault(path, faults)
}

// maxFaults bounds the files that one error names.
const maxFaults = 8

func (d *document) fault(path string, faults []*croissant.FileError) error {
	code, reason := cli.ExitUsage, "CROISSANT_FILE_MISSING"
	var names []string
	for i, f := range faults {
		if f.Path != "" {
			code, reason = cli.ExitDifference, "CROISSANT_FILE_DIFFERS"
		}
		if i < maxFaults {
			names = append(names, f.Error())
		}
	}
	if more := len(faults) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	return cli.Fail(code, reason, "comparing "+path+" with "+d.file, errors.New(strings.Join(names, "; ")))
}

// resolver returns what finds a path that is relative to the document in the
// dataset, whose folder may be the document's own, or one below.
func (d *document) resolver(path string) (func(string) string, error) {
	root, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	file, err := filepath.Abs(d.file)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(root)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		root = filepath.Dir(root)
	}
	return func(address string) string {
		rel, err := filepath.Rel(root, filepath.Join(filepath.Dir(file), filepath.FromSlash(address)))
		if err != nil || !filepath.IsLocal(rel) {
			return ""
		}
		return filepath.ToSlash(rel)
	}, nil
}
