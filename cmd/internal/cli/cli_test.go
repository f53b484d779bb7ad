package cli_test

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/hallmark-registry/hallmark/cmd/internal/cli"
)

func TestFlagsStandAnywhere(t *testing.T) {
	for _, c := range []struct {
		args string
		want []string
		key  []string
	}{
		{"a b --key k", []string{"a", "b"}, []string{"k"}},
		{"--key k a b", []string{"a", "b"}, []string{"k"}},
		{"a --key k --key l b", []string{"a", "b"}, []string{"k", "l"}},
		{"a --key=k -- --key b", []string{"a", "--key", "b"}, []string{"k"}},
		{"", nil, nil},
	} {
		fs := flag.NewFlagSet("x", flag.ContinueOnError)
		fs.SetOutput(io.Discard)
		var key cli.Repeated
		fs.Var(&key, "key", "")
		got, err := cli.ParseInterspersed(fs, strings.Fields(c.args))
		if err != nil || !slices.Equal(got, c.want) || !slices.Equal(key, c.key) {
			t.Errorf("%q: %q, key %q, %v; want %q, key %q", c.args, got, key, err, c.want, c.key)
		}
	}
}

func TestErrorsSayWhatAndHowOn(t *testing.T) {
	err := fmt.Errorf("publishing: %w", cli.Usage("no key").WithHint("hallmark keygen FILE"))
	var out strings.Builder
	if code := cli.Report(&out, "hallmark", "text", err); code != cli.ExitUsage {
		t.Errorf("exit %d, want %d", code, cli.ExitUsage)
	}
	if want := "hallmark: error: publishing: no key\nhallmark: hint: hallmark keygen FILE\n"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
	out.Reset()
	cli.Report(&out, "hallmark", "json", err)
	if want := `{"type":"error","code":2,"reason":"USAGE","message":"publishing: no key","hint":"hallmark keygen FILE"}` + "\n"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
	out.Reset()
	if code := cli.Report(&out, "hallmark", "text", errors.New("\x1b[31mred")); code != cli.ExitUnknown || strings.Contains(out.String(), "\x1b") {
		t.Errorf("an unknown error: exit %d, %q", code, out.String())
	}
}
