"""Inspecting models: dead units, one setting under many seeds, what columns are worth, and plots."""

from skdense.inspection.displays import LossCurveDisplay, UnitActivityDisplay
from skdense.inspection.importance import ColumnImportanceDisplay
from skdense.inspection.studies import SeedStudy, study_seeds
from skdense.inspection.units import dead_units

__all__ = [
    "ColumnImportanceDisplay",
    "LossCurveDisplay",
    "SeedStudy",
    "UnitActivityDisplay",
    "dead_units",
    "study_seeds",
]
