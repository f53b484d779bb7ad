package network_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hallmark-registry/hallmark/cmd/hallmark-demo/network"
	"github.com/hallmark-registry/hallmark/cmd/hallmark-demo/safetensors"
)

// xor is the smallest task that no line, and no pair of centroids, can solve.
var xor = []network.Example{
	{Features: []float32{0, 0}, Label: 0},
	{Features: []float32{1, 1}, Label: 0},
	{Features: []float32{0, 1}, Label: 1},
	{Features: []float32{1, 0}, Label: 1},
}

var schedule = network.Schedule{Seed: 1, Epochs: 300, Batch: 3, Rate: 0.05, Momentum: 0.9}

func build(t *testing.T, seed uint64, widths ...int) *network.Network {
	t.Helper()
	n, err := network.New(seed, widths...)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func trained(t *testing.T, seed uint64, s network.Schedule) *network.Network {
	t.Helper()
	n := build(t, seed, 2, 16, 8, 2)
	if err := n.Train(t.Context(), s, xor); err != nil {
		t.Fatal(err)
	}
	return n
}

func file(t *testing.T, n *network.Network) []byte {
	t.Helper()
	b, err := safetensors.Marshal(n.Tensors())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func sameBits(a, b []float32) bool {
	return slices.EqualFunc(a, b, func(x, y float32) bool { return math.Float32bits(x) == math.Float32bits(y) })
}

func TestNetworkLearnsWhatCentroidsCannot(t *testing.T) {
	centroids, err := network.NewCentroids(2, xor)
	if err != nil {
		t.Fatal(err)
	}
	if got := network.Correct(centroids, xor); got > 2 {
		t.Errorf("centroids got %d of 4 right, want a guess", got)
	}
	if got := network.Correct(trained(t, 1, schedule), xor); got != 4 {
		t.Errorf("network got %d of 4 right, want all", got)
	}
}

// One example, one step, every number small enough to follow by hand.
func TestOneStepByHand(t *testing.T) {
	n := &network.Network{Layers: []network.Layer{
		{In: 2, Out: 2, Weight: []float32{1, 0, 0, -1}, Bias: []float32{0, 0}},
		{In: 2, Out: 1, Weight: []float32{0.5, 1}, Bias: []float32{0}},
	}}
	// Hidden: (1, -1), rectified to (1, 0). Score 0.5, so its blame is 0.5 - 1. Of
	// the hidden outputs the first gets 0.5 of that; the second was held at zero.
	one := []network.Example{{Features: []float32{1, 1}, Label: 0}}
	if err := n.Train(t.Context(), network.Schedule{Epochs: 1, Batch: 1, Rate: 0.5}, one); err != nil {
		t.Fatal(err)
	}
	want := []network.Layer{
		{Weight: []float32{1.125, 0.125, 0, -1}, Bias: []float32{0.125, 0}},
		{Weight: []float32{0.75, 1}, Bias: []float32{0.25}},
	}
	for i, w := range want {
		if g := n.Layers[i]; !slices.Equal(g.Weight, w.Weight) || !slices.Equal(g.Bias, w.Bias) {
			t.Errorf("layer %d: got %v %v, want %v %v", i, g.Weight, g.Bias, w.Weight, w.Bias)
		}
	}
}

func TestSeedDecidesEveryByte(t *testing.T) {
	other := schedule
	other.Seed++
	first := file(t, trained(t, 1, schedule))
	for _, tt := range []struct {
		story    string
		seed     uint64
		schedule network.Schedule
		same     bool
	}{
		{"the same seeds", 1, schedule, true},
		{"other first weights", 2, schedule, false},
		{"another order of examples", 1, other, false},
	} {
		t.Run(tt.story, func(t *testing.T) {
			if got := bytes.Equal(first, file(t, trained(t, tt.seed, tt.schedule))); got != tt.same {
				t.Errorf("same bytes: got %v, want %v", got, tt.same)
			}
		})
	}
}

func TestFrozenLayersKeepTheirBits(t *testing.T) {
	base := trained(t, 1, schedule)
	for frozen := range len(base.Layers) {
		tuned := base.Clone()
		s := schedule
		s.Seed, s.Epochs, s.Frozen = 9, 3, frozen
		// Other answers than the base learned, so that each free layer has a reason to move.
		swapped := slices.Clone(xor)
		for i := range swapped {
			swapped[i].Label = 1 - swapped[i].Label
		}
		if err := tuned.Train(t.Context(), s, swapped); err != nil {
			t.Fatal(err)
		}
		for i, was := range base.Layers {
			is := tuned.Layers[i]
			got := sameBits(was.Weight, is.Weight) && sameBits(was.Bias, is.Bias)
			if want := i < frozen; got != want {
				t.Errorf("%d frozen, layer %d: unchanged %v, want %v", frozen, i, got, want)
			}
		}
	}
}

func TestTrainRefuses(t *testing.T) {
	with := func(change func(*network.Schedule)) network.Schedule {
		s := schedule
		change(&s)
		return s
	}
	for _, tt := range []struct {
		story    string
		schedule network.Schedule
		examples []network.Example
		err      string
	}{
		{"no epoch", with(func(s *network.Schedule) { s.Epochs = 0 }), xor, "0 epochs in batches of 3"},
		{"empty batches", with(func(s *network.Schedule) { s.Batch = 0 }), xor, "300 epochs in batches of 0"},
		{"a rate of zero", with(func(s *network.Schedule) { s.Rate = 0 }), xor, "rate 0, want"},
		{"a rate that is no number", with(func(s *network.Schedule) { s.Rate = float32(math.NaN()) }), xor, "rate NaN, want"},
		{"a momentum that never ends", with(func(s *network.Schedule) { s.Momentum = 1 }), xor, "momentum 1, want"},
		{"every layer frozen", with(func(s *network.Schedule) { s.Frozen = 3 }), xor, "3 of 3 layers frozen"},
		{"fewer than no layer frozen", with(func(s *network.Schedule) { s.Frozen = -1 }), xor, "-1 of 3 layers frozen"},
		{"no examples", schedule, nil, "no examples"},
		{"a feature too few", schedule, []network.Example{{Features: []float32{1}}}, "example 0: 1 features, want 2"},
		{"a label too high", schedule, []network.Example{{Features: []float32{1, 1}, Label: 2}}, "example 0: label 2, want 0 to 1"},
		{"a label below zero", schedule, []network.Example{{Features: []float32{1, 1}, Label: -1}}, "example 0: label -1"},
	} {
		t.Run(tt.story, func(t *testing.T) {
			err := build(t, 1, 2, 8, 6, 2).Train(t.Context(), tt.schedule, tt.examples)
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("got error %v, want %q", err, tt.err)
			}
		})
	}
}

func TestTrainStopsWhenCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := build(t, 1, 2, 2).Train(ctx, schedule, xor)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

func TestNewRefuses(t *testing.T) {
	for _, tt := range []struct {
		story  string
		widths []int
	}{
		{"no widths", nil},
		{"an input alone", []int{2}},
		{"an empty layer", []int{2, 0, 2}},
		{"a negative layer", []int{2, -1}},
		{"a layer beyond the bound", []int{2, 4097}},
	} {
		t.Run(tt.story, func(t *testing.T) {
			if _, err := network.New(1, tt.widths...); err == nil {
				t.Errorf("built %v, want an error", tt.widths)
			}
		})
	}
}

func TestMultiplyAdds(t *testing.T) {
	n := build(t, 1, 2, 8, 6, 2) // 16, 48 and 12 weights
	for _, tt := range []struct {
		story  string
		frozen int
		want   uint64
	}{
		{"all layers free: the first has no inputs to blame", 0, 3*(16+48+12) - 16},
		{"the first frozen", 1, 16 + 2*48 + 3*12},
		{"the last alone free", 2, 16 + 48 + 2*12},
	} {
		t.Run(tt.story, func(t *testing.T) {
			s := network.Schedule{Epochs: 5, Frozen: tt.frozen}
			if got := s.MultiplyAdds(n, 7); got != 5*7*tt.want {
				t.Errorf("got %d, want %d", got, 5*7*tt.want)
			}
		})
	}
}

func TestConfig(t *testing.T) {
	n := build(t, 1, 2, 8, 2)
	got, err := n.Config("0 <= x <= 1", []string{"even", "odd"})
	if err != nil {
		t.Fatal(err)
	}
	want := `{"activation":"relu","architecture":"mlp","features":"0 <= x <= 1","labels":["even","odd"],"widths":[2,8,2]}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if _, err := n.Config("", []string{"odd"}); err == nil {
		t.Error("described two outputs with one label, want an error")
	}
}

func TestSourceIsThisPackage(t *testing.T) {
	embedded, err := fs.Glob(network.Source(), "*")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	files = slices.DeleteFunc(files, func(name string) bool { return strings.HasSuffix(name, "_test.go") })
	if !slices.Equal(embedded, files) {
		t.Errorf("embedded %v, want %v", embedded, files)
	}
}

func TestCentroids(t *testing.T) {
	c, err := network.NewCentroids(4, []network.Example{
		{Features: []float32{0}, Label: 0},
		{Features: []float32{2}, Label: 0},
		{Features: []float32{5}, Label: 3},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		story string
		x     float32
		want  int
	}{
		{"on a mean", 1, 0},
		{"nearer to the other", 3.5, 3},
		{"half way: the lower label", 3, 0},
		{"labels without examples are never chosen", -100, 0},
	} {
		t.Run(tt.story, func(t *testing.T) {
			if got := c.Classify([]float32{tt.x}); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
	if _, err := network.NewCentroids(1, xor); err == nil {
		t.Error("averaged label 1 of 1, want an error")
	}
}
