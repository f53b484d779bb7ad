package checkpoint_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"testing"

	"github.com/hallmark-registry/hallmark/verifier/checkpoint"
)

const origin = "log.example.com/models"

// Keys of the tests. Their seeds follow from their names, so that golden files
// come out the same everywhere.
var (
	logKey   = newSigner(origin, checkpoint.AlgEd25519)
	logKeyPQ = newSigner(origin, checkpoint.AlgMLDSA44)
	otherLog = newSigner("other.example.com/log", checkpoint.AlgEd25519)
	w1       = newSigner("witness1.example", checkpoint.AlgCosignature)
	w2       = newSigner("witness2.example", checkpoint.AlgCosignature)
	w3       = newSigner("witness3.example", checkpoint.AlgMLDSA44)
	a1       = newSigner("auditor.example", checkpoint.AlgCosignature)
	stranger = newSigner("stranger.example", checkpoint.AlgCosignature)
)

func newSigner(name string, alg checkpoint.Alg) *checkpoint.Signer {
	seed := sha256.Sum256(fmt.Appendf(nil, "seed of %s, type %d", name, alg))
	s, err := checkpoint.NewSigner(name, alg, seed[:])
	if err != nil {
		panic(err)
	}
	return s
}

// policyText is a policy of one log, three witnesses of which two must cosign,
// and an auditor.
func policyText() string {
	return fmt.Sprintf(`# the log, and who watches it
log %v https://log.example.com/

witness w1 %v
witness w2 %v https://witness2.example/submit
witness w3 %v
witness a1 %v
group witnesses 2 w1 w2 w3
group auditors any a1
quorum witnesses
`, logKey, w1, w2, w3, a1)
}

func mustPolicy(t testing.TB, text string) *checkpoint.Policy {
	t.Helper()
	p, err := checkpoint.ParsePolicy([]byte(text))
	if err != nil {
		t.Fatalf("ParsePolicy: %v\n%s", err, text)
	}
	return p
}

// head is a checkpoint of the log under test.
func head(size uint64) checkpoint.Checkpoint {
	root := sha256.Sum256(fmt.Appendf(nil, "root at %d", size))
	if size == 0 {
		root = sha256.Sum256(nil)
	}
	return checkpoint.Checkpoint{Origin: origin, Size: size, Root: root}
}

// sign makes a note by the log's keys; it panics on errors.
func sign(c checkpoint.Checkpoint, keys ...*checkpoint.Signer) []byte {
	note, err := checkpoint.Sign(c, keys...)
	if err != nil {
		panic(err)
	}
	return note
}

// cosign appends cosignatures to a note; it panics on errors.
func cosign(note []byte, time int64, keys ...*checkpoint.Signer) []byte {
	for _, k := range keys {
		line, err := checkpoint.Cosign(note, k, time)
		if err != nil {
			panic(err)
		}
		note = append(note[:len(note):len(note)], line...)
	}
	return note
}

// errorCodes name the sentinels in the vectors, for readers in other languages.
var errorCodes = []struct {
	code string
	err  error
}{
	{"policy", checkpoint.ErrPolicy},
	{"malformed", checkpoint.ErrMalformed},
	{"unknown-log", checkpoint.ErrUnknownLog},
	{"log-signature", checkpoint.ErrLogSignature},
	{"cosignature", checkpoint.ErrCosignature},
	{"quorum", checkpoint.ErrQuorum},
	{"inclusion", checkpoint.ErrInclusion},
	{"consistency", checkpoint.ErrConsistency},
}

// errorCode returns the name of the one sentinel that err matches, or "".
func errorCode(t testing.TB, err error) string {
	t.Helper()
	if err == nil {
		return ""
	}
	found := ""
	for _, c := range errorCodes {
		if errors.Is(err, c.err) {
			if found != "" {
				t.Errorf("error %q is both %s and %s", err, found, c.code)
			}
			found = c.code
		}
	}
	if found == "" {
		t.Errorf("error %q is none of the sentinels", err)
	}
	return found
}
