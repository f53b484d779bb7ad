package index

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
)

// A Token is where the next page of a search begins. It is bound to the search: its filter and the tree size
// that all of its pages share.
type Token struct {
	FilterHash [32]byte // Filter.Hash
	Size       uint64   // Query.Size
	From       uint64   // Query.From of the next page
}

// ErrToken says that a text is no page token.
var ErrToken = errors.New("malformed page token")

const (
	tokenVersion = 1
	tokenSize    = 1 + 32 + 8 + 8 // version, filter hash, size, from
)

// String returns the token as URL-safe text (RFC 4648, section 5, unpadded). It is not signed: whoever forges
// one asks another question and gets its true answer.
func (t Token) String() string {
	b := make([]byte, 0, tokenSize)
	b = append(b, tokenVersion)
	b = append(b, t.FilterHash[:]...)
	b = binary.BigEndian.AppendUint64(b, t.Size)
	b = binary.BigEndian.AppendUint64(b, t.From)
	return base64.RawURLEncoding.EncodeToString(b)
}

// ParseToken reads what String writes, strictly. Errors wrap ErrToken. The caller compares FilterHash.
func ParseToken(s string) (Token, error) {
	var t Token
	if len(s) != base64.RawURLEncoding.EncodedLen(tokenSize) {
		return t, fmt.Errorf("%w: %d characters, want %d", ErrToken, len(s), base64.RawURLEncoding.EncodedLen(tokenSize))
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || len(b) != tokenSize {
		return t, fmt.Errorf("%w: not base64url", ErrToken)
	}
	if b[0] != tokenVersion {
		return t, fmt.Errorf("%w: version %d, want %d", ErrToken, b[0], tokenVersion)
	}
	copy(t.FilterHash[:], b[1:])
	t.Size, t.From = binary.BigEndian.Uint64(b[33:]), binary.BigEndian.Uint64(b[41:])
	if t.From > t.Size {
		return Token{}, fmt.Errorf("%w: from %d is beyond size %d", ErrToken, t.From, t.Size)
	}
	return t, nil
}
