"""Inspecting models: dead units, one setting under many seeds, what columns are worth, and plots."""

from skdense.inspection.importance import (
    ColumnImportanceDisplay,
    Contributions,
    ContributionsDisplay,
    contributions,
)
from skdense.inspection.networks import (
    LossCurveDisplay,
    SeedStudy,
    UnitActivityDisplay,
    dead_units,
    study_seeds,
)

__all__ = [
    "ColumnImportanceDisplay",
    "Contributions",
    "ContributionsDisplay",
    "LossCurveDisplay",
    "SeedStudy",
    "UnitActivityDisplay",
    "contributions",
    "dead_units",
    "study_seeds",
]
