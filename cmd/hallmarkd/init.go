package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/hallmark-registry/hallmark/cmd/internal/cli"
	"github.com/hallmark-registry/hallmark/verifier/checkpoint"
	"github.com/hallmark-registry/hallmark/verifier/entry"
	"github.com/hallmark-registry/hallmark/verifier/ledger"
)

// epochLength is what a new ledger's epochs last once an epoch witness proves
// the time: a week.
const epochLength = 7 * 24 * 60 * 60

// A foundation is what a new log is made from.
type foundation struct {
	dir        folder
	origin     string
	guard      string // as given
	policyFile string
	evaluators cli.Repeated
}

func runInit(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var f foundation
	var dir string
	fs := flag.NewFlagSet("init", flag.ContinueOnError)
	fs.StringVar(&dir, "data", "", "")
	fs.StringVar(&f.origin, "origin", "", "")
	fs.StringVar(&f.guard, "guard", "", "")
	fs.StringVar(&f.policyFile, "token-policy", "", "")
	fs.Var(&f.evaluators, "evaluator", "")
	if err := parseFlags(fs, args); err != nil {
		return err
	}
	if err := requireData(dir); err != nil {
		return err
	}
	if f.origin == "" {
		return cli.Usage("no --origin").WithHint(originHint)
	}
	if err := checkOrigin(f.origin); err != nil {
		return err
	}
	f.dir = folder(dir)
	return f.found(ctx, stdout, stderr)
}

// checkOrigin refuses what can't be a log's name, or what nobody would want for
// ever: the name stands in every checkpoint and in every policy, where a space ends
// it and a plus begins the key.
func checkOrigin(origin string) error {
	refuse := func(why string) *cli.Error {
		return cli.Fail(cli.ExitUsage, "ORIGIN_MALFORMED", "naming the log", fmt.Errorf("origin %q has %s", origin, why))
	}
	if _, rest, ok := strings.Cut(origin, "://"); ok {
		e := refuse("a scheme")
		if checkOrigin(rest) == nil && rest != "" {
			return e.WithHint("a log's name is a URL without it: --origin %s", rest)
		}
		return e.WithHint(originHint)
	}
	switch {
	case strings.ContainsRune(origin, '+'):
		return refuse("a plus, which comes before the key in a policy").WithHint(originHint)
	case strings.ContainsFunc(origin, unicode.IsSpace):
		return refuse("white space").WithHint(originHint)
	case !utf8.ValidString(origin) || strings.ContainsFunc(origin, func(r rune) bool { return !unicode.IsPrint(r) }):
		return refuse("a character that cannot be seen").WithHint(originHint)
	}
	return nil
}

const originHint = "a log's name for ever, a URL without its scheme: --origin log.example.com/models"

// found makes the log: folders, keys, guard, and genesis as its entry 0. All that
// can be refused is refused before anything is written, and the configuration is
// written last: a folder without one is not served, so an interrupted init leaves
// nothing that looks like a log.
func (f *foundation) found(ctx context.Context, stdout, stderr io.Writer) error {
	c := &config{Origin: f.origin}
	if f.guard != "" { // the configuration must name it from wherever serve is called
		var err error
		if c.Guard, err = filepath.Abs(f.guard); err != nil {
			return cli.Usage("--guard %q: %v", f.guard, err)
		}
	}
	m, err := f.make()
	if err != nil {
		return err
	}
	if err := f.dir.refuseExisting(c); err != nil {
		return err
	}
	if err := f.dir.create(); err != nil {
		return cli.Fail(cli.ExitUnknown, "INIT_FAILED", "making the data folder", err)
	}
	lock, err := f.dir.acquire()
	if err != nil {
		return err
	}
	defer lock.Release()
	if err := f.dir.refuseExisting(c); err != nil { // another init may have been faster
		return err
	}
	if err := m.write(f.dir); err != nil {
		return cli.Fail(cli.ExitUnknown, "INIT_FAILED", "writing keys", err)
	}
	if err := publishGenesis(ctx, f.dir, c, m.genesis); err != nil {
		return err
	}
	if err := writeConfig(f.dir.config(), c); err != nil {
		return cli.Fail(cli.ExitUnknown, "INIT_FAILED", "writing the configuration", err)
	}
	fmt.Fprintf(stdout, "origin    %s\npolicy    %s\nledger    %x\n", f.origin, f.dir.policy(), m.genesis.StatementID())
	fmt.Fprintf(stderr, "hallmarkd: made the log %s; its keys are in %s: keep them off this machine's backups\n", f.origin, filepath.Join(string(f.dir), "keys"))
	return nil
}

// tokenPolicy returns the text of the first policy, or "" for the example.
func (f *foundation) tokenPolicy() (string, error) {
	if f.policyFile == "" {
		return "", nil
	}
	if len(f.evaluators) > 0 {
		return "", cli.Usage("both --token-policy and --evaluator: the policy names its evaluators")
	}
	text, err := os.ReadFile(f.policyFile)
	if err != nil {
		return "", cli.Fail(cli.ExitUsage, "POLICY_UNREADABLE", "reading the token policy", err)
	}
	if _, err := ledger.ParsePolicy(string(text)); err != nil {
		return "", cli.Fail(cli.ExitUsage, "POLICY_MALFORMED", "reading "+f.policyFile, err)
	}
	return string(text), nil
}

// made is a new log before any of it is written.
type made struct {
	log     *checkpoint.Signer
	trust   []byte // the policy that verifiers get
	keys    []namedKey
	genesis *entry.Entry
}

type namedKey struct {
	name string
	*entry.PrivateKey
}

// make makes keys, trust policy and genesis. It asks those who will read them: a
// genesis that the fold rejects would leave a log without a ledger for ever.
func (f *foundation) make() (*made, error) {
	policy, err := f.tokenPolicy()
	if err != nil {
		return nil, err
	}
	m := &made{}
	if m.log, err = checkpoint.GenerateSigner(f.origin, checkpoint.AlgEd25519, rand.Reader); err != nil {
		return nil, cli.Fail(cli.ExitUsage, "ORIGIN_MALFORMED", "naming the log", err)
	}
	m.trust = trustPolicy(m.log.Key())
	if _, err := checkpoint.ParsePolicy(m.trust); err != nil {
		return nil, cli.Fail(cli.ExitUsage, "ORIGIN_MALFORMED", "naming the log", err)
	}
	operator, err := m.newKey("operator")
	if err != nil {
		return nil, err
	}
	governance, err := m.newKey("governance")
	if err != nil {
		return nil, err
	}
	if policy == "" {
		if policy, err = f.examplePolicy(m); err != nil {
			return nil, err
		}
	}
	if m.genesis, err = f.genesis(operator, governance, policy); err != nil {
		return nil, cli.Fail(cli.ExitUsage, "GENESIS_REFUSED", "founding the ledger", err)
	}
	if o := ledger.New(f.origin, nil).Check(m.genesis); !o.Accepted() {
		return nil, cli.Fail(cli.ExitUsage, o.Code.String(), "founding the ledger", errors.New(strings.TrimSpace(o.Detail)))
	}
	return m, nil
}

func (m *made) newKey(name string) (*entry.PrivateKey, error) {
	k, err := entry.GenerateKey(entry.Ed25519, rand.Reader)
	if err != nil {
		return nil, cli.Fail(cli.ExitUnknown, "INIT_FAILED", "making keys", err)
	}
	m.keys = append(m.keys, namedKey{name, k})
	return k, nil
}

// write writes the log's key first, by which a later init knows that there was
// this one.
func (m *made) write(dir folder) error {
	if err := writeNew(dir.key("log"), []byte(m.log.Private()+"\n"), 0o600); err != nil {
		return err
	}
	if err := writeNew(dir.policy(), m.trust, 0o644); err != nil {
		return err
	}
	for _, k := range m.keys {
		if err := writeNew(dir.key(k.name), k.MarshalPEM(), 0o600); err != nil {
			return err
		}
		if err := writeNew(dir.key(k.name)+".pub", k.Public().MarshalPEM(), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// trustPolicy is the file that verifiers get: this log, and nobody who vouches
// for it yet. It says so.
func trustPolicy(log *checkpoint.Key) []byte {
	return fmt.Appendf(nil, `# Whom to believe about this log (c2sp.org/tlog-policy).
# No witness vouches for it yet: with "quorum none" the log's own signature is
# all there is, and a log that shows different trees to different people goes
# unnoticed. Verifiers may add witness lines and a quorum to their copies. This
# file is also the server's own, which gathers no cosignatures: with a quorum that
# its log cannot meet it refuses to start.
log %s
quorum none
`, log)
}

// examplePolicy names the given evaluators, or one of our own making.
func (f *foundation) examplePolicy(m *made) (string, error) {
	var keys []ledger.Key
	for _, path := range f.evaluators {
		key, err := readEvaluator(path)
		if err != nil {
			e := cli.Fail(cli.ExitUsage, "KEY_MALFORMED", "reading "+path, err)
			if errors.Is(err, errPrivate) {
				return "", e.WithHint("the public key is %s.pub, if keygen made both", path)
			}
			return "", e
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		evaluator, err := m.newKey("evaluator")
		if err != nil {
			return "", err
		}
		key, err := ledger.KeyOf(evaluator.Public())
		if err != nil {
			return "", err
		}
		keys = append(keys, key)
	}
	return ledger.ExamplePolicy(1, keys...).String(), nil
}

// errPrivate is for who has the name of the public key nearly right.
var errPrivate = errors.New("it is a private key, want the public one")

func readEvaluator(path string) (ledger.Key, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return ledger.Key{}, err
	}
	pub, err := entry.ParsePublicKeyPEM(text)
	if err != nil {
		if _, private := entry.ParsePrivateKeyPEM(text); private == nil {
			err = errPrivate
		}
		return ledger.Key{}, err
	}
	return ledger.KeyOf(pub)
}

func (f *foundation) genesis(operator, governance *entry.PrivateKey, policy string) (*entry.Entry, error) {
	op, err := ledger.KeyOf(operator.Public())
	if err != nil {
		return nil, err
	}
	gov, err := ledger.KeyOf(governance.Public())
	if err != nil {
		return nil, err
	}
	g := &ledger.Genesis{
		Rules: ledger.RulesVersion, Origin: f.origin, Operator: op,
		Governance: ledger.KeySet{Threshold: 1, Keys: []ledger.Key{gov}},
		EpochStart: uint64(time.Now().Unix()), EpochLength: epochLength,
		Symbol: ledger.ExampleSymbol, Decimals: ledger.ExampleDecimals, Cap: ledger.ExampleCap(),
		Policy: policy,
	}
	body, err := g.Marshal()
	if err != nil {
		return nil, err
	}
	return entry.Sign(entry.TypeLedger, body, governance)
}

// publishGenesis makes guard and log and publishes entry 0.
func publishGenesis(ctx context.Context, dir folder, c *config, genesis *entry.Entry) error {
	log, err := openLog(ctx, dir, c, createGuard)
	if err != nil {
		return err
	}
	defer log.close()
	at, err := log.engine.Append(ctx, [][]byte{genesis.Raw()})
	if err != nil {
		return cli.Fail(cli.ExitUnknown, "INIT_FAILED", "logging the genesis", err)
	}
	if at[0] != 0 {
		return cli.Fail(cli.ExitUnknown, "INIT_FAILED", "logging the genesis", fmt.Errorf("it became entry %d, want 0", at[0]))
	}
	if _, err := log.publication.Await(ctx, 0); err != nil {
		return cli.Fail(cli.ExitUnknown, "INIT_FAILED", "publishing the genesis", err)
	}
	return nil
}
