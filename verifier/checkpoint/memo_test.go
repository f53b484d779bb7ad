package checkpoint_test

import (
	"sync"
	"testing"

	"github.com/hallmark-registry/hallmark/verifier/checkpoint"
)

func TestMemo(t *testing.T) {
	p := mustPolicy(t, policyText())
	m := checkpoint.NewMemo(p, 2)
	notes := make([][]byte, 5)
	for i := range notes {
		notes[i] = cosign(sign(head(uint64(i)), logKey), 10, w1, w2)
	}
	first := must(m.Verify(notes[0]))
	if again := must(m.Verify(notes[0])); again != first {
		t.Error("a note is verified twice")
	}
	// The note in use stays while others pass through.
	for _, note := range notes[1:] {
		must(m.Verify(note))
		if again := must(m.Verify(notes[0])); again != first {
			t.Error("a note in use is forgotten")
		}
	}
	// And goes when it is not: two more fill what is remembered, twice.
	for _, note := range notes[1:] {
		must(m.Verify(note))
	}
	if again := must(m.Verify(notes[0])); again == first {
		t.Error("the memo remembers more than twice its size")
	}
	if m.Policy() != p {
		t.Error("the memo has another policy")
	}
}

func TestMemoForgetsNoByte(t *testing.T) {
	m := checkpoint.NewMemo(mustPolicy(t, policyText()), 8)
	note := cosign(sign(head(4), logKey), 10, w1, w2)
	must(m.Verify(note))
	for _, bad := range [][]byte{
		replaceSignature(note, w1.Name(), flipLast),
		replaceSignature(note, origin, flipLast),
		note[:len(note)-1],
		append(note[:len(note):len(note)], '\n'),
		make([]byte, checkpoint.MaxNoteSize+1),
	} {
		for range 2 {
			if v, err := m.Verify(bad); err == nil {
				t.Errorf("accepted as %+v:\n%q", v, bad)
			}
		}
	}
}

func TestMemoIsSafeForConcurrentUse(t *testing.T) {
	m := checkpoint.NewMemo(mustPolicy(t, policyText()), 1)
	a := cosign(sign(head(4), logKey), 10, w1, w2)
	b := cosign(sign(head(5), logKey), 10, w1, w2)
	var wg sync.WaitGroup
	for i := range 8 {
		note, size := a, uint64(4)
		if i%2 == 1 {
			note, size = b, 5
		}
		wg.Go(func() {
			for range 20 {
				if v, err := m.Verify(note); err != nil || v.Size != size {
					t.Errorf("got %+v, %v; want size %d", v, err, size)
				}
			}
		})
	}
	wg.Wait()
}
