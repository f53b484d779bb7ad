package ledger_test

import (
	"encoding/json"
	"testing"

	"github.com/hallmark-registry/hallmark/verifier/entry"
	"github.com/hallmark-registry/hallmark/verifier/ledger"
)

// TestFounding goes the way of a new server: example policy, genesis, first
// credit of each class, mint.
func TestFounding(t *testing.T) {
	l := newLog(t)
	l.found(func(g *ledger.Genesis) {
		g.Symbol, g.Decimals, g.Cap = ledger.ExampleSymbol, ledger.ExampleDecimals, ledger.ExampleCap()
		g.Policy = ledger.ExamplePolicy(1, ledgerKey(eva)).String()
	})
	for _, tt := range []struct {
		class string
		work  uint64
		want  string // whole tokens
	}{
		{"data", 1797, "17.97"}, {"compute", 5400, "1.5"}, {"code", 3, "30"}, {"data", 100_000, "1000"},
	} {
		c := l.credit(l.size(), func(c *ledger.Credit) { c.Class, c.Work = tt.class, tt.work })
		at := l.add("a credit", ledger.Accepted, l.sign(c, eva))
		got, _ := l.state.Credit(tt.class, c.Serial)
		if text := got.Amount.FormatDecimal(ledger.ExampleDecimals); text != tt.want {
			t.Errorf("%d of %s are worth %s, want %s", tt.work, tt.class, text, tt.want)
		}
		l.add("its mint", ledger.Accepted, l.sign(l.mint(tt.class, c.Serial, at), ada))
	}
	if a, _ := l.state.Account(accountOf(ada)); a.Balance.FormatDecimal(ledger.ExampleDecimals) != "1049.47" {
		t.Errorf("Ada has %s", a.Balance.FormatDecimal(ledger.ExampleDecimals))
	}
}

// An entry is read once, and its parts are there for whoever needs them next.
func TestInputKeepsWhatItRead(t *testing.T) {
	l := newLog(t)
	l.found()
	in := ledger.Read(l.sign(l.credit(7), eva, evan).Raw())
	if c, ok := in.Body().(*ledger.Credit); !ok || c.Serial != 7 || in.Statement() != nil || in.Entry() == nil {
		t.Errorf("body %+v, statement %v", in.Body(), in.Statement())
	}
	in = ledger.Read(l.says(model(t, "acme/tiny@1", 1), ada).Raw())
	if st := in.Statement(); st == nil || st.Subjects[0].Name != "acme/tiny@1" || in.Body() != nil {
		t.Errorf("body %v, statement %+v", in.Body(), st)
	}
	raw := l.sign(l.credit(7), eva, evan).Raw()
	parsed, err := entry.Parse(raw)
	if got := l.state.ApplyParsed(1, parsed, err); !got.Accepted() || got.Kind != "credit" {
		t.Errorf("%+v, want it accepted", got)
	}
	parsed, err = entry.Parse(raw[1:])
	if got := l.state.ApplyParsed(2, parsed, err); got.Code != ledger.EntryMalformed {
		t.Errorf("%+v, want ENTRY_MALFORMED", got)
	}
}

func TestAccountsInJSON(t *testing.T) {
	l := busyLog(t)
	got, _ := l.state.Account(accountOf(ada))
	text, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"account":"` + accountOf(ada).String() + `","balance":"100","available":"100","nonce":1}`
	if string(text) != want {
		t.Errorf("account is %s, want %s", text, want)
	}
	var back ledger.AccountState
	if err := json.Unmarshal(text, &back); err != nil || back != got {
		t.Errorf("%s is read as %+v, %v", text, back, err)
	}
	for _, bad := range []string{`{"account":"hmk1"}`, `{"balance":"-1"}`, `{"balance":7}`} {
		if err := json.Unmarshal([]byte(bad), &back); err == nil {
			t.Errorf("%s is read, want an error", bad)
		}
	}
}

func TestKindNames(t *testing.T) {
	if got := ledger.KindRotateKey.String(); got != "rotate-key" {
		t.Errorf("kind 13 is %q", got)
	}
	for _, k := range []ledger.Kind{0, 20, 255} {
		if got := k.String(); got[:5] != "kind(" {
			t.Errorf("kind %d is %q", uint8(k), got)
		}
	}
	if _, err := ledger.KeyOf(pat.Public()); err == nil {
		t.Error("a P-256 key signs on a ledger")
	}
	if _, err := ledger.Sign(&ledger.Mint{}, ada); err == nil {
		t.Error("a mint of no class is signed")
	}
	if _, err := new(ledger.Genesis).ID(); err == nil {
		t.Error("an empty genesis founds a ledger")
	}
}
