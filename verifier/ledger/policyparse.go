package ledger

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

const policyHeader = "hallmark policy 1"

// A PolicyError says where a policy text departs from its canonical form. It
// wraps ErrPolicy.
type PolicyError struct {
	Line, Column int // from 1; columns count bytes
	Why          string
}

func (e *PolicyError) Error() string {
	return fmt.Sprintf("%v: line %d, column %d: %s", ErrPolicy, e.Line, e.Column, e.Why)
}

// Unwrap returns ErrPolicy.
func (e *PolicyError) Unwrap() error { return ErrPolicy }

// ParsePolicy reads a policy text. What it accepts, String writes back byte for
// byte. Errors are *PolicyError, and wrap ErrPolicy.
func ParsePolicy(text string) (*Policy, error) {
	s := &policyScanner{rest: text, line: 1, column: 1}
	if len(text) > maxPolicySize {
		s.fail("text of %d bytes, want at most %d", len(text), maxPolicySize)
		return nil, s.err
	}
	p := s.policy()
	if s.err == nil && s.rest != "" {
		s.fail("%q, want the end", s.peek())
	}
	if s.err != nil {
		return nil, s.err
	}
	return p, nil
}

// A policyScanner walks the text by literals and words. The first failure
// sticks, with its place.
type policyScanner struct {
	rest         string
	line, column int
	err          *PolicyError
}

func (s *policyScanner) fail(format string, args ...any) {
	if s.err == nil {
		s.err = &PolicyError{s.line, s.column, fmt.Sprintf(format, args...)}
	}
}

// refuse reports what is wrong between the fields of a part that began at from.
func (s *policyScanner) refuse(from policyScanner, err error) {
	if s.err == nil && err != nil {
		s.err = &PolicyError{from.line, from.column, err.Error()}
	}
}

// peek returns what an error quotes: the rest of the word.
func (s *policyScanner) peek() string {
	end := strings.IndexAny(s.rest, " \n")
	if end <= 0 {
		end = min(len(s.rest), 1)
	}
	return clip(s.rest[:end])
}

func (s *policyScanner) advance(n int) {
	for _, c := range []byte(s.rest[:n]) {
		if s.column++; c == '\n' {
			s.line, s.column = s.line+1, 1
		}
	}
	s.rest = s.rest[n:]
}

// try takes a literal if it comes next.
func (s *policyScanner) try(literal string) bool {
	if s.err != nil || !strings.HasPrefix(s.rest, literal) {
		return false
	}
	s.advance(len(literal))
	return true
}

// want takes a literal, and points an error at the first byte that differs.
func (s *policyScanner) want(literal string) {
	if s.err != nil || s.try(literal) {
		return
	}
	same := 0
	for same < len(s.rest) && s.rest[same] == literal[same] {
		same++
	}
	s.advance(same)
	s.fail("%q, want %q", s.peek(), literal[same:])
}

// word takes the bytes up to a space, a line feed or the byte stop, and has
// them read. An error points at the word's beginning.
func word[T any](s *policyScanner, stops string, read func(string) (T, error)) (v T) {
	if s.err != nil {
		return v
	}
	end := strings.IndexAny(s.rest, stops)
	if end < 0 {
		end = len(s.rest)
	}
	v, err := read(s.rest[:end])
	if err != nil {
		s.fail("%v", err)
		return v
	}
	s.advance(end)
	return v
}

func (s *policyScanner) number(most uint64) uint64 {
	return word(s, " \n/", func(w string) (uint64, error) {
		n, err := strconv.ParseUint(w, 10, 64)
		if err != nil || n > most || strconv.FormatUint(n, 10) != w {
			return 0, fmt.Errorf("%q, want a decimal number of at most %d without leading zeros", clip(w), most)
		}
		return n, nil
	})
}

func (s *policyScanner) amount() Amount { return word(s, " \n", ParseAmount) }

func (s *policyScanner) name() string {
	return word(s, " \n", func(w string) (string, error) { return w, checkName("name", w) })
}

func (s *policyScanner) limit() (l Limit) {
	if s.try("none") {
		return l
	}
	from := *s
	if l.Amount = s.amount(); l.Amount.IsZero() {
		s.refuse(from, errors.New("limit 0, want a positive amount or none"))
	}
	return l
}

func (s *policyScanner) keys(what, indent string) (k KeySet) {
	s.want(what + " ")
	if s.try("none\n") {
		return k
	}
	from := *s
	k.Threshold = int(s.number(maxKeys))
	s.want(" of ")
	n := s.number(maxKeys)
	s.want("\n")
	for range n {
		s.want(indent + "  ")
		k.Keys = append(k.Keys, word(s, " \n", ParseKey))
		s.want("\n")
	}
	s.refuse(from, k.check(what))
	return k
}

func (s *policyScanner) policy() *Policy {
	p := &Policy{}
	s.want(policyHeader + "\n")
	p.Budget = s.budget()
	s.want("contributor ")
	p.Contributor = s.limit()
	s.want("\nsubject ")
	p.Subject = s.limit()
	s.want("\n")
	p.Classes = parts(s, "class ", s.class)
	p.Dispute = s.keys("dispute", "")
	p.Offers = parts(s, "offer ", s.offer)
	p.Compliance = s.keys("compliance", "")
	s.refuse(policyScanner{line: 1, column: 1}, p.check())
	return p
}

// parts reads parts that begin with the same word, until another comes.
func parts[T any](s *policyScanner, begin string, part func() (string, T, error)) (all []T) {
	last := ""
	for from := *s; s.try(begin); from = *s {
		name, v, err := part()
		if err == nil && name <= last {
			err = fmt.Errorf("%s%s after %s, want ascending order", begin, name, last)
		}
		s.refuse(from, err)
		all, last = append(all, v), name
	}
	return all
}

func (s *policyScanner) budget() (b Budget) {
	from := *s
	s.want("budget ")
	b.Initial = s.amount()
	s.want(" halving ")
	b.Halving = s.number(maxEpochs)
	s.want(" floor ")
	b.Floor = s.amount()
	s.want("\n")
	s.refuse(from, b.check())
	return b
}

func (s *policyScanner) class() (string, Class, error) {
	c := Class{ID: s.name()}
	s.want("\n  share ")
	c.Share = uint32(s.number(1<<32 - 1))
	s.want("\n  unit ")
	c.Unit = s.name()
	s.want("\n  rate ")
	c.Rate = s.rate()
	s.want("\n  max ")
	c.Max = s.amount()
	s.want("\n  ")
	c.Evaluators = s.keys("evaluators", "  ")
	s.want("  maturity ")
	c.Maturity = s.number(maxEpochs)
	s.want("\n  vesting ")
	c.Vesting = s.number(maxEpochs)
	s.want("\n")
	return c.ID, c, c.check()
}

func (s *policyScanner) rate() (r Rate) {
	if s.try("pro-rata") {
		return r
	}
	from := *s
	s.want("fixed ")
	if r = Rate(s.fraction()); r.ProRata() {
		s.refuse(from, errors.New("rate 0/0, want a positive fraction"))
	}
	return r
}

func (s *policyScanner) offer() (string, Offer, error) {
	o := Offer{Name: s.name()}
	s.want("\n  price ")
	o.Price = s.amount()
	s.want("\n  burn ")
	o.Burn = s.fraction()
	s.want("\n  payee ")
	o.Payee = word(s, " \n", ParseAccountID)
	s.want("\n")
	return o.Name, o, o.check()
}

func (s *policyScanner) fraction() (f Fraction) {
	f.Num = s.number(1<<64 - 1)
	s.want("/")
	f.Den = s.number(1<<64 - 1)
	return f
}
