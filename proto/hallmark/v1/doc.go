// Package hallmarkv1 is Hallmark's gRPC API, version 1, generated from the
// definitions beside it. registry/rpc serves it, registry/client calls it; no
// other package knows it, so that the registry and the verifier stay free of
// any transport.
package hallmarkv1
