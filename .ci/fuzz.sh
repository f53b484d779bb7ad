#!/usr/bin/env bash
# fuzz.sh TIME: fuzz every target of the module for TIME (a Go duration), two at
# once on a machine with two cores or more. Targets are found by their names, so
# a new one needs no list.
set -euo pipefail
time=$1
log=.tmp/tests
mkdir -p .tmp/fuzz

# fuzz FOLDER TARGET runs one target. What it finds is kept by Go in
# testdata/fuzz of the package: commit it with the repair.
fuzz() {
	local folder=$1 target=$2
	local out=".tmp/fuzz/${folder//\//-}-$target"
	# A worker of one process a target: the other core has the other target. An
	# input is shrunk for 5 s at most, or one find takes up the time of ten targets.
	if go test -run='^$' -fuzz="^$target\$" -fuzztime="$time" -fuzzminimizetime=5s -parallel=1 "./$folder" >"$out" 2>&1; then
		echo "ok   $folder $target: $(grep -o 'execs: [0-9]*' "$out" | tail -1)"
	elif grep -q 'context deadline exceeded' "$out" && ! grep -q -e 'Failing input' -e panic "$out"; then
		# Go before 1.27 sometimes takes the end of the fuzzing time for a failure of
		# the target (https://go.dev/issue/75804). Nothing was found.
		echo "ok   $folder $target: $(grep -o 'execs: [0-9]*' "$out" | tail -1)"
	else
		echo "FAIL $folder $target"
		cat "$out"
		return 1
	fi
}
export -f fuzz
export time

targets=$(grep -ro --include='*_test.go' '^func Fuzz[A-Za-z0-9_]*' cmd proto registry verifier |
	sed -E 's|/[^/]*:func | |' | sort)
jobs=$(($(nproc) >= 2 ? 2 : 1))
xargs -P "$jobs" -L 1 bash -c 'fuzz "$0" "$1"' <<<"$targets"
line="fuzz targets, $time each: $(wc -l <<<"$targets") passed"
echo "$line"
mkdir -p "$(dirname $log)"
echo "$line" >>$log
