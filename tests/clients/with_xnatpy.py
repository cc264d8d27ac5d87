"""What users of xnatpy do: https://xnat.readthedocs.io."""

import shutil

import xnat
from xnat.exceptions import XNATAuthError, XNATLoginFailedError, XNATUploadError

from server import PASSWORD, STUDIES, datasets, wait_until


# Studies that come with the call; the others lie in the inbox.
UPLOADED = ("MR1", "RLE1", "MULTI", "NM1")


def run(site):
    try:
        xnat.connect(site.url, user="ada", password="wrong")
    except (XNATAuthError, XNATLoginFailedError):
        site.checks += 1
    else:
        raise AssertionError("a wrong password was let in")
    with xnat.connect(site.url, user="ada", password=PASSWORD) as session:
        originals = {study: submit(site, session, study) for study in STUDIES}
        prearchive(site, session, originals)
        archive(site, session, originals)
        direct(site, session)
        settings(site, session)
    return site.checks


def submit(site, session, study):
    folder, originals = site.fill(study)
    labels = {"project": "P", "subject": f"S_{study}", "experiment": study}
    if study in UPLOADED:
        waiting = upload(session, study, folder, labels)
        site.check((waiting.label, waiting.subject, waiting.status), (study, f"S_{study}", "READY"), "an uploaded session")
        return originals
    request = session.services.import_dicom_inbox(str(folder), project="P", subject=f"S_{study}", experiment=study)
    status = wait_until(study, lambda: (lambda s: s if s in ("Completed", "Failed") else None)(request.status))
    site.check(status, "Completed", f"import of {study}")
    return originals


def upload(session, study, folder, labels):
    """As a folder that the client packs, a zip by its path, a stream, and a single object."""
    if study == "MULTI":
        return session.services.import_dir(folder, **labels)
    if study == "MR1":
        path = shutil.make_archive(str(folder), "zip", folder)
        return session.services.import_(path, import_handler="DICOM-zip", overwrite="append", **labels)
    (file,) = folder.iterdir()
    if study == "RLE1":
        return session.services.import_(data=file.read_bytes(), content_type="application/dicom", **labels)
    (folder / "notes.txt").write_text("Scanned on Tuesday.")
    path = shutil.make_archive(str(folder), "gztar", folder)
    with open(path, "rb") as stream:
        return session.services.import_(data=stream, content_type="application/x-gzip", import_handler="DICOM-zip",
                                        ignore_unparsable=True, **labels)


def direct(site, session):
    """Uploads straight into the archive, and one that is refused."""
    folder, originals = site.fill("CT1")
    path = shutil.make_archive(str(folder), "zip", folder)
    labels = {"project": "P", "subject": "S_DIRECT", "experiment": "DIRECT"}
    archived = session.services.import_(path, direct_archive=True, **labels)
    site.check((archived.label, type(archived).__name__), ("DIRECT", "CtSessionData"), "straight into the archive")
    (folder / "notes.txt").write_text("Scanned on Tuesday.")
    path = shutil.make_archive(str(folder), "zip", folder)
    labels["experiment"] = "NONE"
    try:
        session.services.import_(path, import_handler="DICOM-zip", **labels)
    except XNATUploadError as error:
        site.check("notes.txt" in str(error), True, "what was wrong with an upload")
    else:
        raise AssertionError("a zip with notes in it was taken by DICOM-zip")
    session.clearcache()
    site.check("NONE" in session.projects["P"].experiments, False, "a session of a refused upload")
    path = str(site.data / "direct.zip")
    archived.download(path, verbose=False)
    site.check_zip(path, originals)


def prearchive(site, session, originals):
    waiting = {one.label: one for one in session.prearchive.sessions()}
    site.check(sorted(waiting), sorted(originals), "sessions in the prearchive")
    for label, one in waiting.items():
        site.check((one.project, one.subject, one.status), ("P", f"S_{label}", "READY"), f"row of {label}")
        found = {}
        for scan in one.scans:
            for file in scan.files:
                with file.open() as stream:
                    found.update(datasets([stream.read()]))
        site.check_datasets(found, originals[label])
    waiting["RT1"].delete()
    del originals["RT1"]
    site.check(sorted(one.label for one in session.prearchive.sessions()), sorted(originals), "after a delete")
    path = str(site.data / "waiting.zip")
    waiting["CT1"].download(path)
    site.check_zip(path, originals["CT1"])
    elsewhere(site, session, waiting, originals)
    for label in originals:
        archived = waiting[label].archive(experiment="RENAMED" if label == "NM1" else None)
        site.check(archived.label, "RENAMED" if label == "NM1" else label, "label after archiving")
    originals["RENAMED"] = originals.pop("NM1")
    site.check(len(session.prearchive.sessions()), 0, "sessions left in the prearchive")


def elsewhere(site, session, waiting, originals):
    """Sessions that go to another project, are renamed and deleted there."""
    waiting["MR1"].rebuild()
    waiting["MR1"].clearcache()
    site.check(waiting["MR1"].status, "READY", "status after a rebuild")
    waiting["MR1"].move("Q")
    (moved,) = session.prearchive.sessions("Q")
    site.check((moved.project, moved.label, moved.status), ("Q", "MR1", "READY"), "row of a moved session")
    site.check(sorted(one.label for one in session.prearchive.sessions("P")), sorted(set(originals) - {"MR1"}), "after a move")
    moved.archive()
    waiting["RLE1"].archive(project="Q", experiment="RLE2")
    for label, study in [("MR1", "MR1"), ("RLE2", "RLE1")]:
        experiment = session.projects["Q"].experiments[label]
        path = str(site.data / f"{label}-in-Q.zip")
        experiment.download(path, verbose=False)
        site.check_zip(path, originals.pop(study))
        experiment.label = f"{label}x"
        experiment.clearcache()
        site.check(experiment.label, f"{label}x", "label after a rename")
        experiment.delete()
    session.projects["Q"].clearcache()
    site.check(len(session.projects["Q"].experiments), 0, "experiments after a delete")


def archive(site, session, originals):
    site.check(sorted(session.projects.key_map), ["P", "Q"], "projects")
    project = session.projects["P"]
    site.check(len(project.subjects), len(originals), "subjects")
    site.check(sorted(one.label for one in project.experiments.values()), sorted(originals), "experiments")
    site.check(type(project.experiments["CT1"]).__name__, "CtSessionData", "class of a CT session")
    site.check(type(project.experiments["MULTI"]).__name__, "MrSessionData", "class of an MR session")
    for label, wanted in originals.items():
        experiment = project.experiments[label]
        site.check(experiment.uid, next(iter(wanted.values())).StudyInstanceUID, "study UID")
        site.check(experiment.project, "P", "project of an experiment")
        site.check(project.subjects[experiment.subject_id].id, experiment.subject_id, "subject of an experiment")
        path = str(site.data / f"{label}.zip")
        experiment.download(path, verbose=False)
        site.check_zip(path, wanted)
        found = {}
        for scan in experiment.scans.values():
            site.check(scan.quality, "usable", "quality of a scan")
            (row,) = scan.dicom_dump(fields=["SeriesInstanceUID"])
            site.check((row["tag1"], row["value"]), ("(0020,000E)", scan.uid), "a row of a header")
            path = str(site.data / f"{label}-{scan.id}.zip")
            scan.download(path, verbose=False)
            for resource in scan.resources.values():
                site.check(resource.label in ("DICOM", "secondary"), True, "label of a resource")
                for file in resource.files.values():
                    with file.open() as stream:
                        found.update(datasets([stream.read()]))
        site.check_datasets(found, wanted)


def settings(site, session):
    """xnatpy has no calls for them; its users put and get them by their addresses."""
    script = 'version "6.6"\n(0008,1030) := "by xnatpy"\n'
    address = "/xapi/anonymize/projects/P"
    session.put(address, data=script, headers={"Content-Type": "text/plain"})
    site.check(session.get(address).text, script, "the project's script")
    site.check(session.get_json(f"{address}/enabled"), True, "its switch")
    session.put(f"{address}/enabled", query={"enable": "false"})
    site.check(session.get_json(f"{address}/enabled"), False, "its switch, off")
    address = "/data/projects/P/config/seriesImportFilter/config"
    lines = {"mode": "blacklist", "list": "scout\n[Modality]\n^OT$", "enabled": "true"}
    session.put(address, json=lines)
    (row,) = session.get_json(address)["ResultSet"]["Result"]
    site.check((row["status"], row["user"], row["version"]), ("enabled", "ada", "1"), "the filter's row")
    site.check(session.get(address, query={"contents": "true"}).json(), lines, "the filter")
