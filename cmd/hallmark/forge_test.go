package main

import (
	"bytes"
	"crypto/rand"
	"os"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/hallmark-registry/hallmark/verifier/bundle"
	"github.com/hallmark-registry/hallmark/verifier/checkpoint"
	"github.com/hallmark-registry/hallmark/verifier/entry"
	"github.com/hallmark-registry/hallmark/verifier/ledger"
)

// forge writes what the command itself would not: entries that are signed and
// wrong, files that are damaged.
//
//	forge mint BUNDLE KEY OUT [index=N] [size=N] [serial=N]   a mint of the bundle's credit, naming something else
//	forge statement TYPE KEY OUT                  a signed statement of some predicate type
//	forge large KEY OUT                           an entry above the limit
//	forge flip FILE OUT                           a copy whose last byte differs
//	forge policy OUT CLASS=KEY.pub,KEY.pub...     a token policy whose classes have evaluators of their own, all of whom must sign
//	forge trust OUT ORIGIN                        a trust policy for a log that nobody has seen
//	forge witness FILE OUT                        a trust policy that asks for a witness more
func forge(ts *testscript.TestScript, _ bool, args []string) {
	f := &forger{ts}
	switch args[0] {
	case "mint":
		f.mint(args[1], args[2], args[3], args[4:])
	case "statement":
		body := `{"_type":"https://in-toto.io/Statement/v1","predicate":{},"predicateType":"` + args[1] +
			`","subject":[{"digest":{"sha256":"` + strings.Repeat("ab", 32) + `"},"name":"x"}]}`
		f.entry(args[2], args[3], entry.TypeStatement, []byte(body))
	case "large":
		k := f.key(args[1])
		pae := entry.PAE(entry.TypeStatement, bytes.Repeat([]byte(" "), entry.MaxForeignSize+1))
		sig, err := k.Sign(pae)
		ts.Check(err)
		f.write(args[2], append(pae, sig...))
	case "flip":
		b := f.read(args[1])
		b[len(b)-1] ^= 1
		f.write(args[2], b)
	case "policy":
		f.policy(args[1], args[2:])
	case "trust":
		f.write(args[1], []byte("log "+f.noteKey(args[2], checkpoint.AlgEd25519)+"\nquorum none\n"))
	case "witness":
		lines := "\nwitness w " + f.noteKey("witness.example", checkpoint.AlgCosignature) + "\nquorum w\n"
		f.write(args[2], bytes.Replace(f.read(args[1]), []byte("\nquorum none\n"), []byte(lines), 1))
	default:
		ts.Fatalf("forge %s: unknown", args[0])
	}
}

type forger struct{ ts *testscript.TestScript }

func (f *forger) read(name string) []byte {
	b, err := os.ReadFile(f.ts.MkAbs(name))
	f.ts.Check(err)
	return b
}

func (f *forger) write(name string, b []byte) { f.ts.Check(os.WriteFile(f.ts.MkAbs(name), b, 0o644)) }

func (f *forger) key(name string) *entry.PrivateKey {
	k, err := entry.ParsePrivateKeyPEM(f.read(name))
	f.ts.Check(err)
	return k
}

// noteKey makes a key whose other half is thrown away.
func (f *forger) noteKey(name string, alg checkpoint.Alg) string {
	s, err := checkpoint.GenerateSigner(name, alg, rand.Reader)
	f.ts.Check(err)
	return s.Key().String()
}

func (f *forger) entry(key, out, typ string, body []byte) {
	e, err := entry.Sign(typ, body, f.key(key))
	f.ts.Check(err)
	f.write(out, e.Raw())
}

func (f *forger) mint(file, key, out string, changes []string) {
	b, err := bundle.Parse(f.read(file))
	f.ts.Check(err)
	e, err := entry.Parse(b.Entry)
	f.ts.Check(err)
	body, err := ledger.ParseBody(e.Body())
	f.ts.Check(err)
	proof, err := checkpoint.ParseProof(b.Proof)
	f.ts.Check(err)
	note, err := checkpoint.Parse(proof.Checkpoint)
	f.ts.Check(err)
	credit := body.(*ledger.Credit)
	m := &ledger.Mint{Ledger: credit.Ledger, Class: credit.Class, Serial: credit.Serial, Index: proof.Index, Size: note.Size, Root: note.Root}
	for _, c := range changes {
		name, value, _ := strings.Cut(c, "=")
		n, err := strconv.ParseUint(value, 10, 64)
		f.ts.Check(err)
		*map[string]*uint64{"index": &m.Index, "size": &m.Size, "serial": &m.Serial}[name] = n
	}
	body2, err := m.Marshal()
	f.ts.Check(err)
	f.entry(key, out, entry.TypeLedger, body2)
}

// policy gives a class the evaluators named, all of whom must sign.
func (f *forger) policy(out string, classes []string) {
	var all []ledger.Key
	of := map[string]ledger.KeySet{}
	for _, c := range classes {
		class, files, _ := strings.Cut(c, "=")
		var keys []ledger.Key
		for _, file := range strings.Split(files, ",") {
			pub, err := entry.ParsePublicKeyPEM(f.read(file))
			f.ts.Check(err)
			k, err := ledger.KeyOf(pub)
			f.ts.Check(err)
			keys = append(keys, k)
		}
		of[class] = ledger.ExamplePolicy(len(keys), keys...).Classes[0].Evaluators // sorted
		all = append(all, keys...)
	}
	p := ledger.ExamplePolicy(1, all...)
	for i, c := range p.Classes {
		if set, ok := of[c.ID]; ok {
			p.Classes[i].Evaluators = set
		}
	}
	f.write(out, []byte(p.String()))
}
