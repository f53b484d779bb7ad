package oms

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/hallmark-registry/hallmark/verifier/filetree"
	"github.com/hallmark-registry/hallmark/verifier/statement"
)

// PredicateType is that of the statements that are written. Any v1.* is read:
// within a major version the meaning of what is there stays (VERSIONING.md).
const PredicateType = "https://model_signing/signature/v1.0"

const predicateMajor = "https://model_signing/signature/v1."

// Serialization methods (6.3).
const (
	methodFiles  = "files"
	methodShards = "shards"
)

// A Manifest is what was signed: which bytes are the model. Every resource lies
// inside the folder, none stands twice, and the root is that of their digests.
type Manifest struct {
	Name      string // of the model, for people; it proves nothing
	Root      [32]byte
	Resources []Resource
	Serialization

	files []signedFile // the resources by file, ascending by path
}

// A Serialization is how the folder was enumerated and hashed.
type Serialization struct {
	Method        string // files or shards
	Hash          string // sha256, blake2b or blake3
	ShardSize     uint64 // bytes; 0 for files
	AllowSymlinks bool
	IgnorePaths   []string // left out by the signer, with all below: nobody signed what is there
}

// A Resource is one digest that was signed: of a file, or of its bytes from
// Start up to End.
type Resource struct {
	Name       string // as signed: the path, for a shard with ":start:end"
	Path       string
	Start, End uint64 // zero for a file
	Digest     []byte
}

// A signedFile is a file with its digests, of all of it or of its shards in their
// order.
type signedFile struct {
	path   string
	pieces []Resource
}

// ParseManifest reads the payload of a bundle whose signature was verified: see
// Bundle.Authenticate. Every error is an *Error.
func ParseManifest(payload []byte) (*Manifest, error) {
	m := new(Manifest)
	var typ, predicateType, root string
	var resources []resource
	subjects := 0
	r := newReader(payload)
	err := r.object(members{
		"_type":         r.text(&typ),
		"predicateType": r.text(&predicateType),
		"subject": func() (err error) {
			subjects, err = r.array(func() error { return m.readSubject(r, &root) })
			return err
		},
		"predicate": func() error {
			return r.object(members{
				"resources":     func() (err error) { resources, err = readResources(r); return err },
				"serialization": func() error { return m.Serialization.read(r) },
			}, "resources", "serialization")
		},
	}, "_type", "predicateType", "subject", "predicate")
	if err == nil {
		err = r.end()
	}
	switch {
	case err != nil:
		return nil, err
	case typ != statement.TypeStatement:
		return nil, fault(ErrStatementType, "/_type", "got %q, want %q", typ, statement.TypeStatement)
	case !knownPredicate(predicateType):
		return nil, fault(ErrPredicateType, "/predicateType", "got %q, want %q", predicateType, PredicateType)
	case subjects != 1:
		return nil, fault(ErrSubject, "/subject", "got %d subjects, want 1", subjects)
	}
	if err := m.Serialization.check(); err != nil {
		return nil, err
	}
	if err := m.take(resources); err != nil {
		return nil, err
	}
	return m, m.checkRoot(root)
}

func knownPredicate(s string) bool {
	minor, ok := strings.CutPrefix(s, predicateMajor)
	return ok && minor != "" && strings.Trim(minor, "0123456789") == ""
}

// readSubject reads one subject. The schema leaves it open, and lets other
// digests stand beside the root.
func (m *Manifest) readSubject(r reader, root *string) error {
	var other string
	err := r.object(members{
		"name":   r.text(&m.Name),
		"digest": func() error { return r.object(members{"sha256": r.text(root), anyOther: r.text(&other)}, "sha256") },
		anyOther: r.skip,
	}, "name", "digest")
	if err == nil && m.Name == "" {
		err = r.fault(ErrSubject, "an empty name")
	}
	return err
}

// A resource as it stands in the predicate, whose schema leaves it open too.
type resource struct{ name, algorithm, digest string }

func readResources(r reader) (list []resource, err error) {
	_, err = r.array(func() error {
		var e resource
		err := r.object(members{
			"name": r.text(&e.name), "algorithm": r.text(&e.algorithm), "digest": r.text(&e.digest), anyOther: r.skip,
		}, "name", "algorithm", "digest")
		list = append(list, e)
		return err
	})
	return list, err
}

func (s *Serialization) read(r reader) error {
	return r.object(members{
		"method":         r.text(&s.Method),
		"hash_type":      r.text(&s.Hash),
		"allow_symlinks": r.boolean(&s.AllowSymlinks),
		"shard_size":     r.positive(&s.ShardSize),
		"ignore_paths": func() error {
			_, err := r.array(func() error {
				var p string
				err := r.text(&p)()
				s.IgnorePaths = append(s.IgnorePaths, p)
				return err
			})
			return err
		},
	}, "method", "hash_type", "allow_symlinks")
}

func (s *Serialization) check() error {
	const at = "/predicate/serialization"
	switch {
	case s.Method != methodFiles && s.Method != methodShards:
		return fault(ErrSerialization, at+"/method", "got %q, want %q or %q", s.Method, methodFiles, methodShards)
	case s.Method == methodFiles && s.ShardSize != 0:
		return fault(ErrSerialization, at+"/shard_size", "got %d with the method %q, want none", s.ShardSize, s.Method)
	case s.Method == methodShards && s.ShardSize == 0:
		return fault(ErrSerialization, at+"/shard_size", "none, with the method %q", s.Method)
	case s.Method == methodShards && s.Hash == hashBLAKE3:
		// The Python implementation signs whole files if asked for that, so nothing
		// tells what the digest of such a shard is.
		return fault(ErrUnsupported, at+"/hash_type", "%q with the method %q, which no implementation writes", s.Hash, s.Method)
	}
	for _, p := range s.IgnorePaths {
		if err := CheckIgnored(p); err != nil {
			return fault(ErrSerialization, at+"/ignore_paths", "%v", err)
		}
	}
	_, err := hashOf(s.Hash)
	return err
}

// take checks the resources and sorts them by file.
func (m *Manifest) take(list []resource) error {
	const at = "/predicate/resources"
	if len(list) == 0 {
		return fault(ErrNoResources, at, "got none, want at least 1")
	}
	h, err := hashOf(m.Hash)
	if err != nil {
		return err
	}
	ignored := newIgnored(m.IgnorePaths)
	for _, e := range list {
		res := Resource{Name: e.name}
		if !m.names(e.algorithm) {
			return fault(ErrAlgorithm, at, "%q: got a digest of %q, the signer hashed by %q", e.name, e.algorithm, m.Hash)
		}
		if res.Digest, err = hex.DecodeString(e.digest); err != nil || len(res.Digest) != h.size || hex.EncodeToString(res.Digest) != e.digest {
			return fault(ErrBadValue, at, "%q: got the digest %q, want %d lower-case hex digits", e.name, e.digest, 2*h.size)
		}
		if err := res.locate(m.ShardSize); err != nil {
			return err
		}
		if err := filetree.CheckPath(res.Path); err != nil && (res.Path != singleFile || len(list) > 1 || m.Method != methodFiles) {
			return fault(ErrResourceName, at, "%v", err)
		}
		if p := ignored.above(res.Path); p != "" {
			return fault(ErrSerialization, at, "%q was signed, and is ignored as %q", e.name, p)
		}
		m.Resources = append(m.Resources, res)
	}
	if !ascending(m.Resources, byName) && !ascending(m.Resources, byParts) {
		return fault(ErrResourceOrder, at, "not strictly ascending by name")
	}
	return m.group()
}

// names reports whether a label means the signed hash. The Python implementation
// labels a shard's digest with the hash and the size, against 6.3.2: there is one
// reading of that, and no other way to verify what it signs by shards.
func (s *Serialization) names(label string) bool {
	return label == s.Hash || s.ShardSize != 0 && label == fmt.Sprintf("%s-sharded-%d", s.Hash, s.ShardSize)
}

// singleFile is what bundles of before v1.1.0 call a model that is one file.
const singleFile = "."

// locate splits the name of a shard at its last two colons, since a path may have
// some of its own (6.3.2).
func (r *Resource) locate(shardSize uint64) error {
	if shardSize == 0 {
		r.Path = r.Name
		return nil
	}
	wrong := fault(ErrResourceName, "/predicate/resources", "got %q, want PATH:START:END of shards of %d bytes", r.Name, shardSize)
	rest, end, ok := cutLast(r.Name)
	path, start, ok2 := cutLast(rest)
	if !ok || !ok2 {
		return wrong
	}
	var err, err2 error
	r.Start, err = parseDecimal(start)
	r.End, err2 = parseDecimal(end)
	if err != nil || err2 != nil || r.Start >= r.End || r.End-r.Start > shardSize || r.Start%shardSize != 0 {
		return wrong
	}
	r.Path = path
	return nil
}

func cutLast(s string) (before, after string, ok bool) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}

// ascending reports a strict order: nothing stands twice.
func ascending(list []Resource, order func(a, b Resource) int) bool {
	for i := 1; i < len(list); i++ {
		if order(list[i-1], list[i]) >= 0 {
			return false
		}
	}
	return true
}

// byName is the order of the specification (6.4): by code points, which in UTF-8
// is by bytes.
func byName(a, b Resource) int { return strings.Compare(a.Name, b.Name) }

// byParts is the order that the Python implementation writes instead: by the
// folders of the path, so that "a/b" stands before "a.b", and shards by number.
// Most signatures are made by it; the order that was signed is the one that the
// root is computed in, so both are sound.
func byParts(a, b Resource) int {
	return cmp.Or(
		slices.Compare(strings.Split(a.Path, "/"), strings.Split(b.Path, "/")),
		cmp.Compare(a.Start, b.Start))
}

// group collects the resources of each file. Shards must cover it without a hole:
// each full but for the last.
func (m *Manifest) group() error {
	sorted := slices.Clone(m.Resources)
	slices.SortFunc(sorted, func(a, b Resource) int {
		return cmp.Or(strings.Compare(a.Path, b.Path), cmp.Compare(a.Start, b.Start))
	})
	for i, r := range sorted {
		if i == 0 || sorted[i-1].Path != r.Path {
			m.files = append(m.files, signedFile{path: r.Path})
		}
		f := &m.files[len(m.files)-1]
		reached := uint64(0)
		if n := len(f.pieces); n > 0 {
			reached = f.pieces[n-1].End
		}
		if r.Start != reached { // and a multiple of the shard size: so the one before it is full
			return fault(ErrResourceName, "/predicate/resources", "%q begins at %d, the shards before it end at %d", r.Name, r.Start, reached)
		}
		f.pieces = append(f.pieces, r)
	}
	return nil
}

// checkRoot compares the subject with SHA-256 over the digests in their order,
// whatever they were hashed by (6.5.1).
func (m *Manifest) checkRoot(signed string) error {
	m.Root = rootOf(m.Resources)
	if got := hex.EncodeToString(m.Root[:]); got != signed {
		return fault(ErrRoot, "/subject/0/digest/sha256", "got %q, the resources hash to %s", signed, got)
	}
	return nil
}

func rootOf(resources []Resource) [32]byte {
	h := sha256.New()
	for _, r := range resources {
		h.Write(r.Digest)
	}
	return [32]byte(h.Sum(nil))
}
