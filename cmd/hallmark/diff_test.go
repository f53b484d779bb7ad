package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// tensors OUT NAME=FILLxCOUNT... writes a safetensors file of U8 tensors, each of
// COUNT bytes that are the letter FILL.
func tensors(ts *testscript.TestScript, _ bool, args []string) {
	var members []string
	var data []byte
	for _, a := range args[1:] {
		name, value, _ := strings.Cut(a, "=")
		fill, count, ok := strings.Cut(value, "x")
		n, err := strconv.Atoi(count)
		if !ok || err != nil || len(fill) != 1 {
			ts.Fatalf("tensors: got %q, want NAME=FILLxCOUNT", a)
		}
		members = append(members, fmt.Sprintf(`%q:{"dtype":"U8","shape":[%d],"data_offsets":[%d,%d]}`, name, n, len(data), len(data)+n))
		data = append(data, bytes.Repeat([]byte(fill), n)...)
	}
	header := "{" + strings.Join(members, ",") + "}"
	file := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), append(append(file, header...), data...), 0o644))
}
