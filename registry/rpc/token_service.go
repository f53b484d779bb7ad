package rpc

import (
	"context"
	"encoding/json"
	"fmt"

	pb "github.com/hallmark-registry/hallmark/proto/hallmark/v1"
)

type tokenService struct{ reg Registry }

// Mint turns a credit into units.
func (s *tokenService) Mint(ctx context.Context, req *pb.MintRequest) (*pb.MintResponse, error) {
	result, err := s.reg.Mint(ctx, req.GetBundle(), req.GetEntry())
	if err != nil {
		return nil, about("bundle", err)
	}
	return &pb.MintResponse{Receipt: receiptMessage(&result.Receipt), Outcome: outcomeMessage(result.Outcome)}, nil
}

// SubmitLedgerEntry logs a ledger entry.
func (s *tokenService) SubmitLedgerEntry(ctx context.Context, req *pb.SubmitLedgerEntryRequest) (*pb.SubmitLedgerEntryResponse, error) {
	result, err := s.reg.SubmitLedger(ctx, req.GetEntry())
	if err != nil {
		return nil, about("entry", err)
	}
	return &pb.SubmitLedgerEntryResponse{Receipt: receiptMessage(&result.Receipt), Outcome: outcomeMessage(result.Outcome)}, nil
}

// GetAccount returns an account.
func (s *tokenService) GetAccount(ctx context.Context, req *pb.GetAccountRequest) (*pb.GetAccountResponse, error) {
	a, err := s.reg.Account(ctx, req.GetAccount())
	if err != nil {
		return nil, about("account", err)
	}
	return &pb.GetAccountResponse{
		Account:  a.ID,
		Balance:  a.Balance.String(),
		Nonce:    a.Nonce,
		Decimals: uint32(a.Decimals),
		Symbol:   a.Symbol,
		TreeSize: a.Size,
	}, nil
}

// GetSupply returns the supply statement.
func (s *tokenService) GetSupply(ctx context.Context, _ *pb.GetSupplyRequest) (*pb.GetSupplyResponse, error) {
	v, err := s.reg.Supply(ctx)
	if err != nil {
		return nil, err
	}
	statement, err := json.Marshal(v.Supply)
	if err != nil {
		return nil, fmt.Errorf("encoding the supply statement: %w", err)
	}
	return &pb.GetSupplyResponse{
		Symbol:      v.Supply.Symbol,
		Decimals:    uint32(v.Supply.Decimals),
		Cap:         v.Supply.Cap.String(),
		Issued:      v.Supply.Issued.String(),
		Burned:      v.Supply.Burned.String(),
		Statement:   string(statement),
		StateDigest: v.Digest[:],
		TreeSize:    v.Size,
	}, nil
}

// GetPolicy returns the token policy in force.
func (s *tokenService) GetPolicy(ctx context.Context, _ *pb.GetPolicyRequest) (*pb.GetPolicyResponse, error) {
	text, epoch, size, err := s.reg.Policy(ctx)
	if err != nil {
		return nil, err
	}
	return &pb.GetPolicyResponse{Text: text, Epoch: epoch, TreeSize: size}, nil
}
