#!/usr/bin/env python3
"""Imports every real file under several chains of rules, and has pydicom look at what was stored.

    main.py [BINARY] [FOLDER]

BINARY is the built server (target/release/sluice). With FOLDER, the files in it are imported instead of those of the
tests. Exit status 0, or 1 with a line for each file that is not as it should be.
"""

import sys
import warnings
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import pydicom  # noqa: E402
import chains  # noqa: E402
import corpus  # noqa: E402
from server import Server  # noqa: E402


def main():
    warnings.simplefilter("ignore")
    pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
    binary = Path(sys.argv[1] if len(sys.argv) > 1 else corpus.ROOT / "target/release/sluice").resolve()
    folders = corpus.layers(Path(sys.argv[2]).resolve()) if len(sys.argv) > 2 else corpus.folders()
    problems = sum(run(binary, chain, folders) for chain in chains.ALL)
    cover(folders)
    sys.exit(1 if problems else 0)


def run(binary, chain, folders):
    """One chain over all folders; returns the number of problems, which are printed."""
    data = corpus.ROOT / "target" / "identity" / chain.name.replace(" ", "-")
    outcomes, problems = Counter(), []
    with Server(binary, data, chain.site) as server:
        for folder in folders:
            report = server.import_folder(folder.name, chain.project, folder.fill)
            stored = server.stored(report)
            entries = {entry["path"]: entry for entry in report["files"]}
            for path in folder.paths:
                relative = str(path.relative_to(folder.root))
                entry = entries.get(relative, {"outcome": "nowhere in the report"})
                outcomes[entry["outcome"]] += 1
                problem = judge(chain, folder, path, entry, stored.get(relative))
                if problem:
                    problems.append(f"{chain.name}: {folder.name}: {relative}: {problem}")
    print(*problems, sep="\n", end="\n" if problems else "")
    counts = ", ".join(f"{number} {outcome}" for outcome, number in outcomes.most_common())
    print(f"{chain.name}: {sum(outcomes.values())} files, {counts}; {len(problems)} not as they should be", flush=True)
    return len(problems)


def judge(chain, folder, path, entry, stored):
    """What is wrong with one file, or None."""
    wanted = corpus.expected(path)
    wanted = chain.outcome if wanted == "stored" else wanted
    if entry["outcome"] != wanted:
        return f"{entry['outcome']} ({entry.get('reason')}), not {wanted}"
    try:
        if stored:
            target, session = stored
            chain.check(path, target, {"project": folder.name, "session": session})
        elif wanted == "rejected":
            chain.check_reason(path, entry["reason"])
    except chains.Difference as difference:
        return str(difference)
    except Exception as error:  # whatever pydicom raises on a damaged file
        return f"not readable: {type(error).__name__}: {error}"
    return None


def cover(folders):
    """What the stored files cover, so that a corpus that shrinks is noticed."""
    syntaxes, sets = Counter(), Counter()
    for path in (path for folder in folders for path in folder.paths):
        if corpus.expected(path) == "stored":
            dataset = pydicom.dcmread(path, stop_before_pixels=True)
            syntaxes[dataset.file_meta.TransferSyntaxUID.name] += 1
            sets[str(dataset.get("SpecificCharacterSet") or "none")] += 1
    for what, counts in (("transfer syntaxes", syntaxes), ("character sets", sets)):
        print(f"{len(counts)} {what}: " + ", ".join(f"{name} ({count})" for name, count in counts.most_common()))


if __name__ == "__main__":
    main()
