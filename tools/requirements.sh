#!/bin/sh
# Writes requirements/*.txt from pyproject.toml: versions and hashes, no index addresses.
#
#   tools/requirements.sh [--upgrade]
#
# Runs on the lowest Python that is supported, so that what only that version needs is pinned as well.
# Known versions are kept unless --upgrade is given.
set -eu

venv=build/pip-tools
echo "requirements: installing pip-tools" >&2
python3.11 -m venv --clear "$venv"
pins=requirements/pip-tools.txt
if [ -e "$pins" ]; then
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes --requirement "$pins"
else
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "${pins%.txt}.in"
fi

# Wheels that only this machine has must not leave their hashes in the pins.
unset PIP_FIND_LINKS
export CUSTOM_COMPILE_COMMAND="make requirements"

compile() {
  echo "requirements: $1, about a minute" >&2
  output=requirements/$1
  shift
  "$venv/bin/pip-compile" --quiet --no-config --generate-hashes --strip-extras \
    --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-emit-options \
    --output-file "$output" "$@"
}

compile pip-tools.txt --allow-unsafe "$@" requirements/pip-tools.in
# The dev extra names the project itself; counting it as unsafe leaves it out of its own pins.
compile dev.txt --extra dev --build-deps-for editable --unsafe-package vault-secrets-operator "$@" pyproject.toml
compile base.txt --constraint requirements/dev.txt pyproject.toml
compile ldap.txt "$@" requirements/ldap.in
compile cloud.txt --constraint requirements/dev.txt --extra aws --extra azure --extra gcp pyproject.toml

if grep -nE '://|--(index-url|extra-index-url|find-links|trusted-host)' requirements/*.txt; then
  echo "requirements: the lines above name a place; pins must be names, versions and hashes only" >&2
  exit 1
fi
