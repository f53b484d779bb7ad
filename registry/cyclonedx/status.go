package cyclonedx

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hallmark-registry/hallmark/verifier/entry"
	"github.com/hallmark-registry/hallmark/verifier/statement"
)

// addStatuses adds what was said of a node since, as far as the bundle brings it
// along: by a signer of its entry, or by somebody else, which decides nothing.
// The verifier refuses a bundle whose own model was taken back; of its parents
// only the BOM tells.
func (r *Record) addStatuses(c *component, n *node) {
	for _, s := range r.statuses {
		if !isAbout(s.subject(), n) {
			continue
		}
		name := "disputed"
		if n.claim != nil && shareSigner(s.Entry, n.claim.Entry) {
			name = "status"
		}
		c.add(name, describeStatus(s))
	}
}

func describeStatus(s claim) string {
	st := s.said.Status
	by := ""
	if !st.By.IsZero() {
		by = " by " + st.By.String()
	}
	var signers []string
	for _, sig := range s.Entry.Signatures() {
		signers = append(signers, sig.Key.ID().String())
	}
	return fmt.Sprintf("%s%s, for the reason %s, as entry %d says, signed by %s", st.State, by, st.Reason, s.Index, strings.Join(signers, ", "))
}

// isAbout reports whether a status's subject is the node or its statement.
func isAbout(s statement.Subject, n *node) bool {
	switch s.Alg {
	case statement.AlgModel:
		return n.kind == statement.KindModel && s.Digest == n.digest
	case statement.AlgDataset:
		return n.kind == statement.KindDataset && s.Digest == n.digest
	case statement.AlgStatement:
		return n.claim != nil && s.Digest == n.claim.Entry.StatementID()
	}
	return false
}

func shareSigner(a, b *entry.Entry) bool {
	return slices.ContainsFunc(a.Signatures(), func(s entry.Signature) bool { return b.SignedBy(s.Key.ID()) })
}
