package rpc

import (
	"context"
	"io"

	"google.golang.org/grpc"

	pb "github.com/hallmark-registry/hallmark/proto/hallmark/v1"
)

// UploadBlob stores a document.
func (s *registryService) UploadBlob(stream grpc.ClientStreamingServer[pb.UploadBlobRequest, pb.UploadBlobResponse]) error {
	limits, peer := s.server.limits, stream.Context().Value(peerKey{}).(*peerState)
	if err := limits.admitUpload(peer); err != nil {
		return err
	}
	defer limits.releaseUpload(peer)
	first, err := stream.Recv()
	if err == io.EOF {
		return invalid("digest", "BLOB_DIGEST", "the stream ended before its first message")
	}
	if err != nil {
		return err
	}
	digest, err := digestField(first.GetDigest())
	if err != nil {
		return err
	}
	r := &chunkReader{ctx: stream.Context(), recv: stream.Recv}
	if err := s.reg.PutBlob(stream.Context(), digest, r); err != nil {
		// A fault of the stream is not the store's, however it words it.
		if r.err != nil && r.err != io.EOF {
			return r.err
		}
		return about("digest", err)
	}
	return stream.SendAndClose(&pb.UploadBlobResponse{})
}

// A chunkReader reads the chunks of an upload as one stream of bytes.
type chunkReader struct {
	ctx   context.Context
	recv  func() (*pb.UploadBlobRequest, error)
	chunk []byte // rest of the current chunk
	err   error  // sticky
}

func (r *chunkReader) Read(p []byte) (int, error) {
	if r.err == nil && len(r.chunk) == 0 {
		r.chunk, r.err = r.next()
	}
	if r.err != nil {
		return 0, r.err
	}
	n := copy(p, r.chunk)
	r.chunk = r.chunk[n:]
	return n, nil
}

func (r *chunkReader) next() ([]byte, error) {
	if err := r.ctx.Err(); err != nil {
		return nil, err // the server's cap on transfers; Recv heeds only the client's
	}
	m, err := r.recv()
	if err != nil {
		return nil, err
	}
	chunk := m.GetChunk()
	if len(chunk) == 0 || len(chunk) > maxChunkSize {
		return nil, invalid("chunk", "BLOB_CHUNK", "got %d bytes, want 1 to %d", len(chunk), maxChunkSize)
	}
	return chunk, nil
}

// DownloadBlob sends a stored document.
func (s *registryService) DownloadBlob(req *pb.DownloadBlobRequest, stream grpc.ServerStreamingServer[pb.DownloadBlobResponse]) (err error) {
	digest, err := digestField(req.GetDigest())
	if err != nil {
		return err
	}
	blob, size, err := s.reg.Blob(stream.Context(), digest)
	if err != nil {
		return about("digest", err)
	}
	defer func() {
		// The first error stays as it is: a status inside another error is none.
		if closing := blob.Close(); err == nil {
			err = closing
		}
	}()
	if err := stream.Send(&pb.DownloadBlobResponse{Data: &pb.DownloadBlobResponse_Size{Size: uint64(size)}}); err != nil {
		return err
	}
	return sendChunks(stream, blob)
}

func sendChunks(stream grpc.ServerStreamingServer[pb.DownloadBlobResponse], blob io.Reader) error {
	for {
		if err := stream.Context().Err(); err != nil {
			return err
		}
		chunk := make([]byte, maxChunkSize) // a sent message must not change
		n, err := io.ReadFull(blob, chunk)
		if err == io.EOF {
			return nil
		}
		if err != nil && err != io.ErrUnexpectedEOF {
			return err
		}
		if err := stream.Send(&pb.DownloadBlobResponse{Data: &pb.DownloadBlobResponse_Chunk{Chunk: chunk[:n]}}); err != nil {
			return err
		}
	}
}

func digestField(b []byte) ([32]byte, error) {
	if len(b) != 32 {
		return [32]byte{}, invalid("digest", "BLOB_DIGEST", "got %d bytes, want the 32 of a SHA-256", len(b))
	}
	return [32]byte(b), nil
}
