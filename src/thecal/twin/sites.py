"""Where a preview looks: at the tip, at levels in spinal fluid, in tissue, in plasma, and at effects.

A level is a vertebra or a disc, and lies elsewhere in another person's canal; a dermatome is served by its segment of
the cord. A name that could mean two things is refused by the levels of the spine, and nothing here guesses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from thecal.body.spine.levels import dermatome, level, nearest_segment
from thecal.twin.spine import Site, SiteKind

if TYPE_CHECKING:
    from collections.abc import Sequence

LEVELS = ("L3-4", "T10", "T4", "C7-T1")
"""Levels at which spinal fluid is shown unless asked otherwise."""
DERMATOMES = ("T10",)
"""Dermatomes at which an effect is shown unless asked otherwise."""
CONCENTRATION = "ng/mL"
RATE = "mcg/h"
EFFECT = "0 to 1"
TIMES_EC50 = "times EC50"

_KEPT = frozenset({SiteKind.CSF, SiteKind.TISSUE, SiteKind.CISTERN, SiteKind.BRAINSTEM, SiteKind.PLASMA})
_DRIVES = frozenset({SiteKind.SPINAL_DRIVE, SiteKind.WARNING_DRIVE})
_EFFECTS = frozenset({SiteKind.ANALGESIA, SiteKind.WARNING_INDEX})

_WARNING_DRIVE = "warning index, not a prediction, times its EC50"


def sites_of(
    tip_level: str, canal_cm: float, levels: Sequence[str] = LEVELS, dermatomes: Sequence[str] = DERMATOMES
) -> tuple[Site, ...]:
    """The sites of a preview, from the tip outwards. UntrustedError for a level or dermatome that is not known."""
    tip, named = level(tip_level), [level(name) for name in levels]
    fluid = [one for one in dict.fromkeys(named) if one.name != tip.name]
    tip_cm = tip.at_cm(canal_cm)
    tissue = "nerve roots" if nearest_segment(tip_cm, canal_cm) is None else "cord tissue"
    skin = [(d.name, d.at_cm(canal_cm)) for d in dict.fromkeys(dermatome(one) for one in dermatomes)]
    return (
        Site("tip", f"leaves the tip ({tip.name})", SiteKind.TIP, tip.name, tip_cm, RATE),
        Site("csf-tip", f"CSF at the tip ({tip.name})", SiteKind.CSF, tip.name, tip_cm, CONCENTRATION),
        *(
            Site(f"csf-{one.name}", f"CSF at {one.name}", SiteKind.CSF, one.name, one.at_cm(canal_cm), CONCENTRATION)
            for one in fluid
        ),
        Site("cistern", "CSF in the cistern", SiteKind.CISTERN, None, None, CONCENTRATION),
        Site("tissue-tip", f"{tissue} at {tip.name}", SiteKind.TISSUE, tip.name, tip_cm, CONCENTRATION),
        Site("plasma", "plasma", SiteKind.PLASMA, None, None, CONCENTRATION),
        *(
            Site(f"cord-drive-{n}", f"cord, times its EC50, dermatome {n}", SiteKind.SPINAL_DRIVE, n, cm, TIMES_EC50)
            for n, cm in skin
        ),
        Site("warning-drive", _WARNING_DRIVE, SiteKind.WARNING_DRIVE, None, None, TIMES_EC50),
        *(Site(f"analgesia-{n}", f"analgesia, dermatome {n}", SiteKind.ANALGESIA, n, cm, EFFECT) for n, cm in skin),
        Site("warning-index", "warning index, not a prediction", SiteKind.WARNING_INDEX, None, None, EFFECT),
    )


def is_concentration(site: Site) -> bool:
    """Whether a site holds each drug by itself; the others are what the pump gives, drives and effects."""
    return site.kind in _KEPT


def is_drive(site: Site) -> bool:
    """Whether a site says of each drug how many times its EC50 is there: linear in the dose, unlike an effect."""
    return site.kind in _DRIVES


def is_effect(site: Site) -> bool:
    """Whether drugs are combined at a site."""
    return site.kind in _EFFECTS


def place_of(site: Site, canal_cm: float) -> tuple[str, float]:
    """Place and cm of a concentration, as ``Neuraxis.reading`` takes them, in a canal of this length."""
    names = {SiteKind.CSF: "csf", SiteKind.TISSUE: "tissue", SiteKind.CISTERN: "cistern"}
    name = names.get(site.kind, str(site.kind))
    return name, 0.0 if site.level is None else level(site.level).at_cm(canal_cm)
