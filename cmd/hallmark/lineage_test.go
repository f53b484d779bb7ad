package main

import (
	"strings"
	"testing"

	"github.com/hallmark-registry/hallmark/registry/client"
)

// diamond is a model of two parents that rest on one dataset, which closes a
// cycle: a digest can be named before it is logged.
func diamond() *client.Lineage {
	digest := func(c string) string { return "sha256:" + strings.Repeat(c, 64) }
	return &client.Lineage{
		Nodes: []client.LineageNode{
			{Digest: digest("a"), Kind: "model", Name: "acme/merged@1", Index: 5, Registered: true},
			{Digest: digest("b"), Kind: "model", Name: "acme/left@1", Index: 3, Registered: true},
			{Digest: digest("c"), Kind: "model", Name: `acme/"right`, Registered: false},
			{Digest: digest("d"), Kind: "dataset", Name: "acme/data@1", Index: 1, Registered: true},
		},
		Edges: []client.LineageEdge{
			{Child: 0, Parent: 1, Relation: "merge"}, {Child: 0, Parent: 2, Relation: "merge"},
			{Child: 1, Parent: 3, Relation: "dataset:train"}, {Child: 2, Parent: 1, Relation: "finetune"},
			{Child: 3, Parent: 0, Relation: "dataset:\x1b[31m"},
		},
		TreeSize: 6,
	}
}

func TestLineageDrawings(t *testing.T) {
	for name, c := range map[string]struct{ got, want string }{
		"tree": {lineageTree(diamond(), map[int]*sharing{0: {118, 120}}, false), `acme/merged@1  model  aaaaaaaa…aaaaaaaa
├─ merge  acme/left@1  model  bbbbbbbb…bbbbbbbb  (118 of 120 tensors identical)
│  └─ dataset:train  acme/data@1  dataset  dddddddd…dddddddd
│     └─ dataset:` + "\uFFFD" + `[31m  acme/merged@1  model  aaaaaaaa…aaaaaaaa  (see above)
└─ merge  acme/"right  model  cccccccc…cccccccc  (unregistered)
   └─ finetune  acme/left@1  model  bbbbbbbb…bbbbbbbb  (see above)
`},
		"down": {lineageTree(diamond(), nil, true), `acme/merged@1  model  aaaaaaaa…aaaaaaaa
└─ dataset:` + "\uFFFD" + `[31m  acme/data@1  dataset  dddddddd…dddddddd
   └─ dataset:train  acme/left@1  model  bbbbbbbb…bbbbbbbb
      ├─ merge  acme/merged@1  model  aaaaaaaa…aaaaaaaa  (see above)
      └─ finetune  acme/"right  model  cccccccc…cccccccc  (unregistered)
         └─ merge  acme/merged@1  model  aaaaaaaa…aaaaaaaa  (see above)
`},
		"dot": {lineageDot(diamond()), `digraph lineage {
  rankdir=BT;
  node [shape=box];
  n0 [label="acme/merged@1  model  aaaaaaaa…aaaaaaaa"];
  n1 [label="acme/left@1  model  bbbbbbbb…bbbbbbbb"];
  n2 [label="acme/\"right  model  cccccccc…cccccccc  (unregistered)", style=dashed];
  n3 [label="acme/data@1  dataset  dddddddd…dddddddd"];
  n0 -> n1 [label="merge"];
  n0 -> n2 [label="merge"];
  n1 -> n3 [label="dataset:train"];
  n2 -> n1 [label="finetune"];
  n3 -> n0 [label="dataset:` + "\uFFFD" + `[31m"];
}
`},
		"mermaid": {lineageMermaid(diamond()), `graph BT
  n0["acme/merged@1  model  aaaaaaaa…aaaaaaaa"]
  n1["acme/left@1  model  bbbbbbbb…bbbbbbbb"]
  n2["acme/#quot;right  model  cccccccc…cccccccc  (unregistered)"]
  n3["acme/data@1  dataset  dddddddd…dddddddd"]
  n0 -->|"merge"| n1
  n0 -->|"merge"| n2
  n1 -->|"dataset:train"| n3
  n2 -->|"finetune"| n1
  n3 -->|"dataset:` + "\uFFFD" + `[31m"| n0
`},
	} {
		if c.got != c.want {
			t.Errorf("%s: got\n%s\nwant\n%s", name, c.got, c.want)
		}
	}
}
