package filetree

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// MaxPath is the most bytes a path may have: PATH_MAX of the systems on which models are published. It keeps every
// path far below the two-byte length of a file leaf and bounds how deep a folder can nest.
const MaxPath = 4096

// Fault is a short stable code of what is wrong with a tree, shared with the test vectors.
type Fault string

// What can be wrong with a path or with what it leads to.
const (
	PathEmpty     Fault = "path-empty"
	PathTooLong   Fault = "path-too-long"
	PathNotUTF8   Fault = "path-not-utf8"
	PathSegment   Fault = "path-segment"
	PathCharacter Fault = "path-character"
	Irregular     Fault = "irregular-file"
	Link          Fault = "link"
	LinkEscapes   Fault = "link-escapes"
	LinkDangles   Fault = "link-dangles"
	LinkLoops     Fault = "link-loops"
	LinkToFolder  Fault = "link-to-folder"
	NoFiles       Fault = "no-files"
)

// Error says that a folder cannot be hashed as it is, and names the path that stands in the way.
type Error struct {
	Path   string
	Fault  Fault
	Detail string
}

func (e *Error) Error() string { return fmt.Sprintf("%q: %s", e.Path, e.Detail) }

// CheckPath says whether p can name a file of a model or data set: 1 to MaxPath bytes of valid UTF-8, taken as they
// are, in non-empty segments other than "." and ".." joined by "/", without backslash or control character
// (U+0000 to U+001F, U+007F to U+009F). The error is an *Error.
func CheckPath(p string) error {
	refuse := func(fault Fault, format string, args ...any) error {
		return &Error{Path: p, Fault: fault, Detail: fmt.Sprintf(format, args...)}
	}
	switch {
	case p == "":
		return refuse(PathEmpty, "path is empty")
	case len(p) > MaxPath:
		return &Error{Path: p[:32] + "...", Fault: PathTooLong, Detail: fmt.Sprintf("path has %d bytes, want at most %d", len(p), MaxPath)}
	case !utf8.ValidString(p):
		return refuse(PathNotUTF8, "path is not valid UTF-8")
	}
	for segment := range strings.SplitSeq(p, "/") {
		if segment == "" || segment == "." || segment == ".." {
			return refuse(PathSegment, "path has the segment %q", segment)
		}
	}
	if i := strings.IndexFunc(p, forbidden); i >= 0 {
		r, _ := utf8.DecodeRuneInString(p[i:])
		return refuse(PathCharacter, "path has the character %U", r)
	}
	return nil
}

// forbidden holds for what steers a terminal (control characters) and for the one character that is a separator on some
// systems and a letter on others. Much else that displays hide or turn around is allowed, U+202E for one: which characters
// these are changes with Unicode, and what a path is must not. Whoever shows a path shows it with Show.
func forbidden(r rune) bool {
	return r < 0x20 || 0x7f <= r && r <= 0x9f || r == '\\'
}
