package network

import (
	"encoding/json"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"
)

// config is config.json: what a reader of the weights needs to run them. Nothing
// in it tells one training run from another.
type config struct {
	Activation   string   `json:"activation"`
	Architecture string   `json:"architecture"`
	Features     string   `json:"features"`
	Labels       []string `json:"labels"`
	Widths       []int    `json:"widths"`
}

// Config describes the network as RFC 8785 canonical JSON: the same network, the
// same bytes. Features says in words how to make the inputs; labels name the outputs.
func (n *Network) Config(features string, labels []string) ([]byte, error) {
	widths := n.Widths()
	if outputs := widths[len(widths)-1]; len(labels) != outputs {
		return nil, fmt.Errorf("describing a network: %d labels, want %d", len(labels), outputs)
	}
	text, err := json.Marshal(config{
		Activation:   "relu",
		Architecture: "mlp",
		Features:     features,
		Labels:       labels,
		Widths:       widths,
	})
	if err != nil {
		return nil, fmt.Errorf("describing a network: %w", err)
	}
	canonical := jsontext.Value(text)
	if err := canonical.Canonicalize(); err != nil {
		return nil, fmt.Errorf("describing a network: %w", err)
	}
	return canonical, nil
}
