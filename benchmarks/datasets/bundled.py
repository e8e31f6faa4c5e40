from benchmark_utils.components import RegisteredDataset
from benchmark_utils.data import BUNDLED


class Dataset(RegisteredDataset):
    """Data sets that come with scikit-learn, float64."""

    name = "bundled"
    parameters = {"dataset": BUNDLED}
