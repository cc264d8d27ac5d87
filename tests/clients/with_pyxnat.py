"""What users of pyxnat do: https://pyxnat.github.io/pyxnat. It has no call to import; its users post."""

import json
import shutil

import pyxnat

from server import PASSWORD, datasets, wait_until


def run(site):
    refused = pyxnat.Interface(server=site.url, user="ada", password="wrong")
    site.check(refused.get("/data/projects").status_code, 401, "a wrong password")
    central = pyxnat.Interface(server=site.url, user="ada", password=PASSWORD)
    originals = {study: submit(site, central, study) for study in ("CT1", "MULTI", "RLE1")}
    rows = central.manage.prearchive.get()
    site.check(sorted(row[2] for row in rows), sorted(originals), "sessions in the prearchive")
    for project, timestamp, folder in (row[:3] for row in rows):
        scans = central.manage.prearchive.get_scans([project, timestamp, folder])
        site.check(bool(scans), True, "scans in the prearchive")
        resources = central.manage.prearchive.get_resources([project, timestamp, folder], scans if isinstance(scans, str) else scans[0])
        # A bare value where there is one row.
        site.check(resources, "DICOM", "resources in the prearchive")
        if folder == "RLE1":
            central.manage.prearchive.reset([project, timestamp, folder])
            # Its own move() works on no Python 3.
            moved = central.post("/data/services/prearchive/move", data={"src": f"/prearchive/projects/{project}/{timestamp}/{folder}", "newProject": "Q"})
            site.check(moved.status_code, 200, "move")
            project = "Q"
            central.manage.prearchive.delete(f"/prearchive/projects/{project}/{timestamp}/{folder}")
            continue
        done = central.post("/data/services/archive", data={"src": f"/prearchive/projects/{project}/{timestamp}/{folder}"})
        site.check(done.status_code, 200, "archive")
    del originals["RLE1"]
    site.check(list(central.manage.prearchive.get()), [], "sessions left in the prearchive")
    archive(site, central, originals)
    settings(site, central)
    central.disconnect()
    return site.checks


def submit(site, central, study):
    folder, originals = site.fill(study)
    if study == "MULTI":
        path = shutil.make_archive(str(folder), "zip", folder)
        form = {"project": "P", "subject_ID": "", "subject": f"S_{study}", "session": study}
        with open(path, "rb") as stream:
            answer = central.post("/data/services/import", data=form, files={"image_archive": stream})
        site.check(answer.status_code, 200, "upload")
        site.check(answer.text.startswith("/data/prearchive/projects/P/"), True, "where an upload went")
        return originals
    query = {"import-handler": "inbox", "PROJECT_ID": "P", "SUBJECT_ID": f"S_{study}", "EXPT_LABEL": study,
             "path": str(folder), "cleanupAfterImport": "false"}
    answer = central.post("/data/services/import", params=query)
    site.check(answer.status_code, 200, "submit")
    address = answer.text.strip()

    def ended():
        status = json.loads(central.get(address).text)["status"]
        return status if status in ("Completed", "Failed") else None

    site.check(wait_until(study, ended), "Completed", f"import of {study}")
    return originals


def archive(site, central, originals):
    site.check(sorted(central.select.projects().get()), ["P", "Q"], "projects")
    project = central.select.project("P")
    site.check(project.exists(), True, "project P exists")
    site.check(project.prearchive_code(), 0, "prearchive code")
    site.check(sorted(subject.label() for subject in project.subjects()), sorted(f"S_{label}" for label in originals), "subjects")
    for label, wanted in originals.items():
        experiment = project.subject(f"S_{label}").experiment(label)
        site.check(experiment.exists(), True, f"{label} exists")
        site.check(len(experiment.scans().get()), len({one.SeriesInstanceUID for one in wanted.values()}), "scans")
        found = {}
        for scan in experiment.scans():
            for resource in scan.resources():
                for file in resource.files():
                    with open(file.get(str(site.data / "one.dcm")), "rb") as stream:
                        found.update(datasets([stream.read()]))
        site.check_datasets(found, wanted)
        answer = central.get(f"/data/projects/P/subjects/S_{label}/experiments/{label}/scans/ALL/files?format=zip")
        path = site.data / f"{label}.zip"
        path.write_bytes(answer.content)
        site.check_zip(path, wanted)
        into = site.data / f"extracted-{label}"
        into.mkdir()
        experiment.scans().download(str(into), type="ALL", extract=False)
        (path,) = into.glob("*.zip")
        site.check_zip(path, wanted)
    for label in originals:
        experiment = project.subject(f"S_{label}").experiment(label)
        experiment.attrs.set("label", f"{label}x")
        experiment = project.subject(f"S_{label}").experiment(f"{label}x")
        site.check(experiment.exists(), True, "an experiment after a rename")
        experiment.delete()
        site.check(experiment.exists(), False, "an experiment after a delete")


def settings(site, central):
    project = central.select.project("P")
    for code in (4, 0):
        project.set_prearchive_code(str(code))
        site.check(project.prearchive_code(), code, "prearchive code as set")
    for code in (1, 0):
        project.set_quarantine_code(str(code))
        site.check(project.quarantine_code(), code, "quarantine code as set")
