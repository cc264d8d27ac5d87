"""The built binary as a server on a data folder of its own, for tests from outside."""

import json
import os
import shutil
import subprocess
import time

DEADLINE = 120


class Served:
    """Serves `data`, which is made anew, while the `with` block runs. `url` is then its address."""

    def __init__(self, binary, data, password):
        self.binary, self.data, self.password = binary, data, password
        shutil.rmtree(data, ignore_errors=True)
        data.mkdir(parents=True)

    def __enter__(self):
        self.log = open(self.data / "log", "w+", encoding="utf-8")
        self.process = subprocess.Popen(
            [self.binary, "serve", "--data", str(self.data), "--listen", "127.0.0.1:0"],
            stdout=self.log, stderr=self.log, env={**os.environ, "SLUICE_ADMIN_PASSWORD": self.password})
        self.url = f"http://{self.address()}"
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.log.close()

    def address(self):
        started = time.monotonic()
        while time.monotonic() - started < DEADLINE and self.process.poll() is None:
            for line in (self.data / "log").read_text(encoding="utf-8").splitlines():
                fields = json.loads(line).get("fields", {}) if line.startswith("{") else {}
                if fields.get("message") == "serving":
                    return fields["address"]
            time.sleep(0.02)
        raise RuntimeError("the server did not start:\n" + (self.data / "log").read_text(encoding="utf-8"))
