package main

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/hallmark-registry/hallmark/cmd/internal/cli"
)

// A valueError is the value of a flag that is not one. The flags here have types
// of their own, because those of the library answer in the words of its parsers.
type valueError struct{ flag, got, want string }

func (e *valueError) Error() string { return fmt.Sprintf("got %q, want %s", e.got, e.want) }

// flagError says what is wrong with the flags of a command. A mistyped command
// comes first: its flags are unknown because it is.
func flagError(cmd *cobra.Command, err error) error {
	if args := cmd.Flags().Args(); cmd.HasSubCommands() && len(args) > 0 {
		return unknownCommand(cmd, args)
	}
	e := cli.Usage("%v", err)
	var value *valueError
	if errors.As(err, &value) {
		e = cli.Usage("--%s %s, want %s", value.flag, value.got, value.want)
	}
	return e.WithHint("%s --help", cmd.CommandPath())
}

// A whole is a flag that takes a whole number.
type whole[T uint32 | uint64] struct {
	flag  string
	value *T
	least T
}

func (w *whole[T]) String() string {
	if w.value == nil { // the zero value, which pflag asks for its default
		return ""
	}
	return strconv.FormatUint(uint64(*w.value), 10)
}

// Type names the value in a help text.
func (w *whole[T]) Type() string { return "uint" }

// Set takes a number in decimal.
func (w *whole[T]) Set(s string) error {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil || uint64(T(n)) != n || T(n) < w.least {
		return &valueError{w.flag, s, fmt.Sprintf("a whole number from %d", w.least)}
	}
	*w.value = T(n)
	return nil
}

// A span is a flag that takes a length of time, longer than none.
type span struct {
	flag  string
	value *time.Duration
}

func (d *span) String() string {
	if d.value == nil {
		return ""
	}
	return d.value.String()
}

// Type names the value in a help text.
func (d *span) Type() string { return "duration" }

// Set takes a length of time as time.ParseDuration reads it.
func (d *span) Set(s string) error {
	v, err := time.ParseDuration(s)
	if err != nil || v <= 0 {
		return &valueError{d.flag, s, "a length of time such as 30s"}
	}
	*d.value = v
	return nil
}
