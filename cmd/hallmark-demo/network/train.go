package network

import (
	"context"
	"fmt"
	"math/rand/v2"
)

// A Schedule says how to train. With the network it starts from and the examples
// in their order, it decides every byte of the outcome.
type Schedule struct {
	Seed     uint64  `json:"seed"`     // orders the examples of each epoch
	Epochs   int     `json:"epochs"`   // passes over the examples
	Batch    int     `json:"batch"`    // examples to one step; the last of an epoch may be smaller
	Rate     float32 `json:"rate"`     // step length along the mean gradient
	Momentum float32 `json:"momentum"` // share of the last step that the next one keeps
	Frozen   int     `json:"frozen"`   // the first layers, which training must not touch
}

func (s Schedule) check(layers int) error {
	switch {
	case s.Epochs < 1 || s.Batch < 1:
		return fmt.Errorf("%d epochs in batches of %d, want one at least of each", s.Epochs, s.Batch)
	case !(s.Rate > 0 && s.Rate <= 1):
		return fmt.Errorf("rate %v, want it above 0 and at most 1", s.Rate)
	case !(s.Momentum >= 0 && s.Momentum < 1):
		return fmt.Errorf("momentum %v, want it from 0 to below 1", s.Momentum)
	case s.Frozen < 0 || s.Frozen >= layers:
		return fmt.Errorf("%d of %d layers frozen, want one at least to train", s.Frozen, layers)
	}
	return nil
}

// Train changes the layers of n that s leaves free. It looks at ctx once an epoch;
// cancelled, it returns the context's error and leaves n partly trained.
func (n *Network) Train(ctx context.Context, s Schedule, examples []Example) error {
	if err := s.check(len(n.Layers)); err != nil {
		return fmt.Errorf("training: %w", err)
	}
	if err := n.checkExamples(examples); err != nil {
		return fmt.Errorf("training: %w", err)
	}
	order := rand.New(rand.NewPCG(s.Seed, 1))
	d := newDescent(n, s)
	for epoch := range s.Epochs {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("training: epoch %d of %d: %w", epoch, s.Epochs, err)
		}
		left := order.Perm(len(examples))
		for len(left) > 0 {
			size := min(s.Batch, len(left))
			for _, i := range left[:size] {
				d.learn(examples[i])
			}
			d.step(size)
			left = left[size:]
		}
	}
	return nil
}

// MultiplyAdds returns how many multiplications of a weight or an activation
// Train does: a measure of the work that, unlike seconds, anyone can recompute.
func (s Schedule) MultiplyAdds(n *Network, examples int) uint64 {
	var each uint64
	for i, l := range n.Layers {
		weights := uint64(len(l.Weight))
		each += weights // forward
		if i >= s.Frozen {
			each += weights // gradient of the weights
		}
		if i > s.Frozen {
			each += weights // gradient of the inputs
		}
	}
	return each * uint64(examples) * uint64(s.Epochs)
}

// descent is mini-batch gradient descent with momentum, under way. Slices are
// indexed by layer; those of frozen layers stay empty.
type descent struct {
	net      *Network
	schedule Schedule
	acts     *activations
	blame    [][]float32 // gradient of the loss by each output, for one example
	gradient []Layer     // summed over the batch
	velocity []Layer     // the last step
}

func newDescent(n *Network, s Schedule) *descent {
	d := &descent{
		net:      n,
		schedule: s,
		acts:     newActivations(n),
		blame:    make([][]float32, len(n.Layers)),
		gradient: make([]Layer, len(n.Layers)),
		velocity: make([]Layer, len(n.Layers)),
	}
	for i := s.Frozen; i < len(n.Layers); i++ {
		l := n.Layers[i]
		d.blame[i] = make([]float32, l.Out)
		d.gradient[i] = Layer{Weight: make([]float32, len(l.Weight)), Bias: make([]float32, l.Out)}
		d.velocity[i] = Layer{Weight: make([]float32, len(l.Weight)), Bias: make([]float32, l.Out)}
	}
	return d
}

// learn adds one example's gradient to the batch.
func (d *descent) learn(e Example) {
	d.acts.forward(d.net, e.Features)
	last := len(d.net.Layers) - 1
	hinge(d.acts.scores(), e.Label, d.blame[last])
	for i := last; i >= d.schedule.Frozen; i-- {
		if i > d.schedule.Frozen {
			d.net.Layers[i].blameInputs(d.blame[i], d.acts.into(i), d.blame[i-1])
		}
		d.gradient[i].accumulate(d.blame[i], d.acts.into(i))
	}
}

// hinge sets blame to the gradient of the squared hinge loss, the sum over labels
// of max(0, 1 - t·score)² / 2, where t is 1 for the right label and -1 for others.
func hinge(scores []float32, label int, blame []float32) {
	for i, score := range scores {
		if i == label {
			blame[i] = -max(0, 1-score)
		} else {
			blame[i] = max(0, 1+score)
		}
	}
}

// blameInputs carries blame back through the layer and through the rectifier
// before it: an input that the rectifier held at zero gets none.
func (l *Layer) blameInputs(blame, in, blameIn []float32) {
	clear(blameIn)
	for o, b := range blame {
		for i, w := range l.Weight[o*l.In : (o+1)*l.In] {
			blameIn[i] += float32(w * b)
		}
	}
	for i, v := range in {
		if v <= 0 {
			blameIn[i] = 0
		}
	}
}

// accumulate adds to l, a gradient, what one example asks for.
func (l *Layer) accumulate(blame, in []float32) {
	for o, b := range blame {
		l.Bias[o] += b
		row := l.Weight[o*len(in) : (o+1)*len(in)]
		for i, v := range in {
			row[i] += float32(b * v)
		}
	}
}

// step moves the free layers along the mean gradient of a batch, and clears it.
func (d *descent) step(batch int) {
	rate := d.schedule.Rate / float32(batch)
	for i := d.schedule.Frozen; i < len(d.net.Layers); i++ {
		l, g, v := d.net.Layers[i], d.gradient[i], d.velocity[i]
		move(l.Weight, g.Weight, v.Weight, rate, d.schedule.Momentum)
		move(l.Bias, g.Bias, v.Bias, rate, d.schedule.Momentum)
		clear(g.Weight)
		clear(g.Bias)
	}
}

func move(values, gradient, velocity []float32, rate, momentum float32) {
	for i, g := range gradient {
		velocity[i] = float32(momentum*velocity[i]) - float32(rate*g)
		values[i] += velocity[i]
	}
}
