#!/usr/bin/env bash
# gotest.sh NAME ARGUMENT...   go test -v ARGUMENT..., but one line a package,
#                              and all of its output only where it failed
# gotest.sh --sum              how many tests ran since .tmp/tests was removed
#
# Skipped tests are listed with their reason: a skipped test is not a passed one.
set -euo pipefail
log=.tmp/tests

if [[ $1 == --sum ]]; then
	echo "== passed"
	cat $log
	exit
fi

name=$1
shift
mkdir -p "$(dirname $log)"

# No result comes from the cache: the house tests ask go list and git, which the
# cache does not see. The time limit is far above what the slowest package needs
# on two busy cores.
${GO:-go} test -v -count=1 -timeout=20m "$@" 2>&1 | awk -v name="$name" -v log_="$log" '
	/^ *--- PASS: / { passed++; here++ }
	/^ *--- FAIL: / { failed++ }
	/^ *--- SKIP: / { skipped++; skip = 3 }
	skip > 0        { skips = skips $0 "\n"; skip-- }
	/^=== /         { skip = 0 }
	!/^=== (RUN|PAUSE)|^ *--- PASS: / { out = out $0 "\n" }

	# The last line of a package decides what of it is shown.
	/^ok  \t/       { printf "%s%s\t%d passed\n", skips, $0, here; flush() }
	/^\?   \t/      { flush() }
	/^\t.*coverage: / { flush() }
	/^FAIL\t/       { printf "%s", out; packages_failed++; flush() }
	function flush() { out = ""; skips = ""; skip = 0; here = 0 }

	END {
		printf "%s", out
		line = sprintf("%s: %d passed, %d skipped", name, passed, skipped)
		if (failed || packages_failed) {
			printf "%s, %d failed in %d packages\n", line, failed, packages_failed
			exit 1
		}
		print line
		print line >> log_
	}'
