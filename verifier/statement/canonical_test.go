package statement_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"

	"github.com/hallmark-registry/hallmark/verifier/statement"
)

func TestCanonical(t *testing.T) {
	target := statement.Subject{Name: "acme/tiny@1", Alg: statement.AlgModel, Digest: statement.Digest{1}}
	want, err := statement.NewStatus(target, &statement.Status{State: statement.StateRevoked, Reason: "test"}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, want, "", "  "); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		story string
		body  []byte
		fault error // of Canonical; nil: it gives want
	}{
		{"as it is", want, nil},
		{"laid out for people", indented.Bytes(), nil},
		{"with a newline at the end", append(bytes.Clone(want), '\n'), nil},
		{"with escapes", bytes.Replace(want, []byte("revoked"), []byte(`re\u0076oked`), 1), nil},
		{"with a member twice", bytes.Replace(want, []byte(`"reason"`), []byte(`"reason":"x","reason"`), 1), statement.ErrDuplicateMember},
		{"with another member", bytes.Replace(want, []byte(`"reason"`), []byte(`"Reason":"x","reason"`), 1), statement.ErrUnknownMember},
		{"of a foreign predicate", []byte(`{"_type":"https://in-toto.io/Statement/v1","predicate":{},"predicateType":"https://slsa.dev/provenance/v1","subject":[]}`), statement.ErrUnknownPredicate},
		{"that is none", []byte("hello"), statement.ErrNotJSON},
	} {
		got, err := statement.Canonical(tt.body)
		if tt.fault != nil {
			if !errors.Is(err, tt.fault) {
				t.Errorf("%s: %v, want %v", tt.story, err, tt.fault)
			}
			continue
		}
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %s, %v, want %s", tt.story, got, err, want)
		}
		if _, err := statement.Parse(tt.body); !bytes.Equal(tt.body, want) && !errors.Is(err, statement.ErrNotCanonical) {
			t.Errorf("%s: Parse says %v, want it refused for its form alone", tt.story, err)
		}
	}
}
