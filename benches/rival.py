"""Has another program do to a folder of DICOM files the nearest that it can to an import.

usage: rival.py NAME FROM TO
Exit status 3: the program is not on this machine.
"""

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

ABSENT = 3
# Of the seven that all can set: identifiers whose new values are fixed.
EDITS = {"0010,0010": "S1", "0010,0020": "S1_1", "0010,0030": "19000101", "0008,0050": "", "0008,0080": "",
         "0008,0090": "", "0008,1030": "BENCH"}


def program(name):
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin")
    if not path:
        sys.exit(ABSENT)
    return path


def files_of(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


def quietly(*command):
    subprocess.run(list(map(str, command)), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def copy(source, target):
    """A copy and nothing else, in as many processes as there are cores: what plain tools reach."""
    folder_to_files = {}
    for path in files_of(source):
        folder_to_files.setdefault(path.parent, []).append(path)
    shares = []
    for folder, paths in folder_to_files.items():
        to = target / folder.relative_to(source)
        to.mkdir(parents=True)
        shares += [(to, paths[at:at + 250]) for at in range(0, len(paths), 250)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(lambda share: quietly("cp", "--reflink=never", "-t", share[0], *share[1]), shares))


def gdcmanon(source, target):
    """Seven fixed edits, in one process."""
    options = []
    for tag, value in EDITS.items():
        options += ["--replace", f"{tag}={value}"] if value else ["--empty", tag]
    quietly(program("gdcmanon"), "--dumb", "-r", "--continue", "-i", source, "-o", target, *options)


def dcmodify(source, target):
    """Seven fixed edits of a copy, in as many processes as there are cores."""
    tool = program("dcmodify")
    shutil.copytree(source, target)
    options = [word for tag, value in EDITS.items() for word in ("-m", f"({tag})={value}")]
    paths = files_of(target)
    cores = os.cpu_count()
    with ThreadPoolExecutor(cores) as pool:
        share = [paths[at:at + 200] for at in range(0, len(paths), 200)]
        list(pool.map(lambda some: quietly(tool, "-nb", "-imt", *options, *some), share))


def dcmanon(source, target):
    """The standard's defaults as it has them, in as many processes as there are cores."""
    try:
        import dcmanon as _  # noqa: F401
    except ImportError:
        sys.exit(ABSENT)
    pairs = [(path, target / path.relative_to(source)) for path in files_of(source)]
    for folder in {to.parent for _, to in pairs}:
        folder.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(dcmanon_one, pairs, chunksize=50))


def dcmanon_one(pair):
    from dcmanon import Anonymizer
    source, target = pair
    target.write_bytes(Anonymizer().anonymize(str(source)))


def dicom_anonymizer(source, target):
    """Its profile of the standard."""
    tool = Path(sys.executable).with_name("dicom-anonymizer")
    if not tool.exists():
        sys.exit(ABSENT)
    # It takes folders without folders in them.
    for folder in sorted({path.parent for path in files_of(source)}):
        to = target / folder.relative_to(source)
        to.mkdir(parents=True)
        quietly(tool, folder, to)


def dicognito(source, target):
    """What it takes for identifying."""
    try:
        import dicognito as _  # noqa: F401
    except ImportError:
        sys.exit(ABSENT)
    quietly(sys.executable, "-m", "dicognito", "--quiet", "-o", target, source)


def orthanc(source, target):
    """Uploads as they are, over as many connections as there are cores; no anonymization."""
    tool = program("Orthanc")
    target.mkdir(parents=True)
    settings = {"StorageDirectory": str(target / "store"), "IndexDirectory": str(target / "index"),
                "HttpPort": 18042, "DicomServerEnabled": False, "RemoteAccessAllowed": False,
                "AuthenticationEnabled": False, "Plugins": []}
    (target / "orthanc.json").write_text(json.dumps(settings))
    server = subprocess.Popen([tool, str(target / "orthanc.json")], stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL)
    try:
        url = "http://127.0.0.1:18042/instances"
        for _ in range(600):
            try:
                urllib.request.urlopen(url).close()
                break
            except urllib.error.URLError:
                time.sleep(0.05)

        def upload(path):
            urllib.request.urlopen(urllib.request.Request(url, data=path.read_bytes(), method="POST")).read()

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(upload, files_of(source)))
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    name, source, target = sys.argv[1:]
    globals()[name](Path(source), Path(target))
