#!/usr/bin/env bash
# Installs Canaille, the second SCIM server of the tests, into the tests' cache folder, by hash.
#
# It needs an older scim2-models than scim2-server does, so it has a virtual environment of its own.
# Quick when the lock file has not changed. Called by install_peers.sh; PYTHON names the interpreter.
set -euo pipefail

LOCK="$(cd "$(dirname "$0")/../.." && pwd)/requirements/canaille.lock"
FOLDER="${XDG_CACHE_HOME:-$HOME/.cache}/deprovisioner-tests/canaille"
PYTHON="${PYTHON:-$(cd "$(dirname "$0")/../.." && pwd)/.venv/bin/python}"

if cmp -s "$LOCK" "$FOLDER/installed.lock"; then exit 0; fi
echo "installing for the tests: canaille"
rm -rf "$FOLDER"
mkdir -p "$(dirname "$FOLDER")"
"$PYTHON" -m venv "$FOLDER"
"$FOLDER/bin/python" -m pip --disable-pip-version-check --no-input --quiet \
  install --require-hashes -r "$LOCK"
cp "$LOCK" "$FOLDER/installed.lock"
