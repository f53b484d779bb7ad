package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/hallmark-registry/hallmark/cmd/hallmark-demo/digits"
	"github.com/hallmark-registry/hallmark/cmd/hallmark-demo/network"
)

// A file is named by its slash-separated path below the folder of the run.
type file struct {
	path string
	data []byte
}

// write lays the run out:
//
//	data/digits.csv          the whole data set, as it is published
//	contributed/digits.csv   the rows added between base and fine-tuning
//	heldout/digits.csv       the rows that no model learned from
//	base/, finetune/         config.json and model.safetensors: the model folders
//	evidence/*.txt           who contributed what, one file a contribution
//
// All but evidence/compute.txt is the same in every run.
func (o *outcome) write(dir string) error {
	evidence, err := o.evidence()
	if err != nil {
		return err
	}
	for _, f := range append(o.files(), evidence...) {
		path := filepath.Join(dir, filepath.FromSlash(f.path))
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			return fmt.Errorf("writing the run: %w", err)
		}
		if err := os.WriteFile(path, f.data, 0o666); err != nil {
			return fmt.Errorf("writing the run: %w", err)
		}
	}
	return nil
}

func (o *outcome) files() []file { return append(o.dataFiles(), o.modelFiles()...) }

func (o *outcome) dataFiles() []file {
	return []file{
		{"data/digits.csv", digits.CSV()},
		{"contributed/digits.csv", digits.Format(o.parts.Contributed)},
		{"heldout/digits.csv", digits.Format(o.parts.HeldOut)},
	}
}

func (o *outcome) modelFiles() []file {
	return []file{
		{"base/config.json", o.base.config},
		{"base/model.safetensors", o.base.weights},
		{"finetune/config.json", o.fine.config},
		{"finetune/model.safetensors", o.fine.weights},
	}
}

// evidence says what each contributor gave, in words and digests. A digest stands
// on a line that `sha256sum -c` reads.
func (o *outcome) evidence() ([]file, error) {
	compute, err := o.computeEvidence()
	if err != nil {
		return nil, err
	}
	code, err := codeEvidence()
	if err != nil {
		return nil, err
	}
	return []file{
		{"evidence/data.txt", o.dataEvidence()},
		{"evidence/compute.txt", compute},
		{"evidence/code.txt", code},
	}, nil
}

func (o *outcome) dataEvidence() []byte {
	var b bytes.Buffer
	fmt.Fprintln(&b, "contribution: data")
	fmt.Fprintf(&b, "rows: %d of %d, added between base and fine-tuning\n", len(o.parts.Contributed), o.rows())
	fmt.Fprintf(&b, "held-out rows right: %d of %d before, %d after\n", o.base.right, len(o.parts.HeldOut), o.fine.right)
	printSums(&b, o.dataFiles())
	return b.Bytes()
}

// computeEvidence gives the work twice: as a count that anyone can recompute from
// the schedules, and as the processor time that only this machine saw.
func (o *outcome) computeEvidence() ([]byte, error) {
	base, err := json.Marshal(o.base.schedule)
	if err != nil {
		return nil, fmt.Errorf("writing the base schedule: %w", err)
	}
	fine, err := json.Marshal(o.fine.schedule)
	if err != nil {
		return nil, fmt.Errorf("writing the fine-tuning schedule: %w", err)
	}
	var b bytes.Buffer
	fmt.Fprintln(&b, "contribution: compute")
	fmt.Fprintf(&b, "multiply-adds: %d\n", o.multiplyAdds())
	fmt.Fprintf(&b, "cpu-seconds: %.3f\n", o.cpu.Seconds())
	fmt.Fprintf(&b, "platform: %s %s/%s\n", runtime.Version(), runtime.GOOS, runtime.GOARCH)
	fmt.Fprintf(&b, "base: %s\nfinetune: %s\n", base, fine)
	printSums(&b, o.modelFiles())
	return b.Bytes(), nil
}

// codeEvidence lists the training code as it was compiled into this program.
func codeEvidence() ([]byte, error) {
	source := network.Source()
	entries, err := fs.ReadDir(source, ".")
	if err != nil {
		return nil, fmt.Errorf("reading the training code: %w", err)
	}
	var files []file
	for _, e := range entries {
		data, err := fs.ReadFile(source, e.Name())
		if err != nil {
			return nil, fmt.Errorf("reading the training code: %w", err)
		}
		files = append(files, file{"cmd/hallmark-demo/network/" + e.Name(), data})
	}
	var b bytes.Buffer
	fmt.Fprintln(&b, "contribution: code")
	printSums(&b, files)
	return b.Bytes(), nil
}

func printSums(w io.Writer, files []file) {
	for _, f := range files {
		fmt.Fprintf(w, "%x  %s\n", sha256.Sum256(f.data), f.path)
	}
}

func (o *outcome) multiplyAdds() uint64 { return o.base.multiplyAdds + o.fine.multiplyAdds }

func (o *outcome) rows() int {
	return len(o.parts.Base) + len(o.parts.Contributed) + len(o.parts.HeldOut)
}

// print sums a run up for a person.
func (o *outcome) print(w io.Writer, dir string) error {
	var b bytes.Buffer
	held := len(o.parts.HeldOut)
	fmt.Fprintf(&b, "data      %d rows: %d for the base, %d contributed later, %d held out\n",
		o.rows(), len(o.parts.Base), len(o.parts.Contributed), held)
	o.base.print(&b, "base", held)
	o.fine.print(&b, "finetune", held)
	fmt.Fprintf(&b, "compute   %d million multiply-adds, %.2f s of CPU\n",
		o.multiplyAdds()/1_000_000, o.cpu.Seconds())
	fmt.Fprintf(&b, "written   %s\n", dir)
	_, err := w.Write(b.Bytes())
	return err
}

func (m model) print(w io.Writer, name string, held int) {
	fmt.Fprintf(w, "%-9s %d of %d held-out rows right, %.1f %%; nearest centroid %.1f %%",
		name, m.right, held, percent(m.right, held), percent(m.baselineRight, held))
	if m.schedule.Frozen > 0 {
		fmt.Fprintf(w, "; frozen: first %d of %d layers", m.schedule.Frozen, len(widths)-1)
	}
	fmt.Fprintln(w)
}

func percent(part, whole int) float64 { return 100 * float64(part) / float64(whole) }
