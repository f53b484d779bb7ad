package ledger

import (
	"cmp"
	"errors"
	"fmt"
)

// The other bodies in the order of their numbers. Field order is layout order;
// SPEC.md has the tables.

// A Role names what an Authority replaces.
type Role uint8

// Roles.
const (
	RoleOperator   Role = 1
	RoleGovernance Role = 2
	RoleRegistrars Role = 3
	RoleWitnesses  Role = 4
)

// Authority replaces one set of keys from a later position of the log on. It is
// signed by a threshold of the governance keys in force.
type Authority struct {
	Ledger LedgerID
	// Sequence is one more than that of the ledger's last accepted authority
	// entry, from 1: else anybody could log an old one again, and bring old
	// keys back.
	Sequence  uint64
	Effective uint64 // the first log index at which the new keys count
	Role      Role
	Keys      KeySet     // unless Role is RoleWitnesses; one key for RoleOperator
	Witnesses WitnessSet // if Role is RoleWitnesses
}

// Kind returns KindAuthority.
func (*Authority) Kind() Kind { return KindAuthority }

// Marshal returns the body.
func (b *Authority) Marshal() ([]byte, error) { return marshal(b) }

func (b *Authority) get(r *reader) {
	b.Ledger, b.Sequence, b.Effective, b.Role = r.hash(), r.u64(), r.u64(), Role(r.u8())
	if b.Role == RoleWitnesses {
		b.Witnesses = r.witnesses()
	} else {
		b.Keys = r.keySet()
	}
}

func (b *Authority) put(w *writer) {
	w.hash(b.Ledger)
	w.u64(b.Sequence)
	w.u64(b.Effective)
	w.u8(uint8(b.Role))
	if b.Role == RoleWitnesses {
		w.witnesses(b.Witnesses)
	} else {
		w.keySet(b.Keys)
	}
}

func (b *Authority) check() error {
	if b.Role == RoleWitnesses {
		if !b.Keys.none() {
			return errors.New("keys beside witnesses")
		}
		return b.Witnesses.check()
	}
	if !b.Witnesses.none() {
		return errors.New("witnesses beside keys")
	}
	switch b.Role {
	case RoleOperator:
		if len(b.Keys.Keys) != 1 {
			return fmt.Errorf("%d operator keys, want 1", len(b.Keys.Keys))
		}
		return b.Keys.check("operator")
	case RoleGovernance:
		return b.Keys.check("governance")
	case RoleRegistrars:
		return b.Keys.checkOptional("registrars")
	}
	return fmt.Errorf("role %d is unknown", b.Role)
}

// PolicyEntry announces the policy of a later epoch. It is signed by a
// threshold of the governance keys in force.
type PolicyEntry struct {
	Ledger   LedgerID
	Sequence uint64 // one more than that of the last accepted policy entry, from 1
	Epoch    uint64 // the first epoch under this policy
	Text     string // canonical
}

// Kind returns KindPolicy.
func (*PolicyEntry) Kind() Kind { return KindPolicy }

// Marshal returns the body.
func (b *PolicyEntry) Marshal() ([]byte, error) { return marshal(b) }

func (b *PolicyEntry) get(r *reader) {
	b.Ledger, b.Sequence, b.Epoch, b.Text = r.hash(), r.u64(), r.u64(), r.text()
}

func (b *PolicyEntry) put(w *writer) {
	w.hash(b.Ledger)
	w.u64(b.Sequence)
	w.u64(b.Epoch)
	w.text(b.Text)
}

func (b *PolicyEntry) check() error {
	if len(b.Text) == 0 || len(b.Text) > maxPolicySize {
		return fmt.Errorf("policy text of %d bytes, want 1 to %d", len(b.Text), maxPolicySize)
	}
	return nil
}

// Credit says who contributed what to which model or dataset. It is signed by a
// threshold of its class's evaluators.
type Credit struct {
	Ledger      LedgerID
	Class       string    // of the policy
	Serial      uint64    // unique within the class, chosen by its evaluators
	Epoch       uint64    // the only epoch in which it can be accepted
	Subject     [32]byte  // model or dataset digest
	Beneficiary AccountID // who may mint it
	Work        uint64    // in the class's unit
	Evidence    [32]byte  // SHA-256 of what the evaluators saw
}

// Kind returns KindCredit.
func (*Credit) Kind() Kind { return KindCredit }

// Marshal returns the body.
func (b *Credit) Marshal() ([]byte, error) { return marshal(b) }

func (b *Credit) get(r *reader) {
	b.Ledger, b.Class, b.Serial, b.Epoch = r.hash(), r.text(), r.u64(), r.u64()
	b.Subject, b.Beneficiary, b.Work, b.Evidence = r.hash(), r.account(), r.u64(), r.hash()
}

func (b *Credit) put(w *writer) {
	w.hash(b.Ledger)
	w.text(b.Class)
	w.u64(b.Serial)
	w.u64(b.Epoch)
	w.hash(b.Subject)
	w.account(b.Beneficiary)
	w.u64(b.Work)
	w.hash(b.Evidence)
}

func (b *Credit) check() error {
	if err := checkName("class", b.Class); err != nil {
		return err
	}
	return b.Beneficiary.check()
}

// CreditRevoke takes a credit back: by a threshold of its class's evaluators,
// or by the policy's dispute panel.
type CreditRevoke struct {
	Ledger LedgerID
	Class  string
	Serial uint64
	Reason uint16 // a code that the policy's publisher explains
}

// Kind returns KindCreditRevoke.
func (*CreditRevoke) Kind() Kind { return KindCreditRevoke }

// Marshal returns the body.
func (b *CreditRevoke) Marshal() ([]byte, error) { return marshal(b) }

func (b *CreditRevoke) get(r *reader) {
	b.Ledger, b.Class, b.Serial, b.Reason = r.hash(), r.text(), r.u64(), r.u16()
}

func (b *CreditRevoke) put(w *writer) {
	w.hash(b.Ledger)
	w.text(b.Class)
	w.u64(b.Serial)
	w.u16(b.Reason)
}

func (b *CreditRevoke) check() error { return checkName("class", b.Class) }

// A Cosignature is a witness's statement that it saw a checkpoint at a time.
type Cosignature struct {
	Witness   uint8  // position in the witness set in force, from 0
	Time      uint64 // Unix seconds
	Signature []byte // c2sp.org/tlog-cosignature, without key id and timestamp
}

// maxCosignature is an ML-DSA-44 signature, the longest (FIPS 204, table 2).
const maxCosignature = 2420

// EpochClose closes an epoch: the cosignatures prove that a checkpoint of this
// log existed after the epoch's end. The checkpoint is origin, size and root
// alone; its text is rebuilt from them, so it can't say anything else. It is
// signed by the operator.
type EpochClose struct {
	Ledger       LedgerID
	Epoch        uint64
	Size         uint64
	Root         [32]byte
	Cosignatures []Cosignature // strictly ascending by witness
}

// Kind returns KindEpoch.
func (*EpochClose) Kind() Kind { return KindEpoch }

// Marshal returns the body.
func (b *EpochClose) Marshal() ([]byte, error) { return marshal(b) }

func (b *EpochClose) get(r *reader) {
	b.Ledger, b.Epoch, b.Size, b.Root = r.hash(), r.u64(), r.u64(), r.hash()
	for range r.u8() {
		if r.err != nil {
			return
		}
		b.Cosignatures = append(b.Cosignatures, Cosignature{Witness: r.u8(), Time: r.u64(), Signature: r.bytes()})
	}
}

func (b *EpochClose) put(w *writer) {
	w.hash(b.Ledger)
	w.u64(b.Epoch)
	w.u64(b.Size)
	w.hash(b.Root)
	w.u8(uint8(len(b.Cosignatures)))
	for _, c := range b.Cosignatures {
		w.u8(c.Witness)
		w.u64(c.Time)
		w.bytes(c.Signature)
	}
}

func (b *EpochClose) check() error {
	if n := len(b.Cosignatures); n < 1 || n > maxWitnessCount {
		return fmt.Errorf("%d cosignatures, want 1 to %d", n, maxWitnessCount)
	}
	for i, c := range b.Cosignatures {
		if n := len(c.Signature); n < 1 || n > maxCosignature {
			return fmt.Errorf("cosignature %d of %d bytes, want 1 to %d", i+1, n, maxCosignature)
		}
	}
	return ascending("cosignature", b.Cosignatures, func(x, y Cosignature) int { return cmp.Compare(x.Witness, y.Witness) })
}

// Mint turns an accepted credit into units of its beneficiary, who signs it. It
// names the log index at which the fold accepted the credit, and a checkpoint
// under which its inclusion was proven.
type Mint struct {
	Ledger LedgerID
	Class  string
	Serial uint64
	Index  uint64
	Size   uint64
	Root   [32]byte
}

// Kind returns KindMint.
func (*Mint) Kind() Kind { return KindMint }

// Marshal returns the body.
func (b *Mint) Marshal() ([]byte, error) { return marshal(b) }

func (b *Mint) get(r *reader) {
	b.Ledger, b.Class, b.Serial = r.hash(), r.text(), r.u64()
	b.Index, b.Size, b.Root = r.u64(), r.u64(), r.hash()
}

func (b *Mint) put(w *writer) {
	w.hash(b.Ledger)
	w.text(b.Class)
	w.u64(b.Serial)
	w.u64(b.Index)
	w.u64(b.Size)
	w.hash(b.Root)
}

func (b *Mint) check() error { return checkName("class", b.Class) }

// A Spend is what every account entry begins with. Together the fields make
// sure that an entry takes effect once, on one ledger, and not after Expires.
type Spend struct {
	Ledger  LedgerID
	Account AccountID
	Nonce   uint64 // the account's next nonce: 0 in its first entry, then one more each
	Expires uint64 // the entry counts only at log indexes below this
}

func (r *reader) spend() Spend {
	return Spend{Ledger: r.hash(), Account: r.account(), Nonce: r.u64(), Expires: r.u64()}
}

func (w *writer) spend(s Spend) {
	w.hash(s.Ledger)
	w.account(s.Account)
	w.u64(s.Nonce)
	w.u64(s.Expires)
}

// Transfer moves units from the account that signs it to another.
type Transfer struct {
	Spend
	To     AccountID
	Amount Amount
}

// Kind returns KindTransfer.
func (*Transfer) Kind() Kind { return KindTransfer }

// Marshal returns the body.
func (b *Transfer) Marshal() ([]byte, error) { return marshal(b) }

func (b *Transfer) get(r *reader) { b.Spend, b.To, b.Amount = r.spend(), r.account(), r.amount() }
func (b *Transfer) put(w *writer) { w.spend(b.Spend); w.account(b.To); w.amount(b.Amount) }
func (b *Transfer) check() error  { return checkAccounts(b.Account, b.To) }

// Burn destroys units of the account that signs it.
type Burn struct {
	Spend
	Amount Amount
}

// Kind returns KindBurn.
func (*Burn) Kind() Kind { return KindBurn }

// Marshal returns the body.
func (b *Burn) Marshal() ([]byte, error) { return marshal(b) }

func (b *Burn) get(r *reader) { b.Spend, b.Amount = r.spend(), r.amount() }
func (b *Burn) put(w *writer) { w.spend(b.Spend); w.amount(b.Amount) }
func (b *Burn) check() error  { return b.Account.check() }

// Redeem pays for an offer of the policy. Its bundle is the receipt, which the
// service checks offline.
type Redeem struct {
	Spend
	Offer     string
	Amount    Amount
	Reference [32]byte // what the payment is for, such as the hash of a request; zeros = nothing in particular
}

// Kind returns KindRedeem.
func (*Redeem) Kind() Kind { return KindRedeem }

// Marshal returns the body.
func (b *Redeem) Marshal() ([]byte, error) { return marshal(b) }

func (b *Redeem) get(r *reader) {
	b.Spend, b.Offer, b.Amount, b.Reference = r.spend(), r.text(), r.amount(), r.hash()
}

func (b *Redeem) put(w *writer) {
	w.spend(b.Spend)
	w.text(b.Offer)
	w.amount(b.Amount)
	w.hash(b.Reference)
}

func (b *Redeem) check() error {
	if err := checkName("offer", b.Offer); err != nil {
		return err
	}
	return b.Account.check()
}

// Freeze holds part of an account's balance. It is signed by a threshold of the
// policy's compliance keys.
type Freeze struct {
	Ledger   LedgerID
	Account  AccountID
	Sequence uint64 // one more than that of the account's last accepted freeze or unfreeze, from 1
	Amount   Amount // held in all; the largest amount = whatever the account has or gets
	Reason   uint16
	Document [32]byte // digest of the order behind it
	Until    uint64   // the first epoch in which it no longer holds
}

// Kind returns KindFreeze.
func (*Freeze) Kind() Kind { return KindFreeze }

// Marshal returns the body.
func (b *Freeze) Marshal() ([]byte, error) { return marshal(b) }

func (b *Freeze) get(r *reader) {
	b.Ledger, b.Account, b.Sequence, b.Amount = r.hash(), r.account(), r.u64(), r.amount()
	b.Reason, b.Document, b.Until = r.u16(), r.hash(), r.u64()
}

func (b *Freeze) put(w *writer) {
	w.hash(b.Ledger)
	w.account(b.Account)
	w.u64(b.Sequence)
	w.amount(b.Amount)
	w.u16(b.Reason)
	w.hash(b.Document)
	w.u64(b.Until)
}

func (b *Freeze) check() error { return b.Account.check() }

// Unfreeze ends a freeze, by the same keys.
type Unfreeze struct {
	Ledger   LedgerID
	Account  AccountID
	Sequence uint64
	Reason   uint16
	Document [32]byte
}

// Kind returns KindUnfreeze.
func (*Unfreeze) Kind() Kind { return KindUnfreeze }

// Marshal returns the body.
func (b *Unfreeze) Marshal() ([]byte, error) { return marshal(b) }

func (b *Unfreeze) get(r *reader) {
	b.Ledger, b.Account, b.Sequence, b.Reason, b.Document = r.hash(), r.account(), r.u64(), r.u16(), r.hash()
}

func (b *Unfreeze) put(w *writer) {
	w.hash(b.Ledger)
	w.account(b.Account)
	w.u64(b.Sequence)
	w.u16(b.Reason)
	w.hash(b.Document)
}

func (b *Unfreeze) check() error { return b.Account.check() }

// RotateKey gives an account another key. Both keys sign: the old one to let
// go, the new one to show that somebody holds it.
type RotateKey struct {
	Spend
	Key Key
}

// Kind returns KindRotateKey.
func (*RotateKey) Kind() Kind { return KindRotateKey }

// Marshal returns the body.
func (b *RotateKey) Marshal() ([]byte, error) { return marshal(b) }

func (b *RotateKey) get(r *reader) { b.Spend, b.Key = r.spend(), r.hash() }
func (b *RotateKey) put(w *writer) { w.spend(b.Spend); w.hash(b.Key) }
func (b *RotateKey) check() error {
	if err := b.Account.check(); err != nil {
		return err
	}
	return b.Key.check()
}

// StateEntry commits the fold of the log's first Size entries. It counts only
// when the log's own key signed it, which its readers check: to the fold it is
// nothing, whoever signed.
type StateEntry struct {
	Ledger   LedgerID
	Rules    uint16
	Size     uint64
	MapRoot  [32]byte
	Issued   Amount
	Burned   Amount
	Accepted uint64 // of the first Size entries
	Rejected uint64
}

// Kind returns KindState.
func (*StateEntry) Kind() Kind { return KindState }

// Marshal returns the body.
func (b *StateEntry) Marshal() ([]byte, error) { return marshal(b) }

func (b *StateEntry) get(r *reader) {
	b.Ledger, b.Rules, b.Size, b.MapRoot = r.hash(), r.u16(), r.u64(), r.hash()
	b.Issued, b.Burned, b.Accepted, b.Rejected = r.amount(), r.amount(), r.u64(), r.u64()
}

func (b *StateEntry) put(w *writer) {
	w.hash(b.Ledger)
	w.u16(b.Rules)
	w.u64(b.Size)
	w.hash(b.MapRoot)
	w.amount(b.Issued)
	w.amount(b.Burned)
	w.u64(b.Accepted)
	w.u64(b.Rejected)
}

func (b *StateEntry) check() error {
	if b.Accepted+b.Rejected < b.Accepted || b.Accepted+b.Rejected != b.Size {
		return fmt.Errorf("%d accepted and %d rejected of %d entries", b.Accepted, b.Rejected, b.Size)
	}
	return nil
}
