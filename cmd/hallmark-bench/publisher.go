package main

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"strconv"
	"sync/atomic"

	"github.com/hallmark-registry/hallmark/verifier/entry"
	"github.com/hallmark-registry/hallmark/verifier/statement"
)

// A publisher signs statements, no two of them alike. It is safe for concurrent
// use.
type publisher struct {
	key  *entry.PrivateKey
	made atomic.Uint64
}

func newPublisher() (*publisher, error) {
	key, err := entry.GenerateKey(entry.Ed25519, rand.Reader)
	return &publisher{key: key}, err
}

// next returns the evaluation of another model: an entry of some 550 bytes.
func (p *publisher) next() (*entry.Entry, error) {
	n := p.made.Add(1)
	model := statement.Subject{
		Name: "bench/model@" + strconv.FormatUint(n, 10), Alg: statement.AlgModel,
		Digest: sha256.Sum256(binary.BigEndian.AppendUint64([]byte("model"), n)),
	}
	st := statement.NewEvaluation(model, &statement.Evaluation{
		Benchmark: "bench/questions@1",
		Metrics:   []statement.Metric{{Name: "accuracy", Value: "0." + strconv.FormatUint(n, 10)}},
	})
	return p.sign(st)
}

// model returns the statement of another model by the publisher.
func (p *publisher) model() (*entry.Entry, error) {
	n := p.made.Add(1)
	name, err := statement.ParseName("bench/weights@" + strconv.FormatUint(n, 10))
	if err != nil {
		return nil, err
	}
	return p.sign(statement.NewModel(name, &statement.Model{
		FileRoot:    sha256.Sum256(binary.BigEndian.AppendUint64([]byte("files"), n)),
		WeightsRoot: sha256.Sum256(nil), // without tensors
		Files:       1,
		Bytes:       n,
	}))
}

func (p *publisher) sign(st *statement.Statement) (*entry.Entry, error) {
	body, err := st.Marshal()
	if err != nil {
		return nil, err
	}
	return entry.Sign(entry.TypeStatement, body, p.key)
}
