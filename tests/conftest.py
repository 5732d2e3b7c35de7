"""How the tests search: no deadline by the clock; longer or leaner where a target asks for it."""

from __future__ import annotations

from hypothesis import HealthCheck, Phase, settings

settings.register_profile("thecal", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("long", parent=settings.get_profile("thecal"), max_examples=2000)
# A mutant needs one failing example, not the smallest one, and the same examples each time.
settings.register_profile(
    "mutants",
    parent=settings.get_profile("thecal"),
    max_examples=60,
    derandomize=True,
    database=None,
    phases=(Phase.explicit, Phase.generate),
)
settings.load_profile("thecal")
