package main

import (
	"context"
	"fmt"
	"time"

	"github.com/hallmark-registry/hallmark/cmd/hallmark-demo/digits"
	"github.com/hallmark-registry/hallmark/cmd/hallmark-demo/network"
	"github.com/hallmark-registry/hallmark/cmd/hallmark-demo/safetensors"
)

// seed decides the split, the first weights and the order of the examples.
const seed = 1

// widths: 64 pixels, two hidden layers, ten digits.
var widths = []int{digits.Pixels, 48, 32, digits.Classes}

// Both schedules were chosen by their mean over other seeds than this one: there
// the fine-tuned model gained about two points of held-out accuracy on the base.
var (
	baseSchedule = network.Schedule{Seed: seed, Epochs: 30, Batch: 16, Rate: 0.01, Momentum: 0.9}
	// Fine-tuning keeps the first layer, the larger part of the weights: its tensors
	// stay byte for byte those of the base, and a tree over tensors shows that to a
	// reader who has neither file.
	fineSchedule = network.Schedule{Seed: seed + 1, Epochs: 30, Batch: 16, Rate: 0.005, Momentum: 0.9, Frozen: 1}
)

const features = "64 pixels of an 8x8 picture, row by row, from 0 (white) to 16 (black), each divided by 16"

// An outcome is all that a run made, before any of it is written.
type outcome struct {
	parts digits.Parts
	base  model
	fine  model
	cpu   time.Duration // of the process, for both trainings
}

// A model is a trained network as its folder will hold it, and how it did.
type model struct {
	schedule      network.Schedule
	multiplyAdds  uint64
	config        []byte
	weights       []byte
	right         int // of the held-out rows
	baselineRight int // of the same rows, by the centroids of all rows learned from so far
}

// train makes the base model from the first part of the rows, and the fine-tuned
// one from the base and the rows contributed later.
func train(ctx context.Context) (*outcome, error) {
	rows, err := digits.Parse(digits.CSV())
	if err != nil {
		return nil, fmt.Errorf("reading the digits: %w", err)
	}
	parts, err := digits.Split(rows, seed)
	if err != nil {
		return nil, err
	}
	base, contributed, heldOut := examples(parts.Base), examples(parts.Contributed), examples(parts.HeldOut)

	start := cpuTime()
	net, err := network.New(seed, widths...)
	if err != nil {
		return nil, err
	}
	o := &outcome{parts: parts}
	if o.base, err = fit(ctx, net, baseSchedule, base, nil, heldOut); err != nil {
		return nil, fmt.Errorf("base model: %w", err)
	}
	if o.fine, err = fit(ctx, net.Clone(), fineSchedule, contributed, base, heldOut); err != nil {
		return nil, fmt.Errorf("fine-tuned model: %w", err)
	}
	o.cpu = cpuTime() - start
	return o, nil
}

// fit trains net on learn and measures it on heldOut. The baseline may also use
// earlier, what net has learned before.
func fit(ctx context.Context, net *network.Network, s network.Schedule, learn, earlier, heldOut []network.Example) (model, error) {
	if err := net.Train(ctx, s, learn); err != nil {
		return model{}, err
	}
	baseline, err := network.NewCentroids(digits.Classes, append(earlier[:len(earlier):len(earlier)], learn...))
	if err != nil {
		return model{}, err
	}
	config, err := net.Config(features, labels())
	if err != nil {
		return model{}, err
	}
	weights, err := safetensors.Marshal(net.Tensors())
	if err != nil {
		return model{}, err
	}
	return model{
		schedule:      s,
		multiplyAdds:  s.MultiplyAdds(net, len(learn)),
		config:        config,
		weights:       weights,
		right:         network.Correct(net, heldOut),
		baselineRight: network.Correct(baseline, heldOut),
	}, nil
}

func examples(rows []digits.Row) []network.Example {
	es := make([]network.Example, len(rows))
	for i, r := range rows {
		es[i] = network.Example{Features: r.Features(), Label: int(r.Digit)}
	}
	return es
}

func labels() []string {
	names := make([]string, digits.Classes)
	for i := range names {
		names[i] = fmt.Sprint(i)
	}
	return names
}
