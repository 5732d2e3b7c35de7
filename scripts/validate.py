"""The validation of the spine: what papers say beside what the model gives, as docs/validation.md.

With ``--check`` nothing is written, and a page that is not the one that would be written is an error, so that the page
that is kept is always that of the model that is kept.
"""

from __future__ import annotations

import argparse
import difflib
import sys
from collections import Counter
from pathlib import Path

from thecal.body.validation.judging import judge
from thecal.body.validation.page import page
from thecal.body.validation.reading import shipped

PAGE = "docs/validation.md"


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="Write docs/validation.md from the cases that ship.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail where the page is not the newest")
    parser.add_argument("root", nargs="?", type=Path, default=Path(__file__).resolve().parent.parent)
    options = parser.parse_args(arguments)
    files = [cases.file for cases in shipped()]
    findings = [finding for file in files for finding in judge(file)]
    text, target = page(files, findings), options.root.resolve() / PAGE
    counts = Counter(str(finding.verdict) for finding in findings)
    print(f"{len(findings)} checks: " + ", ".join(f"{number} {name}" for name, number in counts.items()))
    if not options.check:
        target.write_text(text, "utf-8")
        return 0
    kept = target.read_text("utf-8") if target.exists() else ""
    if kept == text:
        return 0
    changed = list(difflib.unified_diff(kept.splitlines(), text.splitlines(), lineterm="", n=0))
    print("\n".join(changed[2:12]))
    print(f"{PAGE} is not the newest; run make validate and commit it")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
