package statement

import (
	"cmp"
	"encoding/hex"
	"strings"
)

// maxSegmentSize bounds each part of a name, in bytes: a DNS label and a
// container repository component fit.
const maxSegmentSize = 64

// A Digest is a SHA-256 value. The zero Digest means "none"; it is never
// written and never accepted.
type Digest [32]byte

const digestPrefix = "sha256:"

// String returns "sha256:" and 64 lower-case hex digits.
func (d Digest) String() string { return digestPrefix + hex.EncodeToString(d[:]) }

// IsZero reports whether there is no digest.
func (d Digest) IsZero() bool { return d == Digest{} }

// ParseDigest reads "sha256:" and 64 lower-case hex digits.
func ParseDigest(s string) (Digest, error) {
	digits, ok := strings.CutPrefix(s, digestPrefix)
	if !ok {
		return Digest{}, bad("got %q, want sha256: and 64 lower-case hex digits", s)
	}
	return parseHex(digits)
}

// A Name is the full name of one version of a model or dataset.
type Name struct {
	Namespace, Name, Version string
}

// String returns "namespace/name@version".
func (n Name) String() string { return n.Base() + "@" + n.Version }

// Base returns "namespace/name".
func (n Name) Base() string { return n.Namespace + "/" + n.Name }

// ParseName reads "namespace/name@version". Each of the three is 1 to 64 bytes
// of lower-case letters, digits, '.', '_' and '-', and begins with a letter or
// digit.
func ParseName(s string) (Name, error) {
	namespace, rest, slash := strings.Cut(s, "/")
	name, version, at := strings.Cut(rest, "@")
	if !slash || !at || !isSegment(namespace) || !isSegment(name) || !isSegment(version) {
		return Name{}, bad("got %q, want namespace/name@version, each [a-z0-9][a-z0-9._-]{0,63}", s)
	}
	return Name{Namespace: namespace, Name: name, Version: version}, nil
}

// ParseNamespace checks that s can be a namespace: one segment of a name.
func ParseNamespace(s string) (string, error) {
	if !isSegment(s) {
		return "", bad("got %q, want a namespace, [a-z0-9][a-z0-9._-]{0,63}", s)
	}
	return s, nil
}

func isSegment(s string) bool {
	if s == "" || len(s) > maxSegmentSize || strings.IndexByte("._-", s[0]) >= 0 {
		return false
	}
	for i := range len(s) {
		if !isLowerAlnum(s[i]) && strings.IndexByte("._-", s[i]) < 0 {
			return false
		}
	}
	return true
}

func isLowerAlnum(c byte) bool { return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' }

func isAlnum(c byte) bool { return isLowerAlnum(c) || 'A' <= c && c <= 'Z' }

// Digest algorithms of a subject. in-toto's "sha256" is the hash of an
// artifact's bytes, so a digest of anything else must not be called that.
const (
	AlgModel     = "hallmarkModel1"     // model digest
	AlgDataset   = "hallmarkDataset1"   // dataset digest
	AlgStatement = "hallmarkStatement1" // statement id, SHA-256 of the PAE
	AlgNamespace = "hallmarkNamespace1" // NamespaceDigest
	AlgBlob      = "sha256"             // SHA-256 of a blob's bytes
)

// A Subject is what a statement is about.
type Subject struct {
	Name   string // namespace/name@version; the namespace, for a namespace statement; free text in a foreign one
	Alg    string
	Digest Digest
}

func compareSubjects(a, b Subject) int {
	return cmp.Or(strings.Compare(a.Name, b.Name), compareDigests(a.Digest, b.Digest))
}
