package ledger

import "fmt"

// A Code says what became of an entry. Numbers and names are frozen and only
// ever added to: they stand in vectors, in the hash chain over all outcomes,
// and as reasons in the registry's errors.
type Code uint16

// Codes. Accepted is the only one that isn't a rejection.
const (
	Accepted Code = 0

	// What no rule was asked about.
	EntryMalformed     Code = 1 // not a strictly encoded entry
	EntryTooLarge      Code = 2
	SignatureInvalid   Code = 3 // at least one signature does not verify
	TypeUnknown        Code = 4 // neither a statement nor a ledger entry
	StatementMalformed Code = 5
	PredicateUnknown   Code = 6
	BodyMalformed      Code = 7 // not a strictly encoded ledger body
	Unsupported        Code = 8 // a kind that rules version 1 records and does not enforce

	// Names.
	NameSigners Code = 20 // several keys sign a name in an unclaimed namespace
	NameHeld    Code = 21 // ns/name is held by another key
	NameBound   Code = 22 // ns/name@version is bound to another digest

	// Namespaces.
	NamespaceClaimed    Code = 23 // a claim of a namespace that is claimed
	NamespaceSequence   Code = 24 // not the next sequence number
	NamespacePrevious   Code = 25 // does not follow the statement in force
	NamespaceRegistrars Code = 26 // too few of the registrars approve the claim
	NamespaceHolder     Code = 27 // names are held in the namespace, and none of their holders signs the claim

	// The ledger.
	NoLedger          Code = 40 // entry 0 of this log founded no ledger
	GenesisNotFirst   Code = 41
	GenesisOrigin     Code = 42 // a genesis of another log
	GenesisRules      Code = 43 // of other rules
	PolicyMalformed   Code = 44
	PolicyUnsupported Code = 45 // uses what these rules do not enforce
	LedgerOther       Code = 46 // signed for another ledger
	SignerAlgorithm   Code = 47 // a ledger entry is signed with something else than Ed25519
	SignerUnlisted    Code = 48 // one of the signers is not on the list that decides
	QuorumUnmet       Code = 49 // all signers are listed, but too few

	// Credits.
	CreditClassUnknown    Code = 60
	CreditEpoch           Code = 61 // made for another epoch
	SerialUsed            Code = 62 // this class and serial were accepted before
	CreditZero            Code = 63 // worth nothing
	CreditAboveMax        Code = 64
	CreditAboveBudget     Code = 65 // the class has no such amount left in this epoch
	CreditAboveCap        Code = 66 // the ledger's cap would be exceeded
	CreditContributorFull Code = 67
	CreditSubjectFull     Code = 68

	// Mints.
	MintNoCredit       Code = 80 // no such credit was accepted before this
	MintNotBeneficiary Code = 81
	MintIndex          Code = 82 // the credit was accepted at another index
	MintSize           Code = 83 // the size named does not cover the credit, or reaches past the mint
	MintRoot           Code = 84 // not the log's root at that size
	AlreadyMinted      Code = 85

	// Account entries.
	AccountSigner       Code = 100 // not signed by the account's key alone
	NonceMismatch       Code = 101 // not the account's next nonce
	Expired             Code = 102
	AmountZero          Code = 103
	TransferToSelf      Code = 104
	InsufficientBalance Code = 105

	// Undecided is no outcome: the entry was not applied, the state is as it
	// was, and the caller may try again. It is returned for an index that is not
	// the next one, and when a root could not be read.
	Undecided Code = 0xffff
)

var codeNames = map[Code]string{
	Accepted: "ACCEPTED",

	EntryMalformed: "ENTRY_MALFORMED", EntryTooLarge: "ENTRY_TOO_LARGE", SignatureInvalid: "SIGNATURE_INVALID",
	TypeUnknown: "TYPE_UNKNOWN", StatementMalformed: "STATEMENT_MALFORMED", PredicateUnknown: "PREDICATE_UNKNOWN",
	BodyMalformed: "BODY_MALFORMED", Unsupported: "UNSUPPORTED",

	NameSigners: "NAME_SIGNERS", NameHeld: "NAME_HELD", NameBound: "NAME_BOUND",
	NamespaceClaimed: "NAMESPACE_CLAIMED", NamespaceSequence: "NAMESPACE_SEQUENCE", NamespacePrevious: "NAMESPACE_PREVIOUS",
	NamespaceRegistrars: "NAMESPACE_REGISTRARS", NamespaceHolder: "NAMESPACE_HOLDER",

	NoLedger: "NO_LEDGER", GenesisNotFirst: "GENESIS_NOT_FIRST", GenesisOrigin: "GENESIS_ORIGIN", GenesisRules: "GENESIS_RULES",
	PolicyMalformed: "POLICY_MALFORMED", PolicyUnsupported: "POLICY_UNSUPPORTED", LedgerOther: "LEDGER_OTHER",
	SignerAlgorithm: "SIGNER_ALGORITHM", SignerUnlisted: "SIGNER_UNLISTED", QuorumUnmet: "QUORUM_UNMET",

	CreditClassUnknown: "CREDIT_CLASS_UNKNOWN", CreditEpoch: "CREDIT_EPOCH", SerialUsed: "SERIAL_USED", CreditZero: "CREDIT_ZERO",
	CreditAboveMax: "CREDIT_ABOVE_MAX", CreditAboveBudget: "CREDIT_ABOVE_BUDGET", CreditAboveCap: "CREDIT_ABOVE_CAP",
	CreditContributorFull: "CREDIT_CONTRIBUTOR_FULL", CreditSubjectFull: "CREDIT_SUBJECT_FULL",

	MintNoCredit: "MINT_NO_CREDIT", MintNotBeneficiary: "MINT_NOT_BENEFICIARY", MintIndex: "MINT_INDEX",
	MintSize: "MINT_SIZE", MintRoot: "MINT_ROOT", AlreadyMinted: "ALREADY_MINTED",

	AccountSigner: "ACCOUNT_SIGNER", NonceMismatch: "NONCE_MISMATCH", Expired: "EXPIRED", AmountZero: "AMOUNT_ZERO",
	TransferToSelf: "TRANSFER_TO_SELF", InsufficientBalance: "INSUFFICIENT_BALANCE",

	Undecided: "UNDECIDED",
}

// String returns the code's name in UPPER_SNAKE_CASE.
func (c Code) String() string {
	if s, ok := codeNames[c]; ok {
		return s
	}
	return fmt.Sprintf("CODE_%d", uint16(c))
}

// MarshalText returns the name, so that JSON shows names and not numbers.
func (c Code) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText reads a name.
func (c *Code) UnmarshalText(text []byte) error {
	for code, name := range codeNames {
		if name == string(text) {
			*c = code
			return nil
		}
	}
	return fmt.Errorf("code %q is unknown", clip(string(text)))
}

// Codes returns every code that an entry can be given, ascending.
func Codes() []Code {
	all := make([]Code, 0, len(codeNames))
	for c := range Undecided {
		if _, ok := codeNames[c]; ok {
			all = append(all, c)
		}
	}
	return all
}
