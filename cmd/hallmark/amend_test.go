package main

import (
	"strings"
	"testing"
)

func TestAmendedText(t *testing.T) {
	many := make([]uint64, mostAmendments+1)
	for i := range many {
		many[i] = uint64(i)
	}
	for _, c := range []struct {
		story string
		at    []uint64
		want  string
	}{
		{"nothing", nil, ""},
		{"one", []uint64{7}, "entry 7"},
		{"two", []uint64{7, 9}, "entries 7, 9"},
		{"more than have a name", many, ", 49 and more"},
	} {
		if got := amendedText(c.at); !strings.HasSuffix(got, c.want) || (c.want == "") != (got == "") {
			t.Errorf("%s: got %q, want %q", c.story, got, c.want)
		}
	}
}
