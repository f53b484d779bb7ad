package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/hallmark-registry/hallmark/registry/blob"
)

// MaxBlob bounds one blob in bytes: the manifest or chunk list of a very large
// model.
const MaxBlob = 64 << 20

// PutBlob stores the content of a digest, if a logged entry names it: the store
// is for what the log rests on, not for anybody's files.
func (r *Registry) PutBlob(ctx context.Context, digest [32]byte, content io.Reader) error {
	if _, err := r.settle(ctx); err != nil {
		return err
	}
	named, err := r.Index.Named(ctx, digest)
	if err != nil {
		return internal("looking the digest up", err)
	}
	if !named {
		return &Error{Code: FailedPrecondition, Reason: "BLOB_UNNAMED", Message: fmt.Sprintf("no logged entry names the blob sha256:%x", digest),
			Hint: "publish the entry that names it first"}
	}
	return blobError(r.Blobs.Put(ctx, digest, MaxBlob, content))
}

// Blob opens the content of a digest. The caller closes it.
func (r *Registry) Blob(ctx context.Context, digest [32]byte) (io.ReadCloser, int64, error) {
	content, size, err := r.Blobs.Get(ctx, digest)
	return content, size, blobError(err)
}

// smallBlob reads a blob whole. One that is not stored is nil: it was never
// uploaded, or erased since.
func (r *Registry) smallBlob(ctx context.Context, digest [32]byte, most int64) ([]byte, error) {
	content, size, err := r.Blobs.Get(ctx, digest)
	if errors.Is(err, blob.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, blobError(err)
	}
	defer content.Close()
	if size > most {
		return nil, nil
	}
	b, err := io.ReadAll(io.LimitReader(content, most))
	if err != nil {
		return nil, internal("reading a blob", err)
	}
	return b, nil
}

func blobError(err error) error {
	var path *fs.PathError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, blob.ErrNotFound):
		return &Error{Code: NotFound, Reason: "BLOB_NOT_FOUND", Message: err.Error(), err: err}
	case errors.Is(err, blob.ErrDigest):
		return invalid("BLOB_DIGEST", err)
	case errors.Is(err, blob.ErrTooLarge):
		return invalid("BLOB_TOO_LARGE", err)
	case errors.Is(err, blob.ErrFull):
		return &Error{Code: ResourceExhausted, Reason: "BLOBS_FULL", Message: err.Error(), err: err}
	case errors.As(err, &path):
		return internal("storing a blob", fmt.Errorf("%s: %w", path.Op, path.Err)) // not the server's path
	}
	return internal("storing a blob", err)
}
