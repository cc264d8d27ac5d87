"""A server on a data folder of its own, with users, a project and real files in its inbox."""

import io
import shutil
import subprocess
import time
import zipfile
from pathlib import Path

import pydicom

from served import DEADLINE, Served

ROOT = Path(__file__).resolve().parent.parent.parent
FILES = ROOT / "target/real-files/pydicom/pydicom/data/test_files"
PASSWORD = "a longer password"

# What a study is of: uncompressed CT, uncompressed and compressed MR, and others.
STUDIES = {
    "CT1": ["CT_small.dcm"],
    "MR1": ["MR_small.dcm"],
    "RLE1": ["MR_small_RLE.dcm"],
    "MULTI": ["dicomdirtests/98892003/MR700/4467", "dicomdirtests/98892003/MR700/4528",
              "dicomdirtests/98892003/MR700/4558"],
    "NM1": ["JPEG2000.dcm"],
    "RT1": ["rtdose.dcm"],
}


class Site(Served):
    """Serves `data`, which is made anew, while the `with` block runs."""

    def __init__(self, binary, data):
        super().__init__(binary, data, PASSWORD)
        self.checks = 0

    def __enter__(self):
        super().__enter__()
        self.command("project", "create", "P")
        self.command("project", "create", "Q")
        self.command("user", "add", "ada", "--password-stdin")
        for project in ("P", "Q"):
            self.command("project", "grant", project, "ada", "owner")
        return self

    def command(self, *arguments):
        done = subprocess.run([self.binary, *arguments, "--data", str(self.data)], input=PASSWORD + "\n",
                              capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{arguments}: {done.stderr}")

    def fill(self, study):
        """Puts a study into the project's inbox; returns its folder and the original data sets by SOP instance."""
        folder = self.data / "inbox" / "P" / study
        folder.mkdir(parents=True, exist_ok=True)
        for number, name in enumerate(STUDIES[study]):
            shutil.copy(FILES / name, folder / f"{number}.dcm")
        return folder, datasets(path.read_bytes() for path in folder.iterdir())

    def check(self, found, wanted, what):
        if found != wanted:
            raise AssertionError(f"{what}: {found!r}, not {wanted!r}")
        self.checks += 1

    def check_zip(self, path, originals):
        """A downloaded session holds the files that were imported, pixel for pixel."""
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            found = datasets(archive.read(name) for name in names)
        self.check(all("/files/" in name for name in names), True, "names in the zip have a files/ step")
        self.check_datasets(found, originals)

    def check_datasets(self, found, originals):
        self.check(sorted(found), sorted(originals), "SOP instances")
        for uid, original in originals.items():
            self.check(found[uid].file_meta.TransferSyntaxUID, original.file_meta.TransferSyntaxUID, "transfer syntax")
            self.check(found[uid].PixelData == original.PixelData, True, f"pixels of {uid}")


def datasets(contents):
    read = [pydicom.dcmread(io.BytesIO(content)) for content in contents]
    return {dataset.SOPInstanceUID: dataset for dataset in read}


def wait_until(what, of):
    """Calls `of` until it answers something that is true, which is returned."""
    started = time.monotonic()
    while time.monotonic() - started < DEADLINE:
        answer = of()
        if answer:
            return answer
        time.sleep(0.05)
    raise RuntimeError(f"{what}: not after {DEADLINE} s")
