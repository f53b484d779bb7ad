package ledger_test

import (
	"bytes"
	"testing"

	"github.com/hallmark-registry/hallmark/verifier/ledger"
)

func FuzzParseBody(f *testing.F) {
	for _, b := range everyBody() {
		f.Add(marshal(f, b))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		b, err := ledger.ParseBody(raw)
		if err != nil {
			return
		}
		if again := marshal(t, b); !bytes.Equal(again, raw) {
			t.Errorf("%x is written back as %x", raw, again)
		}
	})
}

func FuzzParsePolicy(f *testing.F) {
	f.Add(testPolicy().String())
	f.Add(fullPolicy().String())
	f.Fuzz(func(t *testing.T, text string) {
		p, err := ledger.ParsePolicy(text)
		if err != nil {
			return
		}
		if again := p.String(); again != text {
			t.Errorf("%q is written back as %q", text, again)
		}
	})
}

func FuzzParseAccount(f *testing.F) {
	f.Add(accountOf(ada).String())
	f.Add("hmk1qqqqqq")
	f.Fuzz(func(t *testing.T, text string) {
		a, err := ledger.ParseAccountID(text)
		if err != nil {
			return
		}
		if again := a.String(); again != text {
			t.Errorf("%q is written back as %q", text, again)
		}
	})
}

// FuzzApply folds any bytes after a busy log, as they stand and as the body of
// an entry that Ada signs.
func FuzzApply(f *testing.F) {
	l := busyLog(f)
	base, err := l.state.MarshalBinary()
	if err != nil {
		f.Fatal(err)
	}
	for _, raw := range l.leaves {
		f.Add(raw, false)
	}
	for _, b := range everyBody() {
		f.Add(marshal(f, b), true)
	}
	f.Add(marshal(f, l.transfer(ada, bob, 1)), true)
	f.Add(marshal(f, l.mint("data", 2, 3)), true)
	f.Fuzz(func(t *testing.T, raw []byte, signed bool) {
		if signed {
			raw = signedBody(raw)
		}
		s := ledger.New(origin, l)
		if err := s.UnmarshalBinary(base); err != nil {
			t.Fatal(err)
		}
		want := s.CheckInput(ledger.Read(raw)).Code
		if got := s.Apply(l.size(), raw); got.Code != want || !got.Decided() {
			t.Errorf("%+v, Check gave %s", got, want)
		}
		if err := s.CheckInvariants(); err != nil {
			t.Error(err)
		}
	})
}

func FuzzUnmarshalState(f *testing.F) {
	l := busyLog(f)
	raw, err := l.state.MarshalBinary()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Fuzz(func(t *testing.T, raw []byte) {
		s := ledger.New(origin, l)
		if s.UnmarshalBinary(raw) != nil {
			return
		}
		if again, err := s.MarshalBinary(); err != nil || !bytes.Equal(again, raw) {
			t.Errorf("%x is written back as %x (%v)", raw, again, err)
		}
		s.Supply()
		s.Apply(s.Size(), l.leaves[1])
	})
}
