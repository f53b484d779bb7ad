package croissant

import (
	"fmt"
	"net/url"
	"path"
	"regexp"
	"strings"
)

// A LicenseError says that a document's licence has no form in SPDX that this
// package knows, or that there is not exactly one.
type LicenseError struct{ Licenses []string }

func (e *LicenseError) Error() string {
	if len(e.Licenses) == 0 {
		return "the document names no licence"
	}
	return fmt.Sprintf("the document's licence %q has no one form in SPDX", e.Licenses)
}

// License returns the document's licence as an SPDX expression, or a
// *LicenseError. The case of an identifier stays as it was written: SPDX
// compares without it.
func (d *Document) License() (string, error) {
	if len(d.Licenses) == 1 {
		if spdx := spdxOf(d.Licenses[0]); spdx != "" {
			return spdx, nil
		}
	}
	return "", &LicenseError{d.Licenses}
}

var (
	expression = regexp.MustCompile(`^[A-Za-z0-9.+-]+( (AND|OR|WITH) [A-Za-z0-9.+-]+)*$`)
	identifier = regexp.MustCompile(`^[A-Za-z0-9.-]+$`)
	commons    = regexp.MustCompile(`^/licenses/(by|by-sa|by-nc|by-nd|by-nc-sa|by-nc-nd)/([0-9]\.[0-9])(/.*)?$`)
)

// spdxOf reads an expression, or the address of a licence that is known by it.
func spdxOf(license string) string {
	if !strings.Contains(license, "://") {
		if expression.MatchString(license) {
			return license
		}
		return ""
	}
	u, err := url.Parse(license)
	if err != nil {
		return ""
	}
	folder, last := path.Split(path.Clean(u.Path))
	for _, suffix := range []string{".html", ".json", ".txt"} {
		last = strings.TrimSuffix(last, suffix)
	}
	switch host := strings.TrimPrefix(u.Host, "www."); {
	case host == "creativecommons.org" && commons.MatchString(u.Path):
		m := commons.FindStringSubmatch(u.Path)
		return "CC-" + strings.ToUpper(m[1]) + "-" + m[2]
	case host == "creativecommons.org" && strings.HasPrefix(u.Path, "/publicdomain/zero/1.0"):
		return "CC0-1.0"
	case host == "apache.org" && last == "LICENSE-2.0":
		return "Apache-2.0"
	case (host == "spdx.org" || host == "choosealicense.com" || host == "opensource.org") &&
		(folder == "/licenses/" || folder == "/license/") && identifier.MatchString(last):
		return last
	}
	return ""
}
