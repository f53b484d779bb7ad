package client

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"

	"google.golang.org/grpc/codes"

	pb "github.com/hallmark-registry/hallmark/proto/hallmark/v1"
)

// UploadBlob stores a document whose SHA-256 a logged entry names. It reads
// content to its end, once, and is not repeated.
func (c *Client) UploadBlob(ctx context.Context, digest [32]byte, content io.Reader) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // should content fail, it ends the call
	stream, err := c.registry.UploadBlob(ctx)
	if err != nil {
		return asError(err)
	}
	err = stream.Send(&pb.UploadBlobRequest{Data: &pb.UploadBlobRequest_Digest{Digest: digest[:]}})
	for err == nil {
		chunk := make([]byte, chunkSize) // a sent message must not change
		n, readErr := io.ReadFull(content, chunk)
		if readErr == io.EOF {
			break
		}
		if readErr != nil && readErr != io.ErrUnexpectedEOF {
			return fmt.Errorf("reading the blob: %w", readErr)
		}
		err = stream.Send(&pb.UploadBlobRequest{Data: &pb.UploadBlobRequest_Chunk{Chunk: chunk[:n]}})
	}
	// A send fails with io.EOF when the server has answered already: the answer
	// says more, whichever it is.
	if _, err := stream.CloseAndRecv(); err != nil {
		return asError(err)
	}
	return nil
}

// DownloadBlob writes the document with the given SHA-256 to w and returns its
// size. After an error, what was written is worthless.
func (c *Client) DownloadBlob(ctx context.Context, digest [32]byte, w io.Writer) (int64, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // should w fail, it ends the call
	stream, err := c.registry.DownloadBlob(ctx, &pb.DownloadBlobRequest{Digest: digest[:]})
	if err != nil {
		return 0, asError(err)
	}
	first, err := stream.Recv()
	if err != nil {
		return 0, downloadError(err)
	}
	size := first.GetSize()
	if size > maxBlobSize {
		return 0, responseInvalid("the blob has %d bytes, want at most %d", size, maxBlobSize)
	}
	h := sha256.New()
	var written uint64
	for written < size {
		m, err := stream.Recv()
		if err != nil {
			return int64(written), downloadError(err)
		}
		chunk := m.GetChunk()
		if len(chunk) == 0 || uint64(len(chunk)) > size-written {
			return int64(written), responseInvalid("a chunk of %d bytes where %d are left", len(chunk), size-written)
		}
		h.Write(chunk)
		if _, err := w.Write(chunk); err != nil {
			return int64(written), fmt.Errorf("writing the blob: %w", err)
		}
		written += uint64(len(chunk))
	}
	if got := [32]byte(h.Sum(nil)); got != digest {
		return int64(written), &Error{
			Code: codes.DataLoss, Reason: "BLOB_DIGEST",
			Message: fmt.Sprintf("the server's blob has SHA-256 %x, want %x", got, digest),
		}
	}
	return int64(written), nil
}

// downloadError tells an early end from an error.
func downloadError(err error) error {
	if err == io.EOF {
		return responseInvalid("the blob ended early")
	}
	return asError(err)
}
