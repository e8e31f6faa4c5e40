"""Inspecting models: dead units, many seeds, what moved a prediction, where intervals hold."""

from skdense.inspection.networks import LossCurveDisplay, SeedStudy, dead_units, study_seeds
from skdense.inspection.tables import (
    Contributions,
    ContributionsDisplay,
    CoverageDisplay,
    contributions,
)

__all__ = [
    "Contributions",
    "ContributionsDisplay",
    "CoverageDisplay",
    "LossCurveDisplay",
    "SeedStudy",
    "contributions",
    "dead_units",
    "study_seeds",
]
