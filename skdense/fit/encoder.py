"""What y is: how it becomes targets of the network, and how the network's logits become predictions.

Each type of target, in scikit-learn's sense, has a class in `labels` or `continuous`. No other module
asks which type y has. Nothing here imports TensorFlow.
"""

from typing import Any

from numpy.typing import NDArray

from skdense.core.formulas.losses import LOSSES


class Encoder:
    """What the encoders of all types of targets have in common.

    Parameters
    ----------
    loss_name : str
        The loss that is minimized, by its name among the losses of this type.

    Attributes
    ----------
    target_type : str
        The name of the type in the core's table of losses.
    loss : Loss
        All that is known of the loss.
    classes : ndarray of shape (n_classes,) or None
        The classes of labels; None for numbers.
    curves : dict of str to str
        The attributes with a value for each epoch, and their fields of `Curves`.
    is_stratified : bool
        Whether the validation split keeps the proportions of the classes.
    attributes : dict
        What a fitted estimator keeps of y.
    """

    target_type: str
    classes: NDArray | None = None
    curves = {
        "loss_curve_": "loss",
        "validation_loss_curve_": "validation_loss",
        "validation_scores_": "validation_score",
    }
    is_stratified = False

    def __init__(self, loss_name: str):
        self.loss_name, self.loss = loss_name, LOSSES[self.target_type][loss_name]

    @property
    def attributes(self) -> dict[str, Any]:
        return {}

    def check(self, y: Any, name: str) -> None:
        """Raise unless y is of this type; the error calls it by this name."""
        raise NotImplementedError

    def encode(self, y: Any) -> NDArray:
        """The targets `(n_samples, n_outputs)`."""
        raise NotImplementedError

    def decode(self, logits: NDArray) -> Any:
        """The predictions. Like every method that takes logits, it may overwrite them."""
        raise NotImplementedError


def loss_with_output(encoder: type[Encoder], out_activation: str) -> str:
    """The name of a loss of this class of encoders with this output activation."""
    losses = LOSSES[encoder.target_type].items()
    return next(name for name, loss in losses if loss.output == out_activation)
