package cyclonedx_test

import (
	"os/exec"
	"testing"
)

// TestAgainstOthers holds the golden BOMs against the published schema and a
// library of CycloneDX's own. They are another module's, which it needs.
func TestAgainstOthers(t *testing.T) {
	if out, err := exec.Command("go", "-C", "testdata/judge", "mod", "download").CombinedOutput(); err != nil {
		t.Skipf("NOT TESTED against the schema of CycloneDX, whose module is not at hand: %v\n%s", err, out)
	}
	if out, err := exec.Command("go", "-C", "testdata/judge", "test", "-count=1", ".").CombinedOutput(); err != nil {
		t.Errorf("go -C testdata/judge test: %v\n%s", err, out)
	}
}
