package checkpoint

import (
	"errors"
	"fmt"
	"strings"
)

const (
	// MaxPolicySize bounds a policy file, in bytes: 64 logs and 64 witnesses with
	// ML-DSA keys of 1.8 kB in base64 are 240 kB; twice that leaves room for
	// groups, URLs and comments.
	MaxPolicySize = 512 << 10
	// MaxPolicyKeys bounds the logs, the witnesses and the groups of a policy,
	// each. C2SP wants at least 32; with 64 the note that all of them signed
	// still fits MaxNoteSize.
	MaxPolicyKeys = 64
)

// ParsePolicy reads a policy file (C2SP tlog-policy). Fields are separated by
// spaces and tabs; a comment is a line that begins with "#", never the end of
// another line; names are octets, compared as such. It refuses:
//
//   - a name, a public key, or a key's name and id used twice, even once as a
//     log's and once as a witness's: every signer counts once, and a log is not
//     its own witness;
//   - a member that is not defined above its group, or is in two groups;
//   - a log key that is not of type 0x01 or 0x06, a witness key that is not of
//     type 0x04 or 0x06;
//   - a policy without a log, or without exactly one quorum line.
//
// It fails with [ErrPolicy] and says the line.
func ParsePolicy(text []byte) (*Policy, error) {
	if len(text) > MaxPolicySize {
		return nil, fmt.Errorf("%w: %d bytes, want at most %d", ErrPolicy, len(text), MaxPolicySize)
	}
	parser := policyParser{
		p:    &Policy{signers: make(map[signerName]signer), quorum: -1},
		keys: make(map[string]bool),
		used: make(map[int]bool),
	}
	number := 0
	for line := range strings.Lines(string(text)) {
		number++
		if err := parser.line(strings.TrimSuffix(line, "\n")); err != nil {
			return nil, fmt.Errorf("%w: line %d: %w", ErrPolicy, number, err)
		}
	}
	switch {
	case len(parser.p.logs) == 0:
		return nil, fmt.Errorf("%w: no line \"log vkey\"", ErrPolicy)
	case !parser.quorum:
		return nil, fmt.Errorf("%w: no line \"quorum name\"", ErrPolicy)
	}
	return parser.p, nil
}

// policyParser is a policy half read.
type policyParser struct {
	p      *Policy
	keys   map[string]bool // encoded public keys seen
	used   map[int]bool    // components that are in a group already
	quorum bool            // a quorum line was seen
}

// line reads one line, without its newline.
func (r *policyParser) line(line string) error {
	for i := range len(line) {
		if b := line[i]; b == 0x7f || b < 0x20 && b != '\t' {
			return fmt.Errorf("control character 0x%02x", b)
		}
	}
	// FieldsFunc sees a rune per octet or more, and only these two split.
	fields := strings.FieldsFunc(line, func(c rune) bool { return c == ' ' || c == '\t' })
	if len(fields) == 0 || fields[0][0] == '#' {
		return nil
	}
	switch keyword, args := fields[0], fields[1:]; keyword {
	case "log":
		return r.log(args)
	case "witness":
		return r.witness(args)
	case "group":
		return r.group(args)
	case "quorum":
		return r.setQuorum(args)
	default:
		return fmt.Errorf("keyword %q, want log, witness, group or quorum", clip(keyword))
	}
}

func (r *policyParser) log(args []string) error {
	if len(args) < 1 || len(args) > 2 {
		return fieldsError("log", len(args), "a vkey and perhaps a URL")
	}
	key, err := ParseKey(args[0])
	if err != nil {
		return err
	}
	if key.alg != AlgEd25519 && key.alg != AlgMLDSA44 {
		return fmt.Errorf("log key %q is of type %v, want %v or %v", key.name, key.alg, AlgEd25519, AlgMLDSA44)
	}
	if err := checkOrigin(key.name); err != nil {
		return err
	}
	if len(r.p.logs) == MaxPolicyKeys {
		return fmt.Errorf("more than %d logs", MaxPolicyKeys)
	}
	if err := r.addKey(key, -1); err != nil {
		return err
	}
	r.p.logs = append(r.p.logs, Log{Key: key, URL: strings.Join(args[1:], "")})
	return nil
}

func (r *policyParser) witness(args []string) error {
	if len(args) < 2 || len(args) > 3 {
		return fieldsError("witness", len(args), "a name, a vkey and perhaps a URL")
	}
	key, err := ParseKey(args[1])
	if err != nil {
		return err
	}
	if key.alg != AlgCosignature && key.alg != AlgMLDSA44 {
		return fmt.Errorf("witness key %q is of type %v, want %v or %v", key.name, key.alg, AlgCosignature, AlgMLDSA44)
	}
	if len(r.p.witnesses) == MaxPolicyKeys {
		return fmt.Errorf("more than %d witnesses", MaxPolicyKeys)
	}
	if err := r.addKey(key, len(r.p.witnesses)); err != nil {
		return err
	}
	if err := r.addComponent(component{name: args[0], witness: len(r.p.witnesses), need: 1, leaves: 1}); err != nil {
		return err
	}
	r.p.witnesses = append(r.p.witnesses, Witness{Name: args[0], Key: key, URL: strings.Join(args[2:], "")})
	return nil
}

func (r *policyParser) group(args []string) error {
	if len(args) < 3 {
		return fieldsError("group", len(args), "a name, a threshold and at least one member")
	}
	name, members := args[0], args[2:]
	need, err := threshold(args[1], len(members))
	if err != nil {
		return err
	}
	if len(r.p.groups) == MaxPolicyKeys {
		return fmt.Errorf("more than %d groups", MaxPolicyKeys)
	}
	c := component{name: name, witness: -1, need: need}
	for _, member := range members {
		i := r.p.component(member)
		if i < 0 {
			return fmt.Errorf("member %q of group %q is not defined above", clip(member), clip(name))
		}
		if r.used[i] {
			return fmt.Errorf("member %q of group %q is in a group already", clip(member), clip(name))
		}
		r.used[i] = true
		c.members = append(c.members, i)
		c.leaves += r.p.components[i].leaves
	}
	if err := r.addComponent(c); err != nil {
		return err
	}
	r.p.groups = append(r.p.groups, Group{Name: name, Need: need, Members: members})
	return nil
}

func (r *policyParser) setQuorum(args []string) error {
	if len(args) != 1 {
		return fieldsError("quorum", len(args), "a name or \"none\"")
	}
	if r.quorum {
		return errors.New("a second quorum")
	}
	r.quorum = true
	if args[0] == QuorumNone {
		return nil
	}
	if r.p.quorum = r.p.component(args[0]); r.p.quorum < 0 {
		return fmt.Errorf("quorum %q is not defined above", clip(args[0]))
	}
	return nil
}

// threshold reads "all", "any" or a number from 1 to n.
func threshold(s string, n int) (int, error) {
	switch s {
	case "all":
		return n, nil
	case "any":
		return 1, nil
	}
	k, ok := parseDecimal(s)
	if !ok || k < 1 || k > uint64(n) {
		return 0, fmt.Errorf("threshold %q, want all, any, or a number from 1 to %d", clip(s), n)
	}
	return int(k), nil
}

// addKey makes a key known, once.
func (r *policyParser) addKey(key *Key, witness int) error {
	if r.keys[key.pub] {
		return fmt.Errorf("the public key of %q stands in the policy already", key.name)
	}
	name := signerName{key.name, key.id}
	if _, ok := r.p.signers[name]; ok {
		return fmt.Errorf("key id %08x of %q stands in the policy already, with another public key", key.id, key.name)
	}
	r.keys[key.pub] = true
	r.p.signers[name] = signer{key: key, witness: witness}
	return nil
}

// addComponent gives a witness or a group its name.
func (r *policyParser) addComponent(c component) error {
	if c.name == QuorumNone {
		return fmt.Errorf("name %q means no quorum, and can't be given", c.name)
	}
	if r.p.component(c.name) >= 0 {
		return fmt.Errorf("name %q is defined already", clip(c.name))
	}
	r.p.components = append(r.p.components, c)
	return nil
}

func fieldsError(keyword string, got int, want string) error {
	return fmt.Errorf("%d fields behind %q, want %s", got, keyword, want)
}
