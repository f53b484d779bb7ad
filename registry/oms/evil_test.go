package oms_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/hallmark-registry/hallmark/registry/oms"
	"github.com/hallmark-registry/hallmark/verifier/entry"
)

// Statements that are wrong and rightly signed: nothing but the reader stands
// between them and a verdict. Several are accepted by other implementations.
func TestRefusesSignedNonsense(t *testing.T) {
	files := map[string]string{"a": "1", "b": "2"}
	a, b := resource{"a", "sha256", sha256Of("1")}, resource{"b", "sha256", sha256Of("2")}
	good := statement(filesSHA256, a, b)
	shards := `{"method":"shards","hash_type":"sha256","shard_size":2,"allow_symlinks":false}`
	shard := func(name string) string { return statement(shards, resource{name, "sha256", sha256Of("1")}) }
	named := func(name string) string { return statement(filesSHA256, resource{name, "sha256", sha256Of("1")}) }
	upper := a
	upper.Digest = strings.ToUpper(a.Digest)
	md5 := resource{"a", "md5", a.Digest}
	blake := resource{"a", "blake2b", a.Digest}
	short := resource{"a", "sha256", a.Digest[2:]}
	for _, c := range []struct {
		story   string
		payload string
		want    oms.Fault
	}{
		{"as it should be", good, ""},
		{"another minor version", swap(good, "signature/v1.0", "signature/v1.7"), ""},
		{"another digest beside the root", swap(good, `"sha256":"`, `"sha512":"00","sha256":"`), ""},
		{"a member more in a resource", swap(good, `"name":"a"`, `"size":1,"name":"a"`), ""},
		{"no ignore_paths", swap(good, `,"ignore_paths":[".git"]`, ``), ""},

		{"resources out of order", statement(filesSHA256, b, a), oms.ErrResourceOrder},
		{"a resource twice", statement(filesSHA256, a, a, b), oms.ErrResourceOrder},
		{"a resource twice, with two digests", statement(filesSHA256, a, resource{"a", "sha256", b.Digest}, b), oms.ErrResourceOrder},
		{"no resources", swap(statement(filesSHA256), "null", "[]"), oms.ErrNoResources},
		{"null for the resources", statement(filesSHA256), oms.ErrWrongType},
		{"a path that climbs", named("../a"), oms.ErrResourceName},
		{"a path that climbs within", named("x/../a"), oms.ErrResourceName},
		{"a path that stays", named("./a"), oms.ErrResourceName},
		{"an absolute path", named("/a"), oms.ErrResourceName},
		{"a doubled slash", named("x//a"), oms.ErrResourceName},
		{"a slash at the end", named("a/"), oms.ErrResourceName},
		{"no path", named(""), oms.ErrResourceName},
		{"the folder itself beside a file", statement(filesSHA256, resource{".", "sha256", a.Digest}, b), oms.ErrResourceName},
		{"another root", swapRoot(good), oms.ErrRoot},
		{"two subjects", swap(good, `"subject":[`, `"subject":[{"name":"x","digest":{"sha256":"00"}},`), oms.ErrSubject},
		{"no subject", swap(good, good[strings.Index(good, `[{"name":"model"`):strings.Index(good, `,"predicateType"`)], `[]`), oms.ErrSubject},
		{"a subject without a sha256", swap(good, `"sha256":"`, `"sha512":"`), oms.ErrMissingMember},
		{"a subject without a name", swap(good, `"name":"model"`, `"name":""`), oms.ErrSubject},
		{"another label than the hash that was used", statement(filesSHA256, blake, b), oms.ErrAlgorithm},
		{"an unknown label", statement(filesSHA256, md5, b), oms.ErrAlgorithm},
		{"the label of a shard, on a file", swap(good, `"algorithm":"sha256"`, `"algorithm":"sha256-sharded-0"`), oms.ErrAlgorithm},
		{"an unknown hash", swap(good, `"hash_type":"sha256"`, `"hash_type":"md5"`), oms.ErrSerialization},
		{"BLAKE3, with digests labelled as SHA-256", swap(good, `"hash_type":"sha256"`, `"hash_type":"blake3"`), oms.ErrAlgorithm},
		{"BLAKE3 of a length that its label does not have", statement(filesBLAKE3, resource{"a", "blake3", a.Digest + a.Digest}), oms.ErrBadValue},
		{"BLAKE3, by shards", swap(statement(shards, resource{"a:0:1", "blake3", a.Digest}), `"hash_type":"sha256"`, `"hash_type":"blake3"`), oms.ErrUnsupported},
		{"BLAKE2b, with digests of SHA-256", strings.ReplaceAll(good, `"sha256",`, `"blake2b",`), oms.ErrBadValue},
		{"a digest in capitals", statement(filesSHA256, upper, b), oms.ErrBadValue},
		{"a digest a byte short", statement(filesSHA256, short, b), oms.ErrBadValue},
		{"an unknown method", swap(good, `"files"`, `"folders"`), oms.ErrSerialization},
		{"files with a shard size", swap(good, `"files"`, `"files","shard_size":5`), oms.ErrSerialization},
		{"shards without a size", swap(good, `"files"`, `"shards"`), oms.ErrSerialization},
		{"shards of no bytes", swap(good, `"files"`, `"shards","shard_size":0`), oms.ErrBadValue},
		{"shards of a fraction", swap(good, `"files"`, `"shards","shard_size":1.5`), oms.ErrBadValue},
		{"a shard size in a text", swap(good, `"files"`, `"shards","shard_size":"5"`), oms.ErrWrongType},
		{"a shard without a range", shard("a"), oms.ErrResourceName},
		{"a shard with half a range", shard("a:0"), oms.ErrResourceName},
		{"an empty shard", shard("a:0:0"), oms.ErrResourceName},
		{"a shard backwards", shard("a:2:0"), oms.ErrResourceName},
		{"a shard larger than shards are", shard("a:0:3"), oms.ErrResourceName},
		{"a shard between two", shard("a:1:2"), oms.ErrResourceName},
		{"a shard without those before it", shard("a:2:3"), oms.ErrResourceName},
		{"a shard after a short one", statement(shards, resource{"a:0:1", "sha256", a.Digest}, resource{"a:2:3", "sha256", b.Digest}), oms.ErrResourceName},
		{"a shard number with a zero before it", shard("a:0:01"), oms.ErrResourceName},
		{"a member of the predicate that nobody knows", swap(good, `"resources"`, `"notes":1,"resources"`), oms.ErrUnknownMember},
		{"a member of the serialization that nobody knows", swap(good, `"files"`, `"files","follow":true`), oms.ErrUnknownMember},
		{"a member of the statement that nobody knows", swap(good, `"_type"`, `"notes":1,"_type"`), oms.ErrUnknownMember},
		{"the serialization twice", swap(good, `"resources"`, `"serialization":{},"resources"`), oms.ErrMissingMember},
		{"a member twice", swap(good, `"files"`, `"files","method":"files"`), oms.ErrDuplicateMember},
		{"a member in another case", swap(good, `"method"`, `"Method"`), oms.ErrUnknownMember},
		{"no allow_symlinks", swap(good, `"allow_symlinks":false,`, ``), oms.ErrMissingMember},
		{"allow_symlinks as a text", swap(good, `"allow_symlinks":false`, `"allow_symlinks":"false"`), oms.ErrWrongType},
		{"everything ignored", swap(good, `".git"`, `"."`), oms.ErrSerialization},
		{"something above ignored", swap(good, `".git"`, `"../x"`), oms.ErrSerialization},
		{"a pattern ignored", swap(good, `".git"`, `"*"`), oms.ErrSerialization},
		{"a signed file ignored", swap(good, `".git"`, `"b"`), oms.ErrSerialization},
		{"no predicate", good[:strings.Index(good, `,"predicate":`)] + "}", oms.ErrMissingMember},
		{"another predicate type", swap(good, "model_signing", "example.com"), oms.ErrPredicateType},
		{"a later major version", swap(good, "signature/v1.0", "signature/v2.0"), oms.ErrPredicateType},
		{"the predicate type of v0.2.0", swap(good, "signature/v1.0", "Digests/v0.1"), oms.ErrPredicateType},
		{"another statement type", swap(good, "Statement/v1", "Statement/v0.1"), oms.ErrStatementType},
		{"text after the statement", good + " x", oms.ErrNotJSON},
		{"a second statement", good + good, oms.ErrNotJSON},
		{"nothing", "", oms.ErrNotJSON},
		{"a list", "[]", oms.ErrWrongType},
	} {
		t.Run(c.story, func(t *testing.T) {
			f := openFolder(t, write(t, files))
			_, err := verify(t.Context(), signStatement(c.payload), byKey(signer), f, oms.Options{})
			wantFault(t, err, c.want)
		})
	}
}

// swap replaces the first old, which must be there.
func swap(s, old, new string) string {
	if !strings.Contains(s, old) {
		panic("no " + old + " in " + s)
	}
	return strings.Replace(s, old, new, 1)
}

// swapRoot changes a digit of the root.
func swapRoot(s string) string {
	at := strings.Index(s, `"sha256":"`) + len(`"sha256":"`)
	digit := "0"
	if s[at] == '0' {
		digit = "1"
	}
	return s[:at] + digit + s[at+1:]
}

func TestRefusesBundles(t *testing.T) {
	good := signStatement(statement(filesSHA256, resource{"a", "sha256", sha256Of("1")}))
	hint := oms.Hint(signer.Public())
	rawBytes := base64.StdEncoding.EncodeToString(signer.Public().MarshalPEM())
	other := newKey(entry.P256, 2)
	otherBytes := base64.StdEncoding.EncodeToString(other.Public().MarshalPEM())
	edBytes := base64.StdEncoding.EncodeToString(newKey(entry.Ed25519, 1).Public().MarshalPEM())
	sig := good[strings.Index(good, `{"sig":`) : strings.Index(good, `}]`)+1]
	for _, c := range []struct {
		story  string
		bundle string
		trust  oms.Trust
		want   oms.Fault
	}{
		{"as it should be", good, byKey(signer), ""},
		{"white space around it", "\n" + good + "\n", byKey(signer), ""},
		{"a key id of null", swap(good, `{"sig"`, `{"keyid":null,"sig"`), byKey(signer), ""},
		{"an empty key id", swap(good, `{"sig"`, `{"keyid":"","sig"`), byKey(signer), ""},
		{"the key in place of the hint, as before v1.1.0", swap(good, `"hint":"`+hint+`"`, `"rawBytes":"`+rawBytes+`","keyDetails":"PKIX_ECDSA_P256_SHA_256"`), byKey(signer), ""},
		{"no log entries", swap(good, `"publicKey"`, `"tlogEntries":[],"publicKey"`), byKey(signer), ""},
		{"log entries and timestamps that nobody asked for", swap(good, `"publicKey"`, `"tlogEntries":[{"logIndex":"1"}],"timestampVerificationData":{"rfc3161Timestamps":[{}]},"publicKey"`), byKey(signer), ""},

		{"the hint at another key", swap(good, hint, oms.Hint(other.Public())), byKey(signer), oms.ErrKeyHint},
		{"the hint in capitals", swap(good, hint, strings.ToUpper(hint)), byKey(signer), oms.ErrKeyHint},
		{"another key asked for", good, byKey(other), oms.ErrKeyHint},
		{"another key asked for, of a bundle that carries its key", swap(good, `"hint":"`+hint+`"`, `"rawBytes":"`+rawBytes+`"`), byKey(other), oms.ErrKeyHint},
		{"another key carried", swap(good, `"hint":"`+hint+`"`, `"rawBytes":"`+otherBytes+`"`), byKey(other), oms.ErrSignature},
		{"an Ed25519 key carried", swap(good, `"hint":"`+hint+`"`, `"rawBytes":"`+edBytes+`"`), byKey(newKey(entry.Ed25519, 1)), oms.ErrKey},
		{"a hint and a key", swap(good, `"hint"`, `"rawBytes":"`+rawBytes+`","hint"`), byKey(signer), oms.ErrMissingMember},
		{"neither hint nor key", swap(good, `"hint":"`+hint+`"`, ``), byKey(signer), oms.ErrMissingMember},
		{"the method not asked for", good, oms.Trust{Method: oms.MethodCertificate}, oms.ErrMethod},
		{"the sigstore method", swap(good, `"publicKey":{"hint":"`+hint+`"}`, `"certificate":{"rawBytes":"AA=="},"tlogEntries":[{}]`), byKey(signer), oms.ErrUnsupported},
		{"two methods", swap(good, `"publicKey"`, `"certificate":{},"publicKey"`), byKey(signer), oms.ErrBadValue},
		{"no method", swap(good, `"publicKey":{"hint":"`+hint+`"}`, ``), byKey(signer), oms.ErrMissingMember},
		{"an unknown method", swap(good, `"publicKey"`, `"certificates":{},"publicKey"`), byKey(signer), oms.ErrUnknownMember},
		{"a chain of nobody", swap(good, `"publicKey":{"hint":"`+hint+`"}`, `"x509CertificateChain":{"certificates":[]}`), byKey(signer), oms.ErrBadValue},
		{"a certificate that is none", swap(good, `"publicKey":{"hint":"`+hint+`"}`, `"x509CertificateChain":{"certificates":[{"rawBytes":"AA=="}]}`), byKey(signer), oms.ErrBadValue},
		{"media type v0.2", swap(good, ".v0.3+json", ".v0.2+json"), byKey(signer), oms.ErrMediaType},
		{"the media type of before v0.3", swap(good, ".v0.3+json", "+json;version=0.3"), byKey(signer), oms.ErrMediaType},
		{"no media type", good[:1] + good[strings.Index(good, `"verificationMaterial"`):], byKey(signer), oms.ErrMissingMember},
		{"two signatures", swap(good, sig, sig+","+sig), byKey(signer), oms.ErrSignatureCount},
		{"no signature", swap(good, sig, ""), byKey(signer), oms.ErrSignatureCount},
		{"a key id", swap(good, `{"sig"`, `{"keyid":"`+hint+`","sig"`), byKey(signer), oms.ErrBadValue},
		{"a signature that is none", swap(good, `"sig":"`, `"sig":"AAAA`), byKey(signer), oms.ErrSignature},
		{"a signature in base64 without padding", swap(good, `"payload":"`, `"payload":"A`), byKey(signer), oms.ErrBadValue},
		{"a line end in base64", swap(good, `"payload":"`, `"payload":"\n`), byKey(signer), oms.ErrBadValue},
		{"a message signature", swap(good, `"dsseEnvelope"`, `"messageSignature":{},"dsseEnvelope"`), byKey(signer), oms.ErrUnknownMember},
		{"an unknown member in the envelope", swap(good, `"payload"`, `"unsigned":1,"payload"`), byKey(signer), oms.ErrUnknownMember},
		{"the payload twice", swap(good, `"payload"`, `"payload":"","payload"`), byKey(signer), oms.ErrDuplicateMember},
		{"another payload type, not signed", swap(good, `"application/vnd.in-toto+json"`, `"application/json"`), byKey(signer), oms.ErrSignature},
		{"another payload type, signed", sign(signer, "application/json", "{}"), byKey(signer), oms.ErrPayloadType},
		{"text after it", good + "x", byKey(signer), oms.ErrNotJSON},
		{"half of it", good[:len(good)/2], byKey(signer), oms.ErrNotJSON},
		{"nothing", "", byKey(signer), oms.ErrNotJSON},
		{"too much", strings.Repeat(" ", oms.MaxBundleSize+1), byKey(signer), oms.ErrTooLarge},
	} {
		t.Run(c.story, func(t *testing.T) {
			f := openFolder(t, write(t, map[string]string{"a": "1"}))
			_, err := verify(t.Context(), c.bundle, c.trust, f, oms.Options{})
			wantFault(t, err, c.want)
		})
	}
}

func TestWarnsOfWhatWasNotChecked(t *testing.T) {
	bundle := swap(signStatement(statement(filesSHA256, resource{"a", "sha256", sha256Of("1")})), `"publicKey"`, `"tlogEntries":[{},{}],"publicKey"`)
	r, err := verify(t.Context(), bundle, byKey(signer), openFolder(t, write(t, map[string]string{"a": "1"})), oms.Options{})
	if err != nil || len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0], "2 transparency log entries") {
		t.Errorf("warnings %q, %v; want one about 2 transparency log entries", r.Warnings, err)
	}
}
