package ledger_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"runtime"
	"slices"
	"testing"

	"github.com/hallmark-registry/hallmark/verifier/entry"
	"github.com/hallmark-registry/hallmark/verifier/ledger"
)

// benchPolicy has room for every credit of a benchmark.
func benchPolicy(g *ledger.Genesis) {
	p := testPolicy()
	p.Budget.Initial = ledger.Amount{Hi: 1 << 20}
	for i := range p.Classes {
		p.Classes[i].Evaluators, p.Classes[i].Max = keySet(1, eva), ledger.NewAmount(1<<40)
	}
	g.Policy, g.Cap = p.String(), ledger.Amount{Hi: 1 << 30}
}

// batch is how many entries a benchmark signs and reads before it folds them
// over and over.
const batch = 2048

// BenchmarkApply folds entries that were read before, so that neither
// signatures nor JSON are measured: this is what a replayer does on one core
// while others read.
func BenchmarkApply(b *testing.B) {
	for _, bb := range []struct {
		name  string
		entry func(l *testLog, i uint64) *entry.Entry
		want  ledger.Code
	}{
		{"credit", func(l *testLog, i uint64) *entry.Entry { return l.sign(l.credit(batch+i), eva) }, ledger.Accepted},
		{"mint", func(l *testLog, i uint64) *entry.Entry { return l.sign(l.mint("data", i, 1+i), ada) }, ledger.Accepted},
		{"transfer to new accounts", func(l *testLog, i uint64) *entry.Entry {
			x := l.transfer(ada, bob, 1)
			x.Nonce, x.Expires = i, 1<<62
			binary.BigEndian.PutUint64(x.To[1:], i)
			return l.sign(x, ada)
		}, ledger.Accepted},
		{"refused transfer", func(l *testLog, i uint64) *entry.Entry {
			x := l.transfer(bob, ada, 1)
			x.Nonce, x.Expires = i, 1<<62
			return l.sign(x, bob)
		}, ledger.InsufficientBalance},
		{"model", func(l *testLog, i uint64) *entry.Entry {
			return l.says(model(b, fmt.Sprintf("acme/model-%d@%d", i/4, i%4), byte(i)|1), ada)
		}, ledger.Accepted},
	} {
		b.Run(bb.name, func(b *testing.B) { benchFold(b, bb.entry, bb.want) })
	}
}

func benchFold(b *testing.B, entryAt func(l *testLog, i uint64) *entry.Entry, want ledger.Code) {
	l := newLog(b)
	l.found(benchPolicy)
	for i := range uint64(batch) {
		l.log(l.sign(l.credit(i), eva))
	}
	l.log(l.sign(l.credit(batch*2, func(c *ledger.Credit) { c.Class, c.Work = "code", 1<<20 }), eva))
	l.log(l.sign(l.mint("code", batch*2, l.size()-1), ada))
	inputs := make([]*ledger.Input, batch)
	for i := range inputs {
		inputs[i] = ledger.ReadEntry(entryAt(l, uint64(i)), nil)
	}
	raw, err := l.state.MarshalBinary()
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		s := ledger.New(origin, l)
		if err := s.UnmarshalBinary(raw); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		for i, in := range inputs {
			if got := s.ApplyInput(l.size()+uint64(i), in); got.Code != want {
				b.Fatalf("%+v, want %s", got, want)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*batch), "ns/entry")
}

// BenchmarkRead is the part that runs on many cores: parsing and signatures.
func BenchmarkRead(b *testing.B) {
	l := newLog(b)
	l.found()
	for _, bb := range []struct {
		name string
		raw  []byte
	}{
		{"transfer", l.sign(l.transfer(ada, bob, 1), ada).Raw()},
		{"credit of two evaluators", l.sign(l.credit(1), eva, evan).Raw()},
		{"model", l.says(model(b, "acme/tiny@1", 1), ada).Raw()},
	} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				ledger.Read(bb.raw)
			}
		})
		b.Run(bb.name+" verified before", func(b *testing.B) {
			e, err := entry.Parse(bb.raw)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				ledger.ReadEntry(e, nil)
			}
		})
	}
}

// BenchmarkBindings reports what a million names take, each with one version,
// held by a thousand keys; and how long such a state takes to digest and to
// resume, which is at its best here: the names come in the order of their
// hashes.
func BenchmarkBindings(b *testing.B) {
	const count = 1_000_000
	raw := manyNames(b, count)
	s := ledger.New(origin, nil)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	if err := s.UnmarshalBinary(raw); err != nil {
		b.Fatal(err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	held := float64(after.HeapAlloc-before.HeapAlloc) / count
	b.Run("digest", func(b *testing.B) {
		for b.Loop() {
			s.Digest()
		}
		b.ReportMetric(held, "B/name")
	})
	b.Run("resume", func(b *testing.B) {
		for b.Loop() {
			if err := ledger.New(origin, nil).UnmarshalBinary(raw); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// manyNames serialises a state that holds nothing but names: signing a million
// statements would take minutes.
func manyNames(b *testing.B, count uint64) []byte {
	raw, err := ledger.New(origin, nil).MarshalBinary()
	if err != nil {
		b.Fatal(err)
	}
	const after = 3 * 8            // the counts of no namespaces, remarks and spent statements
	raw = raw[:len(raw)-after-3*8] // and of no holders, bindings and residents
	holder := func(i uint64) [32]byte { return sha256.Sum256([]byte{0, byte(i), byte(i / 256 % 4)}) }
	for section := range uint64(2) {
		raw = binary.BigEndian.AppendUint64(raw, count)
		for i := range count {
			key, value := sha256.Sum256(binary.BigEndian.AppendUint64(nil, i)), sha256.Sum256([]byte{byte(section), byte(i), byte(i / 256 % 4)})
			binary.BigEndian.PutUint64(key[:], i<<40) // ascending
			raw = append(append(raw, key[:]...), value[:]...)
		}
	}
	keys := make([][32]byte, 1024) // all in one namespace
	for i := range keys {
		keys[i] = holder(uint64(i))
	}
	slices.SortFunc(keys, func(a, b [32]byte) int { return bytes.Compare(a[:], b[:]) })
	raw = binary.BigEndian.AppendUint64(raw, uint64(len(keys)))
	for _, key := range keys {
		raw = append(append(raw, make([]byte, 32)...), key[:]...)
	}
	return append(raw, make([]byte, after)...)
}
