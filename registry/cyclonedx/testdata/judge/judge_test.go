// Package judge holds the golden BOMs of the folder above against the JSON schema
// that CycloneDX publishes, and reads them with a library of that project. It is
// a module of its own: schema, validator and library are judges in a test, and no
// dependencies of the product. The schema lies in that library's module.
package judge

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/CycloneDX/cyclonedx-go"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

const (
	schemas  = "http://cyclonedx.org/schema/"
	bom16    = schemas + "bom-1.6.schema.json"
	signing  = "jsf-0.82.schema.json"
	signing1 = "jsf-0.82.schemax.json" // as the module's folder spells it
)

// A folder loads the schemas that lie in the library's module.
type folder string

func (f folder) Load(url string) (any, error) {
	name := path.Base(url)
	if name == signing {
		name = signing1
	}
	if !strings.HasPrefix(url, schemas) {
		return nil, fmt.Errorf("%s is no schema of CycloneDX", url)
	}
	file, err := os.Open(filepath.Join(string(f), name))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return jsonschema.UnmarshalJSON(file)
}

func compile(t *testing.T) *jsonschema.Schema {
	t.Helper()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/CycloneDX/cyclonedx-go").Output()
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.UseLoader(folder(filepath.Join(strings.TrimSpace(string(dir)), "schema")))
	c.AssertFormat()
	s, err := c.Compile(bom16)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func validate(s *jsonschema.Schema, text []byte) error {
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return err
	}
	return s.Validate(v)
}

func golden(t *testing.T) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob("../*.cdx.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d golden BOMs: %v", len(files), err)
	}
	all := map[string][]byte{}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all[filepath.Base(f)] = text
	}
	return all
}

func TestBOMsKeepThePublishedSchema(t *testing.T) {
	s := compile(t)
	for name, text := range golden(t) {
		if err := validate(s, text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A judge that lets everything pass would look like BOMs that are right.
func TestTheSchemaRefuses(t *testing.T) {
	s := compile(t)
	good := string(golden(t)["reader.cdx.json"])
	for story, edit := range map[string][2]string{
		"a member that is not there": {`"bomFormat"`, `"bomFormatt"`},
		"a type of component":        {`"machine-learning-model"`, `"model"`},
		"a hash algorithm":           {`"SHA-256"`, `"SHA256"`},
		"a hash with a prefix":       {`"content": "`, `"content": "sha256:`},
		"a serial number":            {`urn:uuid:`, `uuid:`},
		"a timestamp":                {`T11:06:40Z`, ` 11:06`},
		"a version that is text":     {`"version": 4`, `"version": "4"`},
		"an aggregate":               {`"complete"`, `"all"`},
		"a reference":                {`"attestation"`, `"entry"`},
	} {
		bad := strings.Replace(good, edit[0], edit[1], 1)
		if bad == good {
			t.Errorf("%s: the BOM has no %s", story, edit[0])
		} else if validate(s, []byte(bad)) == nil {
			t.Errorf("%s: %s passes", story, edit[1])
		}
	}
}

// The library keeps what it knows. What it writes again must be what it read, so
// that every member of ours is one that it knows.
func TestTheLibraryReadsAllOfIt(t *testing.T) {
	for name, text := range golden(t) {
		var bom cyclonedx.BOM
		if err := cyclonedx.NewBOMDecoder(bytes.NewReader(text), cyclonedx.BOMFileFormatJSON).Decode(&bom); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		again, err := json.Marshal(&bom)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := sorted(t, again), sorted(t, text); got != want {
			t.Errorf("%s: the library read\n%s\nwant\n%s", name, got, want)
		}
		for ref, count := range references(&bom) {
			if count != 1 {
				t.Errorf("%s: %d components are called %s, want 1", name, count, ref)
			}
		}
	}
}

// sorted writes JSON in one form, members by their names.
func sorted(t *testing.T, text []byte) string {
	t.Helper()
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	out, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// references counts how many components bear each bom-ref that is used or given.
func references(bom *cyclonedx.BOM) map[string]int {
	count := map[string]int{}
	var visit func(c *cyclonedx.Component)
	visit = func(c *cyclonedx.Component) {
		count[c.BOMRef]++
		if c.Components != nil {
			for i := range *c.Components {
				visit(&(*c.Components)[i])
			}
		}
	}
	visit(bom.Metadata.Component)
	if bom.Components != nil {
		for i := range *bom.Components {
			visit(&(*bom.Components)[i])
		}
	}
	for _, d := range *bom.Dependencies {
		count[d.Ref] += 0
		if d.Dependencies != nil {
			for _, on := range *d.Dependencies {
				count[on] += 0
			}
		}
	}
	return count
}
