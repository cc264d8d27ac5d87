#!/usr/bin/env python3
"""Tests check_untouched.py on real files that pydicom itself copied, with one element edited or none."""

import json
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import pydicom

HERE = Path(__file__).resolve().parent
REAL = HERE.parent / "target" / "real-files"


def check(original, imported, mapping, *allowed):
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(mapping, file)
        file.flush()
        run = subprocess.run(
            [sys.executable, HERE / "check_untouched.py", original, imported, file.name, *allowed],
            stdout=subprocess.PIPE, text=True)
    return run.returncode, run.stdout


def edited(source, target, edit):
    dataset = pydicom.dcmread(source)
    edit(dataset)
    dataset.save_as(target)


def nested(dataset):
    dataset.ReferencedImageSequence[0].ReferencedSOPInstanceUID = "1.2.3"


def main():
    warnings.simplefilter("ignore")
    name = "CT_small.dcm"
    folder = REAL / "pydicom/pydicom/data/test_files"
    siemens = REAL / "nibabel/nibabel/nicom/tests/data"
    cases = [
        # (folder, file, edit, allowed, passes, what the text holds)
        (folder, name, lambda d: None, [], True, ""),
        (folder, name, lambda d: setattr(d, "PatientName", "Other"), ["PatientName"], True, ""),
        (folder, name, lambda d: setattr(d, "PatientName", "Other"), ["(0010,XXXX)"], True, ""),
        (folder, name, lambda d: setattr(d, "PatientName", "Other"), [], False, "(0010,0010)"),
        (folder, name, lambda d: setattr(d, "PatientName", "Other"), ["PatientID"], False, "(0010,0010)"),
        (folder, name, lambda d: d.pop("PatientSex"), ["PatientName"], False, "(0010,0040) is gone"),
        (folder, name, lambda d: setattr(d, "PatientAddress", "1"), [], False, "(0010,1040) is new"),
        (folder, name, lambda d: d.__setitem__((0x43, 0x1029), pydicom.DataElement((0x43, 0x1029), "OB", b"12")), [],
         False, "(0043,1029)"),
        (folder, name, lambda d: setattr(d, "PixelData", b"\1" + d.PixelData[1:]), [], False, "(7FE0,0010)"),
    ]
    for path in sorted(siemens.glob("*.dcm")):
        if pydicom.dcmread(path).get("ReferencedImageSequence"):
            shown = "(0008,1140)[0]/(0008,1155)"
            cases += [
                (siemens, path.name, nested, [], False, shown),
                (siemens, path.name, nested, ["*/(0008,1155)"], True, ""),
                (siemens, path.name, nested, ["(0008,1140)/(0008,1155)"], True, ""),
                (siemens, path.name, nested, ["(0008,1155)"], False, shown),
            ]
    if len(cases) < 13:
        sys.exit("no file with a nested reference among the real ones")
    for number, (folder, name, edit, allowed, passes, text) in enumerate(cases):
        with tempfile.TemporaryDirectory() as scratch:
            edited(folder / name, Path(scratch) / name, edit)
            status, output = check(folder, scratch, {name: name}, *allowed)
        if (status == 0) != passes or text not in output:
            sys.exit(f"case {number} ({name}, allowed {allowed}): exit status {status}\n{output}")
    print(f"check_untouched.py: {len(cases)} cases as expected")


if __name__ == "__main__":
    main()
