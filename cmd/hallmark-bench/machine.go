package main

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
)

// A machine is what one core does in a second.
type machine struct {
	sign, verify float64 // Ed25519 signatures over messageSize bytes
}

// messageSize is about what an entry's signature covers, in bytes.
const messageSize = 400

func (b *bench) measureMachine(context.Context) ([]row, error) {
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	message := make([]byte, messageSize)
	signature := ed25519.Sign(key, message)
	public := key.Public().(ed25519.PublicKey)
	var err error
	b.machine.verify, err = b.plan.perSecond(func() error {
		if !ed25519.Verify(public, message, signature) {
			return errors.New("a good Ed25519 signature does not verify")
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if b.machine.sign, err = b.plan.perSecond(func() error { ed25519.Sign(key, message); return nil }); err != nil {
		return nil, err
	}
	rate, err := b.plan.perSecond(hashBlock())
	return []row{
		{what: "machine: Ed25519 verify, one core", value: b.machine.verify, unit: "/s"},
		{what: "machine: Ed25519 sign, one core", value: b.machine.sign, unit: "/s"},
		{what: "machine: SHA-256 of 1 MiB, one core", value: rate, unit: "MiB/s"},
	}, err
}

// hashBlock returns what hashes 1 MiB.
func hashBlock() func() error {
	block := make([]byte, mib)
	return func() error { sha256.Sum256(block); return nil }
}
