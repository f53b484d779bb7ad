// Command hallmark-verify proves a bundle, and the files that it is about,
// with no network: none is linked into it. Keys and policy come from its
// command line, never from the bundle.
package main

import (
	"context"
	"os"
	"os/signal"

	"github.com/hallmark-registry/hallmark/cmd/hallmark-verify/verifycmd"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	os.Exit(verifycmd.Run(ctx, "hallmark-verify", os.Args[1:], os.Stdout, os.Stderr))
}
