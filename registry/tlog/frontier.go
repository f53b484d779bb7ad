package tlog

import "slices"

// frontier is the compact range of a tree from its first leaf: the roots of the perfect subtrees that it
// falls into, largest first, one for each 1-bit of the size. It is all that one must keep to go on
// appending leaves, and to know the root.
//
//	size 7 = 4 + 2 + 1        [ root of 0..3 ] [ root of 4,5 ] [ leaf 6 ]
type frontier struct {
	size  uint64
	peaks []Hash
}

// add appends a leaf hash: every 1-bit at the end of the size is a subtree that grows into the next one.
func (f *frontier) add(leaf Hash) {
	for s := f.size; s&1 == 1; s >>= 1 {
		last := len(f.peaks) - 1
		leaf = hashNode(&f.peaks[last], &leaf)
		f.peaks = f.peaks[:last]
	}
	f.peaks = append(f.peaks, leaf)
	f.size++
}

func (f *frontier) root() Hash { return rootOf(f.peaks) }

func (f *frontier) clone() *frontier { return &frontier{f.size, slices.Clone(f.peaks)} }
