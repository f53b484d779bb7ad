package cyclonedx_test

import (
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"testing"

	"github.com/transparency-dev/merkle/rfc6962"

	"github.com/hallmark-registry/hallmark/verifier/bundle"
	"github.com/hallmark-registry/hallmark/verifier/checkpoint"
	"github.com/hallmark-registry/hallmark/verifier/entry"
	"github.com/hallmark-registry/hallmark/verifier/statement"
)

const (
	origin   = "localhost/hallmark-demo"
	cosigned = 1_795_000_000 // POSIX seconds
)

// A world is a log with the demo's two models and their datasets in it, with keys
// that are the same in every run.
type world struct {
	t        testing.TB
	lab      *entry.PrivateKey
	stranger *entry.PrivateKey
	log      *checkpoint.Signer
	witness  *checkpoint.Signer // nil: nobody vouches for a time
	leaves   [][]byte
}

func newWorld(t testing.TB) *world {
	t.Helper()
	return &world{
		t: t, lab: key(t, "lab"), stranger: key(t, "stranger"),
		log:     signer(t, origin, checkpoint.AlgEd25519),
		witness: signer(t, "witness.example", checkpoint.AlgCosignature),
	}
}

func must[T any](t testing.TB, v T, err error) T {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func signer(t testing.TB, name string, alg checkpoint.Alg) *checkpoint.Signer {
	t.Helper()
	seed := sha256.Sum256([]byte("seed of " + name))
	s, err := checkpoint.NewSigner(name, alg, seed[:])
	return must(t, s, err)
}

func key(t testing.TB, name string) *entry.PrivateKey {
	t.Helper()
	seed := sha256.Sum256([]byte("seed of " + name))
	der, err := x509.MarshalPKCS8PrivateKey(ed25519.NewKeyFromSeed(seed[:]))
	k, err2 := entry.ParsePrivateKeyPEM(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: must(t, der, err)}))
	return must(t, k, err2)
}

// publish logs a statement and returns its index.
func (w *world) publish(s *statement.Statement, by *entry.PrivateKey) int {
	w.t.Helper()
	s.Sort()
	body, err := s.Marshal()
	e, err2 := entry.Sign(entry.TypeStatement, must(w.t, body, err), by)
	w.leaves = append(w.leaves, must(w.t, e, err2).Raw())
	return len(w.leaves) - 1
}

// prove proves a leaf under the whole log.
func (w *world) prove(at int) bundle.Proven {
	w.t.Helper()
	c := checkpoint.Checkpoint{Origin: origin, Size: uint64(len(w.leaves)), Root: root(w.leaves)}
	note, err := checkpoint.Sign(c, w.log)
	must(w.t, note, err)
	if w.witness != nil {
		line, err := checkpoint.Cosign(note, w.witness, cosigned)
		note = append(note, must(w.t, line, err)...)
	}
	p := checkpoint.Proof{Index: uint64(at), Hashes: path(at, w.leaves), Checkpoint: note}
	return bundle.Proven{Entry: w.leaves[at], Proof: p.Format()}
}

// bundle is that of a model with some entries that it rests on.
func (w *world) bundle(model int, related ...int) []byte {
	w.t.Helper()
	b := &bundle.Bundle{Proven: w.prove(model)}
	for _, at := range related {
		b.Related = append(b.Related, w.prove(at))
	}
	text, err := b.Marshal()
	return must(w.t, text, err)
}

func (w *world) policy() *checkpoint.Policy {
	w.t.Helper()
	text := "log " + w.log.Key().String() + "\n"
	if w.witness == nil {
		text += "quorum none\n"
	} else {
		text += fmt.Sprintf("witness w %s\nquorum w\n", w.witness.Key())
	}
	p, err := checkpoint.ParsePolicy([]byte(text))
	return must(w.t, p, err)
}

// root is RFC 6962, 2.1, word for word.
func root(leaves [][]byte) [32]byte {
	if len(leaves) == 1 {
		return [32]byte(rfc6962.DefaultHasher.HashLeaf(leaves[0]))
	}
	k := split(len(leaves))
	l, r := root(leaves[:k]), root(leaves[k:])
	return [32]byte(rfc6962.DefaultHasher.HashChildren(l[:], r[:]))
}

// path is RFC 6962, 2.1.1, word for word.
func path(m int, leaves [][]byte) [][32]byte {
	if len(leaves) == 1 {
		return nil
	}
	k := split(len(leaves))
	if m < k {
		return append(path(m, leaves[:k]), root(leaves[k:]))
	}
	return append(path(m-k, leaves[k:]), root(leaves[:k]))
}

// split is the largest power of two below n.
func split(n int) int {
	k := 1
	for k*2 < n {
		k *= 2
	}
	return k
}

// The demo's statements. Sizes and digests of the weights are those of one run.

func named(name string) statement.Name {
	n, err := statement.ParseName(name)
	if err != nil {
		panic(err)
	}
	return n
}

func digest(hex string) statement.Digest {
	d, err := statement.ParseDigest("sha256:" + hex)
	if err != nil {
		panic(err)
	}
	return d
}

// made is a digest of nothing that exists.
func made(of string) statement.Digest { return sha256.Sum256([]byte(of)) }

func digits() *statement.Statement {
	return statement.NewDataset(named("demo/digits@1.0.0"), &statement.Dataset{
		Root: made("digits"), Records: 1797, Files: 1, Bytes: 264_712, Form: statement.FormLines, License: "CC-BY-4.0",
		Sources:    []string{"https://archive.ics.uci.edu/dataset/80", "a scanner in the hall"},
		Consent:    &statement.Consent{Basis: statement.BasisNotPersonal, Document: made("consent")},
		Collection: &statement.Period{From: "1995-01-01", To: "1998-07-01"}, Modalities: []string{"image"}, Croissant: made("croissant"),
	})
}

func contributed() *statement.Statement {
	return statement.NewDataset(named("demo/digits-contributed@1.0.0"), &statement.Dataset{
		Root: made("contributed"), Records: 1077, Files: 1, Bytes: 158_501, Form: statement.FormLines, License: "NOASSERTION"})
}

var config = statement.File{Path: "config.json", SHA256: digest("09f26fae15c82e98d70490b14dc896633099b1dc0eee5d835fe5750b03225575"), Size: 219}

func reader() *statement.Statement {
	return statement.NewModel(named("demo/reader@1.0.0"), &statement.Model{
		FileRoot:    digest("754d1df4e239e18d7e7f5e71dc24ce423712451f4d7c92c8a6e9984081ef26c4"),
		WeightsRoot: digest("cfa3711f8cc43f5e8884c258cdbe53893d8af47ecdc2389fa5785b46c753a118"),
		Files:       2, Bytes: 20_755, Tensors: 6,
		Listed:  []statement.File{config, {Path: "model.safetensors", SHA256: digest("fb7894169ace061531530d8ee244d1ff7d6ff96f8455523ca8082dd9622ea7b9"), Size: 20_536}},
		License: "Apache-2.0", Datasets: []statement.Use{{Digest: digits().Subjects[0].Digest, Name: named("demo/digits@1.0.0"), Role: statement.RoleTrain}},
		Manifest: made("manifest of the reader"),
	})
}

func finetuned() *statement.Statement {
	return statement.NewModel(named("demo/reader-ft@1.0.0"), &statement.Model{
		FileRoot:    digest("a795ab0437591e03ad12de60faf2b7172d6a958e81d7a6fb2fa9557d273cae30"),
		WeightsRoot: digest("d77686560213953b217de776c7ae70c0ac40c9cdba687b5c9d12e6fb7de8edfd"),
		Files:       2, Bytes: 20_755, Tensors: 6,
		Listed:   []statement.File{config, {Path: "model.safetensors", SHA256: digest("eab4ab695c96b1eb96ccbc2463c59acca08842972049fffbb3f2756aba034527"), Size: 20_536}},
		License:  "Apache-2.0 OR MIT",
		Bases:    []statement.Base{{Digest: reader().Subjects[0].Digest, Name: named("demo/reader@1.0.0"), Relation: statement.RelationFinetune}},
		Datasets: []statement.Use{{Digest: contributed().Subjects[0].Digest, Name: named("demo/digits-contributed@1.0.0"), Role: statement.RoleTrain}},
		Training: made("training"), Aliases: []statement.Alias{{Kind: statement.AliasOMS, Value: made("oms")}}, Manifest: made("manifest of the fine-tuned"),
	})
}
