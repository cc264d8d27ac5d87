#!/usr/bin/env bash
# Installs what the bench measures beside Sluice: Debian's gdcm, dcmtk and Orthanc, and from PyPI what
# benches/rivals.txt names. Nothing else needs them, and the bench leaves out what is not there.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    missing=()
    command -v gdcmanon >/dev/null || missing+=(libgdcm-tools)
    command -v dcmodify >/dev/null || missing+=(dcmtk)
    command -v Orthanc >/dev/null || missing+=(orthanc)
    if [ ${#missing[@]} -gt 0 ]; then
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${missing[@]}" >/dev/null
    fi
fi
if ! cmp -s benches/rivals.txt target/rivals-venv/installed.txt; then
    python3 -m venv --clear target/rivals-venv
    target/rivals-venv/bin/pip install --quiet --disable-pip-version-check -r benches/rivals.txt
    cp benches/rivals.txt target/rivals-venv/installed.txt
fi
