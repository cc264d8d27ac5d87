"""The built binary as a server on a data folder of its own, and its REST interface."""

import base64
import json
import shutil
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from served import DEADLINE, Served

PASSWORD = "identity"
MODULES = Path(__file__).resolve().parent / "modules"


class Server(Served):
    """Serves `data`, which is made anew, while the `with` block runs."""

    def __init__(self, binary, data, site_policy):
        super().__init__(binary, data, PASSWORD)
        shutil.copytree(MODULES, data / "rules" / "modules")
        self.write("rules/site/policy.json", json.dumps(site_policy))

    def write(self, path, text):
        path = self.data / path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def call(self, method, path, query=()):
        url = f"{self.url}{path}?{urllib.parse.urlencode(query)}"
        request = urllib.request.Request(url, method=method)
        credentials = base64.b64encode(f"admin:{PASSWORD}".encode()).decode()
        request.add_header("Authorization", f"Basic {credentials}")
        try:
            with urllib.request.urlopen(request, timeout=DEADLINE) as answer:
                return answer.read().decode()
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{method} {path}: {error.code}: {error.read().decode()}") from None

    def import_folder(self, project, policy, fill):
        """Has `fill` fill the project's folder in the inbox, imports it, and returns the report."""
        self.call("PUT", f"/data/projects/{project}")
        self.write(f"rules/projects/{project}/policy.json", json.dumps(policy))
        folder = self.data / "inbox" / project / "files"
        fill(folder)
        query = {"import-handler": "inbox", "PROJECT_ID": project, "path": str(folder)}
        address = self.call("POST", "/data/services/import", query).strip()
        started = time.monotonic()
        while True:
            status = json.loads(self.call("GET", address))
            if status["status"] in ("Completed", "Failed"):
                return json.loads(self.call("GET", f"{address}/report"))
            if time.monotonic() - started > DEADLINE:
                raise RuntimeError(f"{project}: still {status['status']} after {DEADLINE} s")
            time.sleep(0.02)

    def stored(self, report):
        """Files of a report that were stored: path in the source folder → (path on disk, session's label)."""
        folders = {}
        for session in report["sessions"]:
            if session["uri"]:
                area, _, below = session["uri"].lstrip("/").partition("/projects/")
                folders[session["label"]] = self.data / area / below
        return {entry["path"]: (folders[entry["session"]] / entry["stored"], entry["session"])
                for entry in report["files"] if entry.get("stored")}
