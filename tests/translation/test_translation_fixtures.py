"""Models that were saved before attention became a registered class give the same numbers."""

from __future__ import annotations

import json
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from rnn_apps.translation.network.model import TranslationModel

FOLDER = Path(__file__).parents[1] / "fixtures" / "translation_models"
EXPECTED = json.loads((FOLDER / "expected.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", EXPECTED["logits"])
def test_a_saved_model_computes_what_it_computed_when_it_was_saved(name: str) -> None:
    model = keras.saving.load_model(FOLDER / f"{name}.keras")
    assert isinstance(model, TranslationModel)
    source, target = (tf.constant(EXPECTED[side], tf.int32) for side in ("source", "target"))
    expected = EXPECTED["logits"][name]
    np.testing.assert_allclose(model({"source": source, "target": target}), expected, atol=2e-5)
    encoded, states = model.encode(source)
    readouts, _ = model.decode(target, encoded, states, training=True)
    np.testing.assert_allclose(model.logits(readouts), expected, atol=2e-5)
