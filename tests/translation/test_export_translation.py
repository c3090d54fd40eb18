"""`encode` and `decode_step` in one file: weights stored once, greedy decoding as in Keras."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
from keras import Input, Model, layers

from rnn_apps.edge import BeamConfig, EdgeDecoder, greedy_search, load
from rnn_apps.export import SignatureRequest, export_signatures

VOCABULARY, UNITS, START, END, LONGEST = 40, 48, 1, 0, 9


def translation_models() -> tuple[Model, Model]:
    """An encoder and one step of an attending decoder that share the embedding."""
    keras.utils.set_random_seed(4)
    embedding = layers.Embedding(VOCABULARY, UNITS, embeddings_initializer="glorot_normal")
    source = Input((None,), dtype="int32", name="source")
    outputs, h, c = layers.LSTM(UNITS, return_sequences=True, return_state=True)(embedding(source))
    encoder = Model(source, {"memory": outputs, "h": h, "c": c})

    token = Input((1,), dtype="int32", name="token")
    memory = Input((None, UNITS), name="memory")
    states = [Input((UNITS,), name="h"), Input((UNITS,), name="c")]
    hidden, new_h, new_c = layers.LSTM(UNITS, return_sequences=True, return_state=True)(
        embedding(token), initial_state=states
    )
    scores = keras.ops.softmax(keras.ops.einsum("bqu,bsu->bqs", hidden, memory), axis=-1)
    context = keras.ops.matmul(scores, memory)
    logits = layers.Dense(VOCABULARY, kernel_initializer="random_normal")(
        layers.Concatenate()([hidden, context])
    )
    decoder = Model(
        {"token": token, "memory": memory, "h": states[0], "c": states[1]},
        {"logits": logits, "alignment": scores, "h_out": new_h, "c_out": new_c},
    )
    return encoder, decoder


def greedy_in_keras(encoder: Model, decoder: Model, source: np.ndarray) -> list[int]:
    encoded = {name: np.asarray(value) for name, value in encoder(source).items()}
    tokens, token, states = list[int](), START, {name: encoded[name] for name in ("h", "c")}
    for _ in range(LONGEST):
        inputs = {"token": np.array([[token]], np.int32), "memory": encoded["memory"], **states}
        step = {name: np.asarray(value) for name, value in decoder(inputs).items()}
        states = {"h": step["h_out"], "c": step["c_out"]}
        token = int(np.argmax(step["logits"]))
        if token == END:
            break
        tokens.append(token)
    return tokens


def test_a_translation_model_is_one_file_that_decodes_as_keras_does(tmp_path: Path) -> None:
    encoder, decoder = translation_models()
    sources = np.random.default_rng(0).integers(2, VOCABULARY, (3, 7)).astype(np.int32)
    encoded = {name: np.asarray(value) for name, value in encoder(sources).items()}
    result = export_signatures(
        {
            "encode": SignatureRequest(encoder, representative_data=sources),
            "decode_step": SignatureRequest(
                decoder, representative_data={"token": sources[:, :1], **encoded}
            ),
        },
        tmp_path / "translate.tflite",
        form="rule",
        card=False,
    )
    weights = {id(w): w.numpy().nbytes for model in (encoder, decoder) for w in model.weights}
    assert result.bytes < 1.25 * sum(weights.values())
    search = EdgeDecoder(load(result.path))
    for source in sources:
        config = BeamConfig(start_token=START, end_token=END, max_steps=LONGEST)
        found = greedy_search(search.step, search.start(source[None]), config)
        assert list(found.tokens) == greedy_in_keras(encoder, decoder, source[None])
