package main

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

func TestVerdict(t *testing.T) {
	tests := []struct {
		name string
		row  row
		want string
	}{
		{"nothing asked", row{value: 1}, ""},
		{"a rate that is reached", row{value: 6000, must: must{relation: atLeast, bound: 6000}}, "met"},
		{"a rate that is not", row{value: 5999, must: must{relation: atLeast, bound: 6000}}, "falls short"},
		{"a time that is kept", row{value: 250, must: must{relation: atMost, bound: 250}}, "met"},
		{"a time that is not", row{value: 251, must: must{relation: atMost, bound: 250}}, "falls short"},
		{"a ratio that is reached", row{value: 8, beside: "limit", peer: 10, must: must{relation: atLeast, bound: 0.8, ofRatio: true}}, "met"},
		{"a ratio that is not", row{value: 7, beside: "limit", peer: 10, must: must{relation: atLeast, bound: 0.8, ofRatio: true}}, "falls short"},
		{"a ratio to nothing", row{value: 7, must: must{relation: atLeast, bound: 0.8, ofRatio: true}}, "falls short"},
		{"a failure, whatever is asked", row{failed: errors.New("x"), must: must{relation: atMost, bound: 1}}, "not measured"},
	}
	for _, tt := range tests {
		if got := tt.row.verdict(); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

func sample() *table {
	return &table{
		MediaType: tableMediaType, Cores: 2, Platform: "linux/amd64",
		Rows: []row{
			{what: "stream", value: 9123.4, unit: "/s", beside: "engine", peer: 20000, must: must{relation: atLeast, bound: 6000}, note: "of 500 bytes"},
			{what: "digest", value: 812, unit: "MiB/s", beside: "limit", peer: 1000, must: must{relation: atLeast, bound: 0.75, ofRatio: true}},
			{what: "single", value: 12.34, unit: "ms"},
			{what: "memory", unit: "MiB", must: must{relation: atMost, bound: 300}, failed: errors.New("no /proc")},
		},
		Footnotes: []string{"Shared cores."},
	}
}

const sampleText = `| what   | figure    | beside it, in the same run | ratio | must          | verdict      |
|--------|-----------|----------------------------|-------|---------------|--------------|
| stream | 9,123/s   | engine: 20,000/s           | 0.46  | >= 6,000/s    | met          |
| digest | 812 MiB/s | limit: 1,000 MiB/s         | 0.81  | ratio >= 0.75 | met          |
| single | 12.3 ms   |                            |       |               |              |
| memory |           |                            |       | <= 300 MiB    | not measured |

2 cores, linux/amd64.
- stream: of 500 bytes
- memory: not measured: no /proc
- Shared cores.
`

func TestText(t *testing.T) {
	if got := sample().text(); got != sampleText {
		t.Errorf("got:\n%s\nwant:\n%s", got, sampleText)
	}
}

func TestJSON(t *testing.T) {
	var out strings.Builder
	if err := sample().write(&out, "json"); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Rows []struct {
			What, Must, Verdict, Note string
			Value, Peer, Ratio        *float64
		}
	}
	if err := json.Unmarshal([]byte(out.String()), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Rows) != 4 {
		t.Fatalf("got %d rows, want 4:\n%s", len(got.Rows), &out)
	}
	stream, memory := got.Rows[0], got.Rows[3]
	if *stream.Value != 9123.4 || *stream.Ratio != *stream.Value / *stream.Peer || stream.Must != ">= 6,000/s" || stream.Verdict != "met" {
		t.Errorf("stream: got %+v", stream)
	}
	if memory.Value != nil || memory.Ratio != nil || memory.Verdict != "not measured" || memory.Note != "no /proc" {
		t.Errorf("memory: got %+v", memory)
	}
}

func TestNumber(t *testing.T) {
	for v, want := range map[float64]string{0: "0.00", 0.554: "0.55", 9.99: "9.99", 12.34: "12.3", 999.6: "1,000", 1234567: "1,234,567"} {
		if got := number(v); got != want {
			t.Errorf("number(%v): got %q, want %q", v, got, want)
		}
	}
}
