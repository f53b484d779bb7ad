package ledger_test

import (
	"encoding/json"
	"errors"
	"math/big"
	"testing"

	"pgregory.net/rapid"

	"github.com/hallmark-registry/hallmark/verifier/ledger"
)

var maxAmount = ledger.Amount{Hi: 1<<64 - 1, Lo: 1<<64 - 1}

func toBig(a ledger.Amount) *big.Int {
	n := new(big.Int).SetUint64(a.Hi)
	return n.Lsh(n, 64).Add(n, new(big.Int).SetUint64(a.Lo))
}

// anyAmount prefers the edges, where carries and overflows are.
func anyAmount(t *rapid.T, label string) ledger.Amount {
	half := rapid.OneOf(rapid.SampledFrom([]uint64{0, 1, 2, 9, 10, 1e19 - 1, 1e19, 1<<63 - 1, 1 << 63, 1<<64 - 2, 1<<64 - 1}), rapid.Uint64())
	return ledger.Amount{Hi: half.Draw(t, label+" high"), Lo: half.Draw(t, label+" low")}
}

func TestAmountAgainstBig(t *testing.T) {
	limit := new(big.Int).Lsh(big.NewInt(1), 128)
	rapid.Check(t, func(t *rapid.T) {
		a, b := anyAmount(t, "a"), anyAmount(t, "b")
		n, d := anyAmount(t, "fraction").Hi, anyAmount(t, "fraction").Lo
		sum, ok := a.Add(b)
		if want := new(big.Int).Add(toBig(a), toBig(b)); ok != (want.Cmp(limit) < 0) || ok && toBig(sum).Cmp(want) != 0 {
			t.Errorf("%s + %s = %s, %t", a, b, sum, ok)
		}
		diff, ok := a.Sub(b)
		if want := new(big.Int).Sub(toBig(a), toBig(b)); ok != (want.Sign() >= 0) || ok && toBig(diff).Cmp(want) != 0 {
			t.Errorf("%s - %s = %s, %t", a, b, diff, ok)
		}
		if got, want := a.Cmp(b), toBig(a).Cmp(toBig(b)); got != want {
			t.Errorf("Cmp(%s, %s) = %d, want %d", a, b, got, want)
		}
		if d != 0 {
			want := new(big.Int).Mul(toBig(a), new(big.Int).SetUint64(n))
			want.Div(want, new(big.Int).SetUint64(d))
			q, ok := a.MulDiv(n, d)
			if ok != (want.Cmp(limit) < 0) || ok && toBig(q).Cmp(want) != 0 {
				t.Errorf("%s * %d / %d = %s, %t, want %s", a, n, d, q, ok, want)
			}
		}
		if got := a.String(); got != toBig(a).String() {
			t.Errorf("String = %s, want %s", got, toBig(a))
		}
		back, err := ledger.ParseAmount(a.String())
		if err != nil || back != a {
			t.Errorf("ParseAmount(%s) = %s, %v", a, back, err)
		}
		decimals := rapid.IntRange(0, 18).Draw(t, "decimals")
		text := a.FormatDecimal(decimals)
		if back, err := ledger.ParseDecimal(text, decimals); err != nil || back != a {
			t.Errorf("ParseDecimal(%q, %d) = %s, %v, want %s", text, decimals, back, err, a)
		}
	})
	if _, ok := maxAmount.MulDiv(1, 0); ok {
		t.Error("division by zero has a result")
	}
}

func TestDecimals(t *testing.T) {
	for _, tt := range []struct {
		text     string
		decimals int
		want     string // base units; "" = refused
	}{
		{"0", 0, "0"},
		{"12", 0, "12"},
		{"12", 6, "12000000"},
		{"0.5", 1, "5"},
		{"0.50", 6, "500000"},
		{"1.000001", 6, "1000001"},
		{"340282366920938463463374607431768211455", 0, maxAmount.String()},
		{"340282366920938463463.374607431768211455", 18, maxAmount.String()},
		{"340282366920938463463374607431768211456", 0, ""},
		{"340282366920938463463.374607431768211456", 18, ""},
		{"9999999999999999999999999999999999999999", 0, ""},
		{"1.0000001", 6, ""},
		{"1.", 6, ""},
		{".5", 6, ""},
		{"01", 6, ""},
		{"00.5", 6, ""},
		{"", 6, ""},
		{"-1", 6, ""},
		{"+1", 6, ""},
		{"1e3", 6, ""},
		{"1,5", 6, ""},
		{"1.5.0", 6, ""},
		{"1 ", 6, ""},
		{"1", -1, ""},
		{"1", 19, ""},
	} {
		got, err := ledger.ParseDecimal(tt.text, tt.decimals)
		switch {
		case tt.want == "" && !errors.Is(err, ledger.ErrAmount):
			t.Errorf("ParseDecimal(%q, %d) = %s, %v, want ErrAmount", tt.text, tt.decimals, got, err)
		case tt.want != "" && (err != nil || got.String() != tt.want):
			t.Errorf("ParseDecimal(%q, %d) = %s, %v, want %s", tt.text, tt.decimals, got, err, tt.want)
		}
	}
}

func TestAmountInJSONIsText(t *testing.T) {
	text, err := json.Marshal(struct{ A ledger.Amount }{maxAmount})
	if want := `{"A":"340282366920938463463374607431768211455"}`; err != nil || string(text) != want {
		t.Errorf("JSON %s, %v, want %s", text, err, want)
	}
	for _, bad := range []string{`"01"`, `"-1"`, `""`, `"1.0"`, `1`, `"0x1"`} {
		var a ledger.Amount
		if err := json.Unmarshal([]byte(bad), &a); err == nil {
			t.Errorf("JSON %s is read as %s, want an error", bad, a)
		}
	}
}
