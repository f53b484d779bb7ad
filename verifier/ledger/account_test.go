package ledger_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/hallmark-registry/hallmark/verifier/ledger"
)

// accountVectors are keys, their accounts, and texts that are none.
type accountVectors struct {
	Good []goodAccount `json:"good"`
	Evil []evilAccount `json:"evil"`
}

type goodAccount struct {
	Key     string `json:"key"`     // Ed25519, hex
	Account string `json:"account"` // hex
	Text    string `json:"text"`
}

type evilAccount struct {
	Story string `json:"story"`
	Text  string `json:"text"`
}

func TestAccounts(t *testing.T) {
	var v accountVectors
	for n := range byte(4) {
		k := edKey(n)
		id, err := ledger.AccountOf(k.Public())
		if err != nil {
			t.Fatal(err)
		}
		want := sha256.Sum256(k.Public().Bytes)
		if id[0] != 1 || [32]byte(id[1:]) != want {
			t.Errorf("account of key %d is %x, want 01 and the key's hash %x", n, id[:], want)
		}
		if back, err := ledger.ParseAccountID(id.String()); err != nil || back != id {
			t.Errorf("ParseAccountID(%s) = %s, %v", id, back, err)
		}
		v.Good = append(v.Good, goodAccount{hex.EncodeToString(k.Public().Bytes), hex.EncodeToString(id[:]), id.String()})
	}
	good := v.Good[0].Text
	swap := func(i int, c string) string { return good[:i] + c + good[i+1:] }
	v.Evil = []evilAccount{
		{"nothing", ""},
		{"the prefix alone", "hmk1"},
		{"upper case", strings.ToUpper(good)},
		{"one letter in upper case", swap(10, "Q")},
		{"a wrong character", swap(20, map[bool]string{true: "p", false: "q"}[good[20] == 'q'])},
		{"a character that bech32 does not have", swap(20, "b")},
		{"two characters swapped", good[:20] + good[21:22] + good[20:21] + good[22:]},
		{"cut short", good[:len(good)-1]},
		{"a character more", good + "q"},
		{"another prefix", "bc" + good[3:]},
		{"white space", " " + good},
		{"bech32 and not bech32m", bech32Account(t, edKey(0).Public().Bytes)},
		{"far too long", "hmk1" + strings.Repeat("q", 1000)},
		{"a type that does not exist", ledger.AccountID{2}.String()},
		{"type 0", ledger.AccountID{}.String()},
	}
	for _, e := range v.Evil {
		if a, err := ledger.ParseAccountID(e.Text); !errors.Is(err, ledger.ErrAccount) {
			t.Errorf("%s: %q is read as %s, %v, want ErrAccount", e.Story, e.Text, a, err)
		}
	}
	golden(t, "accounts.json", v)
	if _, err := ledger.AccountOf(pat.Public()); !errors.Is(err, ledger.ErrAccount) {
		t.Errorf("a P-256 key has an account (%v)", err)
	}
}

// bech32Account encodes an account with the checksum of BIP-173, by the slow
// way of that document's reference code.
func bech32Account(t *testing.T, key []byte) string {
	t.Helper()
	sum := sha256.Sum256(key)
	return slowBech32("hmk", append([]byte{1}, sum[:]...), 1)
}

func slowBech32(prefix string, data []byte, final uint32) string {
	const charset = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
	bits := ""
	for _, b := range data {
		for i := 7; i >= 0; i-- {
			bits += string('0' + b>>i&1)
		}
	}
	for len(bits)%5 != 0 {
		bits += "0"
	}
	var groups []byte
	for ; bits != ""; bits = bits[5:] {
		g := byte(0)
		for _, b := range []byte(bits[:5]) {
			g = g<<1 | (b - '0')
		}
		groups = append(groups, g)
	}
	var values []byte
	for _, c := range []byte(prefix) {
		values = append(values, c>>5)
	}
	values = append(values, 0)
	for _, c := range []byte(prefix) {
		values = append(values, c&31)
	}
	values = append(append(values, groups...), 0, 0, 0, 0, 0, 0)
	chk := uint32(1)
	for _, v := range values {
		top := chk >> 25
		chk = (chk&0x1ffffff)<<5 ^ uint32(v)
		for i, g := range []uint32{0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3} {
			if top>>i&1 == 1 {
				chk ^= g
			}
		}
	}
	chk ^= final
	out := prefix + "1"
	for _, g := range groups {
		out += string(charset[g])
	}
	for i := range 6 {
		out += string(charset[chk>>(5*(5-i))&31])
	}
	return out
}

func TestAccountTextAgainstReference(t *testing.T) {
	for n := range byte(50) {
		id := accountOf(edKey(n))
		if got, want := id.String(), slowBech32("hmk", id[:], 0x2bc830a3); got != want {
			t.Errorf("account %x is %s, the reference has %s", id[:], got, want)
		}
	}
}
