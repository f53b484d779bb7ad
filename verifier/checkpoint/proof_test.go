package checkpoint_test

import (
	"encoding/base64"
	"math"
	"strings"
	"testing"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/hallmark-registry/hallmark/verifier/checkpoint"
)

// signedTree returns the proof of one entry of a log of n, under a checkpoint
// that satisfies policyText.
func signedTree(index, n int) (checkpoint.Proof, hash) {
	leaves := someLeaves(n)
	c := checkpoint.Checkpoint{Origin: origin, Size: uint64(n), Root: treeHash(leaves)}
	note := cosign(sign(c, logKey), someTime, w1, w2)
	return checkpoint.Proof{Index: uint64(index), Hashes: auditPath(index, leaves), Checkpoint: note}, leaves[index]
}

func TestProof(t *testing.T) {
	policy := mustPolicy(t, policyText())
	others := must(torchwood.ParsePolicy([]byte(policyText())))
	for _, n := range []int{1, 2, 3, 8, 21} {
		for index := range n {
			p, leaf := signedTree(index, n)
			text := p.Format()
			if theirs := torchwood.FormatProof(int64(index), tlogProof(p.Hashes), p.Checkpoint); string(theirs) != string(text) {
				t.Fatalf("index %d of %d: Format returns\n%s\ntorchwood\n%s", index, n, text, theirs)
			}
			read, err := checkpoint.ParseProof(text)
			if err != nil {
				t.Fatalf("index %d of %d: %v", index, n, err)
			}
			v, err := policy.Verify(read.Checkpoint)
			if err != nil {
				t.Fatalf("index %d of %d: %v", index, n, err)
			}
			if err := read.Verify(leaf, v.Checkpoint); err != nil {
				t.Errorf("index %d of %d: %v", index, n, err)
			}
			if err := read.Verify(leafHash([]byte("another")), v.Checkpoint); errorCode(t, err) != "inclusion" {
				t.Errorf("index %d of %d: another entry gives %v", index, n, err)
			}
			if err := torchwood.VerifyProof(others, tlog.Hash(leaf), text); err != nil {
				t.Errorf("index %d of %d: torchwood: %v", index, n, err)
			}
		}
	}
}

func TestParseProofRefuses(t *testing.T) {
	h := base64.StdEncoding.EncodeToString(make([]byte, 32)) + "\n"
	const head = "c2sp.org/tlog-proof@v1\n"
	for _, tt := range []struct{ name, proof, want string }{
		{"nothing", "", "first line is \"\""},
		{"another version", "c2sp.org/tlog-proof@v2\nindex 0\n\nx", "first line is \"c2sp.org/tlog-proof@v2\""},
		{"a header alone", head, "second line"},
		{"a header without newline", strings.TrimSuffix(head, "\n"), "second line"},
		{"extra data", head + "extra aGk=\nindex 0\n\nx", "a line of extra data"},
		{"extra data behind the index", head + "index 0\nextra aGk=\n\nx", "hash line 1 is \"extra aGk=\""},
		{"no index", head + h + "\nx", "second line"},
		{"an index without newline", head + "index 0", "second line"},
		{"an index with a leading zero", head + "index 00\n\nx", "second line"},
		{"a negative index", head + "index -1\n\nx", "second line"},
		{"an index of 2^63", head + "index 9223372036854775808\n\nx", "second line"},
		{"two spaces", head + "index  0\n\nx", "second line"},
		{"a carriage return", head + "index 0\r\n\nx", "second line"},
		{"no empty line", head + "index 0\n" + h, "no empty line"},
		{"an empty line without checkpoint", head + "index 0\n" + h + "\n", "checkpoint of 0 bytes"},
		{"a short hash", head + "index 0\nAAAA\n\nx", "hash line 1 is \"AAAA\""},
		{"a hash with stray bits", head + "index 0\n" + h + strings.Replace(h, "A=", "B=", 1) + "\nx", "hash line 2"},
		{"a hash with a space behind", head + "index 0\n" + strings.Replace(h, "\n", " \n", 1) + "\nx", "hash line 1"},
		{"sixty-four hashes", head + "index 0\n" + strings.Repeat(h, 64) + "\nx", "more than 63 hashes"},
		{"a huge checkpoint", head + "index 0\n\n" + strings.Repeat("x", checkpoint.MaxNoteSize+1), "want 1 to 262144"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := checkpoint.ParseProof([]byte(tt.proof))
			checkMalformed(t, err, tt.want)
		})
	}
}

func TestParseProofAtItsLimits(t *testing.T) {
	p := checkpoint.Proof{Index: math.MaxInt64, Hashes: make([]hash, 63), Checkpoint: []byte("x")}
	read, err := checkpoint.ParseProof(p.Format())
	if err != nil || read.Index != p.Index || len(read.Hashes) != 63 || string(read.Checkpoint) != "x" {
		t.Errorf("got %+v, %v", read, err)
	}
}
