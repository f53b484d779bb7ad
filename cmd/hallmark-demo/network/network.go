// Package network trains small classifiers: layers of weights, a rectifier
// between them, and gradient descent.
//
//	features ─▶ layer 0 ─▶ rectifier ─▶ layer 1 ─▶ rectifier ─▶ ... ─▶ scores
//	            └── a fine-tuning freezes these ──┘                 └─ and trains the rest
//
// It exists to make weights that anyone can make again: the same examples and
// the same seed give the same bytes on every machine. Two habits see to that.
// Only +, -, *, / and a square root are used, which IEEE 754 rounds in one way;
// exponentials and logarithms are not, so the loss is a squared hinge. And each
// product is converted to float32 before it is added, because the Go language
// lets a compiler fuse x*y + z, with one rounding in place of two, unless such a
// conversion stands between.
package network

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/hallmark-registry/hallmark/cmd/hallmark-demo/safetensors"
)

// widthMax bounds a layer, so that a slip in a list of widths is an error and
// not a gigabyte.
const widthMax = 4096

// A Layer computes one score an output: bias + weights · inputs.
type Layer struct {
	In, Out int
	Weight  []float32 // Out rows of In
	Bias    []float32 // Out
}

// A Network is a chain of layers. Its methods keep no state: several goroutines
// may classify with one network as long as none trains it.
type Network struct {
	Layers []Layer
}

// An Example is what a network learns from or is tested with.
type Example struct {
	Features []float32 // as many as the first layer has inputs
	Label    int       // below the number of outputs of the last layer
}

// New returns an untrained network with widths[0] inputs, widths[len-1] outputs
// and hidden layers between. Biases are zero; a weight is uniform in ±sqrt(6/inputs)
// (He et al., "Delving Deep into Rectifiers", 2015), drawn in order from the seed.
func New(seed uint64, widths ...int) (*Network, error) {
	if len(widths) < 2 {
		return nil, fmt.Errorf("network of widths %v, want an input and an output at least", widths)
	}
	for _, w := range widths {
		if w < 1 || w > widthMax {
			return nil, fmt.Errorf("network of widths %v, want each from 1 to %d", widths, widthMax)
		}
	}
	draw := rand.New(rand.NewPCG(seed, 0))
	n := &Network{}
	for i, in := range widths[:len(widths)-1] {
		n.Layers = append(n.Layers, newLayer(draw, in, widths[i+1]))
	}
	return n, nil
}

func newLayer(draw *rand.Rand, in, out int) Layer {
	l := Layer{In: in, Out: out, Weight: make([]float32, in*out), Bias: make([]float32, out)}
	limit := float32(math.Sqrt(6 / float64(in)))
	for i := range l.Weight {
		l.Weight[i] = (float32(2*draw.Float32()) - 1) * limit
	}
	return l
}

// Clone returns a network that shares nothing with n.
func (n *Network) Clone() *Network {
	c := &Network{Layers: slices.Clone(n.Layers)}
	for i := range c.Layers {
		c.Layers[i].Weight = slices.Clone(c.Layers[i].Weight)
		c.Layers[i].Bias = slices.Clone(c.Layers[i].Bias)
	}
	return c
}

// Classify returns the label with the highest score, the lowest such label on a tie.
func (n *Network) Classify(features []float32) int {
	a := newActivations(n)
	a.forward(n, features)
	return largest(a.scores())
}

// Widths returns the number of inputs, then of outputs of each layer.
func (n *Network) Widths() []int {
	widths := []int{n.Layers[0].In}
	for _, l := range n.Layers {
		widths = append(widths, l.Out)
	}
	return widths
}

// Tensors returns the weights under the names "layers.<i>.weight", of shape
// [outputs, inputs], and "layers.<i>.bias". They share memory with n.
func (n *Network) Tensors() []safetensors.Tensor {
	var ts []safetensors.Tensor
	for i, l := range n.Layers {
		ts = append(ts,
			safetensors.Tensor{Name: fmt.Sprintf("layers.%d.weight", i), Shape: []int{l.Out, l.In}, Data: l.Weight},
			safetensors.Tensor{Name: fmt.Sprintf("layers.%d.bias", i), Shape: []int{l.Out}, Data: l.Bias})
	}
	return ts
}

// checkExamples refuses what would index out of a layer later.
func (n *Network) checkExamples(examples []Example) error {
	if len(examples) == 0 {
		return errors.New("no examples, want one at least")
	}
	in, out := n.Layers[0].In, n.Layers[len(n.Layers)-1].Out
	for i, e := range examples {
		if len(e.Features) != in {
			return fmt.Errorf("example %d: %d features, want %d", i, len(e.Features), in)
		}
		if e.Label < 0 || e.Label >= out {
			return fmt.Errorf("example %d: label %d, want 0 to %d", i, e.Label, out-1)
		}
	}
	return nil
}

// largest returns the index of the first largest value.
func largest(values []float32) int {
	best := 0
	for i, v := range values {
		if v > values[best] {
			best = i
		}
	}
	return best
}

// activations are what each layer gives for one example, kept for the way back.
type activations struct {
	input []float32
	out   [][]float32 // by layer; rectified, except the last
}

func newActivations(n *Network) *activations {
	a := &activations{}
	for _, l := range n.Layers {
		a.out = append(a.out, make([]float32, l.Out))
	}
	return a
}

func (a *activations) scores() []float32 { return a.out[len(a.out)-1] }

// into returns what layer i was given.
func (a *activations) into(i int) []float32 {
	if i == 0 {
		return a.input
	}
	return a.out[i-1]
}

func (a *activations) forward(n *Network, features []float32) {
	a.input = features
	for i, l := range n.Layers {
		l.apply(a.into(i), a.out[i])
		if i < len(n.Layers)-1 {
			rectify(a.out[i])
		}
	}
}

func (l *Layer) apply(in, out []float32) {
	for o := range out {
		sum := l.Bias[o]
		for i, w := range l.Weight[o*l.In : (o+1)*l.In] {
			sum += float32(w * in[i])
		}
		out[o] = sum
	}
}

func rectify(values []float32) {
	for i, v := range values {
		values[i] = max(v, 0)
	}
}
