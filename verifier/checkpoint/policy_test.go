package checkpoint_test

import (
	"fmt"
	"strings"
	"testing"

	"filippo.io/torchwood"

	"github.com/hallmark-registry/hallmark/verifier/checkpoint"
)

func TestParsePolicy(t *testing.T) {
	p := mustPolicy(t, policyText())
	if got := p.Logs(); len(got) != 1 || got[0].Key.String() != logKey.Key().String() || got[0].URL != "https://log.example.com/" {
		t.Errorf("logs: %+v", got)
	}
	if got := p.Witnesses(); len(got) != 4 || got[1].Name != "w2" || got[1].URL != "https://witness2.example/submit" || got[3].URL != "" {
		t.Errorf("witnesses: %+v", got)
	}
	if got := fmt.Sprintf("%v %s", p.Groups(), p.Quorum()); got != "[{witnesses 2 [w1 w2 w3]} {auditors 1 [a1]}] witnesses" {
		t.Errorf("groups and quorum: %s", got)
	}
	if len(p.LogKeys(origin)) != 1 || p.LogKeys("log.example.com") != nil {
		t.Errorf("keys of %q: %v; of its prefix: %v", origin, p.LogKeys(origin), p.LogKeys("log.example.com"))
	}
	again := mustPolicy(t, p.String())
	if again.String() != p.String() {
		t.Errorf("canonical form is\n%s\nand then\n%s", p, again)
	}
	if _, err := torchwood.ParsePolicy([]byte(policyText())); err != nil {
		t.Errorf("torchwood.ParsePolicy: %v", err)
	}
}

// policyCase is a story of a policy file. The cases become the vectors.
type policyCase struct {
	name, text string
	want       string // part of the error; empty: accepted
}

func policyCases() []policyCase { return append(goodPolicies(), badPolicies()...) }

func goodPolicies() []policyCase {
	log := fmt.Sprintf("log %v\n", logKey)
	return []policyCase{
		{"no witness", log + "quorum none\n", ""},
		{"a single witness for a quorum", log + fmt.Sprintf("witness w %v\nquorum w\n", w1), ""},
		{"no newline at the end", log + "quorum none", ""},
		{"tabs, indentation, comments and empty lines", "\t # a comment\n#another\n\n \tlog \t" + logKey.Key().String() + "\t\n  quorum\tnone  \n", ""},
		{"a number sign inside a URL", fmt.Sprintf("log %v https://x/#frag\nquorum none\n", logKey), ""},
		{"octets that are not UTF-8 in names and comments", log + fmt.Sprintf("#\xff\nwitness \xfe %v\nquorum \xfe\n", w1), ""},
		{"a quorum above the witnesses it does not name", "quorum none\n" + log + fmt.Sprintf("witness w %v\n", w1), ""},
		{"two logs", log + fmt.Sprintf("log %v\nquorum none\n", otherLog), ""},
		{"one log with two keys", log + fmt.Sprintf("log %v\nquorum none\n", logKeyPQ), ""},
		{"groups in groups", log + fmt.Sprintf("witness a %v\nwitness b %v\ngroup g any a\ngroup h all g b\nquorum h\n", w1, w2), ""},
		{"a witness named like a keyword", log + fmt.Sprintf("witness quorum %v\nquorum quorum\n", w1), ""},
	}
}

func TestParsePolicyAccepts(t *testing.T) {
	for _, tt := range goodPolicies() {
		t.Run(tt.name, func(t *testing.T) {
			p := mustPolicy(t, tt.text)
			if got := mustPolicy(t, p.String()).String(); got != p.String() {
				t.Errorf("canonical form is\n%s\nand then\n%s", p, got)
			}
		})
	}
}

func badPolicies() []policyCase {
	log := fmt.Sprintf("log %v\n", logKey)
	witnesses := log + fmt.Sprintf("witness w1 %v\nwitness w2 %v\n", w1, w2) // lines 1 to 3
	return []policyCase{
		{"nothing", "", "no line \"log vkey\""},
		{"no log", fmt.Sprintf("witness w %v\nquorum w\n", w1), "no line \"log vkey\""},
		{"no quorum", witnesses, "no line \"quorum name\""},
		{"two quorums", witnesses + "quorum w1\nquorum w1\n", "line 5: a second quorum"},
		{"a quorum of two names", witnesses + "quorum w1 w2\n", "line 4: 2 fields behind \"quorum\""},
		{"an undefined quorum", witnesses + "quorum w3\n", "line 4: quorum \"w3\" is not defined above"},
		{"a quorum above its witness", log + "quorum w1\nwitness w1 " + w1.Key().String() + "\n", "line 2: quorum \"w1\" is not defined above"},
		{"an unknown keyword", log + "quorum none\nwitnes w1\n", "line 3: keyword \"witnes\""},
		{"a keyword in capitals", "LOG x\n", "line 1: keyword \"LOG\""},
		{"a comment behind a line", log + "quorum none # no witnesses yet\n", "line 2: 5 fields behind \"quorum\""},
		{"a carriage return", log + "quorum none\r\n", "line 2: control character 0x0d"},
		{"a form feed", log + "quorum\fnone\n", "line 2: control character 0x0c"},
		{"a delete character", log + "#\x7f\n", "line 2: control character 0x7f"},
		{"a log without key", "log\n", "line 1: 0 fields behind \"log\""},
		{"a log with three fields", strings.TrimSpace(log) + " http://x y\n", "line 1: 3 fields"},
		{"a log with a cosigning key", fmt.Sprintf("log %v\n", w1), "line 1: log key \"witness1.example\" is of type Ed25519 cosignature"},
		{"a log named as entries begin", "log " + newSigner("DSSEv1", checkpoint.AlgEd25519).Key().String() + "\n", "line 1: origin \"DSSEv1\" begins with"},
		{"a witness with a log's key type", log + fmt.Sprintf("witness w %v\n", otherLog), "line 2: witness key \"other.example.com/log\" is of type Ed25519 (0x01)"},
		{"a witness without key", log + "witness w\n", "line 2: 1 fields behind \"witness\""},
		{"a mistyped key", log + "witness w x+00000000+AAAA\n", "line 2: "},
		{"a log twice", log + log, "line 2: the public key of \"log.example.com/models\" stands in the policy already"},
		{"a witness key under two names", witnesses + fmt.Sprintf("witness w3 %v\n", w1), "line 4: the public key"},
		{"a witness key under two key names", witnesses + "witness w3 " + vkey("elsewhere.example", 4, w1.Key().Bytes()) + "\n", "line 4: the public key"},
		{"a log that is its own witness", log + "witness w " + vkey(origin, 4, logKey.Key().Bytes()) + "\n", "line 2: the public key"},
		{"a name twice", log + fmt.Sprintf("witness w %v\nwitness w %v\n", w1, w2), "line 3: name \"w\" is defined already"},
		{"a group named like a witness", witnesses + "group w1 any w2\n", "line 4: name \"w1\" is defined already"},
		{"a witness named none", log + fmt.Sprintf("witness none %v\n", w1), "line 2: name \"none\""},
		{"a group named none", witnesses + "group none any w1\n", "line 4: name \"none\""},
		{"none as a member", witnesses + "group g any none\n", "line 4: member \"none\" of group \"g\" is not defined above"},
		{"a group without members", witnesses + "group g all\n", "line 4: 2 fields behind \"group\""},
		{"a member twice in one group", witnesses + "group g 2 w1 w1\n", "line 4: member \"w1\" of group \"g\" is in a group already"},
		{"a member in two groups", witnesses + "group g any w1\ngroup h any w1\n", "line 5: member \"w1\" of group \"h\" is in a group already"},
		{"a group in itself", witnesses + "group g any g\n", "line 4: member \"g\" of group \"g\" is not defined above"},
		{"a threshold of zero", witnesses + "group g 0 w1 w2\n", "line 4: threshold \"0\""},
		{"a threshold above the members", witnesses + "group g 3 w1 w2\n", "line 4: threshold \"3\", want all, any, or a number from 1 to 2"},
		{"a threshold with a leading zero", witnesses + "group g 02 w1 w2\n", "line 4: threshold \"02\""},
		{"a huge threshold", witnesses + "group g 18446744073709551617 w1 w2\n", "line 4: threshold"},
		{"a negative threshold", witnesses + "group g -1 w1 w2\n", "line 4: threshold \"-1\""},
		{"a huge file", log + strings.Repeat("#\n", checkpoint.MaxPolicySize/2), "want at most 524288"},
	}
}

func TestParsePolicyRefuses(t *testing.T) {
	for _, tt := range badPolicies() {
		t.Run(tt.name, func(t *testing.T) {
			p, err := checkpoint.ParsePolicy([]byte(tt.text))
			if err == nil {
				t.Fatalf("accepted as\n%s", p)
			}
			if code := errorCode(t, err); code != "policy" || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got error %q (%s), want a malformed policy with %q", err, code, tt.want)
			}
		})
	}
}

func TestPolicyLimits(t *testing.T) {
	lines := func(kind string, n int) string {
		var b strings.Builder
		for i := range n {
			switch kind {
			case "log":
				fmt.Fprintf(&b, "log %v\n", newSigner(fmt.Sprintf("log%d", i), checkpoint.AlgEd25519))
			case "witness":
				fmt.Fprintf(&b, "witness w%d %v\n", i, newSigner(fmt.Sprintf("witness%d", i), checkpoint.AlgCosignature))
			case "group":
				fmt.Fprintf(&b, "witness v%d %v\n", i, newSigner(fmt.Sprintf("v%d", i), checkpoint.AlgCosignature))
				fmt.Fprintf(&b, "group g%d any v%d\n", i, i)
			}
		}
		return b.String()
	}
	full := lines("log", checkpoint.MaxPolicyKeys) + lines("group", checkpoint.MaxPolicyKeys)
	mustPolicy(t, full+"quorum g0\n")
	for _, more := range []string{
		fmt.Sprintf("log %v\n", logKey),
		fmt.Sprintf("witness w %v\n", w1),
		"group g any v0\n",
	} {
		if _, err := checkpoint.ParsePolicy([]byte(full + more)); err == nil || !strings.Contains(err.Error(), "more than 64") {
			t.Errorf("after 64 logs, witnesses and groups, %q gives %v", strings.Fields(more)[0], err)
		}
	}
}
