package docs_test

import (
	"io/fs"
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/hallmark-registry/hallmark/registry/docs"
)

// pages returns the text of every page by path, without its blocks of code.
func pages(t *testing.T) map[string]string {
	t.Helper()
	block := regexp.MustCompile("(?ms)^```.*?^```$")
	all := make(map[string]string)
	err := fs.WalkDir(docs.FS, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(docs.FS, p)
		all[p] = block.ReplaceAllString(string(text), "")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if all["index.md"] == "" {
		t.Fatal("no index.md")
	}
	return all
}

// A link's target is what stands in its parentheses: a page, an anchor, or both.
var link = regexp.MustCompile(`\]\(([^)\s]+)\)`)

// targets returns the relative links of a page, as paths from the top, and
// their anchors.
func targets(page, text string) (links [][2]string) {
	for _, m := range link.FindAllStringSubmatch(text, -1) {
		if strings.Contains(m[1], "://") || strings.HasPrefix(m[1], "mailto:") {
			continue
		}
		to, anchor, _ := strings.Cut(m[1], "#")
		if to == "" {
			to = path.Base(page)
		}
		links = append(links, [2]string{path.Join(path.Dir(page), to), anchor})
	}
	return links
}

func TestEveryRelativeLinkResolves(t *testing.T) {
	all := pages(t)
	for page, text := range all {
		for _, l := range targets(page, text) {
			target, ok := all[l[0]]
			switch {
			case !ok:
				t.Errorf("%s links to %s: no such page (what is not in this folder has no link: a server has no repository beside it)", page, l[0])
			case l[1] != "" && !anchors(target)[l[1]]:
				t.Errorf("%s links to %s#%s: no such heading", page, l[0], l[1])
			}
		}
	}
}

// anchors returns those of a page's headings, as GitHub makes them.
func anchors(text string) map[string]bool {
	found := make(map[string]bool)
	dropped := regexp.MustCompile(`[^\p{L}\p{N}\- _]`)
	for line := range strings.Lines(text) {
		if title := strings.TrimLeft(line, "#"); title != line && strings.HasPrefix(title, " ") {
			title = dropped.ReplaceAllString(strings.ToLower(strings.TrimSpace(title)), "")
			found[strings.ReplaceAll(title, " ", "-")] = true
		}
	}
	return found
}

func TestEveryPageCanBeReached(t *testing.T) {
	all := pages(t)
	reached := map[string]bool{"index.md": true}
	for queue := []string{"index.md"}; len(queue) > 0; queue = queue[1:] {
		for _, l := range targets(queue[0], all[queue[0]]) {
			if !reached[l[0]] {
				reached[l[0]] = true
				queue = append(queue, l[0])
			}
		}
	}
	for page := range all {
		if !reached[page] {
			t.Errorf("%s: no chain of links leads there from index.md", page)
		}
	}
}

func TestEveryPageBeginsWithItsTitle(t *testing.T) {
	for page, text := range pages(t) {
		if !strings.HasPrefix(text, "# ") || strings.Count("\n"+text, "\n# ") != 1 {
			t.Errorf("%s: want one first-level heading, as the first line", page)
		}
	}
}
