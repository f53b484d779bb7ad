package checkpoint_test

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/hallmark-registry/hallmark/verifier/checkpoint"
)

func Example() {
	log, _ := checkpoint.NewSigner("log.example.com/models", checkpoint.AlgEd25519, bytes.Repeat([]byte{1}, 32))
	alice, _ := checkpoint.NewSigner("alice.example", checkpoint.AlgCosignature, bytes.Repeat([]byte{2}, 32))
	bob, _ := checkpoint.NewSigner("bob.example", checkpoint.AlgMLDSA44, bytes.Repeat([]byte{3}, 32))

	// The verifier's side: whom to believe.
	policy, err := checkpoint.ParsePolicy(fmt.Appendf(nil, `
log %v
witness alice %v
witness bob %v
group witnesses all alice bob
quorum witnesses
`, log.Key(), alice.Key(), bob.Key()))
	if err != nil {
		panic(err)
	}

	// The log's side: one entry, whose leaf hash is the root of its tree.
	leaf := [32]byte{42}
	note, err := checkpoint.Sign(checkpoint.Checkpoint{Origin: log.Name(), Size: 1, Root: leaf}, log)
	if err != nil {
		panic(err)
	}
	_, err = policy.Verify(note)
	fmt.Println(errors.Is(err, checkpoint.ErrQuorum), err)

	// The witnesses come by, at different times.
	for i, witness := range []*checkpoint.Signer{alice, bob} {
		line, err := checkpoint.Cosign(note, witness, 1_700_000_000+int64(i))
		if err != nil {
			panic(err)
		}
		note = append(note, line...)
	}
	receipt := (&checkpoint.Proof{Index: 0, Checkpoint: note}).Format()

	// The verifier's side again, offline.
	proof, err := checkpoint.ParseProof(receipt)
	if err != nil {
		panic(err)
	}
	v, err := policy.Verify(proof.Checkpoint)
	if err != nil {
		panic(err)
	}
	fmt.Println(proof.Verify(leaf, v.Checkpoint))
	fmt.Println(v.Witnesses.Signed, "of", v.Witnesses.Of, "at", v.Time)
	// Output:
	// true quorum not met: "witnesses" has 0 of 2 cosignatures on "log.example.com/models" at size 1, needs 2
	// <nil>
	// 2 of 2 at 1700000000
}
