package dataset

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

const (
	seedFileHeader = "hallmark dataset seed 1"
	// MaxSeedFile is the most bytes of a seed file that is read. An erased record takes a few kilobytes at worst, less
	// where many are erased: room for tens of thousands.
	MaxSeedFile = 64 << 20
)

// ErrSeedFile says that a seed file is malformed. No error of it repeats what stands in the file.
var ErrSeedFile = errors.New("malformed seed file")

// A SeedFile is what the owner of a salted data set keeps: the salts, and which data set they belong to.
//
//	hallmark dataset seed 1
//	dataset sha256:3f9a…c21e                          or "dataset none", before there is one
//	split lines
//	node 1 1 9d07…b1c2                                depth, index, value: see SaltTree
//	node 2 0 81b0…44fa
//	erased 17 212 77de…0e61                           record, size, leaf hash
//
// Nodes are named by their depth below the seed (0 to 48) and their index from the left. Which there are follows from
// the erased records: the fewest that cover all others.
type SeedFile struct {
	Dataset [32]byte // digest of the one data set that the salts are for; zeros while there is none
	Split   Split
	Salts   *SaltTree
}

// Marshal writes the file. It holds the secret.
func (s *SeedFile) Marshal() []byte {
	b := []byte(seedFileHeader + "\ndataset ")
	if s.Dataset == [32]byte{} {
		b = append(b, "none"...)
	} else {
		b = hex.AppendEncode(append(b, hashTag...), s.Dataset[:])
	}
	b = append(append(b, "\nsplit "...), s.Split.String()...)
	for i := range s.Salts.nodes {
		n := &s.Salts.nodes[i]
		b = appendSeedLine(b, "node", uint64(n.depth), n.index, &n.value)
	}
	for i := range s.Salts.erased {
		e := &s.Salts.erased[i]
		b = appendSeedLine(b, "erased", e.Record, e.Size, &e.Leaf)
	}
	return append(b, '\n')
}

func appendSeedLine(b []byte, word string, m, n uint64, hash *[32]byte) []byte {
	b = append(append(append(b, '\n'), word...), ' ')
	b = append(strconv.AppendUint(b, m, 10), ' ')
	b = append(strconv.AppendUint(b, n, 10), ' ')
	return hex.AppendEncode(b, hash[:])
}

// ParseSeedFile reads a seed file in its only encoding: the nodes must be those that the erased records leave, so that
// neither a salt is missing nor one is there that was erased. The error wraps ErrSeedFile.
func ParseSeedFile(text []byte) (*SeedFile, error) {
	if len(text) > MaxSeedFile {
		return nil, fmt.Errorf("%w: %d bytes, want at most %d", ErrSeedFile, len(text), MaxSeedFile)
	}
	s := &SeedFile{Salts: new(SaltTree)}
	for i, line := range strings.Split(strings.TrimSuffix(string(text), "\n"), "\n") {
		if !s.readLine(i, line) {
			return nil, fmt.Errorf("%w: line %d is not as it must be", ErrSeedFile, i+1)
		}
	}
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSeedFile, err)
	}
	if !bytes.Equal(s.Marshal(), text) {
		return nil, fmt.Errorf("%w: not written canonically", ErrSeedFile)
	}
	return s, nil
}

// readLine reads what stands in a line. What it leaves open falls to the comparison in ParseSeedFile.
func (s *SeedFile) readLine(i int, line string) bool {
	word, rest, _ := strings.Cut(line, " ")
	switch {
	case i == 0:
		return line == seedFileHeader
	case i == 1:
		digits, tagged := strings.CutPrefix(rest, hashTag)
		return word == "dataset" && (rest == "none" || tagged && decodeHash(&s.Dataset, digits))
	case i == 2:
		s.Split = Lines
		if rest == WholeFiles.String() {
			s.Split = WholeFiles
		}
		return word == "split" && rest == s.Split.String()
	}
	first, rest, _ := strings.Cut(rest, " ")
	second, digits, _ := strings.Cut(rest, " ")
	m, err1 := strconv.ParseUint(first, 10, 64)
	n, err2 := strconv.ParseUint(second, 10, 64)
	var hash [32]byte
	if err1 != nil || err2 != nil || !decodeHash(&hash, digits) {
		return false
	}
	switch word {
	case "node":
		s.Salts.nodes = append(s.Salts.nodes, saltNode{uint8(m), n, hash})
		return m <= saltDepth && n < 1<<m
	case "erased":
		s.Salts.erased = append(s.Salts.erased, Erased{m, n, hash})
		return m < maxSalts && n <= maxBytes
	}
	return false
}

func decodeHash(h *[32]byte, digits string) bool {
	if len(digits) != 2*len(h) {
		return false
	}
	_, err := hex.Decode(h[:], []byte(digits))
	return err == nil
}

// check holds the nodes against those that the erased records leave.
func (s *SeedFile) check() error {
	if s.Salts.nodes == nil && s.Salts.erased == nil {
		return errors.New("holds no salts")
	}
	if s.Dataset == [32]byte{} && len(s.Salts.erased) > 0 {
		return errors.New("records are erased, of no data set")
	}
	for i := 1; i < len(s.Salts.erased); i++ {
		if s.Salts.erased[i-1].Record >= s.Salts.erased[i].Record {
			return errors.New("erased records are not ascending")
		}
	}
	var want SaltTree
	want.nodes = saltNode{}.without(nil, s.Salts.erased)
	same := func(a, b saltNode) bool { return a.depth == b.depth && a.index == b.index }
	if !slices.EqualFunc(s.Salts.nodes, want.nodes, same) {
		return errors.New("its nodes are not those that the erased records leave")
	}
	return nil
}
