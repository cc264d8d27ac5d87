"""The rule `initials` of the README, in Python."""

from wit_world import WitWorld
from wit_world.imports import context, pseudonym
from wit_world.imports.types import Verdict_Keep, Verdict_Quarantine


class WitWorld(WitWorld):
    def anonymize(self, ds):
        if ds.get("BurnedInAnnotation") == "YES":
            return Verdict_Quarantine("burned-in text")
        ds.set("PatientName", context.subject() or "")
        ds.remove("*/PatientAddress")
        study = ds.get("StudyInstanceUID")
        if study is not None:
            ds.set("StudyInstanceUID", pseudonym.uid(study))
        return Verdict_Keep()
