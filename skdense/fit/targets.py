"""What y is: how it becomes targets of the network, and what the network's logits say of it.

There is a class for each type of target, in scikit-learn's sense: `labels` and `continuous` have them,
and no other module asks which one y is. Nothing here imports TensorFlow.
"""

from skdense.core.formulas.losses import LOSSES
from skdense.core.network import Data


class Targets:
    """What all types of targets have in common.

    Parameters
    ----------
    loss : str
        The loss that is minimized, by its name among the losses of this type.

    Attributes
    ----------
    type : str
        The name of the type in the core's table of losses.
    record : Loss
        All that is known of the loss.
    curves : dict of str to str
        The attributes with a value for each epoch, and their fields of `Curves`.
    is_stratified : bool
        Whether the validation split keeps the proportions of the classes.
    attributes : dict
        What a fitted estimator keeps of y.
    """

    type: str
    curves = {
        "loss_curve_": "loss",
        "validation_loss_curve_": "validation_loss",
        "validation_scores_": "validation_score",
    }
    is_stratified = False
    attributes = {}

    def __init__(self, loss):
        self.loss, self.record = loss, LOSSES[self.type][loss]

    def check(self, y, name):
        """Raise unless y, of this name, is of this type."""
        raise NotImplementedError

    def weights(self, samples, validation, rows):
        """The weights of checked samples, and of those to validate on; these rows are trained on."""
        return samples.weights, validation and validation.weights

    def encode(self, y):
        """The targets `(n_samples, n_outputs)`."""
        raise NotImplementedError

    def data(self, samples, validation, rows):
        """The `Data` of checked samples, and of those to validate on or None."""
        weights, validation_weights = self.weights(samples, validation, rows)
        data = Data(samples.X, self.encode(samples.y), weights)
        if validation is None:
            return data, None
        return data, Data(validation.X, self.encode(validation.y), validation_weights)

    def decode(self, logits):
        """The predictions. As other methods that are given logits, it may overwrite them."""
        raise NotImplementedError


def loss_of(targets, out_activation):
    """The name of a loss that has these outputs, among the losses of a type of targets."""
    losses = LOSSES[targets.type].items()
    return next(name for name, record in losses if record.output == out_activation)
