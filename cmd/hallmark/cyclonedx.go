package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hallmark-registry/hallmark/cmd/internal/cli"
	"github.com/hallmark-registry/hallmark/registry/client"
	"github.com/hallmark-registry/hallmark/registry/cyclonedx"
	"github.com/hallmark-registry/hallmark/verifier"
	"github.com/hallmark-registry/hallmark/verifier/bundle"
	"github.com/hallmark-registry/hallmark/verifier/entry"
	"github.com/hallmark-registry/hallmark/verifier/statement"
)

// A bomExport is one run of export cyclonedx.
type bomExport struct {
	out          string
	publishers   []string
	anyPublisher bool
}

func exportCycloneDXCommand(s *session) *cobra.Command {
	var x bomExport
	cmd := &cobra.Command{
		Use:   "cyclonedx REF|BUNDLE (--publisher KEY ... | --any-publisher) [-o FILE]",
		Short: "Write what the log records about a model as a CycloneDX BOM",
		Long: `Writes a bill of materials in CycloneDX 1.6 (JSON) of a model: its listed files,
its licence, its bases and datasets, and for each the entry that says so. All of
it is verified first. Without -o it goes to standard output.

REF fetches the model's bundle, with the entries of its bases and datasets and what
was said of the model since: one that its signer took back gets no BOM. What names
no entry is the name of a BUNDLE's file, read without a network; parents that it
does not bring along ("hallmark bundle REF --with related,status") are in the BOM
all the same, and called unknown.

A BOM is no proof: it says what was recorded, by whom, and where the proof is. The
same bundle gives the same bytes.`,
		Example: `  hallmark export cyclonedx acme/tiny@1.0.0 --publisher acme.key.pub -o tiny.cdx.json
  hallmark export cyclonedx tiny.hallmark --any-publisher`,
		Args: arguments("REF|BUNDLE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return x.run(cmd.Context(), s, args[0])
		},
	}
	flags := cmd.Flags()
	flags.StringVarP(&x.out, "output", "o", "", "file to write (default: standard output)")
	flags.StringArrayVar(&x.publishers, "publisher", nil, "a key that may have signed the model: a PEM file or a key id; may be repeated")
	flags.BoolVar(&x.anyPublisher, "any-publisher", false, "accept whoever signed, and read in the BOM who did")
	return cmd
}

func (x *bomExport) run(ctx context.Context, s *session, arg string) error {
	trust, err := x.trust(s)
	if err != nil {
		return err
	}
	asked := isRef(arg)
	text, err := x.bundle(ctx, s, trust, arg, asked)
	if err != nil {
		return err
	}
	r, err := cyclonedx.Read(text, cyclonedx.Options{Believe: trust.Policy.Verify, Asked: asked})
	switch {
	case errors.Is(err, cyclonedx.ErrNotModel):
		return cli.Fail(cli.ExitUsage, "NOT_MODEL", "exporting "+arg, err).WithHint("a BOM is made of a model; what it was made from is in it")
	case err != nil: // the verifier has let it pass
		return cli.Fail(cli.ExitProof, "BUNDLE_MALFORMED", "exporting "+arg, err)
	}
	bom, err := r.Marshal()
	if err != nil {
		return err
	}
	return x.write(s, r, bom)
}

// trust reads what the caller believes in.
func (x *bomExport) trust(s *session) (t verifier.Trust, err error) {
	switch {
	case len(x.publishers) == 0 && !x.anyPublisher:
		return t, cli.Usage("neither --publisher nor --any-publisher").
			WithHint("pin the publisher's key with --publisher KEY.pub, or accept every signer with --any-publisher")
	case len(x.publishers) > 0 && x.anyPublisher:
		return t, cli.Usage("both --publisher and --any-publisher")
	}
	t.AnyPublisher = x.anyPublisher
	for _, p := range x.publishers {
		id, err := entry.ParseKeyID(p)
		if err != nil {
			key, err := readPublicKey(p)
			if err != nil {
				return t, err
			}
			id = key.ID()
		}
		t.Publishers = append(t.Publishers, id)
	}
	t.Policy, err = s.policy()
	return t, err
}

// isRef tells a REF from a file by its form alone, so that a command means the
// same in every folder. A file that is called like a REF is ./FILE.
func isRef(arg string) bool {
	if _, err := statement.ParseName(arg); err == nil || strings.HasPrefix(arg, "sha256:") {
		return true
	}
	_, err := strconv.ParseUint(arg, 10, 64)
	return err == nil
}

// bundle returns a bundle of which everything holds under the trust.
func (x *bomExport) bundle(ctx context.Context, s *session, trust verifier.Trust, arg string, ref bool) ([]byte, error) {
	if ref {
		c, err := s.open(ctx)
		if err != nil {
			return nil, err
		}
		c.trust = trust
		text, report, err := c.fetch(ctx, arg, client.BundleOptions{Related: true, Status: true})
		if err != nil {
			return nil, err
		}
		return text, refusal("exporting "+arg, report)
	}
	text, err := readBounded(arg, bundle.MaxSize)
	if err != nil {
		return nil, cli.Fail(cli.ExitUnknown, "BUNDLE_UNREADABLE", "reading the bundle", err).
			WithHint("a model in the log is named NAMESPACE/NAME@VERSION, by its digest or by its entry's index")
	}
	report, err := verifier.Verify(ctx, text, trust, nil)
	if err != nil {
		return nil, err
	}
	return text, refusal("exporting "+arg, report)
}

// refusal is the error for a bundle of which something does not hold, or nil. A
// revocation counts, which those pass over who only want what the log holds.
func refusal(attempted string, report *verifier.Report) error {
	d := report.Decisive()
	if d == nil {
		return nil
	}
	e := cli.Fail(int(d.Class), d.Reason, attempted, fmt.Errorf("%s: %s", d.Name, d.Message))
	e.Hint = d.Hint
	return e
}

// A writtenBOM is the result of export cyclonedx -o. Its members are stable.
type writtenBOM struct {
	Name       string   `json:"name"`
	Serial     string   `json:"serial_number"`
	Components int      `json:"components"` // models and datasets that it was made from
	Unproven   []string `json:"unproven"`   // those that no entry describes
	File       string   `json:"file"`
}

func (x *bomExport) write(s *session, r *cyclonedx.Record, bom []byte) error {
	unproven := r.Unproven()
	if len(unproven) > 0 {
		s.status("in the BOM by digest alone, since no entry at hand describes it: %s", printable(strings.Join(unproven, ", ")))
	}
	if x.out == "" || x.out == "-" {
		return s.write(bom)
	}
	if err := writeFile(x.out, bom); err != nil {
		return err
	}
	out := writtenBOM{Name: r.Name(), Serial: r.SerialNumber(), Components: r.Components(), Unproven: append([]string{}, unproven...), File: x.out}
	return s.show(out,
		field{"model", out.Name},
		field{"serial", out.Serial},
		field{"components", fmt.Sprintf("%d, %d of them proven", out.Components, out.Components-len(unproven))},
		field{"file", out.File})
}
