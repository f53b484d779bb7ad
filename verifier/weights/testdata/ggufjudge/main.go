// Command ggufjudge reads GGUF files with a parser that is not ours, and prints where it finds which tensor. It is a
// module of its own: that parser is a judge in a test, and no dependency of the product.
package main

import (
	"fmt"
	"os"

	parser "github.com/gpustack/gguf-parser-go"
)

func main() {
	for _, name := range os.Args[1:] {
		file, err := parser.ParseGGUFFile(name)
		if err != nil {
			fmt.Fprintf(os.Stderr, "ggufjudge: %s: %v\n", name, err)
			os.Exit(1)
		}
		fmt.Printf("data %d\n", file.TensorDataStartOffset)
		for _, t := range file.TensorInfos {
			fmt.Printf("%q %v %v %d %d\n", t.Name, t.Type, t.Dimensions, t.Offset, t.Offset+t.Bytes())
		}
	}
}
