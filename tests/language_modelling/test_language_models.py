"""The models of language modelling: what regularises them is really applied."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from model_contract import check_model

from pipelines.base.errors import ConfigurationError
from rnn_apps.language_modelling.config import LanguageModellingConfig
from rnn_apps.language_modelling.network.build import build_model, inference_model
from rnn_apps.language_modelling.network.objective import make_objective
from rnn_apps.layers.cells import find_cell
from rnn_apps.layers.layers_within import reset_recurrent_states
from rnn_apps.training import gradient_flow

VOCABULARY = 23
ROWS, TIMESTEPS, UNITS = 4, 7, 12
TOKENS = np.random.default_rng(0).integers(0, VOCABULARY, (ROWS, TIMESTEPS)).astype(np.int32)
TARGETS = np.roll(TOKENS, -1, axis=1)
WEIGHTS = np.ones((ROWS, TIMESTEPS), np.float32)
BATCH = ({"tokens": tf.constant(TOKENS)}, tf.constant(TARGETS), tf.constant(WEIGHTS))


def make_config(**settings: Any) -> LanguageModellingConfig:
    plain = {
        "units": UNITS, "embedding_size": 10, "batch_size": ROWS, "timesteps": TIMESTEPS,
        "hidden_dropout": 0.0, "output_dropout": 0.0, "gradient_flow": False,
    }  # fmt: skip
    return LanguageModellingConfig(**{**plain, **settings})


def make_model(config: LanguageModellingConfig) -> keras.Model:
    keras.utils.set_random_seed(4)
    return build_model(config, VOCABULARY)


def recurrent_kernels(model: keras.Model) -> list[keras.Variable]:
    return [v for v in model.trainable_variables if "recurrent_kernel" in v.path]


def training_step(model: keras.Model, config: LanguageModellingConfig) -> tuple[Any, list[Any]]:
    """The hidden states of a step in training, from a zero state, and the kernels' gradients."""
    reset_recurrent_states(model)
    kernels = recurrent_kernels(model)
    with tf.GradientTape() as tape:
        outputs = model(TOKENS, training=True)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(TARGETS, outputs["logits"])
        loss = tf.reduce_sum(losses)
    return outputs["hidden"].numpy(), [g.numpy() for g in tape.gradient(loss, kernels)]


@pytest.mark.parametrize("cell", ["simple", "lstm", "gru"])
def test_weight_dropout_is_applied_and_is_the_same_over_all_timesteps(cell: str) -> None:
    """The gradient shows which weights took part: none of a dropped weight's timesteps did.

    Putting holes into the kernels of a model without dropout where the gradient is zero gives the
    same states at every timestep. Were the mask not applied, or drawn per timestep, no gradient
    would be zero and the states would differ.
    """
    rate = 0.4
    config = make_config(cell=cell, weight_dropout=rate)
    model, plain = make_model(config), make_model(make_config(cell=cell))
    plain.set_weights(model.get_weights())
    undropped, _ = training_step(plain, config)
    masks = []
    for _ in range(2):
        hidden, gradients = training_step(model, config)
        masks.append([gradient != 0.0 for gradient in gradients])
        assert len(masks[-1]) == config.layers
        for kernel, whole, kept in zip(
            recurrent_kernels(plain), recurrent_kernels(model), masks[-1], strict=True
        ):
            assert kept.mean() == pytest.approx(1 - rate, abs=0.13)
            kernel.assign(whole * kept / (1 - rate))
        expected, _ = training_step(plain, config)
        np.testing.assert_allclose(hidden, expected, rtol=2e-4, atol=1e-6)
        assert np.abs(hidden[:, 1:] - undropped[:, 1:]).max() > 1e-3
    first, second = masks
    assert all((a != b).any() for a, b in zip(first, second, strict=True)), "the same mask twice"
    assert (first[0] != first[1]).any(), "two layers share a mask"
    plain.set_weights(model.get_weights())
    reset_recurrent_states(model)
    reset_recurrent_states(plain)
    inferred = model(TOKENS, training=False)["hidden"]
    np.testing.assert_array_equal(inferred, plain(TOKENS, training=False)["hidden"])
    # Up to rounding: the layers take another loop in training.
    np.testing.assert_allclose(inferred, undropped, rtol=2e-4, atol=1e-6)


def test_variational_dropout_has_one_mask_for_all_timesteps() -> None:
    rate = 0.5
    config = make_config(input_dropout=rate, hidden_dropout=rate, output_dropout=rate)
    model = make_model(config)
    names = ["input_dropout", "hidden_dropout_1", "output_dropout"]
    probe = keras.Model(model.input, [model.get_layer(name).output for name in names])
    drawn = []
    for _ in range(2):
        outputs = [output.numpy() for output in probe(TOKENS, training=True)]
        for output in outputs:
            dropped = output == 0.0
            np.testing.assert_array_equal(dropped, dropped[:, :1].repeat(TIMESTEPS, 1))
            assert 0.2 < dropped.mean() < 0.8
            assert (dropped[0] != dropped[1]).any(), "two texts share a mask"
        drawn.append(outputs[0] == 0.0)
    assert (drawn[0] != drawn[1]).any()


def test_embedding_dropout_leaves_out_whole_tokens() -> None:
    rate = 0.5
    model = make_model(make_config(embedding_dropout=rate))
    embedding = model.get_layer("embedding")
    plain = embedding(TOKENS, training=False).numpy()
    outputs = embedding(TOKENS, training=True).numpy()
    factors = {token: set() for token in np.unique(TOKENS).tolist()}
    for token, before, after in zip(
        TOKENS.ravel().tolist(), plain.reshape(-1, 10), outputs.reshape(-1, 10), strict=True
    ):
        factor = 0.0 if not after.any() else 1.0 / (1 - rate)
        np.testing.assert_allclose(after, factor * before, rtol=1e-6)
        factors[token].add(factor)
    assert all(len(found) == 1 for found in factors.values()), "a token in and out at once"
    assert set.union(*factors.values()) == {0.0, 2.0}


def test_penalties_are_those_of_the_paper_and_not_part_of_the_loss() -> None:
    alpha, beta = 2.0, 3.0
    config = make_config(activation_regularisation=alpha, temporal_regularisation=beta)
    model, objective = make_model(config), make_objective(config)
    hidden = model(TOKENS, training=False)["hidden"].numpy()
    reset_recurrent_states(model)
    loss_sum, weight_sum = objective(model, BATCH, True)
    expected = [
        beta * np.square(hidden[:, 1:] - hidden[:, :-1]).mean(),
        alpha * np.square(hidden).mean(),
    ]
    np.testing.assert_allclose(sorted(x.numpy() for x in model.losses), sorted(expected), 1e-5)
    reset_recurrent_states(model)
    np.testing.assert_allclose(objective(model, BATCH, False)[0], loss_sum, rtol=1e-5)
    assert model.losses == []
    assert float(weight_sum) == TOKENS.size
    # One timestep has no change: the penalty is 0, not NaN.
    model(TOKENS[:, :1], training=True)
    assert np.isfinite([x.numpy() for x in model.losses]).all()


def test_padding_does_not_count() -> None:
    config = make_config()
    model, objective = make_model(config), make_objective(config)
    weights = WEIGHTS.copy()
    weights[:, 4:] = 0.0
    cut = ({"tokens": TOKENS[:, :4]}, TARGETS[:, :4], WEIGHTS[:, :4])
    expected = objective(model, cut, False)
    reset_recurrent_states(model)
    found = objective(model, (BATCH[0], BATCH[1], weights), False)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_tied_logits_come_from_the_embedding_in_float32(precision: str) -> None:
    keras.config.set_dtype_policy(precision)
    try:
        model = make_model(make_config(tied=True))
    finally:
        keras.config.set_dtype_policy("float32")
    outputs = model(TOKENS, training=False)
    matrix, bias = (v.numpy() for v in model.get_layer("embedding").weights)
    assert matrix.shape == (VOCABULARY, 10)
    assert outputs["logits"].dtype == tf.float32
    hidden = tf.cast(outputs["hidden"], tf.float32).numpy()
    np.testing.assert_allclose(outputs["logits"], hidden @ matrix.T + bias, rtol=1e-4, atol=1e-6)
    assert not any("output" in layer.name for layer in model.layers)


def test_a_residual_layer_adds_its_input() -> None:
    config = make_config(residual=True, embedding_size=UNITS)
    model = make_model(config)
    probe = keras.Model(
        model.input,
        [model.get_layer(n).output for n in ("embedding", "lstm_1", "residual_1", "residual_2")],
    )
    embedded, first, sum_1, sum_2 = probe(TOKENS)
    np.testing.assert_allclose(sum_1, embedded + first, rtol=1e-6)
    np.testing.assert_allclose(model.get_layer("residual_2").output.shape[-1], sum_2.shape[-1])
    uneven = make_model(make_config(residual=True))
    names = [layer.name for layer in uneven.layers]
    assert "residual_1" not in names and "residual_2" in names


KINDS: list[dict[str, Any]] = [
    {"cell": "simple"},
    {"cell": "lstm", "tied": True, "weight_dropout": 0.3},
    {"cell": "gru", "residual": True, "embedding_dropout": 0.1},
    {"cell": "lstm", "layer_norm": True, "zoneout": 0.2, "hidden_zoneout": 0.1, "layers": 1},
    {"cell": "gru", "layer_norm": True, "chrono_steps": 9, "orthogonal_gates": True, "layers": 1},
    {"cell": "simple", "layer_norm": True, "zoneout": 0.2, "layers": 1},
    {"cell": "lstm", "chrono_steps": 9, "orthogonal_gates": True, "output": "adaptive"},
    {"cell": "gru", "tied": True, "output": "sampled", "sampled_tokens": 9, "layers": 1},
    {"cell": "lstm", "output": "sampled", "sampled_tokens": 9, "layers": 1},
    {"cell": "mogrifier", "zoneout": 0.2, "hidden_zoneout": 0.1, "layers": 1},
    {
        "cell": "mogrifier",
        "cell_options": ("rounds=3", "rank=2"),
        "weight_dropout": 0.3,
        "layers": 1,
    },
]
NAMES = ["-".join(map(str, kind.values())) for kind in KINDS]


@pytest.mark.parametrize("settings", KINDS, ids=NAMES)
def test_the_step_model_gives_what_the_carrying_model_gives(settings: dict[str, Any]) -> None:
    """In one call or timestep by timestep, for any number of rows."""
    config = make_config(**settings)
    model = make_model(config)
    model.set_weights([1.5 * weight for weight in model.get_weights()])
    reset_recurrent_states(model)
    expected = np.concatenate(
        [model(TOKENS[:, :3])["logits"], model(TOKENS[:, 3:])["logits"]], axis=1
    )
    step = inference_model(model, config, VOCABULARY)
    names = [name for name in step.input if name != "tokens"]
    assert len(names) == config.layers * len(find_cell(config.cell).states)
    states = {name: tf.zeros((2, UNITS)) for name in names}
    for timestep in range(TIMESTEPS):
        found = step({"tokens": tf.constant(TOKENS[:2, timestep : timestep + 1]), **states})
        assert found["hidden"].shape[:2] == (2, 1)
        states = {name: found[name] for name in names}
        np.testing.assert_allclose(
            found["logits"][:, 0], expected[:2, timestep], rtol=2e-4, atol=2e-5
        )
    if config.output == "adaptive":
        np.testing.assert_allclose(np.exp(expected).sum(-1), 1.0, rtol=1e-5)


@pytest.mark.parametrize("settings", KINDS[1::3], ids=NAMES[1::3])
def test_models_keep_the_contract_of_all_models(settings: dict[str, Any], tmp_path: Path) -> None:
    config = make_config(**settings)
    check_model(lambda: build_model(config, VOCABULARY), BATCH, make_objective(config), tmp_path)


def test_the_gradient_flow_of_a_model_that_carries_its_state() -> None:
    model = make_model(make_config(cell="gru"))

    def loss(targets: Any, outputs: Any) -> Any:
        return tf.reduce_mean(
            tf.nn.sparse_softmax_cross_entropy_with_logits(targets, outputs["logits"])
        )

    flow = gradient_flow(model, TOKENS, TARGETS, loss)
    assert list(flow) == ["gru_1", "gru_2"]
    for norms in flow.values():
        assert norms.shape == (TIMESTEPS,)
        assert (norms > 0).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"layer_norm": True, "weight_dropout": 0.1}, "weight_dropout is not there"),
        ({"cell": "gru", "hidden_zoneout": 0.1}, "hidden_zoneout applies to cells with two states"),
        ({"cell": "simple", "chrono_steps": 9}, "chrono_steps sets the biases of gates"),
        ({"chrono_steps": 1}, "must be 0 or at least 2"),
        ({"cell_options": ("rounds=3",)}, "cell = 'lstm' has no option 'rounds'"),
        ({"output": "adaptive", "tied": True}, "no matrix as large as the embedding's"),
        ({"output": "adaptive", "jit_compile": True}, "XLA cannot compile"),
        ({"output": "adaptive", "cutoffs": (5, 99)}, "must ascend"),
        ({"output": "adaptive", "cutoffs": (9, 5)}, "must ascend"),
        ({"cutoffs": (5,)}, "cutoffs are of output = 'adaptive'"),
    ],
)
def test_options_that_exclude_each_other_are_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        make_model(make_config(**settings))
