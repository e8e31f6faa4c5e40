"""Inspecting models: dead units, what moved a prediction, where intervals hold."""

from skdense.inspection.networks import dead_units
from skdense.inspection.tables import CoverageDisplay, contributions

__all__ = ["CoverageDisplay", "contributions", "dead_units"]
