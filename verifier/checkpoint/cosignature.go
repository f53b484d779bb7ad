package checkpoint

import (
	"crypto/ed25519"
	"encoding/binary"
	"fmt"
	"math"
	"strconv"

	"filippo.io/mldsa"
)

const timeSize = 8

// CosignatureMessage returns what an Ed25519 cosignature of type 0x04 signs:
//
//	cosignature/v1
//	time 1679315147
//	<the checkpoint's text>
//
// time is in POSIX seconds (C2SP tlog-cosignature, "Ed25519 signed message").
// The message does not name the cosigner, which is why a key may stand in a
// policy once only.
func CosignatureMessage(c Checkpoint, time int64) []byte {
	return cosignatureMessage(c.Text(), time)
}

func cosignatureMessage(text []byte, time int64) []byte {
	const head = "cosignature/v1\ntime "
	m := make([]byte, 0, len(head)+len("9223372036854775807\n")+len(text))
	m = append(m, head...)
	m = strconv.AppendInt(m, time, 10)
	m = append(m, '\n')
	return append(m, text...)
}

// SubtreeMessage returns what a signature of type 0x06 by the key called name
// signs, for the whole tree (C2SP tlog-cosignature, "ML-DSA-44 signed message");
// time is in POSIX seconds:
//
//	"subtree/v1\n\0" name(u8) time u64 origin(u8) start u64 = 0, end u64 = size, root
//
// Extension lines are not part of it, so a checkpoint that has some is refused:
// they would stand there as if this signer had approved them.
func SubtreeMessage(name string, time int64, c Checkpoint) ([]byte, error) {
	if c.Extension != "" {
		return nil, fmt.Errorf("an ML-DSA-44 signature does not cover extension lines, and the checkpoint has some")
	}
	const label = "subtree/v1\n\x00"
	m := make([]byte, 0, len(label)+1+len(name)+8+1+len(c.Origin)+8+8+HashSize)
	m = append(m, label...)
	m = append(m, byte(len(name)))
	m = append(m, name...)
	m = binary.BigEndian.AppendUint64(m, uint64(time))
	m = append(m, byte(len(c.Origin)))
	m = append(m, c.Origin...)
	m = binary.BigEndian.AppendUint64(m, 0)
	m = binary.BigEndian.AppendUint64(m, c.Size)
	return append(m, c.Root[:]...), nil
}

// cutTime splits a timestamped signature, time u64 || signature.
func cutTime(sig []byte, alg Alg) (time int64, rest []byte, err error) {
	want := timeSize + ed25519.SignatureSize
	if alg == AlgMLDSA44 {
		want = timeSize + mldsa.MLDSA44SignatureSize
	}
	if len(sig) != want {
		return 0, nil, fmt.Errorf("cosignature has %d bytes, want %d", len(sig), want)
	}
	t := binary.BigEndian.Uint64(sig)
	if t > math.MaxInt64 {
		return 0, nil, fmt.Errorf("cosignature has time %d, want below 2^63", t)
	}
	return int64(t), sig[timeSize:], nil
}
