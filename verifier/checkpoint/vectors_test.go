package checkpoint_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"unicode/utf8"

	"github.com/hallmark-registry/hallmark/verifier/checkpoint"
)

var update = flag.Bool("update", false, "write the vectors anew")

const vectorsDir = "../testdata/vectors/checkpoint"

// The vectors are files of stories, each with bytes and what to make of them, so
// that every implementation in every language can be held to the same. Error is
// one of: policy, malformed, unknown-log, log-signature, cosignature, quorum,
// inclusion, consistency; it is absent where all holds. Hashes are base64, as
// in the formats.
type (
	policyVector struct {
		Name   string `json:"name"`
		Policy octets `json:"policy"`
		// Canonical form, when the policy is good.
		Canonical octets `json:"canonical,omitempty"`
		Error     string `json:"error,omitempty"`
	}
	noteVector struct {
		Name   string `json:"name"`
		Policy string `json:"policy"` // a key of noteVectors.Policies
		Note   octets `json:"note"`
		// Verified is what the policy finds, when it believes the note.
		Verified *verifiedVector `json:"verified,omitempty"`
		Error    string          `json:"error,omitempty"`
	}
	verifiedVector struct {
		Origin    string        `json:"origin"`
		Size      uint64        `json:"size,string"`
		Root      []byte        `json:"root"`
		Extension string        `json:"extension,omitempty"`
		LogKey    string        `json:"logKey"`
		Cosigned  []cosigned    `json:"cosigned"`
		Tallies   []tallyVector `json:"tallies"` // quorum, witnesses, auditors
		Time      int64         `json:"time,string"`
	}
	cosigned struct {
		Witness string `json:"witness"`
		Time    int64  `json:"time,string"`
	}
	tallyVector struct {
		Name   string `json:"name"`
		Signed int    `json:"signed"`
		Of     int    `json:"of"`
		Need   int    `json:"need"`
		Holds  bool   `json:"holds"`
		Time   int64  `json:"time,string"`
	}
	noteVectors struct {
		Policies map[string]string `json:"policies"`
		Cases    []noteVector      `json:"cases"`
	}
	proofVector struct {
		Name     string `json:"name"`
		Proof    octets `json:"proof"`
		LeafHash []byte `json:"leafHash"`
		Index    uint64 `json:"index,string"` // of a good proof
		Error    string `json:"error,omitempty"`
	}
	proofVectors struct {
		Policy string        `json:"policy"`
		Cases  []proofVector `json:"cases"`
	}
	consistencyVector struct {
		Name   string   `json:"name"`
		Size1  uint64   `json:"size1,string"`
		Size2  uint64   `json:"size2,string"`
		Root1  []byte   `json:"root1"`
		Root2  []byte   `json:"root2"`
		Hashes [][]byte `json:"hashes"`
		Error  string   `json:"error,omitempty"`
	}
)

// octets are written as a JSON string where they are UTF-8, and else as an object
// {"base64": ...}.
type octets []byte

func (o octets) MarshalJSON() ([]byte, error) {
	if utf8.Valid(o) {
		return marshal(string(o))
	}
	return marshal(map[string][]byte{"base64": o})
}

func (o *octets) UnmarshalJSON(data []byte) error {
	if data[0] == '"' {
		var s string
		err := json.Unmarshal(data, &s)
		*o = octets(s)
		return err
	}
	var m map[string][]byte
	err := json.Unmarshal(data, &m)
	*o = m["base64"]
	return err
}

// marshal leaves <, > and & as they are: the files are read by people.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(v)
	return b.Bytes(), err
}

// golden compares v with a vector file, or writes it, and then reads the file into
// into: what is tested is the file.
func golden(t *testing.T, name string, v, into any) {
	t.Helper()
	path := filepath.Join(vectorsDir, name)
	want := must(marshal(v))
	if *update {
		if err := os.WriteFile(path, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs from what the tests make; if that is meant, run: go test -run %s -update ./verifier/checkpoint", path, t.Name())
	}
	if err := json.Unmarshal(got, into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

func TestPolicyVectors(t *testing.T) {
	var made, read []policyVector
	for _, c := range policyCases() {
		if len(c.text) > 8<<10 {
			continue // limits are for the tests beside the parser
		}
		p, err := checkpoint.ParsePolicy([]byte(c.text))
		v := policyVector{Name: c.name, Policy: octets(c.text), Error: errorCode(t, err)}
		if err == nil {
			v.Canonical = octets(p.String())
		}
		made = append(made, v)
	}
	golden(t, "policy.json", made, &read)
	for _, v := range read {
		p, err := checkpoint.ParsePolicy(v.Policy)
		if code := errorCode(t, err); code != v.Error {
			t.Errorf("%s: got %q (%v), want %q", v.Name, code, err, v.Error)
		} else if err == nil && p.String() != string(v.Canonical) {
			t.Errorf("%s: canonical form\n%s\nwant\n%s", v.Name, p, v.Canonical)
		}
	}
}

func TestNoteVectors(t *testing.T) {
	made := noteVectors{Policies: make(map[string]string)}
	names := make(map[string]string) // policy text to name
	for _, c := range noteCases() {
		if names[c.policy] == "" {
			names[c.policy] = "policy" + string(rune('1'+len(names)))
			made.Policies[names[c.policy]] = c.policy
		}
		v, err := mustPolicy(t, c.policy).Verify(c.note)
		made.Cases = append(made.Cases, noteVector{c.name, names[c.policy], c.note, vectorOf(v), errorCode(t, err)})
	}
	var read noteVectors
	golden(t, "note.json", made, &read)
	for _, c := range read.Cases {
		v, err := mustPolicy(t, read.Policies[c.Policy]).Verify(c.Note)
		if code := errorCode(t, err); code != c.Error {
			t.Errorf("%s: got %q (%v), want %q", c.Name, code, err, c.Error)
		}
		if got, want := must(marshal(vectorOf(v))), must(marshal(c.Verified)); !bytes.Equal(got, want) {
			t.Errorf("%s: got\n%s\nwant\n%s", c.Name, got, want)
		}
	}
}

func vectorOf(v *checkpoint.Verified) *verifiedVector {
	if v == nil {
		return nil
	}
	out := &verifiedVector{
		Origin: v.Origin, Size: v.Size, Root: v.Root[:], Extension: v.Extension, LogKey: v.Log.String(),
		Cosigned: []cosigned{}, Time: v.Time,
	}
	for _, c := range v.Cosignatures {
		out.Cosigned = append(out.Cosigned, cosigned{c.Witness, c.Time})
	}
	for _, tally := range []checkpoint.Tally{v.Quorum, v.Witnesses, v.Auditors} {
		out.Tallies = append(out.Tallies, tallyVector(tally))
	}
	return out
}

func TestProofVectors(t *testing.T) {
	made := proofVectors{Policy: policyText(), Cases: proofVectorCases()}
	var read proofVectors
	golden(t, "proof.json", made, &read)
	policy := mustPolicy(t, read.Policy)
	for _, c := range read.Cases {
		index, err := verifyProof(policy, c.Proof, hash(c.LeafHash))
		if code := errorCode(t, err); code != c.Error || index != c.Index {
			t.Errorf("%s: got index %d, %q (%v); want %d, %q", c.Name, index, code, err, c.Index, c.Error)
		}
	}
}

// verifyProof is all that a reader does with a tlog-proof.
func verifyProof(policy *checkpoint.Policy, text []byte, leaf hash) (uint64, error) {
	p, err := checkpoint.ParseProof(text)
	if err != nil {
		return 0, err
	}
	v, err := policy.Verify(p.Checkpoint)
	if err != nil {
		return 0, err
	}
	if err := p.Verify(leaf, v.Checkpoint); err != nil {
		return 0, err
	}
	return p.Index, nil
}

func proofVectorCases() []proofVector {
	var cases []proofVector
	add := func(name, code string, index, n int, change func(p *checkpoint.Proof, leaf *hash)) {
		p, leaf := signedTree(index, n)
		change(&p, &leaf)
		v := proofVector{Name: name, Proof: p.Format(), LeafHash: leaf[:], Error: code}
		if code == "" {
			v.Index = p.Index
		}
		cases = append(cases, v)
	}
	asIs := func(*checkpoint.Proof, *hash) {}
	add("the only entry", "", 0, 1, asIs)
	add("the first of two", "", 0, 2, asIs)
	add("the last of three, whose path skips a level", "", 2, 3, asIs)
	add("in the middle of twenty-one", "", 11, 21, asIs)
	add("the last of twenty-one", "", 20, 21, asIs)

	add("another entry", "inclusion", 11, 21, func(_ *checkpoint.Proof, leaf *hash) { leaf[0] ^= 1 })
	add("another index", "inclusion", 11, 21, func(p *checkpoint.Proof, _ *hash) { p.Index = 10 })
	add("an index beyond the size", "inclusion", 11, 21, func(p *checkpoint.Proof, _ *hash) { p.Index = 21 })
	add("a hash changed", "inclusion", 11, 21, func(p *checkpoint.Proof, _ *hash) { p.Hashes[2][7] ^= 1 })
	add("a hash left out", "inclusion", 11, 21, func(p *checkpoint.Proof, _ *hash) { p.Hashes = p.Hashes[1:] })
	add("a hash too many", "inclusion", 0, 1, func(p *checkpoint.Proof, leaf *hash) { p.Hashes = []hash{*leaf} })
	add("an inner node passed off as an entry", "inclusion", 0, 8, func(p *checkpoint.Proof, leaf *hash) {
		*leaf, p.Hashes = nodeHash(*leaf, p.Hashes[0]), p.Hashes[1:]
	})
	add("the checkpoint of another tree", "inclusion", 11, 21, func(p *checkpoint.Proof, _ *hash) {
		p.Checkpoint = cosign(sign(head(21), logKey), someTime, w1, w2)
	})
	add("a checkpoint without quorum", "quorum", 11, 21, func(p *checkpoint.Proof, _ *hash) {
		n := must(checkpoint.Parse(p.Checkpoint))
		n.Signatures = n.Signatures[:2]
		p.Checkpoint = n.Format()
	})
	add("a checkpoint cut short", "malformed", 11, 21, func(p *checkpoint.Proof, _ *hash) {
		p.Checkpoint = p.Checkpoint[:len(p.Checkpoint)-1]
	})
	return append(cases, unreadableProofs()...)
}

// unreadableProofs are good but for their encoding.
func unreadableProofs() []proofVector {
	p, leaf := signedTree(11, 21)
	good := p.Format()
	var cases []proofVector
	for _, c := range []struct{ name, old, new string }{
		{"extra data", "index", "extra aGk=\nindex"},
		{"a leading zero in the index", "index 11", "index 011"},
		{"another version", "@v1", "@v2"},
		{"a space behind the index", "index 11\n", "index 11 \n"},
		{"two empty lines before the checkpoint", "\n\n" + origin, "\n\n\n" + origin},
		{"no empty line before the checkpoint", "\n\n" + origin, "\n" + origin},
		{"carriage returns", "\n", "\r\n"},
	} {
		text := bytes.Replace(good, []byte(c.old), []byte(c.new), 1)
		cases = append(cases, proofVector{Name: c.name, Proof: text, LeafHash: leaf[:], Error: "malformed"})
	}
	return cases
}

func TestConsistencyVectors(t *testing.T) {
	var made, read []consistencyVector
	leaves := someLeaves(21)
	add := func(name, code string, size1, size2 int, change func(*consistencyCase)) {
		c := consistencyCase{uint64(size1), uint64(size2), consistencyProof(size1, leaves[:size2]), treeHash(leaves[:size1]), treeHash(leaves[:size2])}
		change(&c)
		v := consistencyVector{Name: name, Size1: c.size1, Size2: c.size2, Root1: c.root1[:], Root2: c.root2[:], Hashes: [][]byte{}, Error: code}
		for _, h := range c.hashes {
			v.Hashes = append(v.Hashes, h[:])
		}
		made = append(made, v)
	}
	asIs := func(*consistencyCase) {}
	add("the same tree", "", 21, 21, asIs)
	add("from a full tree", "", 16, 21, asIs)
	add("from a ragged tree", "", 13, 21, asIs)
	add("by one entry", "", 20, 21, asIs)
	add("a tree that forgot", "consistency", 13, 21, func(c *consistencyCase) { c.size1, c.size2 = c.size2, c.size1 })
	add("two trees of one size", "consistency", 21, 21, func(c *consistencyCase) { c.root2[3] ^= 1 })
	add("another old root", "consistency", 13, 21, func(c *consistencyCase) { c.root1[3] ^= 1 })
	add("another new root", "consistency", 13, 21, func(c *consistencyCase) { c.root2[3] ^= 1 })
	add("a hash left out", "consistency", 13, 21, func(c *consistencyCase) { c.hashes = c.hashes[1:] })
	add("a hash too many", "consistency", 21, 21, func(c *consistencyCase) { c.hashes = []hash{c.root1} })
	add("from the empty tree, which proves nothing", "consistency", 0, 21, asIs)
	golden(t, "consistency.json", made, &read)
	for _, v := range read {
		hashes := make([]hash, len(v.Hashes))
		for i, h := range v.Hashes {
			hashes[i] = hash(h)
		}
		err := checkpoint.VerifyConsistency(v.Size1, v.Size2, hashes, hash(v.Root1), hash(v.Root2))
		if code := errorCode(t, err); code != v.Error {
			t.Errorf("%s: got %q (%v), want %q", v.Name, code, err, v.Error)
		}
	}
}
