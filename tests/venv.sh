#!/usr/bin/env bash
# Makes a virtual environment with the packages of a requirements file, once for each state of that file.
#
# usage: venv.sh [folder [requirements]], by default target/venv and tests/requirements.txt
set -euo pipefail
cd "$(dirname "$0")/.."

venv=${1:-target/venv}
requirements=${2:-tests/requirements.txt}
if cmp -s "$requirements" "$venv/installed.txt"; then
    exit 0
fi

have_venv() {
    command -v python3 >/dev/null && python3 -c 'import ensurepip, venv' 2>/dev/null
}

# Debian splits venv off from python3.
if ! have_venv; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends python3 python3-venv >/dev/null
    fi
    have_venv || {
        echo "The tests need Python 3 with venv; on Debian: apt-get install python3-venv" >&2
        exit 1
    }
fi

rm -rf "$venv"
mkdir -p target
python3 -m venv "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check --require-hashes -r "$requirements"
cp "$requirements" "$venv/installed.txt"
