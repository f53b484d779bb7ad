package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

const tableMediaType = "application/vnd.hallmark.benchmark+json;version=1"

// A table is the outcome of one run. Its exported fields are the JSON form,
// which the package comment describes.
type table struct {
	MediaType string   `json:"mediaType"`
	Cores     int      `json:"cores"`
	Platform  string   `json:"platform"`
	Short     bool     `json:"short"`
	Rows      []row    `json:"rows"`
	Footnotes []string `json:"footnotes"`
}

// A row is one figure and what to think of it.
type row struct {
	what   string
	value  float64
	unit   string // of value and peer
	beside string // what peer is; empty when there is none
	peer   float64
	must   must
	note   string
	failed error // why there is no value
}

// A must is what a figure has to reach. The zero must asks nothing.
type must struct {
	relation relation
	bound    float64
	ofRatio  bool // bounds value over peer, not value
}

type relation string

const (
	atLeast relation = ">="
	atMost  relation = "<="
)

// compare puts a peer's figure beside the row's, if the peer was measured.
func (r *row) compare(peer string, value float64) {
	if value != 0 {
		r.beside, r.peer = peer, value
	}
}

// ratio returns value over peer, or 0 where there is no such thing.
func (r *row) ratio() float64 {
	if r.failed != nil || r.beside == "" || r.peer == 0 {
		return 0
	}
	return r.value / r.peer
}

// verdict says plainly whether the figure reaches what it must.
func (r *row) verdict() string {
	if r.failed != nil {
		return "not measured"
	}
	got := r.value
	if r.must.ofRatio {
		got = r.ratio()
	}
	switch {
	case r.must.relation == "":
		return ""
	case r.must.relation == atLeast && got >= r.must.bound, r.must.relation == atMost && got <= r.must.bound:
		return "met"
	}
	return "falls short"
}

func (m must) text(unit string) string {
	switch {
	case m.relation == "":
		return ""
	case m.ofRatio:
		return fmt.Sprintf("ratio %s %s", m.relation, number(m.bound))
	}
	return fmt.Sprintf("%s %s", m.relation, quantity(m.bound, unit))
}

// cells are the row as it stands in the text table, below headings.
func (r *row) cells() []string {
	c := []string{r.what, "", "", "", r.must.text(r.unit), r.verdict()}
	if r.failed == nil {
		c[1] = quantity(r.value, r.unit)
	}
	if r.beside != "" {
		c[2] = r.beside
		if r.peer != 0 {
			c[2] += ": " + quantity(r.peer, r.unit)
		}
	}
	if ratio := r.ratio(); ratio != 0 {
		c[3] = number(ratio)
	}
	return c
}

var headings = []string{"what", "figure", "beside it, in the same run", "ratio", "must", "verdict"}

// MarshalJSON implements json.Marshaler.
func (r row) MarshalJSON() ([]byte, error) {
	measured := func(v float64) *float64 {
		if v == 0 || r.failed != nil {
			return nil
		}
		return &v
	}
	note := r.note
	if r.failed != nil {
		note = r.failed.Error()
	}
	return json.Marshal(struct {
		What    string   `json:"what"`
		Value   *float64 `json:"value"`
		Unit    string   `json:"unit"`
		Beside  string   `json:"beside"`
		Peer    *float64 `json:"peer"`
		Ratio   *float64 `json:"ratio"`
		Must    string   `json:"must"`
		Verdict string   `json:"verdict"`
		Note    string   `json:"note"`
	}{
		r.what, measured(r.value), r.unit, r.beside, measured(r.peer), measured(r.ratio()),
		r.must.text(r.unit), r.verdict(), note,
	})
}

// write prints the table as JSON or as aligned Markdown.
func (t *table) write(w io.Writer, format string) error {
	if format == "json" {
		enc := json.NewEncoder(w)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		return enc.Encode(t)
	}
	_, err := io.WriteString(w, t.text())
	return err
}

func (t *table) text() string {
	lines := [][]string{headings}
	var notes []string
	for i := range t.Rows {
		r := &t.Rows[i]
		lines = append(lines, r.cells())
		if r.failed != nil {
			notes = append(notes, fmt.Sprintf("%s: not measured: %v", r.what, r.failed))
		} else if r.note != "" {
			notes = append(notes, r.what+": "+r.note)
		}
	}
	var b strings.Builder
	widths := columnWidths(lines)
	for i, line := range lines {
		writeLine(&b, line, widths, " ")
		if i == 0 {
			writeLine(&b, make([]string, len(widths)), widths, "-")
		}
	}
	fmt.Fprintf(&b, "\n%d cores, %s.\n", t.Cores, t.Platform)
	for _, n := range append(notes, t.Footnotes...) {
		fmt.Fprintf(&b, "- %s\n", strings.ReplaceAll(n, "\n", "; "))
	}
	return b.String()
}

func columnWidths(lines [][]string) []int {
	widths := make([]int, len(headings))
	for _, line := range lines {
		for i, cell := range line {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	return widths
}

func writeLine(b *strings.Builder, cells []string, widths []int, fill string) {
	for i, cell := range cells {
		b.WriteString("|" + fill + cell + strings.Repeat(fill, widths[i]-utf8.RuneCountInString(cell)) + fill)
	}
	b.WriteString("|\n")
}

// quantity joins a number and its unit. "/s" stands close, as people write it.
func quantity(v float64, unit string) string {
	if strings.HasPrefix(unit, "/") {
		return number(v) + unit
	}
	return number(v) + " " + unit
}

// number shows three digits, and all those before the point.
func number(v float64) string {
	switch {
	case v >= 100:
		return grouped(fmt.Sprintf("%.0f", v))
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// grouped puts a comma before every third digit from the end.
func grouped(digits string) string {
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
