package checkpoint_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"filippo.io/torchwood"

	"github.com/hallmark-registry/hallmark/verifier/checkpoint"
)

func TestVerify(t *testing.T) {
	p := mustPolicy(t, policyText())
	note := cosign(cosign(cosign(cosign(sign(head(109482), logKey), 300, w1), 200, w3), 100, a1), 400, stranger)
	v, err := p.Verify(note)
	if err != nil {
		t.Fatal(err)
	}
	if v.Checkpoint != head(109482) || v.Log.String() != logKey.Key().String() {
		t.Errorf("checkpoint %+v, log %v", v.Checkpoint, v.Log)
	}
	var signed []string
	for _, c := range v.Cosignatures {
		signed = append(signed, fmt.Sprintf("%s %s %d", c.Witness, c.Key.Name(), c.Time))
	}
	if want := []string{"w1 witness1.example 300", "w3 witness3.example 200", "a1 auditor.example 100"}; !slices.Equal(signed, want) {
		t.Errorf("cosignatures %q, want %q", signed, want)
	}
	want := checkpoint.Tally{Name: "witnesses", Signed: 2, Of: 3, Need: 2, Holds: true, Time: 200}
	if v.Witnesses != want || v.Quorum != want || v.Time != 200 {
		t.Errorf("witnesses %+v, quorum %+v, time %d; want %+v", v.Witnesses, v.Quorum, v.Time, want)
	}
	want = checkpoint.Tally{Name: "auditors", Signed: 1, Of: 1, Need: 1, Holds: true, Time: 100}
	if v.Auditors != want || len(v.Groups) != 2 || v.Groups[1] != want {
		t.Errorf("auditors %+v, groups %+v; want %+v", v.Auditors, v.Groups, want)
	}
}

func TestQuorumErrorSaysWhoDidSign(t *testing.T) {
	p := mustPolicy(t, policyText())
	_, err := p.Verify(cosign(sign(head(5), logKey), 300, w2, a1))
	var unmet *checkpoint.QuorumError
	if !errors.As(err, &unmet) || !errors.Is(err, checkpoint.ErrQuorum) {
		t.Fatalf("got error %v, want a QuorumError", err)
	}
	f := unmet.Findings
	if f.Witnesses.Signed != 1 || f.Witnesses.Holds || f.Auditors.Signed != 1 || f.Time != 0 || f.Checkpoint != head(5) || len(f.Cosignatures) != 2 {
		t.Errorf("findings %+v", f)
	}
	if want := `quorum not met: "witnesses" has 1 of 3 cosignatures on "log.example.com/models" at size 5, needs 2`; err.Error() != want {
		t.Errorf("got error %q, want %q", err, want)
	}
}

// replaceSignature swaps the signature bytes that follow id (and time) of a line.
func replaceSignature(note []byte, name string, change func([]byte)) []byte {
	n := must(checkpoint.Parse(note))
	for i := range n.Signatures {
		if n.Signatures[i].Name == name {
			change(n.Signatures[i].Bytes)
		}
	}
	return n.Format()
}

func flipLast(b []byte) { b[len(b)-1] ^= 1 }

// noteCase is a story of a note and a policy. The cases become the vectors.
type noteCase struct {
	name   string
	policy string
	note   []byte
	want   string // error code
}

func noteCases() []noteCase {
	policy := policyText()
	good := cosign(sign(head(109482), logKey), 1_700_000_000, w1, w2, w3)
	two := fmt.Sprintf("log %v\nlog %v\nquorum none\n", logKey, otherLog)
	rotating := fmt.Sprintf("log %v\nlog %v\nquorum none\n", logKey, logKeyPQ)
	audited := strings.Replace(policy, "quorum witnesses", "group both all witnesses auditors\nquorum both", 1)
	impostor := newImpostor()
	extended := head(12)
	extended.Extension = "an extension\nand another\n"
	foreign := head(12)
	foreign.Origin = "third.example.com/log"
	thirdLog := newSigner(foreign.Origin, checkpoint.AlgEd25519)
	otherHead := head(12)
	otherHead.Origin = otherLog.Name()
	onlyOne := cosign(sign(head(12), logKey), 50, w1)

	return []noteCase{
		{"all witnesses cosigned", policy, good, ""},
		{"the quorum exactly", policy, cosign(sign(head(12), logKey), 50, w1, w2), ""},
		{"an Ed25519 and an ML-DSA witness", policy, cosign(sign(head(12), logKey), 50, w2, w3), ""},
		{"an empty log", policy, cosign(sign(head(0), logKey), 50, w1, w2), ""},
		{"the largest tree", policy, cosign(sign(head(math.MaxInt64), logKey), 50, w1, w3), ""},
		{"cosignatures before the log's signature", policy, reversed(good), ""},
		{"signatures by strangers", policy, cosign(good, 1_700_000_001, stranger), ""},
		{"a stranger's signature that is garbage", policy, replaceSignature(cosign(good, 5, stranger), stranger.Name(), flipLast), ""},
		{"a stranger who uses a witness's key name", policy, cosign(good, 5, newNamesake()), ""},
		{"one witness far in the future", policy, cosign(cosign(sign(head(12), logKey), 50, w1), 1<<40, w2), ""},
		{"times of which the second latest counts", policy, cosign(cosign(cosign(sign(head(12), logKey), 300, w1), 100, w2), 200, w3), ""},
		{"a witness that cosigned twice", policy, cosign(cosign(sign(head(12), logKey), 60, w1), 70, w2, w1), ""},
		{"an ML-DSA cosignature without time", policy, cosign(cosign(sign(head(12), logKey), 50, w1), 0, w3), ""},
		{"no quorum asked, none there", fmt.Sprintf("log %v\nquorum none\n", logKey), sign(head(12), logKey), ""},
		{"no quorum asked, a witness there", fmt.Sprintf("log %v\nwitness w1 %v\nquorum none\n", logKey, w1), onlyOne, ""},
		{"a quorum of one witness", fmt.Sprintf("log %v\nwitness w1 %v\nquorum w1\n", logKey, w1), onlyOne, ""},
		{"witnesses and auditors asked", audited, cosign(cosign(sign(head(12), logKey), 50, w1, w2), 40, a1), ""},
		{"extension lines under Ed25519", policy, cosign(sign(extended, logKey), 50, w1, w2), ""},
		{"the second log of a policy", two, sign(otherHead, otherLog), ""},
		{"a log in rotation, old key", rotating, sign(head(12), logKey), ""},
		{"a log in rotation, ML-DSA key", rotating, sign(head(12), logKeyPQ), ""},
		{"a log in rotation, both keys", rotating, sign(head(12), logKey, logKeyPQ), ""},

		{"an unknown log", policy, cosign(sign(foreign, thirdLog), 50, w1, w2), "unknown-log"},
		{"an unknown log that our log signed too", policy, foreignSignedByOurs(foreign), "unknown-log"},
		{"another key under the log's name", policy, cosign(sign(head(12), impostor), 50, w1, w2), "log-signature"},
		{"no signature by the log", policy, dropFirst(good), "log-signature"},
		{"a log signature that does not verify", policy, replaceSignature(good, origin, flipLast), "log-signature"},
		{"a log signature cut short", policy, truncateSignature(good, origin), "log-signature"},
		{"a size changed after signing", policy, bytes.Replace(good, []byte("109482"), []byte("109483"), 1), "log-signature"},
		{"a known log signs for another", two, relabel(sign(otherHead, otherLog)), "log-signature"},
		{"a rotating log with one bad signature", rotating, replaceSecond(sign(head(12), logKey, logKeyPQ)), "log-signature"},
		{"an ML-DSA log with extension lines", rotating, extendedPQ(), "log-signature"},
		{"a witness signature that does not verify", policy, replaceSignature(good, w3.Name(), flipLast), "cosignature"},
		{"a superfluous witness signature that does not verify", policy, replaceSignature(good, w2.Name(), flipLast), "cosignature"},
		{"an auditor signature that does not verify", policy, replaceSignature(cosign(good, 5, a1), a1.Name(), flipLast), "cosignature"},
		{"a cosignature with its time changed", policy, replaceSignature(good, w1.Name(), func(b []byte) { b[7]++ }), "cosignature"},
		{"a cosignature with a time of 2^63", policy, replaceSignature(good, w1.Name(), func(b []byte) { b[0] = 0x80 }), "cosignature"},
		{"an ML-DSA cosignature with its time changed", policy, replaceSignature(good, w3.Name(), func(b []byte) { b[7]++ }), "cosignature"},
		{"a cosignature cut short", policy, truncateSignature(good, w1.Name()), "cosignature"},
		{"a second cosignature that does not verify", policy, secondBad(good), "cosignature"},
		{"a cosignature of another checkpoint", policy, grafted(), "cosignature"},
		{"extension lines beside an ML-DSA cosignature", policy, graftedExtension(extended), "cosignature"},
		{"too few witnesses", policy, onlyOne, "quorum"},
		{"no witness", policy, sign(head(12), logKey), "quorum"},
		{"one witness twice", policy, cosign(cosign(sign(head(12), logKey), 50, w1), 60, w1), "quorum"},
		{"a witness and an auditor", policy, cosign(sign(head(12), logKey), 50, w1, a1), "quorum"},
		{"a witness and strangers", policy, cosign(sign(head(12), logKey), 50, w1, stranger, newNamesake()), "quorum"},
		{"auditors asked and missing", audited, cosign(sign(head(12), logKey), 50, w1, w2, w3), "quorum"},
		{"text without signatures", policy, head(12).Text(), "malformed"},
		{"an empty note", policy, nil, "malformed"},
		{"bytes that are not UTF-8", policy, append(bytes.Clone(good), 0xff, '\n'), "malformed"},
	}
}

// newImpostor has the log's name, and a key of its own.
func newImpostor() *checkpoint.Signer {
	return must(checkpoint.NewSigner(origin, checkpoint.AlgEd25519, bytes.Repeat([]byte{7}, 32)))
}

// newNamesake has the first witness's name, and a key of its own.
func newNamesake() *checkpoint.Signer {
	return must(checkpoint.NewSigner(w1.Name(), checkpoint.AlgCosignature, bytes.Repeat([]byte{8}, 32)))
}

func reversed(note []byte) []byte {
	n := must(checkpoint.Parse(note))
	slices.Reverse(n.Signatures)
	return n.Format()
}

func dropFirst(note []byte) []byte {
	n := must(checkpoint.Parse(note))
	n.Signatures = n.Signatures[1:]
	return n.Format()
}

func truncateSignature(note []byte, name string) []byte {
	n := must(checkpoint.Parse(note))
	for i, s := range n.Signatures {
		if s.Name == name {
			n.Signatures[i].Bytes = s.Bytes[:len(s.Bytes)-1]
		}
	}
	return n.Format()
}

// relabel puts the first log's origin above the other log's signature.
func relabel(note []byte) []byte {
	n := must(checkpoint.Parse(note))
	n.Checkpoint = head(n.Size)
	return n.Format()
}

// foreignSignedByOurs is an unknown log's checkpoint with a line by our log.
func foreignSignedByOurs(foreign checkpoint.Checkpoint) []byte {
	n := must(checkpoint.Parse(sign(head(foreign.Size), logKey)))
	n.Checkpoint = foreign
	return n.Format()
}

func replaceSecond(note []byte) []byte {
	n := must(checkpoint.Parse(note))
	flipLast(n.Signatures[1].Bytes)
	return n.Format()
}

func extendedPQ() []byte {
	n := must(checkpoint.Parse(sign(head(12), logKeyPQ)))
	n.Extension = "slipped in\n"
	return n.Format()
}

// secondBad adds a second cosignature by a witness whose first is good.
func secondBad(note []byte) []byte {
	n := must(checkpoint.Parse(cosign(note, 9, w1)))
	flipLast(n.Signatures[len(n.Signatures)-1].Bytes)
	return n.Format()
}

// grafted bears a cosignature that was made for another size.
func grafted() []byte {
	from := must(checkpoint.Parse(cosign(sign(head(11), logKey), 50, w1)))
	onto := must(checkpoint.Parse(cosign(sign(head(12), logKey), 50, w2)))
	onto.Signatures = append(onto.Signatures, from.Signatures[1])
	return onto.Format()
}

// graftedExtension bears an ML-DSA cosignature that was made without the
// extension lines, and would verify if they were overlooked.
func graftedExtension(extended checkpoint.Checkpoint) []byte {
	plain := extended
	plain.Extension = ""
	from := must(checkpoint.Parse(cosign(sign(plain, logKey), 50, w3)))
	onto := must(checkpoint.Parse(cosign(sign(extended, logKey), 50, w1, w2)))
	onto.Signatures = append(onto.Signatures, from.Signatures[1])
	return onto.Format()
}

func TestVerifyStories(t *testing.T) {
	for _, tt := range noteCases() {
		t.Run(tt.name, func(t *testing.T) {
			_, err := mustPolicy(t, tt.policy).Verify(tt.note)
			if got := errorCode(t, err); got != tt.want {
				t.Errorf("got %q (%v), want %q", got, err, tt.want)
			}
		})
	}
}

// torchwood judges the same notes. Where it differs the reason is written here.
func TestTorchwoodAgrees(t *testing.T) {
	differs := map[string]string{
		// It reads Ed25519 log keys only, and wants all logs of a policy to sign.
		"the second log of a policy":            "policy",
		"a log in rotation, old key":            "policy",
		"a log in rotation, ML-DSA key":         "policy",
		"a log in rotation, both keys":          "policy",
		"a known log signs for another":         "policy",
		"a rotating log with one bad signature": "policy",
		"an ML-DSA log with extension lines":    "policy",
		// It knows the keys of the quorum only.
		"an auditor signature that does not verify": "accepts",
		// Like x/mod it looks at a key's first signature only.
		"a second cosignature that does not verify": "accepts",
	}
	for _, tt := range noteCases() {
		if differs[tt.name] == "policy" {
			continue
		}
		policy, err := torchwood.ParsePolicy([]byte(tt.policy))
		if err != nil {
			t.Errorf("%s: torchwood.ParsePolicy: %v", tt.name, err)
			continue
		}
		_, _, err = torchwood.VerifyCheckpoint(tt.note, policy)
		want := tt.want == "" || differs[tt.name] == "accepts"
		if (err == nil) != want {
			t.Errorf("%s: torchwood says %v, want acceptance: %t", tt.name, err, want)
		}
	}
}

func TestTime(t *testing.T) {
	for _, tt := range []struct {
		name string
		want int64
	}{
		{"all witnesses cosigned", 1_700_000_000},
		{"one witness far in the future", 50},
		{"times of which the second latest counts", 200},
		{"a witness that cosigned twice", 70},
		{"an ML-DSA cosignature without time", 0},
		{"no quorum asked, none there", 0},
		{"no quorum asked, a witness there", 0},
		{"witnesses and auditors asked", 40},
	} {
		i := slices.IndexFunc(noteCases(), func(c noteCase) bool { return c.name == tt.name })
		c := noteCases()[i]
		v, err := mustPolicy(t, c.policy).Verify(c.note)
		if err != nil || v.Time != tt.want {
			t.Errorf("%s: time %d (%v), want %d", tt.name, v.Time, err, tt.want)
		}
	}
}

// The definition of a checkpoint's time, taken literally, on random policies:
// the greatest t at which the quorum holds counting only what is of time t or
// later.
func TestTimeIsWhatItsDefinitionSays(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	pool := make([]*checkpoint.Signer, 7)
	for i := range pool {
		pool[i] = newSigner(fmt.Sprintf("pool%d.example", i), checkpoint.AlgCosignature)
	}
	log := sign(head(9), logKey)
	for round := range 60 {
		text := randomPolicy(rng, pool)
		p := mustPolicy(t, text)
		times := make(map[*checkpoint.Signer]int64)
		for _, s := range pool {
			if rng.IntN(4) > 0 {
				times[s] = 1 + rng.Int64N(5)
			}
		}
		// holdsAt asks the policy itself, with the earlier cosignatures left out.
		holdsAt := func(from int64) bool {
			note := log
			for _, s := range pool {
				if at, ok := times[s]; ok && at >= from {
					note = cosign(note, at, s)
				}
			}
			_, err := p.Verify(note)
			return err == nil
		}
		want := int64(-1)
		for from := int64(0); from <= 6; from++ {
			if holdsAt(from) {
				want = from
			}
		}
		note := log
		for _, s := range pool {
			if at, ok := times[s]; ok {
				note = cosign(note, at, s)
			}
		}
		v, err := p.Verify(note)
		if err != nil {
			if want >= 0 {
				t.Fatalf("round %d: %v, want time %d\n%s", round, err, want, text)
			}
			continue
		}
		if v.Time != want {
			t.Fatalf("round %d: time %d, want %d\n%s", round, v.Time, want, text)
		}
	}
}

// randomPolicy makes a quorum of groups over all of pool.
func randomPolicy(rng *rand.Rand, pool []*checkpoint.Signer) string {
	var b strings.Builder
	fmt.Fprintf(&b, "log %v\n", logKey)
	var free []string
	for i, s := range pool {
		name := fmt.Sprintf("w%d", i)
		fmt.Fprintf(&b, "witness %s %v\n", name, s)
		free = append(free, name)
	}
	for g := 0; len(free) > 1; g++ {
		rng.Shuffle(len(free), func(i, j int) { free[i], free[j] = free[j], free[i] })
		n := 1 + rng.IntN(len(free))
		fmt.Fprintf(&b, "group g%d %d %s\n", g, 1+rng.IntN(n), strings.Join(free[:n], " "))
		free = append(free[n:], fmt.Sprintf("g%d", g))
	}
	fmt.Fprintf(&b, "quorum %s\n", free[0])
	return b.String()
}

func TestTallyWithoutNamedGroups(t *testing.T) {
	text := fmt.Sprintf("log %v\nwitness w1 %v\nwitness w2 %v\nwitness a1 %v\ngroup auditors all a1\nquorum w1\n", logKey, w1, w2, a1)
	v, err := mustPolicy(t, text).Verify(cosign(sign(head(3), logKey), 5, w1, a1))
	if err != nil {
		t.Fatal(err)
	}
	if want := (checkpoint.Tally{Name: "witnesses", Signed: 1, Of: 2, Holds: true}); v.Witnesses != want {
		t.Errorf("witnesses %+v, want %+v", v.Witnesses, want)
	}
	if want := (checkpoint.Tally{Name: "w1", Signed: 1, Of: 1, Need: 1, Holds: true, Time: 5}); v.Quorum != want {
		t.Errorf("quorum %+v, want %+v", v.Quorum, want)
	}
}

// A key id is 32 bits: another key with the log's name and id must not get by.
func TestCollidingKeyID(t *testing.T) {
	p := mustPolicy(t, policyText())
	n := must(checkpoint.Parse(cosign(sign(head(12), newImpostor()), 50, w1, w2)))
	n.Signatures[0].KeyID = logKey.KeyHash()
	if _, err := p.Verify(n.Format()); errorCode(t, err) != "log-signature" {
		t.Errorf("got %v, want a bad log signature", err)
	}
}

func TestErrorsQuoteLittle(t *testing.T) {
	long := strings.Repeat("x", 100_000)
	note := "o\n5\n" + base64.StdEncoding.EncodeToString(make([]byte, 32)) + "\n\n" + long + "\n"
	if _, err := checkpoint.Parse([]byte(note)); err == nil || len(err.Error()) > 300 {
		t.Errorf("error has %d bytes", len(fmt.Sprint(err)))
	}
}
