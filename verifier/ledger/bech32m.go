package ledger

import (
	"errors"
	"fmt"
	"strings"
)

// Bech32m as in BIP-350 (which amends BIP-173): a prefix, the separator "1",
// the data in groups of five bits, and a checksum of six groups.
const (
	bech32Charset  = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
	bech32mConst   = 0x2bc830a3 // BIP-350, "Bech32m"
	bech32Checksum = 6
	bech32Most     = 90 // BIP-173: the checksum is proven up to this length
)

var bech32Generator = [5]uint32{0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3}

// A polymod is the checksum's running state, 1 at the start.
type polymod uint32

func (p polymod) add(group byte) polymod {
	top := p >> 25
	p = (p&0x1ffffff)<<5 ^ polymod(group)
	for i, g := range bech32Generator {
		if top>>i&1 == 1 {
			p ^= polymod(g)
		}
	}
	return p
}

func bech32Prefix(prefix string) polymod {
	p := polymod(1)
	for _, c := range []byte(prefix) {
		p = p.add(c >> 5)
	}
	p = p.add(0)
	for _, c := range []byte(prefix) {
		p = p.add(c & 31)
	}
	return p
}

func bech32mEncode(prefix string, data []byte) string {
	out := append([]byte(prefix), '1')
	sum := bech32Prefix(prefix)
	put := func(group byte) {
		sum = sum.add(group)
		out = append(out, bech32Charset[group])
	}
	acc, n := uint32(0), 0
	for _, b := range data {
		acc, n = acc<<8|uint32(b), n+8
		for ; n >= 5; n -= 5 {
			put(byte(acc >> (n - 5) & 31))
		}
	}
	if n > 0 {
		put(byte(acc << (5 - n) & 31))
	}
	for range bech32Checksum {
		sum = sum.add(0)
	}
	sum ^= bech32mConst
	for i := range bech32Checksum {
		out = append(out, bech32Charset[sum>>(5*(bech32Checksum-1-i))&31])
	}
	return string(out)
}

func bech32mDecode(prefix, s string) ([]byte, error) {
	if len(s) > bech32Most {
		return nil, fmt.Errorf("%d characters, want at most %d", len(s), bech32Most)
	}
	rest, ok := strings.CutPrefix(s, prefix+"1")
	if !ok || len(rest) < bech32Checksum {
		return nil, fmt.Errorf("want %q, data and a checksum", prefix+"1")
	}
	sum := bech32Prefix(prefix)
	data := make([]byte, 0, len(rest)*5/8)
	acc, n := uint32(0), 0
	for i := range len(rest) {
		group := strings.IndexByte(bech32Charset, rest[i])
		if group < 0 {
			return nil, fmt.Errorf("character %q, want lower-case bech32", rest[i])
		}
		sum = sum.add(byte(group))
		if i >= len(rest)-bech32Checksum {
			continue
		}
		if acc, n = acc<<5|uint32(group), n+5; n >= 8 {
			n -= 8
			data = append(data, byte(acc>>n))
		}
	}
	if sum != bech32mConst {
		return nil, errors.New("checksum does not hold: a character is wrong")
	}
	// BIP-173: the padding is shorter than a group, and zero.
	if n >= 5 || acc&(1<<n-1) != 0 {
		return nil, errors.New("padding is not canonical")
	}
	return data, nil
}
