package ledger

import (
	"testing"
)

// The test vectors of BIP-350 that hold bytes: segwit addresses, without their
// first group, which is a witness version and no part of the bytes.
func TestBech32mVectors(t *testing.T) {
	// BIP-350: "abcdef1l7aum6echk45nj3s0wdvt2fg8x9yrzpqzd3ryx" is thirty-two
	// groups from 31 down to 0, twenty bytes.
	const text = "abcdef1l7aum6echk45nj3s0wdvt2fg8x9yrzpqzd3ryx"
	data, err := bech32mDecode("abcdef", text)
	if err != nil || len(data) != 20 {
		t.Fatalf("decoding %s: %d bytes, %v, want 20", text, len(data), err)
	}
	if got := bech32mEncode("abcdef", data); got != text {
		t.Errorf("encoding gives %s, want %s", got, text)
	}
	for _, bad := range []string{
		"abcdef1l7aum6echk45nj3s0wdvt2fg8x9yrzpqzd3ryy",
		"A1LQFN3A",    // upper case, valid in BIP-350
		"abcdef1qqqq", // shorter than a checksum
		"abcdef",
	} {
		if _, err := bech32mDecode("abcdef", bad); err == nil {
			t.Errorf("%s is accepted", bad)
		}
	}
	// a1lqfn3a is the empty string under the prefix "a".
	if data, err := bech32mDecode("a", "a1lqfn3a"); err != nil || len(data) != 0 {
		t.Errorf("a1lqfn3a: %x, %v, want no bytes", data, err)
	}
	if _, err := bech32mDecode("abcdef", bech32mEncode("abcdef", []byte{1})[:9]+"q"); err == nil {
		t.Error("a bent checksum is accepted")
	}
}

func TestBech32mRefusesPadding(t *testing.T) {
	// One byte is two groups, eight bits and two of padding. Set the padding, or
	// add a whole group of it, and make the checksum fit again.
	for _, groups := range [][]byte{{0, 1}, {0, 0, 0}} {
		sum := bech32Prefix("hmk")
		text := "hmk1"
		for _, g := range groups {
			sum = sum.add(g)
			text += string(bech32Charset[g])
		}
		for range bech32Checksum {
			sum = sum.add(0)
		}
		sum ^= bech32mConst
		for i := range bech32Checksum {
			text += string(bech32Charset[sum>>(5*(bech32Checksum-1-i))&31])
		}
		if data, err := bech32mDecode("hmk", text); err == nil {
			t.Errorf("groups %v are read as %x, want an error", groups, data)
		}
	}
}
