"""Writing: the right tokens, whatever else is in the batch and however long the prompt is."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from language_setup import random_tokens, small_model

from pipelines.base.errors import ConfigurationError, UserError
from rnn_apps.edge.sampling import SamplingConfig, TokenSampler, token_probabilities
from rnn_apps.language_modelling.generation import most_probable, write_on
from rnn_apps.language_modelling.judging.scoring import score_tokens
from rnn_apps.language_modelling.network.carried_model import CarriedModel

PROMPTS = [random_tokens(length, seed=length) for length in (1, 700, 3, 12)]


@pytest.fixture(scope="module")
def model() -> CarriedModel:
    return small_model(cell="lstm", units=8)


def written(model: CarriedModel, prompts: list, steps: int, config: SamplingConfig) -> np.ndarray:
    return np.stack(list(write_on(model, prompts, steps, config)), axis=1)


def test_greedy_takes_the_most_probable_token_of_the_whole_text(model: CarriedModel) -> None:
    found = written(model, PROMPTS, 9, SamplingConfig(temperature=0))
    for prompt, row in zip(PROMPTS, found, strict=True):
        text = np.concatenate([prompt, row])
        outputs = model.model({"tokens": tf.constant(text[None, :-1]), **model.start()})
        expected = outputs["logits"][0].numpy().argmax(axis=-1)[len(prompt) - 1 :]
        np.testing.assert_array_equal(row, expected)


@pytest.mark.parametrize(
    "config",
    [
        SamplingConfig(temperature=0),
        SamplingConfig(temperature=0.9, top_k=5, top_p=0.9, seed=4),
        SamplingConfig(repetition_penalty=1.5, repetition_window=8, seed=1),
    ],
    ids=["greedy", "nucleus", "penalty"],
)
def test_a_text_does_not_depend_on_the_other_prompts(
    model: CarriedModel, config: SamplingConfig
) -> None:
    together = written(model, PROMPTS, 12, config)
    others = [PROMPTS[0], random_tokens(30), PROMPTS[2], random_tokens(2)]
    np.testing.assert_array_equal(written(model, others, 12, config)[[0, 2]], together[[0, 2]])
    np.testing.assert_array_equal(written(model, PROMPTS[:1], 12, config), together[:1])


def test_a_seed_gives_the_same_text_again(model: CarriedModel) -> None:
    twice = [written(model, [PROMPTS[3]] * 3, 30, SamplingConfig(seed=5)) for _ in range(2)]
    np.testing.assert_array_equal(*twice)
    assert len({tuple(row) for row in twice[0]}) == 3
    other = written(model, [PROMPTS[3]], 30, SamplingConfig(seed=6))
    assert not np.array_equal(other[0], twice[0][0])


def test_the_beam_finds_the_most_probable_text(model: CarriedModel) -> None:
    prompt, steps, vocabulary = PROMPTS[2], 3, 11
    found, log_probability = most_probable(model, prompt, steps, beam=vocabulary**2)
    texts = np.array(list(itertools.product(range(vocabulary), repeat=steps)), np.int32)
    whole = np.concatenate([np.tile(prompt, (len(texts), 1)), texts], axis=1)
    outputs = model.model({"tokens": tf.constant(whole[:, :-1]), **model.start(len(texts))})
    scores = tf.gather(tf.nn.log_softmax(outputs["logits"]), whole[:, 1:], batch_dims=2).numpy()
    totals = scores[:, len(prompt) - 1 :].sum(axis=1)
    assert found == list(texts[totals.argmax()])
    assert log_probability == pytest.approx(totals.max(), abs=1e-4)
    own = score_tokens(model, np.concatenate([prompt, found])).log_probabilities
    assert own[-steps:].sum() == pytest.approx(log_probability, abs=1e-4)


def test_a_beam_of_one_is_greedy_and_ends_at_its_end_token(model: CarriedModel) -> None:
    greedy = list(written(model, [PROMPTS[3]], 8, SamplingConfig(temperature=0))[0])
    assert most_probable(model, PROMPTS[3], 8, beam=1)[0] == greedy
    end = greedy[4]
    found, _ = most_probable(model, PROMPTS[3], 8, beam=1, end_token=end)
    assert found == greedy[: len(found)]
    assert len(found) <= greedy.index(end)


def test_a_beam_prefers_no_length() -> None:
    class Ending:
        """Ends at once with probability 0.5, after token 1 for sure, and that has 0.48."""

        def read(self, tokens: np.ndarray) -> dict[str, tf.Tensor]:
            return {"state": tf.zeros((1, 1))}

        def step(self, tokens: np.ndarray, states: dict[str, tf.Tensor]) -> tuple[tf.Tensor, Any]:
            rows = [[1e-9, 1e-9, 1.0] if row[-1] == 1 else [0.02, 0.48, 0.5] for row in tokens]
            return tf.math.log(tf.constant(rows))[:, None], states

    found, log_probability = most_probable(Ending(), [0], 5, 3, end_token=2)  # type: ignore[arg-type]
    assert found == [] and log_probability == pytest.approx(np.log(0.5))


@pytest.mark.parametrize("steps", [3, 20])
def test_a_text_that_has_not_ended_may_be_the_most_probable(steps: int) -> None:
    class GoesOn:
        """Goes on with token 0, and ends after any with probability 0.001."""

        def read(self, tokens: np.ndarray) -> dict[str, tf.Tensor]:
            return {"state": tf.zeros((1, 1))}

        def step(self, tokens: np.ndarray, states: dict[str, tf.Tensor]) -> tuple[tf.Tensor, Any]:
            rows = [[0.998, 0.001, 0.001] for _ in tokens]
            return tf.math.log(tf.constant(rows))[:, None], states

    found, log_probability = most_probable(GoesOn(), [0], steps, 2, end_token=2)  # type: ignore[arg-type]
    assert found == [0] * steps
    assert log_probability == pytest.approx(steps * np.log(0.998), rel=1e-4)


def test_banned_tokens_are_never_written(model: CarriedModel) -> None:
    banned = set(range(11)) - {2, 7}
    texts = list(write_on(model, [PROMPTS[0]], 40, SamplingConfig(seed=0), banned))
    assert set(np.concatenate(texts)) == {2, 7}
    assert set(most_probable(model, PROMPTS[0], 5, 3, banned=banned)[0]) <= {2, 7}


def test_an_empty_prompt_is_refused(model: CarriedModel) -> None:
    with pytest.raises(UserError, match="the prompt is empty"):
        next(write_on(model, [PROMPTS[0], []], 3, SamplingConfig()))
    with pytest.raises(UserError, match="the prompt is empty"):
        most_probable(model, [], 3, beam=2)


def test_the_repetition_penalty_multiplies_log_probabilities() -> None:
    logits = np.log([0.5, 0.3, 0.2]) + 7.0
    config = SamplingConfig(repetition_penalty=2.0, repetition_window=2)
    expected = np.array([0.5, 0.3**2, 0.2**2])
    found = token_probabilities(logits, config, written=[0, 0, 1, 2])
    np.testing.assert_allclose(found, expected / expected.sum(), rtol=1e-9)
    greedy = SamplingConfig(temperature=0, repetition_penalty=9.0)
    assert TokenSampler(greedy).draw(logits, [0]) == 1


def test_sampling_settings_that_cannot_be_are_refused() -> None:
    for wrong in ({"repetition_penalty": 0.0}, {"repetition_window": 0}, {"seed": -1}):
        with pytest.raises(ConfigurationError):
            SamplingConfig(**wrong)
