#!/bin/sh
# Generates the Go code of the API, or checks it.
#
#   generate.sh              write the generated code
#   generate.sh lint         lint the definitions
#   generate.sh check        lint, and fail unless the committed code is what
#                            the definitions generate
#   generate.sh breaking     compare with the last release's definitions
#
# Needs go and npm. The first run installs the pinned tools under .tools.
set -eu

tools=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$tools")
buf=$tools/node_modules/.bin/buf

# install puts the pinned buf in place. "npm ci" would want lock entries for
# every platform that buf is built for; "install" checks those that are there.
install() {
	want=$(sed -n 's/.*"@bufbuild\/buf": "\(.*\)".*/\1/p' "$tools/package.json")
	if [ -x "$buf" ] && [ "$("$buf" --version)" = "$want" ]; then
		return
	fi
	if ! command -v npm >/dev/null; then
		echo "generate.sh: npm is missing; it installs buf $want" >&2
		exit 1
	fi
	(cd "$tools" && npm install --no-save --no-audit --no-fund --silent)
}

generate() { # generate [DIR]: into DIR, or beside the definitions
	(cd "$root/proto" && "$buf" generate --output "${1:-.}")
}

lint() {
	(cd "$root/proto" && "$buf" lint && "$buf" format --diff --exit-code)
}

check() {
	lint
	fresh=$(mktemp -d)
	trap 'rm -rf "$fresh"' EXIT
	generate "$fresh"
	status=0
	for f in $(cd "$fresh" && find . -name '*.go'); do
		cmp -s "$fresh/$f" "$root/proto/$f" || { echo "proto/$f differs from its definition: run .tools/generate.sh" >&2; status=1; }
	done
	for f in $(cd "$root/proto" && find . -name '*.pb.go'); do
		[ -e "$fresh/$f" ] || { echo "proto/$f has no definition: delete it" >&2; status=1; }
	done
	if [ -n "$(git -C "$root" ls-files --others --exclude-standard -- proto)" ]; then
		echo "proto has files that are not in git:" >&2
		git -C "$root" ls-files --others --exclude-standard -- proto >&2
		status=1
	fi
	return $status
}

# breaking compares with the newest tag below HEAD. Before the first release
# there is nobody to break.
breaking() {
	release=$(git -C "$root" describe --tags --abbrev=0 --match 'v*' 2>/dev/null || true)
	if [ -z "$release" ]; then
		echo "generate.sh: no release to compare with yet" >&2
		return
	fi
	(cd "$root/proto" && "$buf" breaking --against "$root/.git#tag=$release,subdir=proto")
}

install
case ${1:-generate} in
generate) generate ;;
lint) lint ;;
check) check ;;
breaking) breaking ;;
*)
	echo "usage: generate.sh [generate|lint|check|breaking]" >&2
	exit 2
	;;
esac
