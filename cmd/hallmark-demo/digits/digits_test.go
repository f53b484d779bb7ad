package digits_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/hallmark-registry/hallmark/cmd/hallmark-demo/digits"
)

// A line as short as a line can be, and one that uses every limit.
var (
	blank = strings.Repeat("0,", digits.Pixels) + "0\n"
	full  = strings.Repeat("16,", digits.Pixels) + "9\n"
)

func shipped(t *testing.T) []digits.Row {
	t.Helper()
	rows, err := digits.Parse(digits.CSV())
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func TestShippedDataIsWhatSourceSays(t *testing.T) {
	source, err := os.ReadFile("SOURCE.md")
	if err != nil {
		t.Fatal(err)
	}
	if sum := fmt.Sprintf("`%x`", sha256.Sum256(digits.CSV())); !bytes.Contains(source, []byte(sum)) {
		t.Errorf("SOURCE.md does not name the SHA-256 of digits.csv, %s", sum)
	}
	rows := shipped(t)
	if got, want := len(rows), 1797; got != want {
		t.Errorf("got %d rows, want %d", got, want)
	}
	seen := map[string]bool{}
	for _, r := range rows {
		seen[r.Line] = true
	}
	// A row that came twice could be learned from and held out at once.
	if got, want := len(seen), len(rows); got != want {
		t.Errorf("got %d distinct rows, want %d", got, want)
	}
	if !bytes.Equal(digits.Format(rows), digits.CSV()) {
		t.Error("parsing and formatting changed the bytes")
	}
}

func TestCSVIsACopy(t *testing.T) {
	digits.CSV()[0] = 'x'
	if got := digits.CSV()[0]; got == 'x' {
		t.Error("a caller changed the shipped data")
	}
}

func TestParse(t *testing.T) {
	for _, tt := range []struct {
		story, text string
		rows        int
		err         string
	}{
		{"nothing is no rows", "", 0, ""},
		{"a blank picture", blank, 1, ""},
		{"every pixel at its limit", blank + full, 2, ""},
		{"the last line end is missing", strings.TrimSuffix(blank, "\n"), 0, "line 1: got no line end, want LF"},
		{"an empty line", blank + "\n", 0, "line 2: got 1 numbers, want 65"},
		{"a line end of two bytes", strings.TrimSuffix(blank, "\n") + "\r\n", 0, `digit: got "0\r", want a number from 0 to 9`},
		{"a number too few", strings.Repeat("0,", 63) + "0\n", 0, "got 64 numbers, want 65"},
		{"a number too many", strings.Repeat("0,", 65) + "0\n", 0, `digit: got "0,0", want`},
		{"a pixel too dark", "17" + full[2:], 0, `pixel 0: got "17", want a number from 0 to 16`},
		{"a digit too large", strings.TrimSuffix(blank, "0\n") + "10\n", 0, `digit: got "10", want`},
		{"a leading zero", "00" + blank[1:], 0, `pixel 0: got "00", want`},
		{"a sign", "+1" + blank[1:], 0, `pixel 0: got "+1", want`},
		{"a space", " 1" + blank[1:], 0, `pixel 0: got " 1", want`},
		{"no number at all", blank[1:], 0, `pixel 0: got "", want`},
		{"a number that would wrap", "256" + blank[1:], 0, `pixel 0: got "256", want`},
	} {
		t.Run(tt.story, func(t *testing.T) {
			rows, err := digits.Parse([]byte(tt.text))
			if len(rows) != tt.rows {
				t.Errorf("got %d rows, want %d", len(rows), tt.rows)
			}
			if tt.err == "" && err != nil || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
				t.Errorf("got error %v, want %q", err, tt.err)
			}
		})
	}
}

func TestFeaturesAreSixteenths(t *testing.T) {
	rows, err := digits.Parse([]byte("0,1," + full[6:]))
	if err != nil {
		t.Fatal(err)
	}
	f := rows[0].Features()
	if got, want := f[:3], []float32{0, 0.0625, 1}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if rows[0].Digit != 9 {
		t.Errorf("got digit %d, want 9", rows[0].Digit)
	}
}

func TestSplitDealsEveryRowOnce(t *testing.T) {
	rows := shipped(t)
	p, err := digits.Split(rows, 1)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := []int{len(p.Base), len(p.Contributed), len(p.HeldOut)}, []int{359, 1077, 361}; !slices.Equal(got, want) {
		t.Errorf("got parts of %v rows, want %v", got, want)
	}
	seen := map[string]bool{}
	for _, r := range slices.Concat(p.Base, p.Contributed, p.HeldOut) {
		if seen[r.Line] {
			t.Fatalf("row %q stands in two parts", r.Line)
		}
		seen[r.Line] = true
	}
	if got, want := len(seen), len(rows); got != want {
		t.Errorf("parts hold %d rows, want %d", got, want)
	}
}

func TestSplitFollowsItsSeed(t *testing.T) {
	rows := shipped(t)
	held := func(seed uint64) string {
		p, err := digits.Split(rows, seed)
		if err != nil {
			t.Fatal(err)
		}
		return string(digits.Format(p.HeldOut))
	}
	first := held(1)
	if again := held(1); first != again {
		t.Error("one seed dealt in two ways")
	}
	if first == held(2) {
		t.Error("two seeds dealt in one way")
	}
}

func TestSplitRefusesTooFewRows(t *testing.T) {
	if _, err := digits.Split(shipped(t)[:4], 1); err == nil {
		t.Error("split 4 rows into parts, want an error")
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(blank + full))
	f.Add(digits.CSV()[:400])
	f.Add([]byte("1,2,3\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		rows, err := digits.Parse(text)
		if err == nil && !bytes.Equal(digits.Format(rows), text) {
			t.Errorf("read %q, wrote %q", text, digits.Format(rows))
		}
	})
}
