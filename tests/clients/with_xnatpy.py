"""What users of xnatpy do: https://xnat.readthedocs.io."""

import xnat
from xnat.exceptions import XNATAuthError, XNATLoginFailedError

from server import PASSWORD, STUDIES, datasets, wait_until


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
        settings(site, session)
    return site.checks


def submit(site, session, study):
    folder, originals = site.fill(study)
    request = session.services.import_dicom_inbox(str(folder), project="P", subject=f"S_{study}", experiment=study)
    status = wait_until(study, lambda: (lambda s: s if s in ("Completed", "Failed") else None)(request.status))
    site.check(status, "Completed", f"import of {study}")
    return originals


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
    for label in originals:
        archived = waiting[label].archive(experiment="RENAMED" if label == "NM1" else None)
        site.check(archived.label, "RENAMED" if label == "NM1" else label, "label after archiving")
    originals["RENAMED"] = originals.pop("NM1")
    site.check(len(session.prearchive.sessions()), 0, "sessions left in the prearchive")


def archive(site, session, originals):
    site.check(list(session.projects.key_map), ["P"], "projects")
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
