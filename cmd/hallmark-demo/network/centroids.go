package network

import "fmt"

// A Classifier gives features a label. Network and Centroids are classifiers.
type Classifier interface {
	Classify(features []float32) int
}

// Correct counts the examples that c labels rightly.
func Correct(c Classifier, examples []Example) int {
	correct := 0
	for _, e := range examples {
		if c.Classify(e.Features) == e.Label {
			correct++
		}
	}
	return correct
}

// Centroids is the baseline that a network must beat to be worth its weights: the
// mean picture of each label, and the nearest of them is the answer.
type Centroids struct {
	mean [][]float32 // by label; nil for a label without examples
}

// NewCentroids averages the examples of each of labels labels.
func NewCentroids(labels int, examples []Example) (*Centroids, error) {
	c := &Centroids{mean: make([][]float32, labels)}
	count := make([]float32, labels)
	for i, e := range examples {
		if e.Label < 0 || e.Label >= labels || len(e.Features) != len(examples[0].Features) {
			return nil, fmt.Errorf("averaging example %d: label %d and %d features, want a label below %d and %d features",
				i, e.Label, len(e.Features), labels, len(examples[0].Features))
		}
		if c.mean[e.Label] == nil {
			c.mean[e.Label] = make([]float32, len(e.Features))
		}
		count[e.Label]++
		for j, v := range e.Features {
			c.mean[e.Label][j] += v
		}
	}
	for label, mean := range c.mean {
		for j := range mean {
			mean[j] /= count[label]
		}
	}
	return c, nil
}

// Classify returns the label whose mean is nearest, the lowest such label on a tie.
func (c *Centroids) Classify(features []float32) int {
	best, nearest := 0, float32(-1)
	for label, mean := range c.mean {
		if mean == nil {
			continue
		}
		if d := distance(mean, features); nearest < 0 || d < nearest {
			best, nearest = label, d
		}
	}
	return best
}

// distance is the square of the Euclidean one: it orders the same.
func distance(a, b []float32) float32 {
	var sum float32
	for i, v := range a {
		d := v - b[i]
		sum += float32(d * d)
	}
	return sum
}
