// Package docs carries Hallmark's documentation inside the program, so that a
// server explains exactly the version that it runs. There are four kinds of
// page, each answering one kind of question (https://diataxis.fr):
//
//	tutorial/      take me through it once
//	how-to/        I know what I want; which steps?
//	reference/     what precisely does this do?
//	explanation/   why is it made like this?
//
// Pages are Markdown as GitHub reads it. They link to each other by relative
// path and to nothing else in the repository: a page must read the same in the
// repository and from a server that has no repository.
package docs

import "embed"

// FS holds all pages. The first is index.md.
//
//go:embed *.md */*.md
var FS embed.FS
