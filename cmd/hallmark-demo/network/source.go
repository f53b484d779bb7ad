package network

import (
	"embed"
	"io/fs"
)

//go:embed centroids.go config.go network.go source.go train.go
var source embed.FS

// Source returns the Go files of this package, tests apart, as they were when
// the program was built: the code that a training run can name by digest.
func Source() fs.FS { return source }
