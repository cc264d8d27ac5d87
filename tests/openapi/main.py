#!/usr/bin/env python3
"""Calls the built binary in every way that its OpenAPI document describes, and holds each answer against it.

usage: main.py [binary]
Needs target/real-files (tests/real_files.py). Schemathesis makes the calls from the document: what fits it, what is at
its edges, and what does not fit. No call may be answered by a 500, and every answer must be one that is described, by
its status, its type and its JSON. Most calls name what there is (hooks.py): a waiting session, an archived one, one in
quarantine and the request of an import. The calls are the same in each run.
"""

import base64
import json
import os
import shutil
import subprocess
import sys
import urllib.parse
import urllib.request
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path[:0] = [str(HERE.parent)]

from served import Served  # noqa: E402

FILES = ROOT / "target/real-files/pydicom/pydicom/data/test_files"
PASSWORD = "a longer password"
# Not `admin`: what the calls do to users shall not shut them out.
USER = "tester"

CHECKS = ["not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance"]
EXAMPLES = 5
# Answered by 404 alone, as XNAT does.
NEVER = ["/data/version"]


class Site(Served):
    """A site with an administrator, a project and sessions in all places."""

    def __init__(self, binary, data):
        super().__init__(binary, data, PASSWORD)

    def __enter__(self):
        super().__enter__()
        self.command("user", "add", USER, "--admin", "--password-stdin")
        self.command("user", "add", "ada", "--password-stdin")
        self.command("project", "create", "P")
        self.command("project", "grant", "P", "ada", "owner")
        return self

    def command(self, *arguments):
        subprocess.run([self.binary, *arguments, "--data", str(self.data)], input=PASSWORD + "\n", check=True,
                       capture_output=True, text=True)

    def call(self, method, path, query=(), value=None):
        address = f"{self.url}{path}?{urllib.parse.urlencode(query)}"
        request = urllib.request.Request(address, method=method)
        login = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        request.add_header("Authorization", f"Basic {login}")
        if value is not None:
            request.data = json.dumps(value).encode()
            request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request) as answer:
            return answer.read().decode()

    def rows(self, path):
        return json.loads(self.call("GET", path))["ResultSet"]["Result"]

    def imported(self, label, *files):
        """The request of an import, when it has ended, and the session that it made."""
        folder = self.data / "inbox/P" / label
        folder.mkdir(parents=True)
        for name in files:
            shutil.copy(FILES / name, folder)
        names = {"import-handler": "inbox", "PROJECT_ID": "P", "SUBJECT_ID": "S", "EXPT_LABEL": label, "path": folder}
        address = self.call("POST", "/data/services/import", names).strip()
        request = json.loads(self.call("GET", address, {"wait": 60}))
        return request["id"], request["sessions"][0]

    def known(self):
        """Values for the parameters, as one session has them after the other."""
        number, waiting = self.imported("WAITING", "CT_small.dcm")
        self.call("PUT", "/data/projects/P/prearchive_code/4")
        self.imported("ARCHIVED", "MR_small.dcm")
        self.call("PUT", "/data/projects/P/prearchive_code/0")
        self.call("PUT", "/data/projects/P/quarantine_code/1")
        _, held = self.imported("HELD", "rtdose.dcm")
        self.call("PUT", "/data/projects/P/quarantine_code/0")
        target = {"url": "https://localhost:1/", "enabled": False}
        filters = {"contents": {"mode": "blacklist", "list": "scout", "enabled": "true"}}
        for place in ("/data/config", "/data/projects/P/config"):
            self.call("PUT", f"{place}/seriesImportFilter/config", value=filters)
        for place in ("site", "projects/P"):
            table = self.data / "rules" / place / "subjects.csv"
            table.parent.mkdir(parents=True, exist_ok=True)
            table.write_text("key,value\nA,B\n", encoding="utf-8")
        hook = json.loads(self.call("POST", "/xapi/webhooks", value=target))
        versions = json.loads(self.call("GET", "/xapi/rules/versions", {"project": "P"}))
        hashes = [version["ruleSet"] for version in versions]
        experiment = self.rows("/data/projects/P/experiments")[0]["ID"]
        subject = self.rows("/data/projects/P/subjects")[0]["ID"]
        places = [session["uri"].split("/")[-2:] for session in (waiting, held)]
        addresses = {"waiting": f"/data{waiting['uri']}", "archived": f"/data/experiments/{experiment}"}
        scans = {area: self.rows(f"{address}/scans")[0]["ID"] for area, address in addresses.items()}
        names = {area: self.rows(f"{address}/files")[0]["Name"] for area, address in addresses.items()}
        return {
            "path": {
                "project": ["P"], "projects": ["P", "P,Unassigned"], "subject": [subject], "experiment": [experiment],
                "place": places, "scan": scans, "name": {**names, "schema": "xnat"}, "resource": ["DICOM"],
                "login": ["ada"], "user": ["ada"], "role": ["owner", "Members"], "request": number,
                "webhook": hook["id"], "hash": hashes, "code": ["0", "4", "1"],
                "tool": ["seriesImportFilter", "dicom"], "path": ["config"], "file": ["subjects.csv"],
                "module": {"name": "xnat-labels", "file": "module.json"},
            },
            "query": {
                "path": [str(self.data / "inbox/P/WAITING")], "PROJECT_ID": ["P"], "project": ["P"],
                "ruleSet": hashes, "from": hashes[-1:], "to": hashes,
                "src": [session["uri"] for session in (waiting, held)],
            },
        }


    def answers(self):
        """How often each route answered what, by the log."""
        counts = {}
        for line in (self.data / "log").read_text(encoding="utf-8").splitlines():
            fields = json.loads(line).get("fields", {}) if line.startswith("{") else {}
            if fields.get("message") == "answered":
                key = fields["method"], fields["route"].replace("{*", "{")
                counts.setdefault(key, Counter())[fields["status"]] += 1
        return counts

    def check_reached(self):
        """What reads has been read: an answer that is always an error says nothing of what it describes."""
        document = json.loads(self.call("GET", "/xapi/openapi.json"))
        answers = self.answers()
        reading = [path for path, item in document["paths"].items() if "get" in item and path not in NEVER]
        unread = [path for path in reading if not any(status < 300 for status in answers.get(("GET", path), {}))]
        if unread:
            raise AssertionError(f"never read: {unread}")
        return len(reading)


def run(site, *chosen):
    """Calls the operations that are chosen; ends the program with what was found, if that is something."""
    settings = {"SCHEMATHESIS_HOOKS": "hooks", "PYTHONPATH": str(HERE), "SLUICE_KNOWN": json.dumps(site.names)}
    done = subprocess.run(
        [Path(sys.executable).parent / "schemathesis", "--config-file", HERE / "schemathesis.toml", "run",
         f"{site.url}/xapi/openapi.json", *chosen, "--auth", f"{USER}:{PASSWORD}", "--checks", ",".join(CHECKS),
         "--max-examples", str(EXAMPLES), "--phases", "examples,coverage,fuzzing", "--seed", "1",
         "--generation-database", "none", "--max-redirects", "0", "--suppress-health-check", "all",
         "--warnings", "off", "--continue-on-failure"],
        cwd=site.data, env={**os.environ, **settings}, check=False)
    if done.returncode:
        sys.exit(done.returncode)


def main():
    binary = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "target/release/sluice").resolve()
    with Site(binary, ROOT / "target/openapi") as site:
        site.names = site.known()
        # What reads comes first, as long as all is there.
        run(site, "--include-method", "GET")
        reading = site.check_reached()
        run(site, "--exclude-method", "GET")
    print(f"schemathesis: every answer is one that is described; {reading} routes that read were read")


if __name__ == "__main__":
    main()
