package house

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"strconv"
	"strings"
	"testing"
)

// edges are calls that only a program's wiring may make, and why.
var edges = map[string]string{
	"os.Exit":     "a package that exits skips its caller's drain; return an error and let main decide",
	"log.Fatal":   "a package that exits skips its caller's drain; return an error and let main decide",
	"log.Fatalf":  "a package that exits skips its caller's drain; return an error and let main decide",
	"log.Fatalln": "a package that exits skips its caller's drain; return an error and let main decide",
	"time.Now":    "a clock is an input: verifier takes a time from its caller, any other package reads one variable `var now = time.Now`, which its test replaces",
	"time.Since":  "it reads the clock; subtract from what the package's clock variable says",
	"time.Until":  "it reads the clock; subtract from what the package's clock variable says",
}

func TestExitsAndClocksStandAtTheEdge(t *testing.T) {
	t.Parallel()
	clocks := make(map[string]string) // by package folder, where its clock stands
	for file, src := range committedGo(t) {
		if under(file, "cmd") || strings.HasSuffix(file, "_test.go") || strings.Contains(file, "/testdata/") {
			continue // a program under testdata is a judge of its own, linked by nobody
		}
		set := token.NewFileSet()
		f, err := parser.ParseFile(set, file, src, parser.SkipObjectResolution)
		if err != nil {
			t.Error(err)
			continue
		}
		clock := clockVariable(f)
		for _, use := range edgeUses(f) {
			at := set.Position(use.expr.Pos()).String()
			if use.expr != clock || under(file, "verifier") {
				t.Errorf("%s: %s stands outside cmd: %s", at, use.name, edges[use.name])
				continue
			}
			if other := clocks[path.Dir(file)]; other != "" {
				t.Errorf("%s: a second clock variable beside %s: a test that replaces one would miss the other", at, other)
			}
			clocks[path.Dir(file)] = at
		}
	}
}

// clockVariable returns the value of a `var name = time.Now` at package level.
func clockVariable(f *ast.File) ast.Expr {
	for _, d := range f.Decls {
		decl, ok := d.(*ast.GenDecl)
		if !ok || decl.Tok != token.VAR {
			continue
		}
		for _, s := range decl.Specs {
			if spec := s.(*ast.ValueSpec); len(spec.Values) == 1 {
				if sel, ok := spec.Values[0].(*ast.SelectorExpr); ok && sel.Sel.Name == "Now" {
					return sel
				}
			}
		}
	}
	return nil
}

type edgeUse struct {
	name string
	expr ast.Expr
}

// edgeUses finds every mention of an edge, called or not, under whatever name
// its package is imported.
func edgeUses(f *ast.File) []edgeUse {
	imported := make(map[string]string) // local name -> import path
	for _, imp := range f.Imports {
		p, err := strconv.Unquote(imp.Path.Value)
		if err != nil {
			continue // the parser has refused such a file already
		}
		local := path.Base(p)
		if imp.Name != nil {
			local = imp.Name.Name
		}
		imported[local] = p
	}
	var uses []edgeUse
	ast.Inspect(f, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if x, ok := sel.X.(*ast.Ident); ok {
			if name := imported[x.Name] + "." + sel.Sel.Name; edges[name] != "" {
				uses = append(uses, edgeUse{name, sel})
			}
		}
		return true
	})
	return uses
}
