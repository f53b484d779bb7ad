package rpc

import (
	"context"

	pb "github.com/hallmark-registry/hallmark/proto/hallmark/v1"
	"github.com/hallmark-registry/hallmark/registry"
)

type logService struct{ reg Registry }

// GetCheckpoint returns the latest published checkpoint.
func (s *logService) GetCheckpoint(ctx context.Context, _ *pb.GetCheckpointRequest) (*pb.GetCheckpointResponse, error) {
	note, err := s.reg.Checkpoint(ctx)
	if err != nil {
		return nil, err
	}
	return &pb.GetCheckpointResponse{Checkpoint: string(note)}, nil
}

// GetInclusionProof returns a tlog-proof.
func (s *logService) GetInclusionProof(ctx context.Context, req *pb.GetInclusionProofRequest) (*pb.GetInclusionProofResponse, error) {
	proof, err := s.reg.InclusionProof(ctx, req.GetIndex())
	if err != nil {
		return nil, about("index", err)
	}
	return &pb.GetInclusionProofResponse{Proof: string(proof)}, nil
}

// GetConsistencyProof returns the hashes between two tree sizes.
func (s *logService) GetConsistencyProof(ctx context.Context, req *pb.GetConsistencyProofRequest) (*pb.GetConsistencyProofResponse, error) {
	from, to := req.GetFromSize(), req.GetToSize()
	if from > to {
		return nil, invalid("from_size", "SIZE_RANGE", "got %d, want at most to_size %d", from, to)
	}
	hashes, err := s.reg.ConsistencyProof(ctx, from, to)
	if err != nil {
		return nil, about("to_size", err)
	}
	resp := &pb.GetConsistencyProofResponse{}
	for i := range hashes {
		resp.Hashes = append(resp.Hashes, hashes[i][:])
	}
	return resp, nil
}

// GetBundle returns a bundle for offline verification.
func (s *logService) GetBundle(ctx context.Context, req *pb.GetBundleRequest) (*pb.GetBundleResponse, error) {
	bundle, err := s.reg.Bundle(ctx, req.GetRef(), registry.BundleOptions{Manifest: req.GetWithManifest(), Related: req.GetWithRelated(), Status: req.GetWithStatus()})
	if err != nil {
		return nil, about("ref", err)
	}
	return &pb.GetBundleResponse{Bundle: bundle}, nil
}
