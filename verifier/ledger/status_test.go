package ledger_test

import (
	"runtime"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hallmark-registry/hallmark/verifier/entry"
	"github.com/hallmark-registry/hallmark/verifier/ledger"
	"github.com/hallmark-registry/hallmark/verifier/statement"
)

// standingAt returns how the statement at an index of a played log stands.
func (l *testLog) standingAt(index uint64) ledger.Standing {
	in := ledger.Read(l.leaves[index])
	return l.state.Standing(ledger.SaidBy(index, in.Entry(), in.Statement()))
}

// find returns the index of a step by its story.
func (l *testLog) find(story string) uint64 {
	l.t.Helper()
	at := slices.IndexFunc(l.steps, func(s step) bool { return s.story == story })
	if at < 0 {
		l.t.Fatalf("no step %q", story)
	}
	return uint64(at)
}

func TestStanding(t *testing.T) {
	l := play(t, "statuses", statuses)
	effects := func(index uint64) (states []statement.State) {
		for _, e := range l.standingAt(index).Effects {
			states = append(states, e.State)
		}
		return states
	}
	for _, tt := range []struct {
		story string
		want  []statement.State
	}{
		{"Ada publishes", []statement.State{statement.StateRevoked, statement.StateConsentWithdrawn}},
		{"Mallory calls the same files hers", []statement.State{statement.StateRevoked}},
		{"Bob publishes what he withdrew", []statement.State{statement.StateConsentWithdrawn}},
		{"Bob evaluates", nil},
		{"Mallory says the same", []statement.State{statement.StateRevoked}},
	} {
		if diff := cmp.Diff(tt.want, effects(l.find(tt.story))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.story, diff)
		}
	}
	ada := l.standingAt(l.find("Ada publishes"))
	if ada.Effects[0].Index != l.find("Ada revokes") {
		t.Errorf("Ada's is revoked by entry %d", ada.Effects[0].Index)
	}
	if ada.Disputed != 12 || !slices.Contains(ada.Disputes, l.find("and revokes them: a dispute of Ada's")) || len(ada.Disputes) > 8 {
		t.Errorf("Ada's is disputed by %d, first %d; Mallory, Bob and ten others have spoken", ada.Disputed, ada.Disputes)
	}
}

// What stands between states that replace each other is what their author said
// last, not what a stranger logged last.
func TestOldStatusLoggedAgain(t *testing.T) {
	l := newLog(t)
	tiny := model(t, "ada/tiny@1", 1)
	l.log(l.says(tiny, ada))
	old := l.says(about(tiny.Subjects[0], statement.StateDeprecated, "old"), ada)
	next := model(t, "ada/tiny@2", 2).Subjects[0].Digest
	for _, e := range []*entry.Entry{old, l.says(about(tiny.Subjects[0], statement.StateSuperseded, "newer", by(next)), ada), old} {
		l.log(e)
	}
	want := ledger.Standing{Effects: []ledger.Effect{{State: statement.StateSuperseded, By: next, Index: 2}}}
	if diff := cmp.Diff(want, l.standingAt(0)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	l.log(l.says(about(tiny.Subjects[0], statement.StateDeprecated, "older"), ada))
	want.Effects = []ledger.Effect{{State: statement.StateDeprecated, Index: 4}}
	if diff := cmp.Diff(want, l.standingAt(0)); diff != "" {
		t.Errorf("after another word of Ada's (-want +got):\n%s", diff)
	}
}

func TestStandingUnderAClaim(t *testing.T) {
	l := play(t, "namespace-statuses", namespaceStatuses)
	before := l.standingAt(l.find("Ada publishes before the claim"))
	if !before.Unbound || len(before.Effects) != 0 || before.Disputed != 3 {
		t.Errorf("before the claim: %+v, want it unbound and disputed by Carol, Evan and the namespace", before)
	}
	tiny := l.standingAt(l.find("and publish"))
	want := []ledger.Effect{
		{State: statement.StateRevoked, Index: l.find("one who signed it may revoke, also when her key is old")},
		{State: statement.StateDeprecated, Index: l.find("two of three speak for the namespace, whoever signs beside them")},
	}
	if diff := cmp.Diff(want, tiny.Effects); diff != "" || tiny.Unbound {
		t.Errorf("unbound %t, (-want +got):\n%s", tiny.Unbound, diff)
	}
	if later := l.standingAt(l.find("so what is published later stands")); len(later.Effects) != 0 || later.Disputed != 2 {
		t.Errorf("published after old keys' spite: %+v", later)
	}
}

func TestClaimBeginsANamespaceAnew(t *testing.T) {
	l := newLog(t)
	tiny, rows := statement.Name{Namespace: "acme", Name: "tiny", Version: "1"}, statement.Name{Namespace: "acme", Name: "rows", Version: "1"}
	l.log(l.says(model(t, "acme/tiny@1", 1), mallory))
	l.log(l.says(dataset(t, "acme/rows@1", 1), ada))
	if _, ok := l.state.Namespace("acme"); ok {
		t.Error("claimed by nobody, and there")
	}
	first := l.says(claim("acme", 1, ada, bob), ada)
	l.log(first)
	for _, n := range []struct {
		kind statement.Kind
		name statement.Name
	}{{statement.KindModel, tiny}, {statement.KindDataset, rows}} {
		if d, ok := l.state.Binding(n.kind, n.name); ok {
			t.Errorf("%s is bound to %s from before the claim", n.name, d)
		}
		if id, ok := l.state.Holder(n.name.Base()); ok {
			t.Errorf("%s is held by %s from before the claim", n.name, id)
		}
	}
	l.log(l.says(model(t, "acme/tiny@1", 2), bob))
	if d, ok := l.state.Binding(statement.KindModel, tiny); !ok || d != model(t, "acme/tiny@1", 2).Subjects[0].Digest {
		t.Errorf("%s is bound to %s, %t", tiny, d, ok)
	}
	keys := []entry.KeyID{ada.Public().ID(), bob.Public().ID()}
	slices.SortFunc(keys, func(a, b entry.KeyID) int { return slices.Compare(a[:], b[:]) })
	want := ledger.NamespaceState{Claimed: 2, Statement: first.StatementID(), Threshold: 1, Keys: keys}
	got, ok := l.state.Namespace("acme")
	if diff := cmp.Diff(want, got); !ok || diff != "" {
		t.Errorf("%t (-want +got):\n%s", ok, diff)
	}
	if resumed, _ := resume(t, l).Namespace("acme"); !cmp.Equal(resumed, want) {
		t.Errorf("resumed: %+v", resumed)
	}
}

// BenchmarkStatuses reports what a hundred thousand statuses take, each of its
// own key about its own target: the dearest that they can be.
func BenchmarkStatuses(b *testing.B) {
	const count = 100_000
	l := newLog(b)
	inputs := make([]*ledger.Input, count)
	for i := range inputs {
		target := statement.Subject{Alg: statement.AlgModel, Digest: statement.Digest{1, byte(i), byte(i >> 8), byte(i >> 16)}}
		k := makeKey(entry.Ed25519, byte(i))
		inputs[i] = ledger.ReadEntry(l.says(about(target, statement.StateDeprecated, "old"), k), nil)
	}
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		s := ledger.New(origin, nil)
		for i, in := range inputs {
			s.ApplyInput(uint64(i), in)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/count, "B/status")
		runtime.KeepAlive(s)
	}
}
