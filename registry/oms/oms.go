// Package oms reads, verifies and writes signatures of OpenSSF Model Signing
// (OMS) v1.0, the detached model.sig that other tools make and check.
//
//	model.sig    sigstore bundle v0.3, JSON
//	  verificationMaterial    key: a hint at it | certificate: its chain
//	  dsseEnvelope
//	    signatures[0]    ECDSA over PAE(payloadType, payload)
//	    payload          in-toto Statement v1, as bytes
//	      subject[0].digest.sha256    root: SHA-256 over all digests below, in order
//	      predicate.serialization     how the folder was enumerated and hashed
//	      predicate.resources[]       name, algorithm, digest
//
// Verify goes from the outside in and stops at the first thing that does not
// hold: media type, signature, payload type, statement type, predicate type,
// root, and then the folder, enumerated again as the *signed* serialization
// says. The bytes that were signed are the bytes that are read: nothing is
// encoded again to be checked.
//
// The signature is an entry of our log in other clothes. PAE is the same, so
// Bundle.Entry makes one of it without a key and without a change, and the log
// then answers what the signature alone cannot: since when it exists.
//
// The specification is github.com/ossf/model-signing-spec, spec/v1.0.md; section
// numbers in this package are its own. Where its reader would have to guess, this
// one refuses; where the implementations in use depart from it and a signature
// would be lost otherwise, it follows them and the comment there says so. The
// keyless method (Fulcio, Rekor) is recognised and not verified.
//
// X.509 and folders on disk are here, above the verifier, because neither can be
// read without the parts of the standard library that it does without.
package oms

import (
	"fmt"
	"strings"
)

// A Method is the way in which a signature leads to somebody (4.1).
type Method string

// Methods.
const (
	MethodKey         Method = "key"
	MethodCertificate Method = "certificate"
	MethodSigstore    Method = "sigstore" // recognised, not verified
)

// A Fault names one way in which a signature, or the folder under it, does not
// hold. Its text is stable.
type Fault string

// Faults, to branch on with errors.Is. The first group is about the form of the
// bundle and of what was signed, the second about the signer, the third about
// the meaning of the statement, the last about the folder.
const (
	ErrTooLarge        Fault = "TOO_LARGE"
	ErrNotJSON         Fault = "NOT_JSON"
	ErrDuplicateMember Fault = "DUPLICATE_MEMBER"
	ErrUnknownMember   Fault = "UNKNOWN_MEMBER"
	ErrMissingMember   Fault = "MISSING_MEMBER"
	ErrWrongType       Fault = "WRONG_TYPE"
	ErrBadValue        Fault = "BAD_VALUE"
	ErrMediaType       Fault = "MEDIA_TYPE"
	ErrSignatureCount  Fault = "SIGNATURE_COUNT"

	ErrMethod      Fault = "METHOD_MISMATCH"       // signed by another method than asked for
	ErrUnsupported Fault = "UNSUPPORTED"           // sound, perhaps, and not checked by this version
	ErrKey         Fault = "KEY_UNUSABLE"          // no EC key on P-256, P-384 or P-521
	ErrKeyHint     Fault = "KEY_MISMATCH"          // the bundle points at another key than the one given
	ErrUntrusted   Fault = "CERTIFICATE_UNTRUSTED" // no chain to an anchor
	ErrExpired     Fault = "CERTIFICATE_EXPIRED"   // not valid at the time that counts
	ErrUsage       Fault = "CERTIFICATE_USAGE"     // not a certificate for signing
	ErrSignature   Fault = "SIGNATURE_INVALID"

	ErrPayloadType   Fault = "PAYLOAD_TYPE"
	ErrStatementType Fault = "STATEMENT_TYPE"
	ErrPredicateType Fault = "PREDICATE_TYPE"
	ErrSubject       Fault = "SUBJECT"
	ErrSerialization Fault = "SERIALIZATION"
	ErrNoResources   Fault = "NO_RESOURCES"
	ErrAlgorithm     Fault = "ALGORITHM"      // a digest labelled with another algorithm than the signed one
	ErrResourceName  Fault = "RESOURCE_NAME"  // a name that is no path inside the folder
	ErrResourceOrder Fault = "RESOURCE_ORDER" // out of order, or twice
	ErrRoot          Fault = "ROOT_DIGEST"    // the subject's digest is not that of the resources

	ErrFiles     Fault = "FILES_DIFFER" // see Report.Differences
	ErrIgnored   Fault = "IGNORED_FILE" // the caller ignores a file that was signed
	ErrLink      Fault = "LINK"         // a symbolic link that was not to be followed, or leads nowhere good
	ErrIrregular Fault = "IRREGULAR_FILE"
	ErrNoFiles   Fault = "NO_FILES"
	ErrChanged   Fault = "FILE_CHANGED" // while it was read
)

// Error returns the fault in words.
func (f Fault) Error() string { return strings.ToLower(strings.ReplaceAll(string(f), "_", " ")) }

// An Error says where which fault lies.
type Error struct {
	Fault  Fault
	Path   string // JSON pointer (RFC 6901) within the bundle or the payload, a file, or empty
	Detail string // what was got and what was wanted
}

// Error returns "path: fault: detail".
func (e *Error) Error() string {
	text := e.Fault.Error() + ": " + e.Detail
	if e.Path != "" {
		text = e.Path + ": " + text
	}
	return text
}

// Unwrap returns the fault.
func (e *Error) Unwrap() error { return e.Fault }

func fault(f Fault, path, format string, args ...any) *Error {
	return &Error{Fault: f, Path: path, Detail: fmt.Sprintf(format, args...)}
}
