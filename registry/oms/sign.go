package oms

import (
	"cmp"
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/hallmark-registry/hallmark/verifier/entry"
	"github.com/hallmark-registry/hallmark/verifier/filetree"
	"github.com/hallmark-registry/hallmark/verifier/statement"
)

// DefaultShardSize is what the specification recommends, in bytes (6.3.2).
const DefaultShardSize = 1_000_000_000

// A Request is a signature to be made.
type Request struct {
	Key *entry.PrivateKey // on P-256, P-384 or P-521

	// Chain makes it a signature by the certificate method: the certificate of
	// Key, then those that lead from it to an anchor.
	Chain []*x509.Certificate

	Name        string // of the model; empty: the folder's own
	Hash        string // sha256, blake2b or blake3; empty: DefaultHash
	ShardSize   uint64 // bytes; 0 signs whole files, as BLAKE3 always does
	FollowLinks bool   // sign the targets of links inside the folder under the links' names

	// Ignore are paths relative to the model to leave out, besides those of git.
	// All of them stand in what is signed, whether or not they are there.
	Ignore []string

	Progress func(done, total uint64) // as in Options
}

// Sign signs a folder and returns the bundle and what it says. The same folder,
// key and request give the same bytes: nothing random, and no clock, is in it.
func Sign(ctx context.Context, f *Folder, q Request) ([]byte, *Manifest, error) {
	if !ecdsaKey(q.Key.Public()) {
		return nil, nil, fault(ErrKey, "", "got a key of %s, want P-256, P-384 or P-521", q.Key.Public().Alg)
	}
	if len(q.Chain) > 0 {
		switch key, err := certificateKey(q.Chain[0]); {
		case err != nil:
			return nil, nil, err
		case !sameKey(key, q.Key.Public()):
			return nil, nil, fault(ErrKey, "", "the first certificate is of another key, %s, than the one to sign with", key.ID())
		}
	}
	payload, err := q.payload(ctx, f)
	if err != nil {
		return nil, nil, err
	}
	sig, err := q.Key.Sign(entry.PAE(entry.TypeStatement, payload))
	if err != nil {
		return nil, nil, fmt.Errorf("signing: %w", err)
	}
	text := q.encode(payload, sig)
	// Whoever gets it will read it by the rules of ParseBundle: so do we.
	b, err := ParseBundle(text)
	if err != nil {
		return nil, nil, err
	}
	m, err := ParseManifest(b.Payload)
	return text, m, err
}

// Digest returns the root that a signature of the folder would have as its
// subject, and over how many digests it is. No key and no name goes into it.
func Digest(ctx context.Context, f *Folder, q Request) (root [32]byte, resources int, err error) {
	how, err := q.serialization()
	if err != nil {
		return root, 0, err
	}
	list, err := q.resources(ctx, f, how)
	if err != nil {
		return root, 0, err
	}
	return rootOf(list), len(list), nil
}

// serialization is what the request asks for, checked as that of a bundle is.
func (q *Request) serialization() (*Serialization, error) {
	s := &Serialization{
		Method: methodFiles, Hash: cmp.Or(q.Hash, DefaultHash), ShardSize: q.ShardSize,
		AllowSymlinks: q.FollowLinks, IgnorePaths: newIgnored(gitPaths, q.Ignore).sorted(),
	}
	if q.ShardSize != 0 {
		s.Method = methodShards
	}
	if q.ShardSize > maxSafeInteger {
		return nil, fault(ErrSerialization, "", "got shards of %d bytes, want at most %d", q.ShardSize, uint64(maxSafeInteger))
	}
	return s, s.check()
}

// payload hashes the folder and writes the statement: compact, members in the
// order of RFC 8785, 3.2.3.
func (q *Request) payload(ctx context.Context, f *Folder) ([]byte, error) {
	how, err := q.serialization()
	if err != nil {
		return nil, err
	}
	resources, err := q.resources(ctx, f, how)
	if err != nil {
		return nil, err
	}
	name, root := q.Name, rootOf(resources)
	if name == "" {
		name = f.Name()
	}
	if !utf8.ValidString(name) {
		return nil, fault(ErrSubject, "", "the name %q is not valid UTF-8", name)
	}
	b := append([]byte(`{"_type":`), quote(statement.TypeStatement)...)
	b = append(b, `,"predicate":{"resources":[`...)
	for i, r := range resources {
		if i > 0 {
			b = append(b, ',')
		}
		b = fmt.Appendf(b, `{"algorithm":"%s","digest":"%x","name":%s}`, how.Hash, r.Digest, quote(r.Name))
	}
	b = append(b, `],"serialization":{"allow_symlinks":`...)
	b = strconv.AppendBool(b, how.AllowSymlinks)
	b = append(b, `,"hash_type":"`+how.Hash+`","ignore_paths":[`...)
	for i, p := range how.IgnorePaths {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, quote(p)...)
	}
	if how.ShardSize == 0 {
		b = append(b, `],"method":"`+methodFiles+`"}}`...)
	} else {
		b = fmt.Appendf(b, `],"method":"%s","shard_size":%d}}`, methodShards, how.ShardSize)
	}
	b = append(b, `,"predicateType":"`+PredicateType+`","subject":[{"digest":{"sha256":"`...)
	b = hex.AppendEncode(b, root[:])
	b = append(b, `"},"name":`...)
	b = append(b, quote(name)...)
	return append(b, `}]}`...), nil
}

// resources hashes the folder, in the order of the specification: by name.
func (q *Request) resources(ctx context.Context, f *Folder, how *Serialization) ([]Resource, error) {
	algorithm, err := hashOf(how.Hash)
	if err != nil {
		return nil, err
	}
	there, err := f.list(newIgnored(how.IgnorePaths), how.AllowSymlinks)
	if err != nil {
		return nil, fmt.Errorf("listing the model: %w", err)
	}
	var jobs []job
	var resources []Resource
	for _, one := range there {
		if one.fault != nil {
			return nil, one.fault
		}
		if err := filetree.CheckPath(one.path); err != nil {
			return nil, fault(ErrResourceName, one.path, "%v", err)
		}
		for _, j := range one.split(how.ShardSize) {
			r := Resource{Name: j.path, Path: j.path}
			if how.ShardSize != 0 {
				r.Start, r.End = j.from, j.to
				r.Name = fmt.Sprintf("%s:%d:%d", j.path, j.from, j.to)
			}
			jobs, resources = append(jobs, j), append(resources, r)
		}
	}
	if len(jobs) == 0 {
		return nil, fault(ErrNoFiles, f.Name(), "holds nothing to sign")
	}
	if err := f.hashAll(ctx, algorithm, jobs, q.Progress); err != nil {
		return nil, err
	}
	for i := range jobs {
		resources[i].Digest = jobs[i].digest
	}
	slices.SortFunc(resources, byName)
	return resources, nil
}

// split returns the pieces of a file: itself, or its shards, of which an empty
// file has none.
func (f found) split(shardSize uint64) (jobs []job) {
	if shardSize == 0 {
		return []job{{path: f.path, size: f.size, to: f.size}}
	}
	for from := uint64(0); from < f.size; from += shardSize {
		jobs = append(jobs, job{path: f.path, size: f.size, from: from, to: min(from+shardSize, f.size)})
	}
	return jobs
}

// encode writes the bundle, compact, members in the order of RFC 8785.
func (q *Request) encode(payload, sig []byte) []byte {
	b := append([]byte(`{"dsseEnvelope":{"payload":"`), base64.StdEncoding.EncodeToString(payload)...)
	b = append(b, `","payloadType":"`+entry.TypeStatement+`","signatures":[{"keyid":"","sig":"`...)
	b = base64.StdEncoding.AppendEncode(b, sig)
	b = append(b, `"}]},"mediaType":"`+MediaType+`","verificationMaterial":{`...)
	if len(q.Chain) == 0 {
		return append(b, `"publicKey":{"hint":"`+Hint(q.Key.Public())+`"},"tlogEntries":[]}}`+"\n"...)
	}
	b = append(b, `"tlogEntries":[],"x509CertificateChain":{"certificates":[`...)
	for i, c := range q.Chain {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"rawBytes":"`...)
		b = base64.StdEncoding.AppendEncode(b, c.Raw)
		b = append(b, `"}`...)
	}
	return append(b, "]}}}\n"...)
}

// quote writes a JSON string, of what was found to be UTF-8 before.
func quote(s string) []byte {
	b, err := jsontext.AppendQuote(nil, s)
	if err != nil {
		panic("oms: quoting a name that was checked: " + err.Error())
	}
	return b
}
