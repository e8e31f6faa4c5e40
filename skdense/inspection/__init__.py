"""Inspecting models: dead units, what moved a prediction, where intervals hold."""

from skdense import compat
from skdense.inspection.networks import dead_unit_masks
from skdense.inspection.tables import Contributions, CoverageDisplay, contributions

__all__ = ["Contributions", "CoverageDisplay", "contributions", "dead_unit_masks"]

_NOW = {
    "dead_units": "skdense.inspection.dead_unit_masks",
    "SeedStudy": "skdense.fit_many",
    "study_seeds": "skdense.fit_many",
}
"""What there is in the place of names that version 0.5.0 had."""


def __getattr__(name):
    raise compat.missing(__name__, name, _NOW)
