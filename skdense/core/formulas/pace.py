"""How the learning rate changes from step to step: the warm-up, and the cosine schedule."""

import numpy as np

from skdense.core.formulas.schedules import SCHEDULES
from skdense.core.machine.runtime import tf
from skdense.core.network import Hyper, Tensor


def pace(step: Tensor, hyper: Hyper) -> Tensor:
    """The factor on the epoch's learning rate, in the step that follows `step` others.

    It rises linearly over the warm-up, up to 1. With the cosine schedule it then falls to 0 over the
    rest of `schedule_epochs` epochs, as in SGDR (Loshchilov and Hutter, 2017), and if training goes on
    after them it starts again at 1.
    """
    steps_per_epoch = tf.math.ceil(hyper.n_samples / hyper.batch_size)
    warmup = hyper.warmup * steps_per_epoch
    rest = tf.maximum(hyper.schedule_epochs * steps_per_epoch - warmup, 1)
    angle = np.pi * tf.math.floormod((step - warmup) / rest, 1)
    is_cosine = hyper.schedule == SCHEDULES["cosine"].number
    after_warmup = tf.where(is_cosine, (1 + tf.cos(angle)) / 2, 1)
    return tf.where(step < warmup, tf.minimum((step + 1) / warmup, 1), after_warmup)
