"""Exports: SavedModel, LiteRT, TFLite Micro, streaming, several signatures, and every refusal."""

from __future__ import annotations

import os
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import Input, Sequential, layers

from pipelines.base.errors import ConfigurationError
from rnn_apps.edge import StreamingSession, load
from rnn_apps.export import (
    ExportError,
    SignatureRequest,
    export_saved_model,
    export_signatures,
    export_tflite,
    verify,
)
from rnn_apps.export.processes import conversion_process

FEATURES, TIMESTEPS = 3, 10
DATA = np.random.default_rng(0).normal(size=(24, TIMESTEPS, FEATURES)).astype(np.float32)


def lstm_model(**options: object) -> keras.Model:
    keras.utils.set_random_seed(1)
    return Sequential(
        [
            Input((None, FEATURES), name="series"),
            layers.LSTM(6, return_sequences=True, **options),
            layers.Dense(2, name="values"),
        ]
    )


def gru_model() -> keras.Model:
    keras.utils.set_random_seed(2)
    return Sequential(
        [Input((None, FEATURES), name="series"), layers.GRU(5), layers.Dense(2, name="values")]
    )


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_free_lstm_file_takes_any_batch_and_length_and_keeps_no_state(tmp_path: Path) -> None:
    model = lstm_model()
    result = export_tflite(model, tmp_path / "m.tflite", representative_data=DATA, form="fused")
    assert result.form == "fused"
    assert "UNIDIRECTIONAL_SEQUENCE_LSTM" in result.operators
    assert result.signatures["serving_default"]["inputs"]["series"]["shape"] == [-1, -1, FEATURES]
    file = load(result.path)
    for part in (DATA[:1], DATA[:5, :4], DATA[:1], DATA[1:3]):
        np.testing.assert_allclose(file({"series": part})["values"], model(part), atol=1e-6)
    assert result.card is not None
    assert result.card.is_file()


def test_auto_measures_on_litert_and_takes_the_fastest(tmp_path: Path) -> None:
    result = export_tflite(
        gru_model(), tmp_path / "m.tflite", timesteps=TIMESTEPS, batch_size=1, card=False
    )
    times = {form: ms for form, ms in result.candidates.items() if isinstance(ms, float)}
    assert times
    assert result.form == min(times, key=lambda form: times[form])
    assert result.latency_ms is not None
    assert result.latency_ms >= times[result.form]
    assert all(form.reason for form in result.forms)


@pytest.mark.parametrize("form", ["loop", "chunked loop", "compact loop", "unrolled", "keras loop"])
def test_every_form_of_a_masked_layer_agrees(form: str, tmp_path: Path) -> None:
    inputs = Input((22, FEATURES))
    hidden = layers.GRU(4, return_sequences=True)(layers.Masking()(inputs))
    model = keras.Model(inputs, layers.GRU(3, go_backwards=True)(hidden))
    data = np.tile(DATA[:4], (1, 3, 1))[:, :22]
    data[1, 15:], data[2, :4], data[3, 5:9] = 0, 0, 0
    result = export_tflite(
        model, tmp_path / "m.tflite", representative_data=data, batch_size=1, form=form, card=False
    )
    assert result.form == form
    assert result.error < 1e-6


def test_dynamic_range_is_small_and_close(tmp_path: Path) -> None:
    model = Sequential([Input((None, 16)), layers.LSTM(64), layers.Dense(2)])
    data = np.random.default_rng(1).normal(size=(8, 12, 16)).astype(np.float32)
    common = {"representative_data": data, "form": "fused", "card": False}
    floating = export_tflite(model, tmp_path / "f.tflite", **common)
    dynamic = export_tflite(model, tmp_path / "d.tflite", quantize="dynamic", **common)
    assert dynamic.bytes < 0.35 * floating.bytes
    assert 0 < dynamic.error < 0.05


def test_int8_on_tflite_micro_is_independent_from_call_to_call(tmp_path: Path) -> None:
    model = lstm_model()
    result = export_tflite(
        model,
        tmp_path / "m.tflite",
        target="tflm",
        timesteps=TIMESTEPS,
        quantize="int8",
        representative_data=DATA,
        card=False,
    )
    assert result.form == "fused"
    assert result.arena_bytes is not None
    assert result.errors[0].relative_rmse < 0.1
    file = load(result.path, "tflm")
    first = file({"series": DATA[:1]})["values"]
    file({"series": DATA[1:2]})
    np.testing.assert_array_equal(file({"series": DATA[:1]})["values"], first)


@pytest.mark.parametrize("target", ["litert", "tflm"])
@pytest.mark.parametrize("model", ["stacked", "bidirectional"])
def test_int8_scales_that_the_converter_gets_wrong(model: str, target: str, tmp_path: Path) -> None:
    """A second layer's cells that stay below a half, and directions whose outputs are joined."""
    keras.utils.set_random_seed(1)
    stack = [layers.LSTM(8, return_sequences=True) for _ in range(2)]
    if model == "bidirectional":
        stack = [layers.Bidirectional(layers.LSTM(13, return_sequences=True))]
    result = export_tflite(
        Sequential([Input((TIMESTEPS, FEATURES), name="series"), *stack]),
        tmp_path / "m.tflite",
        target=target,
        quantize="int8",
        form="fused",
        representative_data=DATA,
        card=False,
    )
    assert result.errors[0].relative_rmse < 0.05


@pytest.mark.parametrize("quantize", [None, "int8"])
def test_masks_on_tflite_micro(quantize: str | None, tmp_path: Path) -> None:
    """It has neither REDUCE_ANY nor a GATHER of booleans."""
    data = DATA.copy()
    data[1::2, TIMESTEPS // 2 :] = 0
    keras.utils.set_random_seed(1)
    stack = [layers.Masking(), layers.GRU(6, return_sequences=True), layers.LSTM(5)]
    result = export_tflite(
        Sequential([Input((TIMESTEPS, FEATURES), name="series"), *stack]),
        tmp_path / "m.tflite",
        target="tflm",
        quantize=quantize,
        representative_data=data,
        card=False,
    )
    assert result.forms[0].form == ("compact loop" if quantize is None else "unrolled")
    assert result.errors[0].relative_rmse < (1e-5 if quantize is None else 0.1)


@pytest.mark.parametrize("return_sequences", [False, True])
def test_the_compact_loop_takes_the_least_memory_on_tflite_micro(
    return_sequences: bool, tmp_path: Path
) -> None:
    timesteps, units = 40, 32
    layer = layers.GRU(units, return_sequences=return_sequences, go_backwards=True)
    model = Sequential([Input((timesteps, FEATURES), name="series"), layer])
    found = {
        form: export_tflite(model, tmp_path / "m.tflite", target="tflm", form=form, card=False)
        for form in ("rule", "loop")
    }
    assert found["rule"].form == "compact loop"
    # What goes around is held at three places: the features instead of three gates' projection.
    saved = 3 * 4 * timesteps * (3 * units - FEATURES)
    assert found["loop"].arena_bytes - found["rule"].arena_bytes > 0.9 * saved


def test_int8_gru_on_tflite_micro_is_unrolled(tmp_path: Path) -> None:
    result = export_tflite(
        gru_model(),
        tmp_path / "m.tflite",
        target="tflm",
        timesteps=TIMESTEPS,
        quantize="int8",
        representative_data=DATA,
        card=False,
    )
    assert result.form == "unrolled"
    assert result.errors[0].relative_rmse < 0.1


def test_streaming_is_the_whole_sequence_chunk_by_chunk(tmp_path: Path) -> None:
    model = lstm_model()
    result = export_tflite(
        model,
        tmp_path / "m.tflite",
        mode="streaming",
        chunk=2,
        representative_data=DATA,
        card=False,
    )
    assert verify(result.path, model, representative_data=DATA).ok
    step = result.signatures["step"]
    assert step["inputs"]["series"]["shape"] == [1, 2, FEATURES]
    assert [name for name in step["inputs"] if name.endswith(("_h", "_c"))]
    session = StreamingSession(load(result.path))
    for row in (0, 1):
        session.reset()
        parts = [session.step(DATA[row : row + 1, t : t + 2]) for t in range(0, TIMESTEPS, 2)]
        streamed = np.concatenate(parts, axis=1)
        np.testing.assert_allclose(streamed, model(DATA[row : row + 1]), atol=1e-6)


def test_signatures_share_their_weights(tmp_path: Path) -> None:
    model = Sequential([Input((None, 8)), layers.GRU(48, return_sequences=True)])
    weights = sum(weight.numpy().nbytes for weight in model.weights)
    result = export_signatures(
        {"sequence": model, "step": SignatureRequest(model, mode="streaming")},
        tmp_path / "m.tflite",
        form="loop",
        card=False,
    )
    assert set(result.signatures) == {"sequence", "step"}
    assert list(result.latencies_ms) == ["sequence", "step"]
    assert result.latency_ms == result.latencies_ms["sequence"]
    assert result.bytes < 1.5 * weights
    assert result.error < 1e-6


def test_a_saved_model_has_free_batch_and_time_and_names(tmp_path: Path) -> None:
    model = gru_model()
    export_saved_model(model, tmp_path / "saved")
    function = tf.saved_model.load(str(tmp_path / "saved")).signatures["serving_default"]
    for part in (DATA[:1], DATA[:7, :3]):
        values = function(series=tf.constant(part))["values"]
        np.testing.assert_allclose(values, model(part), atol=1e-6)


def test_verify_sees_another_model(tmp_path: Path) -> None:
    model = gru_model()
    result = export_tflite(
        model, tmp_path / "m.tflite", card=False, form="rule", keep_reference=True
    )
    assert verify(result.path, model).ok
    assert verify(result.path, tmp_path / "m.tflite.reference.npz").ok
    model.layers[0].set_weights([weight * 1.01 for weight in model.layers[0].get_weights()])
    assert not verify(result.path, model).ok


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"target": "tflm", "timesteps": 5, "quantize": "dynamic"}, "int8"),
        ({"target": "tflm", "timesteps": 5, "quantize": "float16"}, "int8"),
        ({"target": "tflm"}, "timesteps="),
        ({"quantize": "int8"}, "representative_data"),
        ({"form": "fused", "timesteps": 5}, "no fused operator for GRU"),
        ({"form": "unrolled"}, "known beforehand"),
        ({"quantize": "int8", "representative_data": DATA}, "streaming"),
    ],
)
def test_what_cannot_run_is_refused_and_nothing_written(
    options: dict, words: str, tmp_path: Path
) -> None:
    with pytest.raises(ExportError, match=words):
        export_tflite(gru_model(), tmp_path / "m.tflite", **options)
    assert files_in(tmp_path) == []


@pytest.mark.parametrize(
    "options",
    [
        {"target": "phone"},
        {"mode": "live"},
        {"quantize": "int4"},
        {"form": "fast"},
        {"timesteps": 0},
        {"timesteps": {"other": 3}},
        {"representative_data": DATA[:, :, :2]},
        {"representative_data": np.full((1, 4, FEATURES), np.nan, np.float32)},
        {"mode": "streaming", "timesteps": 4},
    ],
)
def test_wrong_arguments_are_named(options: dict, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError):
        export_tflite(gru_model(), tmp_path / "m.tflite", **options)
    assert files_in(tmp_path) == []


def test_a_bidirectional_model_is_no_stream(tmp_path: Path) -> None:
    model = Sequential([Input((None, FEATURES)), layers.Bidirectional(layers.GRU(3))])
    with pytest.raises(ExportError, match="from its end"):
        export_tflite(model, tmp_path / "m.tflite", mode="streaming")


def test_a_file_out_of_tolerance_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "m.tflite"
    path.write_bytes(b"the old file")
    with pytest.raises(ExportError, match="differs from the Keras model"):
        export_tflite(gru_model(), path, form="rule", tolerance=1e-12)
    assert path.read_bytes() == b"the old file"
    assert files_in(tmp_path) == ["m.tflite"]


def test_a_model_that_gives_nan_is_refused(tmp_path: Path) -> None:
    model = gru_model()
    model.layers[-1].bias.assign([np.nan, 0.0])
    with pytest.raises(ExportError, match="itself gives NaN"):
        export_tflite(model, tmp_path / "m.tflite")


def test_a_crash_of_the_converter_is_an_error_and_the_next_conversion_works(
    tmp_path: Path,
) -> None:
    model = gru_model()
    export_tflite(model, tmp_path / "m.tflite", form="rule", card=False)
    worker = conversion_process._running_worker()
    os.kill(worker.process.pid, 11)
    worker.process.wait()
    with pytest.raises(conversion_process.ConverterCrashedError, match="signal SIGSEGV"):
        conversion_process.ask(worker, {}, 30.0)
    result = export_tflite(model, tmp_path / "n.tflite", form="rule", card=False)
    assert result.error < 1e-6


def test_a_conversion_out_of_time_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="did not finish within"):
        export_tflite(gru_model(), tmp_path / "m.tflite", form="rule", time_limit=0.01)
    assert files_in(tmp_path) == []


def test_a_mixed_precision_model_keeps_its_policy(tmp_path: Path) -> None:
    model = Sequential(
        [Input((None, FEATURES)), layers.LSTM(4, dtype="mixed_bfloat16"), layers.Dense(1)]
    )
    export_saved_model(model, tmp_path / "saved")
    assert model.layers[0].compute_dtype == "bfloat16"
    assert model.layers[0].cell.compute_dtype == "bfloat16"
    assert "call" not in vars(model.layers[0])
