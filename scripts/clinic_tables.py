"""Writes the pages that are tables of the clinic: who may do what, and the steps of each workflow.

Permissions come from clinic/people/permissions.toml, workflows from clinic/workflow.py. With ``--check`` nothing is
written, and a page that is not the one that would be written is an error.

    python scripts/clinic_tables.py [--check]
"""

from __future__ import annotations

import argparse
import sys
import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any

from thecal.clinic.who import StaffRole
from thecal.clinic.workflow import WAYS, Step

ROLES = tuple(role.value for role in StaffRole)
CHECK = """<!-- Written by scripts/clinic_tables.py: change the table, run it again. -->

"""
PROOF = """
This page is written from the table that the program uses. Whether it still says the same is looked at whenever the
examples are run:

```console
$ python scripts/clinic_tables.py --check
Both pages say what the program does.
```
"""
WHAT = {
    Step.READ: "the pump is read whole: clock, alarms, boluses, what runs, what is left",
    Step.PROGRAM: "the program is written as a draft; nothing is sent",
    Step.PREVIEW: "what arrives beyond the tip, as it runs now and as proposed",
    Step.BOLUS: "one bolus by the clinic: a dose in whole strokes",
    Step.CLOCK: "the pump's clock against the wall: keep it, set it, or move the times of the program",
    Step.TIMELINE: "hours without drug, tolerance, symptoms, and the needle's place",
    Step.MEDICATION: "the same medication or another one, and the patient's consent",
    Step.MIXTURE: "old and new mixture side by side, with limits and ratios",
    Step.SYRINGE: "scanned or typed; whose it is, what is in it, until when",
    Step.CHECKLIST: "the physical steps until the reservoir is empty, and the volume that came out",
    Step.GAP: "expected against aspirated, with the causes of a difference",
    Step.RINSE: "how often the reservoir is rinsed, and what stays of the old fluid",
    Step.FILL: "the volume that goes in, against syringe, model and room",
    Step.BRIDGE: "the old fluid in the line first; or a reason to leave the bridge out",
    Step.SECOND: "a second person's blind entry where one is needed; then the fluid goes in, once",
    Step.REVIEW: "every setting, old and new; the pump holds the program and reads it back",
    Step.SEND: "what was read back is sent, by its digest, on a page of its own",
    Step.WATCH: "who watches the patient, how long, from when",
    Step.CLOSE: "how the pump was left, in words",
}


def permissions_page() -> str:
    """Who may do what, as a page."""
    text = files("thecal.clinic.people").joinpath("permissions.toml").read_text("utf-8")
    actions: dict[str, dict[str, Any]] = tomllib.loads(text)["actions"]
    lines = [
        "# Who may do what",
        "",
        CHECK.strip(),
        "",
        "One row for each action. Every page and every button of the clinic names one of these actions, and is closed",
        "to everybody whose roles do not have it. Whatever is not here nobody may. Somebody may have several roles.",
        "",
        "To *see* means that the page opens; what is done there is an action of its own.",
        "",
        f"| action | what | {' | '.join(ROLES)} |",
        f"| --- | --- |{' --- |' * len(ROLES)}",
    ]
    for name, row in actions.items():
        cells = " | ".join("yes" if role in row["roles"] else "" for role in ROLES)
        lines.append(f"| `{name}` | {row['what']} | {cells} |")
    return "\n".join(lines) + "\n" + PROOF


def workflows_page() -> str:
    """The workflows with their steps, and what each step is for, as a page."""
    lines = [
        "# Workflows and steps",
        "",
        CHECK.strip(),
        "",
        "A session at a pump is for one thing, and its steps have a fixed order: nobody comes to a step before those",
        "that it needs, and there is no short way to *send*. Entering something anew opens each step after it again.",
        "",
        "| workflow | to begin it | steps |",
        "| --- | --- | --- |",
    ]
    lines += [
        f"| {way.name} | `{way.action}` | {', '.join(step.value for step in way.steps)} |" for way in WAYS.values()
    ]
    lines += ["", "What begins a workflow is an action of [the table of permissions](permissions.md).", ""]
    lines += [
        "## Steps",
        "",
        "| step | what |",
        "| --- | --- |",
        *(f"| {step.value} | {WHAT[step]} |" for step in Step),
    ]
    lines += ["", "What stops somebody at a step of a refill is listed in [what blocks what](refill-blocks.md).", ""]
    return "\n".join(lines) + PROOF


PAGES = {
    Path("docs/reference/permissions.md"): permissions_page,
    Path("docs/reference/workflows.md"): workflows_page,
}


def main() -> None:
    """Write both pages, or look whether they are the newest."""
    parser = argparse.ArgumentParser(description="Writes the pages that are tables of the clinic.")
    parser.add_argument("--check", action="store_true", help="write nothing; an old page is an error")
    check = parser.parse_args().check
    old = [path for path, page in PAGES.items() if not path.exists() or path.read_text("utf-8") != page()]
    if check and old:
        sys.exit(f"not the newest: {', '.join(map(str, old))}; next: python scripts/clinic_tables.py")
    for path in old:
        path.write_text(PAGES[path](), "utf-8")
    print("Both pages say what the program does.")


if __name__ == "__main__":
    main()
