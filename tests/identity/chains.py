"""The rule chains that the real files go through, and what each must make of a file."""

import re
import zlib

import pydicom
from pydicom.datadict import dictionary_has_tag, tag_for_keyword
from pydicom.multival import MultiValue

from check_untouched import Allowed, Comparison, Difference

LABEL = {"module": "by-study"}
PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
DEFLATED = "1.2.840.10008.1.2.1.99"


def value(dataset, keyword):
    """An element's value as pydicom decodes it, several values and names as one text."""
    found = dataset.get(keyword)
    return None if found is None else str(found)


def require(held, what):
    if not held:
        raise Difference(what)


class Chain:
    """What all have in common: pydicom reads the result, and its pixels are those of the original."""

    site = {"label": LABEL}
    project = {}
    # What becomes of a file that can be stored.
    outcome = "stored"
    # Elements that the rules may change, and the lengths of their groups, which follow.
    allowed = ()

    def check(self, source, target, context):
        before, after = (pydicom.dcmread(path) for path in (source, target))
        self.pixels(before, after)
        self.compare(source, target, before)
        self.effect(before, after, context)

    def pixels(self, before, after):
        for keyword in PIXELS:
            old, new = (dataset.get_item(keyword) for dataset in (before, after))
            require((old is None) == (new is None), f"{keyword} is gone or new")
            require(old is None or old.value == new.value, f"{keyword} differs")

    def compare(self, source, target, before):
        Comparison(Allowed([*self.allowed, *self.allowed_in(before)])).files(source, target)

    def allowed_in(self, _before):
        return ()

    def effect(self, before, after, context):
        pass


class NoRule(Chain):
    name = "no rule"
    site = {"label": LABEL, "anonymize": []}

    def compare(self, source, target, _before):
        require(source.read_bytes() == target.read_bytes(), "is not the same, byte for byte")


class SiteScript(Chain):
    name = "site script"
    allowed = ("StudyDescription", "PatientName", "PatientID", "(0008,0000)", "(0010,0000)")

    def effect(self, _before, after, context):
        stamped = {"StudyDescription": context["project"], "PatientName": "subject", "PatientID": context["session"]}
        for keyword, text in stamped.items():
            require(value(after, keyword) == text, f"{keyword} is {value(after, keyword)!r}, not {text!r}")


class NestedEdits(Chain):
    name = "nested edits"
    site = {"label": LABEL, "anonymize": []}
    project = {"anonymize": [{"module": "nested-edits"}]}
    # And one private element more, which depends on the file.
    allowed = ("PatientComments", "PerformedProtocolCodeSequence", "(0099,XXXX)", "*/(XXXX,0000)",
               "(XXXX,XXXX)/*/CodeMeaning", "(XXXX,XXXX)/*/PatientName",
               "(XXXX,XXXX)/*/ReferencedSOPClassUID", "(XXXX,XXXX)/*/ContentDescription")
    texts = ("Größe", "Ελλάς", "Привет", "שלום", "مرحبا", "plain")

    def allowed_in(self, before):
        tag = self.first_private(before)
        return () if tag is None else (f"{tag:08X}",)

    @staticmethod
    def first_private(dataset):
        return next((int(tag) for tag in dataset._dict if tag.is_private and tag.element > 0xFF), None)

    def effect(self, before, after, _context):
        texts = [("PatientComments", value(after, "PatientComments"), after)]
        created = after.PerformedProtocolCodeSequence[0]
        texts.append(("new CodeMeaning", value(created, "CodeMeaning"), created))
        for item in items(after):
            require("ReferencedSOPClassUID" not in item, "a nested ReferencedSOPClassUID was not removed")
            require(not item.get("ContentDescription"), "a nested ContentDescription was not blanked")
            texts += [(keyword, value(item, keyword), item)
                      for keyword in ("CodeMeaning", "PatientName") if keyword in item]
        for keyword, text, dataset in texts:
            wanted = self.first_that_fits(dataset)
            require(text == wanted, f"{keyword} is {text!r}, not {wanted!r}")
        removed = self.first_private(before)
        require(removed is None or removed not in after, "the private element was not removed")
        added = after.private_block(0x0099, "SLUICE TEST")[0x01].value
        require(added in ("new", b"new\0"), f"the new private element is {added!r}")

    def first_that_fits(self, dataset):
        terms = dataset.original_character_set or []
        terms = [terms] if isinstance(terms, str) else list(terms)
        return next(text for text in self.texts if holds(terms, text))


def holds(encodings, text):
    """Whether a character set can hold a text; pydicom takes ISO 8859-1 for the default, which is ASCII."""
    for encoding in encodings:
        codec = "ascii" if encoding in ("iso8859", "iso-ir-6", "") else encoding
        try:
            text.encode(codec)
            return True
        except UnicodeEncodeError:
            continue
    return text.isascii()


def items(dataset):
    """The items at any depth."""
    for element in dataset:
        if element.VR == "SQ":
            for item in element.value:
                yield item
                yield from items(item)


class Basic(Chain):
    name = "ps315-basic"
    project = {"anonymize": [{"module": "ps315-basic"}]}
    # Shorter ones stand in many places by chance.
    shortest = 4
    # Put there by the rule: an original that is part of it can't be told from it.
    stand_in = b"Anonymized"

    def compare(self, _source, target, before):
        content = target.read_bytes()
        if before.file_meta.TransferSyntaxUID == DEFLATED:
            content += inflated(target)
        for text in self.identifiers(before):
            require(text not in content, f"the original's {text!r} is still there")

    def identifiers(self, before):
        for dataset in [before, *items(before)]:
            for keyword in ("PatientName", "PatientID"):
                element = dataset.get_item(keyword)
                if element is None:
                    continue
                raw = element.value
                raw = raw.strip(b" \0") if isinstance(raw, bytes) else str(raw).strip(" \0").encode()
                if len(raw) >= self.shortest and raw not in self.stand_in:
                    yield raw

    def effect(self, _before, after, _context):
        require(value(after, "PatientIdentityRemoved") == "YES", "PatientIdentityRemoved is not YES")
        require(after.preamble == bytes(128), "the preamble is not zeroed")
        require(after.file_meta.MediaStorageSOPInstanceUID == after.SOPInstanceUID, "the meta's SOP instance differs")


def inflated(path):
    content = path.read_bytes()
    start = 132 + 12 + int.from_bytes(content[140:144], "little")
    return zlib.decompress(content[start:], -zlib.MAX_WBITS)


class ReadBack(Chain):
    """Stores nothing: what the rule reads has to be what pydicom reads, in every character set."""

    name = "read back"
    site = {"label": LABEL, "anonymize": [], "leak_check": "off"}
    project = {"anonymize": [{"module": "read-back"}]}
    outcome = "rejected"
    kinds = ("PN", "LO", "SH", "ST", "LT", "UC", "UT")

    def check_reason(self, source, reason):
        fields = (line.split("\x1f") for line in reason.split("\x1e") if line)
        read = {self.by_tags(path): text for path, text in fields}
        for path, vr, text in self.texts(pydicom.dcmread(source), ""):
            got = read.get(path)
            require(self.plain(got or "", vr) == self.plain(text, vr), f"{path} is {got!r}, not {text!r}")

    def texts(self, dataset, above):
        for tag in dataset._dict:
            # Private elements, and those whose VR pydicom makes up, have nothing that both must agree on.
            if tag.is_private or not dictionary_has_tag(tag):
                continue
            element, path = dataset[tag], f"{above}{int(tag):08X}"
            if element.VR == "SQ":
                for number, item in enumerate(element.value):
                    yield from self.texts(item, f"{path}[{number}]/")
            elif element.VR in self.kinds:
                several = isinstance(element.value, MultiValue)
                yield path, element.VR, "\\".join(map(str, element.value if several else [element.value or ""]))

    @staticmethod
    def by_tags(path):
        steps = []
        for step in path.split("/"):
            name, bracket, item = step.partition("[")
            tag = tag_for_keyword(name)
            steps.append((f"{tag:08X}" if tag else re.sub("[(),]", "", name)) + bracket + item)
        return "/".join(steps)

    @staticmethod
    def plain(text, vr):
        """Without padding, and without the empty groups at a name's end, which pydicom leaves out."""
        parts = [part.strip(" \0").rstrip("=" if vr == "PN" else "") for part in text.split("\\")]
        return "\\".join(parts).strip("\\ ")


ALL = [NoRule(), SiteScript(), NestedEdits(), Basic(), ReadBack()]
