package cyclonedx

// The members of CycloneDX 1.6 that a BOM of ours has, each under the name that
// the published JSON schema gives it.

const (
	schemaURL   = "http://cyclonedx.org/schema/bom-1.6.schema.json"
	specVersion = "1.6"
)

type document struct {
	Schema       string        `json:"$schema"`
	Format       string        `json:"bomFormat"`
	SpecVersion  string        `json:"specVersion"`
	SerialNumber string        `json:"serialNumber"`
	Version      uint64        `json:"version"`
	Metadata     metadata      `json:"metadata"`
	Components   []component   `json:"components,omitempty"`
	Dependencies []dependency  `json:"dependencies"`
	Compositions []composition `json:"compositions"`
}

type metadata struct {
	Timestamp  string     `json:"timestamp,omitempty"`
	Tools      tools      `json:"tools"`
	Component  component  `json:"component"`
	Properties []property `json:"properties"`
}

type tools struct {
	Components []component `json:"components"`
}

// Types of component.
const (
	typeApplication = "application"
	typeFile        = "file"
	typeModel       = "machine-learning-model"
	typeData        = "data"
)

type component struct {
	Type       string          `json:"type"`
	Ref        string          `json:"bom-ref,omitempty"`
	Name       string          `json:"name"`
	Version    string          `json:"version,omitempty"`
	Hashes     []hash          `json:"hashes,omitempty"`
	Licenses   []license       `json:"licenses,omitempty"`
	Pedigree   *pedigree       `json:"pedigree,omitempty"`
	References []reference     `json:"externalReferences,omitempty"`
	Components []component     `json:"components,omitempty"`
	ModelCard  *modelCard      `json:"modelCard,omitempty"`
	Data       []componentData `json:"data,omitempty"`
	Properties []property      `json:"properties,omitempty"`
}

type hash struct {
	Alg     string `json:"alg"`
	Content string `json:"content"`
}

type license struct {
	Expression      string `json:"expression"`
	Acknowledgement string `json:"acknowledgement"`
}

type pedigree struct {
	Ancestors []component `json:"ancestors"`
}

type reference struct {
	Type    string `json:"type"`
	URL     string `json:"url"`
	Comment string `json:"comment,omitempty"`
	Hashes  []hash `json:"hashes,omitempty"`
}

type modelCard struct {
	Parameters modelParameters `json:"modelParameters"`
}

type modelParameters struct {
	Datasets []datasetRef `json:"datasets"`
}

type datasetRef struct {
	Ref string `json:"ref"`
}

type componentData struct {
	Type     string   `json:"type"`
	Name     string   `json:"name"`
	Contents contents `json:"contents"`
}

type contents struct {
	Properties []property `json:"properties"`
}

type property struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type dependency struct {
	Ref       string   `json:"ref"`
	DependsOn []string `json:"dependsOn,omitempty"`
}

// Aggregates of a composition.
const (
	aggregateComplete   = "complete"
	aggregateIncomplete = "incomplete"
	aggregateUnknown    = "unknown"
)

type composition struct {
	Aggregate    string   `json:"aggregate"`
	Assemblies   []string `json:"assemblies,omitempty"`
	Dependencies []string `json:"dependencies,omitempty"`
}
