#!/usr/bin/env python3
"""Asserts that what no rule touched is identical in imported files, with pydicom as an independent reader.

    check_untouched.py ORIGINAL_DIR IMPORTED_DIR MAPPING.json [ALLOWED...]

MAPPING.json is an object of paths in ORIGINAL_DIR to paths in IMPORTED_DIR. ALLOWED names the elements that rules
may have changed, added or removed: `PatientName`, `(0010,0010)`, `00100010`, with X for any digit, steps in sequences
with `/` (any item), and `*` for any number of steps: `*/(0008,1155)`, `(00X1,XXXX)`, `(0040,A730)/PatientName`.

Everything else has to be there in the same order, with the same VR and the same bytes of value, at any depth, with
sequences and items in the same style of length; so does Pixel Data, encapsulated or not. The transfer syntax must be
the same; the rest of the file meta information and the preamble belong to whoever wrote the file.

Exit status 0, or 1 with the first difference of each file on standard output.
"""

import json
import re
import sys
import warnings
from io import BytesIO
from pathlib import Path

import pydicom
from pydicom.dataelem import RawDataElement
from pydicom.datadict import tag_for_keyword
from pydicom.filereader import read_sequence

ITEM = b"\xfe\xff\x00\xe0"


class Difference(Exception):
    pass


class Allowed:
    """The patterns of elements that may differ."""

    def __init__(self, patterns):
        self.patterns = [[self.step(step) for step in pattern.split("/")] for pattern in patterns]

    @staticmethod
    def step(text):
        if text == "*":
            return "*"
        tag = tag_for_keyword(text)
        digits = f"{tag:08X}" if tag is not None else re.sub(r"[(),]", "", text).upper()
        if not re.fullmatch(r"[0-9A-FX]{8}", digits):
            sys.exit(f"not an element: {text}")
        return re.compile(digits.replace("X", "."))

    def __call__(self, path):
        return any(self.match(pattern, path) for pattern in self.patterns)

    def match(self, pattern, path):
        if not pattern:
            return not path
        if pattern[0] == "*":
            return any(self.match(pattern[1:], path[skip:]) for skip in range(len(path) + 1))
        return bool(path) and bool(pattern[0].fullmatch(path[0])) and self.match(pattern[1:], path[1:])


class Comparison:
    """Two files, walked side by side; counts the elements found identical."""

    def __init__(self, allowed):
        self.allowed = allowed
        self.identical = 0

    def files(self, original, imported):
        before, after = read(original), read(imported)
        syntaxes = [dataset.file_meta.get("TransferSyntaxUID") for dataset in (before, after)]
        # A file without meta information has to get one; then there is nothing to compare.
        if syntaxes[0] is not None and syntaxes[0] != syntaxes[1]:
            raise Difference(f"transfer syntax {syntaxes[0]} became {syntaxes[1]}")
        self.datasets(before, after, [], "")

    def datasets(self, before, after, path, shown):
        lists = []
        for dataset in (before, after):
            # The order in the file: pydicom sorts only when it is asked for elements.
            tags = [f"{int(tag):08X}" for tag in dataset._dict]
            lists.append([tag for tag in tags if not self.allowed(path + [tag])])
        for at, (tag, other) in enumerate(zip(*lists)):
            if tag != other:
                gone, new = tag not in lists[1], other not in lists[0]
                what = f"{show(tag)} is gone" if gone else f"{show(other)} is new" if new else \
                    f"{show(other)} stands where {show(tag)} was"
                raise Difference(f"{shown}: element {at}: {what}")
        if len(lists[0]) != len(lists[1]):
            longer = lists[len(lists[1]) > len(lists[0])]
            verb = "is gone" if len(lists[0]) > len(lists[1]) else "is new"
            raise Difference(f"{shown}{show(longer[min(map(len, lists))])} {verb}")
        for tag in lists[0]:
            self.elements(before, after, tag, path + [tag], shown + show(tag))

    def elements(self, before, after, tag, path, shown):
        old, new = (dataset.get_item(int(tag, 16)) for dataset in (before, after))
        if old.VR != new.VR:
            raise Difference(f"{shown}: VR {old.VR} became {new.VR}")
        if undefined(old) != undefined(new):
            raise Difference(f"{shown}: the style of length changed")
        raw = isinstance(old, RawDataElement) and isinstance(new, RawDataElement)
        if raw and (old.value or b"") == (new.value or b""):
            self.identical += 1
            return
        items = items_of(old, before), items_of(new, after)
        if None in items:
            if raw or old.value != new.value:
                raise Difference(f"{shown}: {excerpt(old.value, new.value)}")
            self.identical += 1
            return
        if len(items[0]) != len(items[1]):
            raise Difference(f"{shown}: {len(items[0])} items became {len(items[1])}")
        for index, (one, other) in enumerate(zip(*items)):
            if one.is_undefined_length_sequence_item != other.is_undefined_length_sequence_item:
                raise Difference(f"{shown}[{index}]: the item's style of length changed")
            self.datasets(one, other, path, f"{shown}[{index}]/")
        self.identical += 1


def read(path):
    return pydicom.dcmread(path, defer_size=None, force=True)


def undefined(element):
    if isinstance(element, RawDataElement):
        return element.length == 0xFFFFFFFF
    return element.is_undefined_length


def items_of(element, dataset):
    """The items of a sequence, or None; also those of a sequence hidden in a value of unknown VR."""
    if not isinstance(element, RawDataElement):
        return list(element.value or []) if element.VR == "SQ" else None
    value = element.value or b""
    unknown = element.VR in (None, "UN")
    if element.VR != "SQ" and not (unknown and value[:4] == ITEM):
        return None
    # PS3.5 6.2.2: what is inside UN is in implicit VR little endian.
    implicit = element.is_implicit_VR or element.VR == "UN"
    little = element.is_little_endian or element.VR == "UN"
    encoding = dataset.original_character_set or "iso8859"
    return list(read_sequence(BytesIO(value), implicit, little, len(value), encoding))


def show(tag):
    return f"({tag[:4]},{tag[4:]})"


def excerpt(old, new):
    if not isinstance(old, bytes) or not isinstance(new, bytes):
        return f"{str(old)[:60]!r} became {str(new)[:60]!r}"
    at = next((at for at, pair in enumerate(zip(old, new)) if pair[0] != pair[1]), min(len(old), len(new)))
    return f"{len(old)} and {len(new)} bytes, different from byte {at}: {old[at:at + 24]!r} became {new[at:at + 24]!r}"


def main():
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    original, imported = Path(sys.argv[1]), Path(sys.argv[2])
    mapping = json.loads(Path(sys.argv[3]).read_text(encoding="utf-8"))
    comparison = Comparison(Allowed(sys.argv[4:]))
    warnings.simplefilter("ignore")
    bad = 0
    for source, target in sorted(mapping.items()):
        try:
            comparison.files(original / source, imported / target)
        except Difference as difference:
            bad += 1
            print(f"{source}: {difference}")
        except Exception as error:  # whatever pydicom raises on a damaged file
            bad += 1
            print(f"{source}: not comparable: {type(error).__name__}: {error}")
    print(f"{len(mapping)} files compared, {bad} different; {comparison.identical} elements identical")
    sys.exit(1 if bad or not mapping else 0)


if __name__ == "__main__":
    main()
