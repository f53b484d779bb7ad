package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hallmark-registry/hallmark/cmd/internal/cli"
	"github.com/hallmark-registry/hallmark/verifier/entry"
	"github.com/hallmark-registry/hallmark/verifier/ledger"
)

// maxKeyFile bounds a key file, in bytes. A key takes a few hundred; people
// keep notes in front of them.
const maxKeyFile = 64 << 10

func keygenCommand(s *session) *cobra.Command {
	var typ string
	cmd := &cobra.Command{
		Use:   "keygen FILE",
		Short: "Make a signing key",
		Long: `Makes a key pair: FILE is the private key (PEM PKCS #8, for its owner's eyes
alone), FILE.pub the public one. Neither may exist.

Prints the key id, by which verifiers pin a publisher, and for an Ed25519 key
the account that it begins and the form in which a token policy names it. Only
Ed25519 keys sign credits and hold tokens.`,
		Example: "  hallmark keygen me.key",
		Args:    arguments("FILE"),
		RunE: func(_ *cobra.Command, args []string) error {
			return s.keygen(args[0], typ)
		},
	}
	cmd.Flags().Var(newChoice(&typ, "ed25519", "p256"), "type", "ed25519 or p256")
	return cmd
}

// A keyNames is what a key is called. Its members are stable.
type keyNames struct {
	Type      string `json:"type"`
	KeyID     string `json:"key_id"`
	Account   string `json:"account,omitempty"`    // of an Ed25519 key
	PolicyKey string `json:"policy_key,omitempty"` // likewise
}

func namesOf(key entry.PublicKey) keyNames {
	n := keyNames{Type: "ed25519", KeyID: key.ID().String()}
	if key.Alg == entry.P256 {
		n.Type = "p256"
	}
	if account, err := ledger.AccountOf(key); err == nil {
		n.Account = account.String()
	}
	if k, err := ledger.KeyOf(key); err == nil {
		n.PolicyKey = k.String()
	}
	return n
}

func (n keyNames) fields() []field {
	return []field{{"key id", n.KeyID}, {"account", n.Account}, {"policy key", n.PolicyKey}}
}

// A madeKey is the result of keygen.
type madeKey struct {
	keyNames
	Private string `json:"private"`
	Public  string `json:"public"`
}

func keyCommand(s *session) *cobra.Command {
	return &cobra.Command{
		Use:   "key FILE",
		Short: "Show what a key is called",
		Long: `Prints the key id of a key file, and for an Ed25519 key its account and the form
in which a token policy names it. FILE is a public key, or a private one.`,
		Example: "  hallmark key me.key.pub",
		Args:    arguments("FILE"),
		RunE: func(_ *cobra.Command, args []string) error {
			key, err := readEitherKey(args[0])
			if err != nil {
				return err
			}
			names := namesOf(key)
			return s.show(names, append([]field{{"type", names.Type}}, names.fields()...)...)
		},
	}
}

func (s *session) keygen(file, typ string) error {
	alg := entry.Ed25519
	if typ == "p256" {
		alg = entry.P256
	}
	key, err := entry.GenerateKey(alg, rand.Reader)
	if err != nil {
		return err
	}
	if _, err := os.Lstat(file + ".pub"); err == nil {
		return keyExists(file + ".pub")
	}
	if err := writeNew(file, key.MarshalPEM(), 0o600); err != nil {
		return err
	}
	if err := writeNew(file+".pub", key.Public().MarshalPEM(), 0o644); err != nil {
		return err
	}
	made := madeKey{namesOf(key.Public()), file, file + ".pub"}
	return s.show(made, append(made.fields(), field{"private", made.Private}, field{"public", made.Public})...)
}

// writeNew writes a file that must not exist, durably: a key that has signed
// something must be there after a crash.
func writeNew(name string, b []byte, mode fs.FileMode) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if errors.Is(err, fs.ErrExist) {
		return keyExists(name)
	}
	if err != nil {
		return cli.Fail(cli.ExitUnknown, "KEY_UNWRITABLE", "writing the key", err)
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Close(), syncFolder(name)); err != nil {
		return cli.Fail(cli.ExitUnknown, "KEY_UNWRITABLE", "writing the key", err)
	}
	return nil
}

func keyExists(name string) error {
	return cli.Fail(cli.ExitUsage, "KEY_EXISTS", "making a key", fmt.Errorf("%s exists", name)).
		WithHint("a key that is overwritten is lost: choose another file")
}

// readKey reads a private key that nobody else can read. That a public key was
// given is said first: its mode is none of our business.
func readKey(name string) (*entry.PrivateKey, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, cli.Fail(cli.ExitUsage, "KEY_UNREADABLE", "reading the key", err)
	}
	text, err := readBounded(name, maxKeyFile)
	if err != nil {
		return nil, cli.Fail(cli.ExitUsage, "KEY_UNREADABLE", "reading the key", err)
	}
	if _, err := entry.ParsePublicKeyPEM(text); err == nil {
		return nil, cli.Fail(cli.ExitUsage, "KEY_MALFORMED", "reading the key "+name, errors.New("it is a public key, want the private one")).
			WithHint("the private key is %s, if keygen made both", strings.TrimSuffix(name, ".pub"))
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, cli.Fail(cli.ExitUsage, "KEY_EXPOSED", "reading the key "+name, fmt.Errorf("others may read it: mode %04o, want 0600", mode)).
			WithHint("chmod 600 %s", name)
	}
	key, err := entry.ParsePrivateKeyPEM(text)
	if err != nil {
		return nil, cli.Fail(cli.ExitUsage, "KEY_MALFORMED", "reading the key "+name, err)
	}
	return key, nil
}

// readPublicKey reads a public key. Who gives the private one has its name nearly right.
func readPublicKey(name string) (key entry.PublicKey, err error) {
	text, err := readBounded(name, maxKeyFile)
	if err != nil {
		return key, cli.Fail(cli.ExitUsage, "KEY_UNREADABLE", "reading the key", err)
	}
	if key, err = entry.ParsePublicKeyPEM(text); err == nil {
		return key, nil
	}
	e := cli.Fail(cli.ExitUsage, "KEY_MALFORMED", "reading the key "+name, err)
	if _, err := entry.ParsePrivateKeyPEM(text); err == nil {
		e.Err = errors.New("it is a private key, want the public one")
		return key, e.WithHint("the public key is %s.pub, if keygen made both", name)
	}
	return key, e
}

// readEitherKey reads the public key of a file that holds it or its private one.
func readEitherKey(name string) (entry.PublicKey, error) {
	text, err := readBounded(name, maxKeyFile)
	if err != nil {
		return entry.PublicKey{}, cli.Fail(cli.ExitUsage, "KEY_UNREADABLE", "reading the key", err)
	}
	if _, err := entry.ParsePrivateKeyPEM(text); err != nil {
		return readPublicKey(name)
	}
	key, err := readKey(name) // which minds its mode
	if err != nil {
		return entry.PublicKey{}, err
	}
	return key.Public(), nil
}

func readKeys(names []string) ([]*entry.PrivateKey, error) {
	var keys []*entry.PrivateKey
	for _, name := range names {
		k, err := readKey(name)
		if err != nil {
			return nil, err
		}
		keys = append(keys, k)
	}
	return keys, nil
}

// account reads an account id, or takes the account of a public key's file.
func account(s string) (ledger.AccountID, error) {
	if strings.HasPrefix(s, "hmk1") {
		id, err := ledger.ParseAccountID(s)
		if err != nil {
			return id, cli.Fail(cli.ExitUsage, "ACCOUNT_MALFORMED", "", err)
		}
		return id, nil
	}
	if _, err := os.Stat(s); err != nil {
		return ledger.AccountID{}, cli.Fail(cli.ExitUsage, "ACCOUNT_MALFORMED", fmt.Sprintf("reading account %q", s), err).
			WithHint("an account is hmk1..., or the file of a public key")
	}
	key, err := readPublicKey(s)
	if err != nil {
		return ledger.AccountID{}, err
	}
	return accountOf(key)
}

// accountOf returns the account that a key begins.
func accountOf(key entry.PublicKey) (ledger.AccountID, error) {
	id, err := ledger.AccountOf(key)
	if err != nil {
		return id, cli.Fail(cli.ExitUsage, "SIGNER_ALGORITHM", "", err).WithHint("hallmark keygen FILE makes an Ed25519 key")
	}
	return id, nil
}
