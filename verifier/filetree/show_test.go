package filetree_test

import (
	"strings"
	"testing"

	"github.com/hallmark-registry/hallmark/verifier/filetree"
)

func TestShow(t *testing.T) {
	for _, c := range []struct{ story, name, want string }{
		{"a path", "sub/model-00001-of-2.safetensors", "sub/model-00001-of-2.safetensors"},
		{"letters of any language", "modèle/重み", "modèle/重み"},
		{"nothing", "", `""`},
		{"a space, which would end the name to the eye", "a ok b", `"a ok b"`},
		{"a list of its own", "a,b", `"a,b"`},
		{"a quote", `a"b`, `"a\"b"`},
		{"what turns text around", "evil\u202eyp.txt", `"evil\u202eyp.txt"`},
		{"a separator of lines", "a\u2028b", `"a\u2028b"`},
		{"what steers a terminal", "\x1b[2J", `"\x1b[2J"`},
		{"no UTF-8", "a\xff", `"a\xff"`},
		{"200 bytes", strings.Repeat("x", 200), strings.Repeat("x", 200)},
		{"more", strings.Repeat("x", 201), strings.Repeat("x", 200) + "…"},
		{"cut between letters", "x" + strings.Repeat("ä", 100), "x" + strings.Repeat("ä", 99) + "…"},
	} {
		if got := filetree.Show(c.name); got != c.want {
			t.Errorf("%s: got %s, want %s", c.story, got, c.want)
		}
	}
}
