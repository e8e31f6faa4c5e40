"""Collections of garbage wait while objects are created that stay, and nothing else of them changes."""

import gc

import pytest

from helpers import run_python
from skdense.core.machine.compiling import compiled
from skdense.core.machine.memory import no_collection
from skdense.core.machine.runtime import tf


def test_nothing_is_collected_in_the_block_and_afterwards_as_before():
    assert gc.isenabled()
    with no_collection():
        assert not gc.isenabled()
        with no_collection():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()


def test_after_an_error_garbage_is_collected_again():
    with pytest.raises(KeyError), no_collection():
        raise KeyError
    assert gc.isenabled()


def test_who_has_switched_collections_off_keeps_them_off():
    gc.disable()
    try:
        with no_collection():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_a_program_is_made_without_collections():
    def makes():
        are_on.append(gc.isenabled())
        return tf.identity, [tf.TensorSpec([], tf.float64)]

    are_on = []
    compiled(makes)
    assert are_on == [False]
    assert gc.isenabled()


def test_tensorflow_is_imported_without_collections():
    program = """
import gc, sys

class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.startswith("tensorflow.python."):
            are_on.add(gc.isenabled())

are_on = set()
sys.meta_path.insert(0, Finder)
import skdense.core.machine.runtime
print(are_on, gc.isenabled())
"""
    assert run_python(program) == "{False} True\n"
