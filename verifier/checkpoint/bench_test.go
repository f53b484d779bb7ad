package checkpoint_test

import (
	"fmt"
	"testing"

	"github.com/hallmark-registry/hallmark/verifier/checkpoint"
)

// bigProof is a proof of twenty hashes, in a tree of 2^20 entries.
func bigProof() (text []byte, leaf hash, c checkpoint.Checkpoint) {
	p := checkpoint.Proof{Index: 0b1010_0110_0011_1101_0010, Hashes: someLeaves(20)}
	leaf = leafHash([]byte("an entry"))
	c = checkpoint.Checkpoint{Origin: origin, Size: 1 << 20}
	c.Root = must(checkpoint.RootFromInclusion(p.Index, c.Size, leaf, p.Hashes))
	p.Checkpoint = cosign(sign(c, logKey), someTime, w1, w2)
	return p.Format(), leaf, c
}

// Reading a proof and checking its twenty hashes, without signatures.
func BenchmarkProof(b *testing.B) {
	text, leaf, c := bigProof()
	b.ReportAllocs()
	for b.Loop() {
		p, err := checkpoint.ParseProof(text)
		if err != nil {
			b.Fatal(err)
		}
		if err := p.Verify(leaf, c); err != nil {
			b.Fatal(err)
		}
	}
}

// The same with the checkpoint, from a memo: what one of many receipts costs.
func BenchmarkReceipt(b *testing.B) {
	text, leaf, _ := bigProof()
	memo := checkpoint.NewMemo(mustPolicy(b, policyText()), 16)
	b.ReportAllocs()
	for b.Loop() {
		p, err := checkpoint.ParseProof(text)
		if err != nil {
			b.Fatal(err)
		}
		v, err := memo.Verify(p.Checkpoint)
		if err != nil {
			b.Fatal(err)
		}
		if err := p.Verify(leaf, v.Checkpoint); err != nil {
			b.Fatal(err)
		}
	}
}

// One note read and not verified; then verified with three Ed25519 signatures.
func BenchmarkParse(b *testing.B) {
	note := cosign(sign(head(1<<20), logKey), someTime, w1, w2)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := checkpoint.Parse(note); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	policy := mustPolicy(b, policyText())
	note := cosign(sign(head(1<<20), logKey), someTime, w1, w2)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := policy.Verify(note); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerifyMLDSA(b *testing.B) {
	policy := mustPolicy(b, fmt.Sprintf("log %v\nquorum none\n", logKeyPQ))
	note := sign(head(1<<20), logKeyPQ)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := policy.Verify(note); err != nil {
			b.Fatal(err)
		}
	}
}
