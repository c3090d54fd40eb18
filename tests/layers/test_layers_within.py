"""The one walk over a model's layers: nested, wrapped, in containers, each once, in order."""

from __future__ import annotations

import keras
import numpy as np

from rnn_apps.layers.layers_within import layers_within, recurrent_states, reset_recurrent_states


class Holder(keras.layers.Layer):
    """Keeps layers wherever a user may keep them."""

    def __init__(self) -> None:
        super().__init__(name="holder")
        self.table = {"deep": [keras.layers.Dense(1, name="in_list"), (self._dense("in_tuple"),)]}
        self.several = {self._dense("in_set")}

    @staticmethod
    def _dense(name: str) -> keras.layers.Layer:
        return keras.layers.Dense(1, name=name)


def names(layer: keras.layers.Layer) -> list[str]:
    return [inner.name for inner in layers_within(layer)]


def test_layers_are_found_in_every_kind_of_container_and_once_each() -> None:
    holder = Holder()
    found = names(holder)
    assert found[0] == "holder"
    assert sorted(found[1:]) == ["in_list", "in_set", "in_tuple"]


def test_the_order_is_that_of_the_calls_depth_first() -> None:
    inner = keras.Sequential([keras.layers.Dense(2, name="a")], name="inner")
    wrapped = keras.layers.TimeDistributed(keras.layers.Dense(2, name="c"), name="b")
    outer = keras.Sequential([inner, wrapped, inner], name="outer")
    assert names(outer) == ["outer", "inner", "a", "b", "c"]


def test_containers_that_hold_one_another_end_the_walk() -> None:
    layer = keras.layers.Dense(1, name="dense")
    ring: list[object] = []
    ring.append({"again": ring})
    object.__setattr__(layer, "ring", ring)
    assert names(layer) == ["dense"]


def test_states_of_nested_stateful_layers_are_set_to_zero() -> None:
    inner = keras.Sequential([keras.layers.GRU(2, stateful=True)])
    model = keras.Sequential([keras.Input((3, 1), batch_size=1), inner])
    model(np.ones((1, 3, 1), np.float32))
    [state] = recurrent_states(model)
    assert np.abs(state.numpy()).max() > 0
    reset_recurrent_states(model)
    assert np.abs(state.numpy()).max() == 0
