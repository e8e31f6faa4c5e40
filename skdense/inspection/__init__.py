"""Inspecting models: dead units, many seeds, what moved a prediction, where intervals hold."""

from skdense.inspection.networks import SeedStudy, dead_units, study_seeds
from skdense.inspection.tables import Contributions, CoverageDisplay, contributions

__all__ = [
    "Contributions",
    "CoverageDisplay",
    "SeedStudy",
    "contributions",
    "dead_units",
    "study_seeds",
]
