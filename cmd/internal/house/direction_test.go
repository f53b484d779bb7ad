package house

import (
	"slices"
	"strings"
	"testing"
)

// forbiddenFloor are the parts of the standard library that the ground floor
// links nowhere, not even below another package: with one of them in the
// program nobody can tell by its imports that verification stays offline.
// crypto/x509 and the template packages are here because they import net.
var forbiddenFloor = []string{
	"net", "os/exec", "plugin", "crypto/tls", "crypto/x509", "text/template", "html/template", "database/sql",
}

// forbiddenFloorDirect are packages that fmt and the like need, and that a
// verifier package must not name itself: it takes an io/fs.FS and a time.
var forbiddenFloorDirect = []string{"os", "syscall", "unsafe", "encoding/json"}

// guests of the ground floor: the packages of others that it may link. Each is
// part of every verdict, so a new one is a decision and not an accident.
var guests = []string{
	"github.com/transparency-dev/merkle",
	"golang.org/x/mod/sumdb/note",
	"github.com/go-json-experiment/json/jsontext",
	"github.com/go-json-experiment/json/internal",
	"filippo.io/mldsa",
}

// siblings says which packages of verifier each may import. A nil list is a
// package that stands by itself; "*" joins what it likes.
var siblings = map[string][]string{
	"verifier/entry":      nil,
	"verifier/filetree":   nil, // the walk, the path rules and the streaming tree that both below share
	"verifier/weights":    {"verifier/filetree"},
	"verifier/dataset":    {"verifier/filetree"},
	"verifier/checkpoint": nil,
	"verifier/statemap":   nil,
	"verifier/statement":  {"verifier/entry"},
	"verifier/ledger":     {"verifier/entry", "verifier/statement", "verifier/checkpoint"},
	"verifier/bundle":     {"*"},
	"verifier":            {"*"},
}

func TestVerifierLinksNoNetwork(t *testing.T) {
	t.Parallel()
	for _, p := range []platform{linux, wasm} {
		t.Run(p.goos+"/"+p.goarch, func(t *testing.T) {
			t.Parallel()
			for _, dep := range list(t, p, true, "./verifier/...") {
				switch {
				case dep.Standard && under(dep.ImportPath, forbiddenFloor...):
					t.Errorf("verifier depends on %s: what decides over trust must be seen to be offline, in a browser as on a server; %s",
						dep.ImportPath, importers(t, p, dep.ImportPath))
				case !dep.Standard && !ours(dep.ImportPath) && !under(dep.ImportPath, guests...):
					t.Errorf("verifier depends on %s: each guest of the ground floor is part of every verdict; name it in this test and in the list of dependencies, or do without",
						dep.ImportPath)
				}
			}
		})
	}
}

// importers names the verifier's way into a package that it should not have.
func importers(t *testing.T, p platform, dep string) string {
	t.Helper()
	var names []string
	for _, q := range list(t, p, true, "./verifier/...") {
		if slices.Contains(q.Imports, dep) {
			names = append(names, q.ImportPath)
		}
	}
	return "imported by " + strings.Join(names, ", ")
}

func TestVerifierKnowsNothingAboveIt(t *testing.T) {
	t.Parallel()
	for _, p := range product(t) {
		if !under(p.rel(), "verifier") {
			continue
		}
		allowed, known := siblings[p.rel()]
		if !known && !strings.HasPrefix(p.rel(), "verifier/internal/") {
			t.Errorf("%s is not in the table of this test: say there which of its siblings it may import", p.rel())
		}
		for _, imp := range p.Imports {
			switch rel := strings.TrimPrefix(imp, module+"/"); {
			case slices.Contains(forbiddenFloorDirect, imp):
				t.Errorf("%s imports %s: the ground floor takes bytes, an io/fs.FS and a time from its caller, and reads JSON by one strict decoder", p.rel(), imp)
			case !ours(imp):
			case !under(rel, "verifier"):
				t.Errorf("%s imports %s: verifier is the ground floor; who checks must not depend on who claims", p.rel(), rel)
			case !slices.Contains(allowed, rel) && !slices.Contains(allowed, "*"):
				t.Errorf("%s imports %s: its formats stand by themselves, so that one can be read, tested and reimplemented without the others", p.rel(), rel)
			}
		}
	}
}

func TestProtoStaysAtTheTransport(t *testing.T) {
	t.Parallel()
	for _, p := range product(t) {
		if under(p.rel(), "proto", "registry/rpc", "registry/client") {
			continue
		}
		for _, imp := range slices.Concat(p.Imports, p.TestImports, p.XTestImports) {
			if under(imp, module+"/proto") {
				t.Errorf("%s imports %s: protobuf is one transport of the registry; its types end at registry/rpc and registry/client", p.rel(), imp)
			}
		}
	}
}

// transports are what the parts that remember must not know.
var transports = []string{"net/http", "net/rpc", "google.golang.org/grpc", "google.golang.org/protobuf"}

// memories are the parts of the registry that remember. registry.go joins them.
var memories = []string{"registry/tlog", "registry/index", "registry/state", "registry/blob"}

func TestMemoriesKnowNoTransportAndNotEachOther(t *testing.T) {
	t.Parallel()
	for _, p := range product(t) {
		home := slices.IndexFunc(memories, func(m string) bool { return under(p.rel(), m) })
		if home < 0 {
			continue
		}
		for _, imp := range p.Imports {
			rel := strings.TrimPrefix(imp, module+"/")
			switch {
			case under(imp, transports...):
				t.Errorf("%s imports %s: storage that knows its transport can't be tested, rebuilt or audited without it", p.rel(), imp)
			case ours(imp) && !under(rel, memories[home], "verifier"):
				t.Errorf("%s imports %s: the log, the index, the state and the blobs are joined in registry.go and nowhere else", p.rel(), rel)
			}
		}
	}
	// Drivers bring whole engines along, so only what the registry itself is built on answers for all below it.
	var cores []string
	for _, p := range product(t) {
		if slices.Contains(memories, p.rel()) {
			cores = append(cores, p.ImportPath)
		}
	}
	if len(cores) == 0 {
		return
	}
	for _, dep := range list(t, linux, true, cores...) {
		if under(dep.ImportPath, transports...) {
			t.Errorf("the packages %s depend on %s: only a driver may bring a transport along", strings.Join(cores, ", "), dep.ImportPath)
		}
	}
}

func TestFacesSeeTheRegistryOnly(t *testing.T) {
	t.Parallel()
	for _, p := range product(t) {
		if !under(p.rel(), "registry/rpc", "registry/web") {
			continue
		}
		face := strings.Join(strings.Split(p.rel(), "/")[:2], "/")
		seen := []string{face}
		if face == "registry/web" {
			seen = append(seen, "registry/tlog") // it serves the tiles, and tlog.Reader is the view of them
		}
		for _, imp := range p.Imports {
			rel := strings.TrimPrefix(imp, module+"/")
			if under(rel, "registry") && ours(imp) && rel != "registry" && !under(rel, seen...) {
				t.Errorf("%s imports %s: a face of the registry sees *registry.Registry alone, so that every face gives the same answers", p.rel(), rel)
			}
		}
	}
}

// drivers are the packages that bring an engine or a database along, and who
// may choose one: the server, and the load generator that compares them.
var (
	drivers  = []string{"registry/tlog/tessera", "registry/tlog/trillian", "registry/index/sqlite", "registry/index/postgres"}
	choosers = []string{"cmd/hallmarkd", "cmd/hallmark-bench"}
)

// engines are the modules of others that stand behind one package of ours.
var engines = map[string]string{
	"github.com/transparency-dev/tessera/storage": "registry/tlog/tessera",
	"github.com/google/trillian":                  "registry/tlog/trillian",
	"modernc.org/sqlite":                          "registry/index/sqlite",
	"github.com/jackc/pgx":                        "registry/index/postgres",
	"github.com/ethereum/go-ethereum":             "registry/token/evm",
}

func TestEnginesAreChosenInOnePlace(t *testing.T) {
	t.Parallel()
	for _, p := range product(t) {
		for _, imp := range p.Imports {
			rel := strings.TrimPrefix(imp, module+"/")
			if under(rel, drivers...) && !under(p.rel(), drivers...) && !under(p.rel(), choosers...) {
				t.Errorf("%s imports %s: which engine a log runs on is wiring, and wiring is done in %s", p.rel(), rel, choosers[0])
			}
			for engine, home := range engines {
				if under(imp, engine) && !under(p.rel(), home) {
					t.Errorf("%s imports %s: it belongs behind %s, so that an engine can be replaced without reading the rest", p.rel(), imp, home)
				}
			}
		}
	}
}
