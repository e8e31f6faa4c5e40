"""Collections of garbage wait while objects are created that stay, and nothing else of them changes."""

import gc

import pytest

from skdense.core.machine.garbage import give_back_freed, no_collection


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


def test_freed_memory_can_be_given_back_at_any_time():
    kept = bytearray(10**6)
    give_back_freed()
    assert not any(kept)
