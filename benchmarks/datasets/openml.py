from benchmark_utils.components import RegisteredDataset
from benchmark_utils.data import OPENML


class Dataset(RegisteredDataset):
    """Larger sets that scikit-learn downloads from OpenML, float32."""

    name = "openml"
    parameters = {"dataset": list(OPENML)}
