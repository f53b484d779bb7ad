package checkpoint_test

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"

	"github.com/hallmark-registry/hallmark/verifier/checkpoint"
)

const someTime = 1679315147

// The message in C2SP tlog-cosignature, "Ed25519 signed message".
func TestCosignatureMessageSpecExample(t *testing.T) {
	n, err := checkpoint.Parse([]byte(sofa))
	if err != nil {
		t.Fatal(err)
	}
	want := "cosignature/v1\ntime 1679315147\nexample.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
	if got := string(checkpoint.CosignatureMessage(n.Checkpoint, someTime)); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestOthersAcceptOurSignatures(t *testing.T) {
	for _, size := range []uint64{0, 1, 109482} {
		signed := cosign(sign(head(size), logKey), someTime, w1, w3)
		verifiers := []note.Verifier{must(note.NewVerifier(logKey.Key().String()))}
		for _, w := range []*checkpoint.Signer{w1, w3} {
			verifiers = append(verifiers, must(torchwood.NewCosignatureVerifier(w.Key().String())))
		}
		n, err := note.Open(signed, note.VerifierList(verifiers...))
		if err != nil {
			t.Fatalf("size %d: note.Open: %v", size, err)
		}
		if len(n.Sigs) != 3 {
			t.Errorf("size %d: note.Open verifies %d signatures, want 3", size, len(n.Sigs))
		}
		for _, s := range n.Sigs[1:] {
			if got, err := torchwood.CosignatureTimestamp(s); got != someTime || err != nil {
				t.Errorf("size %d: torchwood reads time %d (%v), want %d", size, got, err, someTime)
			}
		}
	}
}

func TestWeAcceptOthersSignatures(t *testing.T) {
	private, public, err := note.GenerateKey(strings.NewReader(strings.Repeat("0123456789abcdef", 4)), origin)
	if err != nil {
		t.Fatal(err)
	}
	text := string(head(7).Text())
	signed, err := note.Sign(&note.Note{Text: text}, must(note.NewSigner(private)))
	if err != nil {
		t.Fatal(err)
	}
	p := mustPolicy(t, "log "+public+"\nquorum none\n")
	if v, err := p.Verify(signed); err != nil || v.Log.String() != public {
		t.Errorf("Verify of a note by x/mod: %+v, %v", v, err)
	}

	// The same private key in our hands makes the same signature.
	ours, err := checkpoint.ParseSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	if got := sign(head(7), ours); string(got) != string(signed) {
		t.Errorf("our note is\n%s\nx/mod's is\n%s", got, signed)
	}
	if ours.Private() != private {
		t.Error("a private key changes when it is read and written")
	}
}

func TestSignerIsANoteSigner(t *testing.T) {
	signed, err := note.Sign(&note.Note{Text: string(head(7).Text())}, logKey)
	if err != nil {
		t.Fatal(err)
	}
	if got := sign(head(7), logKey); string(got) != string(signed) {
		t.Errorf("Sign returns\n%s\nnote.Sign\n%s", got, signed)
	}
}

func TestSignerRefuses(t *testing.T) {
	other := head(7)
	other.Origin = "other.example.com/log"
	if _, err := checkpoint.Sign(other, logKey); err == nil {
		t.Error("a log's key signs a checkpoint of another origin")
	}
	if _, err := logKey.Sign([]byte("DSSEv1 1 a 1 b")); err == nil {
		t.Error("a log's key signs what is no checkpoint")
	}
	if _, err := w1.Sign(head(7).Text()); err == nil {
		t.Error("a cosigner's key signs as a log")
	}
	note := sign(head(7), logKey)
	if _, err := checkpoint.Cosign(note, logKey, someTime); err == nil {
		t.Error("a log's key of type 0x01 cosigns")
	}
	if _, err := checkpoint.Cosign(note, w1, -1); err == nil {
		t.Error("a cosignature bears a time before 1970")
	}
	if _, err := checkpoint.Cosign(head(7).Text(), w1, someTime); err == nil {
		t.Error("a text without signatures is cosigned")
	}
	extended := head(7)
	extended.Extension = "more\n"
	if _, err := checkpoint.Cosign(sign(extended, logKey), w3, someTime); err == nil {
		t.Error("ML-DSA cosigns extension lines, which it does not cover")
	}
}

func TestSignerKeepsItsSecret(t *testing.T) {
	private := logKey.Private()
	secret := private[strings.LastIndex(private, "+")+1:]
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		if text := fmt.Sprintf(format, logKey); strings.Contains(text, secret) || !strings.Contains(text, origin) {
			t.Errorf("%s prints %s", format, text)
		}
	}
	for _, bad := range []string{private + "=", private[:len(private)-4], "PRIVATE+KEY+" + private, strings.Replace(private, "+", "-", 1)} {
		_, err := checkpoint.ParseSigner(bad)
		if err == nil {
			t.Errorf("private key of %d bytes accepted, want a refusal", len(bad))
		} else if strings.Contains(err.Error(), secret[:12]) {
			t.Errorf("the error quotes the secret: %v", err)
		}
	}
}

// What an ML-DSA cosigner signs, byte by byte, for readers in other languages:
// the signature verifies under exactly this message.
func TestSubtreeMessageLayout(t *testing.T) {
	c := head(109482)
	message := "subtree/v1\n\x00" +
		"\x10witness3.example" +
		"\x00\x00\x00\x00\x64\x18\x50\xcb" +
		"\x16log.example.com/models" +
		"\x00\x00\x00\x00\x00\x00\x00\x00" +
		"\x00\x00\x00\x00\x00\x01\xab\xaa" +
		string(c.Root[:])
	got, err := checkpoint.SubtreeMessage("witness3.example", someTime, c)
	if err != nil || string(got) != message {
		t.Errorf("got  %s (%v)\nwant %s", hex.EncodeToString(got), err, hex.EncodeToString([]byte(message)))
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
