#!/bin/sh
# Makes the virtual environment .venv, or brings it up to date; `make` calls it when the stamp is missing.
#
#   tools/setup.sh STAMP
#
# STAMP is the file to leave behind on success; its name holds the hash of everything that decides the
# content of the environment. Safe to call twice at the same time: one call works, the other waits.
set -eu

stamp=$1
venv=${stamp%/*}
pins=requirements/dev.txt

find_python() {
  # Debian's bare python3 has no ensurepip, and a pyenv shim may stand for nothing: so each is tried.
  for name in python3.13 python3.12 python3.11 python3; do
    if "$name" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
      echo "$name"
      return
    fi
  done
  echo "setup: no Python >= 3.11 with its venv module found (on Debian: apt-get install python3-venv)" >&2
  return 1
}

mkdir -p build
if command -v flock >/dev/null 2>&1; then
  exec 9>build/setup.lock
  flock 9
fi
if [ -e "$stamp" ]; then
  exit 0
fi

# A user's pip settings may ask for things that make no sense in a virtual environment.
export PIP_USER=0 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1
began=$(date +%s)
if ! cmp -s "$pins" "$venv/pins.txt" || ! "$venv/bin/python" -c '' 2>/dev/null; then
  python=$(find_python)
  echo "setup: $venv with $("$python" --version 2>&1)" >&2
  "$python" -m venv --clear "$venv"
  echo "setup: installing $(grep -c '^[a-z].*==' "$pins") packages, about a minute" >&2
  "$venv/bin/python" -m pip install --quiet --require-hashes --requirement "$pins"
  cp "$pins" "$venv/pins.txt"
fi
"$venv/bin/python" -m pip install --quiet --no-deps --no-build-isolation --editable .
rm -f "$venv"/stamp-*
: >"$stamp"
echo "setup: done after $(($(date +%s) - began)) s" >&2
