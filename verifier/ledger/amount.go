package ledger

import (
	"cmp"
	"errors"
	"fmt"
	"math/bits"
	"strings"
)

// An Amount counts base units, the smallest parts into which a ledger divides
// its token. It is an unsigned 128-bit integer; arithmetic that would leave the
// range says so and never wraps.
type Amount struct{ Hi, Lo uint64 }

// capBits bounds a ledger's cap: an amount below 2^96 fits the twelve bytes
// that a settlement record of a chain has for it.
const capBits = 96

// maxDecimals bounds the digits after the point. It is the habit of chains,
// and leaves a cap of 79 billion whole tokens.
const maxDecimals = 18

// maxAmountDigits is the length of 2^128-1 in decimal.
const maxAmountDigits = 39

// ErrAmount says that a text is no amount, or none in range.
var ErrAmount = errors.New("malformed amount")

// NewAmount returns n base units.
func NewAmount(n uint64) Amount { return Amount{Lo: n} }

// IsZero reports whether a is zero.
func (a Amount) IsZero() bool { return a == Amount{} }

// Cmp returns -1, 0 or +1 as a is below, equal to or above b.
func (a Amount) Cmp(b Amount) int { return cmp.Or(cmp.Compare(a.Hi, b.Hi), cmp.Compare(a.Lo, b.Lo)) }

// Add returns a+b, and false if the sum is 2^128 or more.
func (a Amount) Add(b Amount) (sum Amount, ok bool) {
	lo, carry := bits.Add64(a.Lo, b.Lo, 0)
	hi, carry := bits.Add64(a.Hi, b.Hi, carry)
	return Amount{hi, lo}, carry == 0
}

// Sub returns a-b, and false if b exceeds a.
func (a Amount) Sub(b Amount) (diff Amount, ok bool) {
	lo, borrow := bits.Sub64(a.Lo, b.Lo, 0)
	hi, borrow := bits.Sub64(a.Hi, b.Hi, borrow)
	return Amount{hi, lo}, borrow == 0
}

// MulDiv returns floor(a*n/d) by way of a 192-bit product, and false if d is
// zero or the result is 2^128 or more.
func (a Amount) MulDiv(n, d uint64) (q Amount, ok bool) {
	if d == 0 {
		return Amount{}, false
	}
	carry, p0 := bits.Mul64(a.Lo, n)
	p2, p1 := bits.Mul64(a.Hi, n)
	p1, c := bits.Add64(p1, carry, 0)
	p2 += c // a.Hi*n is at most (2^64-1)^2, whose upper half has room for a carry
	if p2 >= d {
		return Amount{}, false
	}
	hi, r := bits.Div64(p2, p1, d)
	lo, _ := bits.Div64(r, p0, d)
	return Amount{hi, lo}, true
}

// rsh returns a shifted right by n bits.
func (a Amount) rsh(n uint64) Amount {
	switch {
	case n >= 128:
		return Amount{}
	case n >= 64:
		return Amount{Lo: a.Hi >> (n - 64)}
	}
	return Amount{Hi: a.Hi >> n, Lo: a.Hi<<(64-n) | a.Lo>>n}
}

// String returns the base units in decimal.
func (a Amount) String() string {
	if a.Hi == 0 {
		return fmt.Sprint(a.Lo)
	}
	const chunk = 1e19 // the largest power of ten below 2^64
	hi, r := a.Hi/chunk, a.Hi%chunk
	mid, low := bits.Div64(r, a.Lo, chunk)
	top, mid := bits.Div64(hi, mid, chunk)
	if top == 0 {
		return fmt.Sprintf("%d%019d", mid, low)
	}
	return fmt.Sprintf("%d%019d%019d", top, mid, low)
}

// ParseAmount reads base units in the form that String writes: decimal digits
// without sign and leading zeros.
func ParseAmount(s string) (Amount, error) {
	if s == "" || (s[0] == '0' && s != "0") {
		return Amount{}, fmt.Errorf("%w: %q, want decimal digits without leading zeros", ErrAmount, clip(s))
	}
	return parseDigits(s)
}

func parseDigits(s string) (a Amount, err error) {
	if len(s) > maxAmountDigits {
		return Amount{}, fmt.Errorf("%w: %d digits, want at most %d", ErrAmount, len(s), maxAmountDigits)
	}
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return Amount{}, fmt.Errorf("%w: %q, want decimal digits", ErrAmount, s)
		}
		ten, fits := a.MulDiv(10, 1)
		sum, ok := ten.Add(Amount{Lo: uint64(c - '0')})
		if !fits || !ok {
			return Amount{}, fmt.Errorf("%w: %s, want less than 2^128", ErrAmount, s)
		}
		a = sum
	}
	return a, nil
}

// ParseDecimal reads an amount in whole tokens as people write it, such as
// "12" or "0.5", for a ledger with that many decimals. More digits after the
// point than the ledger has are refused, never rounded.
func ParseDecimal(s string, decimals int) (Amount, error) {
	whole, part, point := strings.Cut(s, ".")
	switch {
	case whole == "" || (whole[0] == '0' && whole != "0") || (point && part == ""):
		return Amount{}, fmt.Errorf("%w: %q, want digits such as 12 or 0.5", ErrAmount, clip(s))
	case decimals < 0 || decimals > maxDecimals:
		return Amount{}, fmt.Errorf("%w: %d decimals, want at most %d", ErrAmount, decimals, maxDecimals)
	case len(part) > decimals:
		return Amount{}, fmt.Errorf("%w: %d digits after the point, the ledger has %d decimals", ErrAmount, len(part), decimals)
	}
	digits := strings.TrimLeft(whole+part+strings.Repeat("0", decimals-len(part)), "0")
	return parseDigits(digits)
}

// FormatDecimal returns the amount in whole tokens, without trailing zeros
// after the point. ParseDecimal reads it back.
func (a Amount) FormatDecimal(decimals int) string {
	s := a.String()
	if pad := decimals + 1 - len(s); pad > 0 {
		s = strings.Repeat("0", pad) + s
	}
	at := len(s) - decimals
	part := strings.TrimRight(s[at:], "0")
	if part == "" {
		return s[:at]
	}
	return s[:at] + "." + part
}

// MarshalText writes base units, so that JSON holds an amount as a string: a
// JSON number is a float to most readers, which would round it.
func (a Amount) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (a *Amount) UnmarshalText(text []byte) (err error) {
	*a, err = ParseAmount(string(text))
	return err
}

// clip shortens input that an error quotes.
func clip(s string) string {
	const most = 64
	if len(s) <= most {
		return s
	}
	return s[:most] + "..."
}
