"""Inspecting networks: dead units, the scores of one setting under many seeds, and plots of both."""

from skdense.inspection.displays import LossCurveDisplay, UnitActivityDisplay
from skdense.inspection.studies import SeedStudy, study_seeds
from skdense.inspection.units import dead_units

__all__ = ["LossCurveDisplay", "SeedStudy", "UnitActivityDisplay", "dead_units", "study_seeds"]
