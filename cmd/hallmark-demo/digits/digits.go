// Package digits holds the data of the demo: 1,797 pictures of handwritten
// digits, collected by E. Alpaydin and C. Kaynak and published by UCI under
// CC BY 4.0. SOURCE.md says where the bytes come from.
//
// A picture is one line of comma-separated numbers, and a line is also what a
// dataset commitment calls a record. So a row keeps the line it was read from:
//
//	0,0,5,13,9,1,0,0, ... ,0,6,13,10,0,0,0,0
//	└─ 64 pixels, 0 to 16, row by row ─────┘ └ the digit
package digits

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
)

const (
	// Pixels is the number of pixels of a picture, 8 rows of 8.
	Pixels = 64
	// Classes is the number of digits.
	Classes = 10

	// pixelMax is the number of black points in the 4 x 4 block that a pixel counts.
	pixelMax = 16
)

//go:embed digits.csv
var csv []byte

// CSV returns the data set as it is shipped. The caller may keep and change the copy.
func CSV() []byte { return bytes.Clone(csv) }

// A Row is one picture and the digit that it shows.
type Row struct {
	Line   string // as it stands in the file, without its line end
	Pixels [Pixels]uint8
	Digit  uint8
}

// Features returns the pixels scaled to [0, 1]. Sixteenths are exact in binary,
// so nothing is rounded here.
func (r Row) Features() []float32 {
	f := make([]float32, Pixels)
	for i, p := range r.Pixels {
		f[i] = float32(p) / pixelMax
	}
	return f
}

// Parse reads rows. Every line ends in LF and holds exactly 65 numbers without
// sign, space or leading zero, so rows have one encoding and Format gives it back.
func Parse(text []byte) ([]Row, error) {
	var rows []Row
	for len(text) > 0 {
		line, rest, ended := bytes.Cut(text, []byte("\n"))
		if !ended {
			return nil, fmt.Errorf("line %d: got no line end, want LF", len(rows)+1)
		}
		row, err := parseLine(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", len(rows)+1, err)
		}
		rows = append(rows, row)
		text = rest
	}
	return rows, nil
}

func parseLine(line []byte) (Row, error) {
	row := Row{Line: string(line)}
	for i := range row.Pixels {
		field, rest, found := bytes.Cut(line, []byte(","))
		if !found {
			return Row{}, fmt.Errorf("got %d numbers, want %d", i+1, Pixels+1)
		}
		pixel, err := parseNumber(field, pixelMax)
		if err != nil {
			return Row{}, fmt.Errorf("pixel %d: %w", i, err)
		}
		row.Pixels[i], line = pixel, rest
	}
	digit, err := parseNumber(line, Classes-1)
	if err != nil {
		return Row{}, fmt.Errorf("digit: %w", err)
	}
	row.Digit = digit
	return row, nil
}

// parseNumber reads a decimal from 0 to limit, which is below 100.
func parseNumber(field []byte, limit uint8) (uint8, error) {
	n := 0
	for _, c := range field {
		if c < '0' || c > '9' || len(field) > 2 {
			return 0, fmt.Errorf("got %.20q, want a number from 0 to %d", field, limit)
		}
		n = 10*n + int(c-'0')
	}
	if len(field) == 0 || len(field) == 2 && n < 10 || n > int(limit) {
		return 0, fmt.Errorf("got %.20q, want a number from 0 to %d", field, limit)
	}
	return uint8(n), nil
}

// Format writes rows as the lines that they were read from.
func Format(rows []Row) []byte {
	var b bytes.Buffer
	for _, r := range rows {
		b.WriteString(r.Line)
		b.WriteByte('\n')
	}
	return b.Bytes()
}

// Parts says who uses which rows. No row stands in two parts.
type Parts struct {
	Base        []Row // the base model learns from these
	Contributed []Row // somebody adds these later; the fine-tuned model learns from them
	HeldOut     []Row // no model learns from these: accuracy is measured here
}

// Split deals rows at random: a fifth to the base, three fifths to the later
// contribution, the rest held out. The base is the small part, so that what the
// contribution is worth can be measured. A seed always deals the same way, and
// each part keeps the order of the file.
func Split(rows []Row, seed uint64) (Parts, error) {
	if len(rows) < 5 {
		return Parts{}, errors.New("splitting rows: got fewer than 5, want some for each part")
	}
	order := rand.New(rand.NewPCG(seed, 0)).Perm(len(rows))
	fifth := len(rows) / 5
	return Parts{
		Base:        pick(rows, order[:fifth]),
		Contributed: pick(rows, order[fifth:4*fifth]),
		HeldOut:     pick(rows, order[4*fifth:]),
	}, nil
}

func pick(rows []Row, at []int) []Row {
	slices.Sort(at)
	picked := make([]Row, len(at))
	for i, j := range at {
		picked[i] = rows[j]
	}
	return picked
}
