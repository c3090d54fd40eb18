"""What cannot stream is refused by the layer that cannot, before anything is written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers
from streamed_models import (
    TIMESTEPS,
    AlwaysNoisy,
    Centred,
    MaximumBetweenLayers,
    OwnLoop,
    normal,
    simple,
    states_in_lists,
    static_row_at_every_timestep,
    subclassed,
)

from pipelines.base.errors import ConfigurationError
from rnn_apps.export import ExportError, export_tflite
from rnn_apps.export.planning.streaming_plan import streaming_plan

REFUSED: dict[str, tuple[Callable[[], tuple[keras.Model, Any]], str]] = {
    "Bidirectional": (
        simple(lambda: layers.Bidirectional(layers.GRU(3), name="both")),
        r"'backward_gru.*' \(GRU\) reads the sequence from its end",
    ),
    "backwards": (
        simple(lambda: layers.LSTM(3, go_backwards=True, name="reverse")),
        r"'reverse' \(LSTM\) reads the sequence from its end",
    ),
    "pooling": (
        simple(
            lambda: layers.GRU(3, return_sequences=True),
            lambda: layers.GlobalMaxPooling1D(name="most"),
        ),
        r"'most' \(GlobalMaxPooling1D\) looks at several timesteps",
    ),
    "convolution": (
        simple(
            lambda: layers.Conv1D(3, 3, padding="causal", name="convolution"),
            lambda: layers.GRU(3, return_sequences=True),
        ),
        r"'convolution' \(Conv1D\) looks at several timesteps",
    ),
    "a normalisation over time": (
        simple(lambda: layers.UnitNormalization(axis=1, name="norm"), lambda: layers.GRU(3)),
        r"'norm' \(UnitNormalization\) looks at several timesteps",
    ),
    "a mean inside call": (
        simple(lambda: Centred(3, name="centred")),
        r"'centred' \(Centred\) has a `call` of its own",
    ),
    "a loop of its own": (
        simple(lambda: OwnLoop(3, name="own"), length=None),
        r"'own' \(OwnLoop\) has a loop of its own",
    ),
    "a maximum between layers": (
        subclassed(MaximumBetweenLayers),
        r"before Layer 'head' \(Dense\) looks at several timesteps",
    ),
    "noise": (subclassed(AlwaysNoisy), r"each time .* 'noise' \(Dropout\) is random"),
    "all timesteps flattened": (
        simple(
            lambda: layers.GRU(3, return_sequences=True),
            layers.Flatten,
            lambda: layers.Dense(2, name="flat"),
        ),
        "cannot take single chunks .* layer 'flat' is incompatible",
    ),
}


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_what_cannot_stream_is_refused_by_the_layer_that_cannot(name: str, tmp_path: Path) -> None:
    make, message = REFUSED[name]
    model, data = make()
    with pytest.raises(ExportError, match=message) as caught:
        export_tflite(
            model, tmp_path / "m.tflite", mode="streaming", representative_data=data, card=False
        )
    assert "the file" not in str(caught.value) and "litert" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_model_that_is_random_at_inference_is_refused_by_its_layer(tmp_path: Path) -> None:
    model, data = subclassed(AlwaysNoisy)()
    with pytest.raises(ExportError, match=r"each time .* 'noise' \(Dropout\) is random"):
        export_tflite(model, tmp_path / "m.tflite", representative_data=data, card=False)


def test_a_chunk_must_make_up_a_fixed_length(tmp_path: Path) -> None:
    model, data = static_row_at_every_timestep()
    with pytest.raises(ExportError, match=f"chunk= that divides {TIMESTEPS}"):
        export_tflite(
            model, tmp_path / "m.tflite", mode="streaming", representative_data=data, chunk=7
        )


def test_a_state_in_the_data_must_be_where_a_stream_begins(tmp_path: Path) -> None:
    model, series = states_in_lists()
    for hidden, refused in ((np.zeros((3, 5), np.float32), False), (normal(3, 5), True)):
        data = (series, hidden)
        if not refused:
            assert streaming_plan("step", model, data=data).outputs
            continue
        with pytest.raises(ConfigurationError, match="'hidden' is not zero"):
            streaming_plan("step", model, data=data)
