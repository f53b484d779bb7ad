package index_test

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/hallmark-registry/hallmark/registry/index"
)

func TestToken(t *testing.T) {
	filter, err := index.ParseFilter("kind = model")
	if err != nil {
		t.Fatal(err)
	}
	want := index.Token{FilterHash: filter.Hash(), Size: 1 << 40, From: 77}
	got, err := index.ParseToken(want.String())
	if err != nil || got != want {
		t.Errorf("ParseToken(%s) = %+v, %v, want %+v", want, got, err, want)
	}
	if (index.Filter{}).Hash() == filter.Hash() {
		t.Error("two filters have one hash")
	}
}

func TestParseTokenRefuses(t *testing.T) {
	valid := index.Token{Size: 10, From: 10}.String()
	for story, text := range map[string]string{
		"empty":                     "",
		"cut":                       valid[:len(valid)-1],
		"extended":                  valid + "A",
		"padded":                    valid + "==",
		"spare bits set":            valid[:len(valid)-1] + "B",
		"standard alphabet":         strings.Replace(index.Token{FilterHash: [32]byte{0xff, 0xff, 0xff}, Size: 1}.String(), "_", "/", 1),
		"a line end in it":          valid[:20] + "\n" + valid[21:],
		"another version":           base64.RawURLEncoding.EncodeToString(append([]byte{2}, make([]byte, 48)...)),
		"a place beyond the answer": index.Token{Size: 10, From: 11}.String(),
	} {
		if _, err := index.ParseToken(text); !errors.Is(err, index.ErrToken) {
			t.Errorf("%s: ParseToken(%q): got error %v, want %v", story, text, err, index.ErrToken)
		}
	}
}

func FuzzParseToken(f *testing.F) {
	f.Add(index.Token{Size: 10, From: 3}.String())
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		if token, err := index.ParseToken(text); err == nil && token.String() != text {
			t.Errorf("ParseToken accepts %q and writes %q", text, token)
		}
	})
}
