"""The real files, sorted into folders to import, and what is expected to become of each."""

import shutil
from collections import Counter
from pathlib import Path

import pydicom
from pydicom.errors import InvalidDicomError

ROOT = Path(__file__).resolve().parent.parent.parent
FILES = ROOT / "target" / "real-files"
COMPLETED = ROOT / "target" / "identity" / "completed"
UIDS = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
DICOMDIR = "1.2.840.10008.1.3.10"

# Files that pydicom opens, and that are refused all the same: the end of the path, the outcome, and why. All others that
# it opens and that hold the UIDs have to be stored.
REFUSED = {
    "rtplan_truncated.dcm": ("cut_short", "ends inside a value"),
    "MR_truncated.dcm": ("cut_short", "ends inside its pixels"),
    "DICOMDIR-nooffset": ("unreadable", "its last item ends behind the end of the file"),
}


class Folder:
    """Files that are imported together: no SOP instance occurs twice in it."""

    def __init__(self, name, root):
        self.name, self.root = name, root
        self.paths = []

    def fill(self, target):
        for path in self.paths:
            copy = target / path.relative_to(self.root)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)


def folders():
    """Each package, in as many layers as its most frequent SOP instance has files."""
    complete()
    roots = [path for path in sorted(FILES.iterdir()) if path.is_dir()]
    return [layer for root in [*roots, COMPLETED] for layer in layers(root)]


def layers(root):
    found, seen = [], Counter()
    for path in sorted(path for path in root.rglob("*") if path.is_file()):
        uid = None
        try:
            uid = pydicom.dcmread(path, stop_before_pixels=True).get("SOPInstanceUID")
        except Exception:
            pass
        at = seen[uid] if uid else 0
        seen[uid] += 1
        if at == len(found):
            found.append(Folder(f"{root.name.replace('.', '_')}_{at}", root))
        found[at].paths.append(path)
    return found


def expected(path):
    """The outcome that a file has to have where no rule is against it."""
    for end, (outcome, _) in REFUSED.items():
        if str(path).endswith(end):
            return outcome
    try:
        dataset = pydicom.dcmread(path, stop_before_pixels=True)
    except InvalidDicomError:
        return "not_dicom"
    if dataset.file_meta.get("MediaStorageSOPClassUID") == DICOMDIR:
        return "filtered"
    return "stored" if all(dataset.get(keyword) for keyword in UIDS) else "unreadable"


def complete():
    """Copies of the files that lack only UIDs or file meta information, with them: many are small and odd."""
    shutil.rmtree(COMPLETED, ignore_errors=True)
    COMPLETED.mkdir(parents=True)
    for number, path in enumerate(sorted(FILES.glob("*/**/*"))):
        if not path.is_file():
            continue
        try:
            dataset = pydicom.dcmread(path, force=True)
            missing = [keyword for keyword in UIDS if not dataset.get(keyword)]
            whole = not missing and dataset.preamble
            if whole or dataset.file_meta.get("MediaStorageSOPClassUID") == DICOMDIR:
                continue
            for keyword in missing:
                uid = f"1.2.826.0.1.3680043.10.1.{UIDS.index(keyword)}.{number}"
                setattr(dataset, keyword, SECONDARY_CAPTURE if keyword == "SOPClassUID" else uid)
            save(dataset, COMPLETED / path.name)
        except Exception:
            # What pydicom can't write is imported as it is, and no more.
            (COMPLETED / path.name).unlink(missing_ok=True)


def save(dataset, target):
    meta = dataset.file_meta
    if not meta.get("TransferSyntaxUID"):
        implicit, little = dataset.original_encoding
        meta.TransferSyntaxUID = (pydicom.uid.ImplicitVRLittleEndian if implicit else
                                  pydicom.uid.ExplicitVRLittleEndian if little else pydicom.uid.ExplicitVRBigEndian)
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.save_as(target, enforce_file_format=True)
