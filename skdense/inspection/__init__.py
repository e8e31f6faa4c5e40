"""Inspecting models: dead units, what moved a prediction, where intervals hold."""

from skdense.inspection.networks import dead_units
from skdense.inspection.tables import Contributions, CoverageDisplay, contributions

__all__ = ["Contributions", "CoverageDisplay", "contributions", "dead_units"]
