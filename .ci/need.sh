#!/usr/bin/env bash
# need.sh COMMAND...: make sure that these commands are there. As root on a
# Debian machine it installs what is missing, elsewhere it says so in one line.
set -euo pipefail

missing=()
for command in "$@"; do
	command -v "$command" >/dev/null || missing+=("$command")
done
((${#missing[@]})) || exit 0

# A command is in the Debian package of its name, save that compiling takes the
# C library's headers too.
packages=("${missing[@]/#gcc/gcc libc6-dev}")

if [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null; then
	echo "== installing ${packages[*]}"
	export DEBIAN_FRONTEND=noninteractive
	apt-get update -qq >/dev/null
	# shellcheck disable=SC2068 # a package list is split at its spaces
	apt-get install -qq -y --no-install-recommends ${packages[@]} >/dev/null
else
	echo "missing: ${missing[*]} (on Debian: apt-get install ${packages[*]})" >&2
	exit 1
fi
