package checkpoint_test

import (
	"strings"
	"testing"

	"github.com/hallmark-registry/hallmark/verifier/checkpoint"
)

// The example of C2SP tlog-checkpoint and tlog-cosignature.
const sofa = `example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==
`

const emptyRoot = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="

func TestParseSpecExample(t *testing.T) {
	n, err := checkpoint.Parse([]byte(sofa))
	if err != nil {
		t.Fatal(err)
	}
	if n.Origin != "example.com/behind-the-sofa" || n.Size != 20852163 || n.Root[0] != 0x0a || n.Extension != "" {
		t.Errorf("got checkpoint %+v", n.Checkpoint)
	}
	if len(n.Signatures) != 2 {
		t.Fatalf("got %d signatures, want 2", len(n.Signatures))
	}
	log, witness := n.Signatures[0], n.Signatures[1]
	if log.KeyID != 0x033de0ae || len(log.Bytes) != 64 {
		t.Errorf("log signature: key id %08x, %d bytes; want 033de0ae, 64", log.KeyID, len(log.Bytes))
	}
	if witness.Name != "witness.example.com/w1" || witness.KeyID != 0x8d66cf3f || len(witness.Bytes) != 72 {
		t.Errorf("cosignature: by %q, key id %08x, %d bytes", witness.Name, witness.KeyID, len(witness.Bytes))
	}
	if got := string(n.Format()); got != sofa {
		t.Errorf("Format returns\n%s\nwant\n%s", got, sofa)
	}
}

func TestParseText(t *testing.T) {
	const root = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="
	for _, tt := range []struct {
		name, text string
		want       string // part of the error; empty: accepted
	}{
		{"an ordinary one", "o\n5\n" + root + "\n", ""},
		{"an empty tree", "o\n0\n" + emptyRoot + "\n", ""},
		{"the largest tree", "o\n9223372036854775807\n" + root + "\n", ""},
		{"an origin with spaces", "go.sum database tree\n5\n" + root + "\n", ""},
		{"extension lines", "o\n5\n" + root + "\none\ntwo words\n", ""},
		{"an origin that merely contains DSSEv1", "x DSSEv1\n5\n" + root + "\n", ""},

		{"nothing", "", "got 0 lines"},
		{"two lines", "o\n5\n", "got 2 lines"},
		{"no final newline", "o\n5\n" + root, "got 2 lines"},
		{"an empty origin", "\n5\n" + root + "\n", "origin line is empty"},
		{"an origin too long to cosign", strings.Repeat("o", 256) + "\n5\n" + root + "\n", "256 bytes"},
		{"an origin that begins as entries do", "DSSEv1 8 x\n5\n" + root + "\n", "begins signed entries"},
		{"a size with a leading zero", "o\n05\n" + root + "\n", "size line"},
		{"a size with a sign", "o\n+5\n" + root + "\n", "size line"},
		{"a negative size", "o\n-5\n" + root + "\n", "size line"},
		{"a size in hex", "o\n0x5\n" + root + "\n", "size line"},
		{"a size with an underscore", "o\n5_0\n" + root + "\n", "size line"},
		{"a size with a space", "o\n5 \n" + root + "\n", "size line"},
		{"a size of 2^63", "o\n9223372036854775808\n" + root + "\n", "size line"},
		{"no size", "o\n\n" + root + "\n", "size line"},
		{"a root one byte short", "o\n5\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxqw==\n", "root line"},
		{"a root without padding", "o\n5\n" + strings.TrimSuffix(root, "=") + "\n", "root line"},
		{"a root with stray bits", "o\n5\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2J=\n", "root line"},
		{"a root in the URL alphabet", "o\n5\nCsUYapGGPo4dkMgIAUqom_Xajj7h2fB2MPA3j2jxq2I=\n", "root line"},
		{"an empty tree with a root", "o\n0\n" + root + "\n", "an empty tree has root"},
		{"an empty extension line", "o\n5\n" + root + "\n\n", "extension line is empty"},
		{"an empty line between extension lines", "o\n5\n" + root + "\na\n\nb\n", "extension line is empty"},
		{"an extension line without newline", "o\n5\n" + root + "\na", "does not end in a newline"},
		{"a carriage return", "o\r\n5\n" + root + "\n", "control character 0x0d at byte 1"},
		{"a tab", "o\n5\n" + root + "\na\tb\n", "control character 0x09"},
		{"bytes that are not UTF-8", "o\xff\n5\n" + root + "\n", "not UTF-8"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := checkpoint.ParseText([]byte(tt.text))
			checkMalformed(t, err, tt.want)
			if err == nil && string(c.Text()) != tt.text {
				t.Errorf("Text returns %q, want %q", c.Text(), tt.text)
			}
		})
	}
}

func TestParseNote(t *testing.T) {
	const text = "o\n5\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
	const line = "— k AAAAAAE=\n"
	for _, tt := range []struct {
		name, note string
		want       string
	}{
		{"one signature", text + "\n" + line, ""},
		{"sixteen signatures, which all must accept", text + "\n" + strings.Repeat(line, 16), ""},
		{"a hundred signatures", text + "\n" + strings.Repeat(line, 100), ""},
		{"an ML-DSA signature of a long name", text + "\n— " + strings.Repeat("k", 255) + " " + strings.Repeat("AAAA", 812) + "\n", ""},
		{"extension lines", text + "ext\n\n" + line, ""},

		{"a hundred and one signatures", text + "\n" + strings.Repeat(line, 101), "101 signatures"},
		{"no blank line", text + line, "no blank line"},
		{"two blank lines", text + "\n\n" + line, "extension line is empty"},
		{"no signatures", text + "\n", "do not end in a newline"},
		{"no final newline", text + "\n" + strings.TrimSuffix(line, "\n"), "do not end in a newline"},
		{"something behind the signatures", text + "\n" + line + "x\n", "em dash"},
		{"a blank line behind the signatures", text + "\n" + line + "\n", "extension line is empty"},
		{"a hyphen for the dash", text + "\n- k AAAAAAE=\n", "em dash"},
		{"no name", text + "\n—  AAAAAAE=\n", "key name is empty"},
		{"a plus in the name", text + "\n— a+b AAAAAAE=\n", "a space or a plus"},
		{"a Unicode space in the name", text + "\n— a\u2003b AAAAAAE=\n", "a space or a plus"},
		{"a name too long to cosign", text + "\n— " + strings.Repeat("k", 256) + " AAAAAAE=\n", "256 bytes"},
		{"no signature behind the name", text + "\n— k\n", "no signature behind the name"},
		{"an empty signature", text + "\n— k \n", "0 bytes"},
		{"a key id alone", text + "\n— k AAAAAA==\n", "4 bytes"},
		{"stray bits in the base64", text + "\n— k AAAAAAF=\n", "canonical base64"},
		{"a second field", text + "\n— k AAAAAAE= x\n", "canonical base64"},
		{"a carriage return", text + "\n— k AAAAAAE=\r\n", "control character 0x0d"},
		{"too many bytes", text + strings.Repeat("x", checkpoint.MaxNoteSize) + "\n\n" + line, "want at most 262144"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n, err := checkpoint.Parse([]byte(tt.note))
			checkMalformed(t, err, tt.want)
			if err == nil && string(n.Format()) != tt.note {
				t.Errorf("Format returns %q, want %q", n.Format(), tt.note)
			}
		})
	}
}

// checkMalformed wants no error when want is empty, and else an ErrMalformed that
// says want.
func checkMalformed(t *testing.T, err error, want string) {
	t.Helper()
	if want == "" {
		if err != nil {
			t.Errorf("got error %q, want none", err)
		}
		return
	}
	if code := errorCode(t, err); code != "malformed" || !strings.Contains(err.Error(), want) {
		t.Errorf("got error %v (%q), want a malformed checkpoint with %q", err, code, want)
	}
}
