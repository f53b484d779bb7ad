package main

import (
	"fmt"
	"strings"

	"github.com/hallmark-registry/hallmark/registry/client"
)

// A shownStanding is the JSON form of what became of a statement since, as the
// registry tells it. Its members are stable; it is absent where there is nothing
// to tell.
type shownStanding struct {
	State    string   `json:"state"` // in effect: revoked, consent-withdrawn, superseded, deprecated, or empty
	By       string   `json:"by"`    // what superseded it
	Index    *uint64  `json:"index"` // of the status in effect; null without one
	Disputed uint32   `json:"disputed"`
	Disputes []uint64 `json:"disputes"`
	Unbound  bool     `json:"unbound"` // its namespace was claimed after it
}

func showStanding(s client.Standing) *shownStanding {
	if s.Empty() {
		return nil
	}
	out := &shownStanding{State: s.State, By: s.By, Disputed: s.Disputed, Disputes: append([]uint64{}, s.Disputes...), Unbound: s.Unbound}
	if s.State != "" {
		out.Index = &s.Index
	}
	return out
}

// standingText says a standing in one line, and nothing where there is nothing to
// say.
func standingText(s client.Standing) string {
	var parts []string
	if s.State != "" {
		text := s.State
		if s.By != "" {
			text += " by " + s.By
		}
		parts = append(parts, fmt.Sprintf("%s (entry %d)", text, s.Index))
	}
	if s.Unbound {
		parts = append(parts, "binds its name no more: the namespace was claimed later")
	}
	if s.Disputed > 0 {
		text := fmt.Sprintf("disputed by %d others", s.Disputed)
		if s.Disputed == 1 {
			text = "disputed by another"
		}
		switch len(s.Disputes) {
		case 0:
		case 1:
			text += fmt.Sprintf(" (entry %d)", s.Disputes[0])
		default:
			text += " (entries " + strings.Trim(strings.ReplaceAll(fmt.Sprint(s.Disputes), " ", ", "), "[]") + ")"
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, "; ")
}
