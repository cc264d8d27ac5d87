#!/usr/bin/env python3
"""Drives the built binary with XNAT's own clients, xnatpy and pyxnat, as their users do.

usage: main.py [binary]
Needs target/real-files (tests/real_files.py). Each client gets a server on a data folder of its own, with projects and
users made by the command line, and real files in the inbox.
"""

import sys
import warnings
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import with_pyxnat  # noqa: E402
import with_xnatpy  # noqa: E402
from server import Site  # noqa: E402


def main():
    warnings.simplefilter("ignore")
    binary = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "target/release/sluice").resolve()
    for name, client in [("xnatpy", with_xnatpy), ("pyxnat", with_pyxnat)]:
        with Site(binary, ROOT / "target" / "clients" / name) as site:
            checks = client.run(site)
        print(f"{name}: {checks} checks hold", flush=True)


if __name__ == "__main__":
    main()
