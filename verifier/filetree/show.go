package filetree

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxShown is the most bytes of a name that a line for people shows.
const maxShown = 200

// Show returns a name that somebody else chose, of a file, a tensor or a model, for a line that people read: as it stands
// if it can be nothing but one name there, else in quotes, with escapes for what displays hide or turn around. Of a longer
// name than 200 bytes it returns the beginning.
func Show(name string) string {
	shown, more := name, ""
	if len(name) > maxShown {
		cut := maxShown
		for cut > maxShown-utf8.UTFMax && !utf8.RuneStart(name[cut]) {
			cut--
		}
		shown, more = name[:cut], "…"
	}
	if shown != "" && utf8.ValidString(shown) && !strings.ContainsFunc(shown, unclear) {
		return shown + more
	}
	return fmt.Sprintf("%q", shown) + more
}

// unclear holds for what ends a name to the eye, or is invisible.
func unclear(r rune) bool {
	return !unicode.IsPrint(r) || strings.ContainsRune(" \",;", r)
}
