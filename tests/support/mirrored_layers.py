"""A step on two logical CPUs with the layers of rnn_apps against one of Keras' on one device."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from rnn_apps import layers


def main() -> None:
    processor = tf.config.list_physical_devices("CPU")[0]
    two = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(processor, two)
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    keras.utils.set_random_seed(0)
    inputs = keras.Input((None, 3))
    hidden = keras.layers.LSTM(4, return_sequences=True)(inputs)
    theirs = keras.Model(inputs, keras.layers.GRU(2)(hidden))
    with strategy.scope():
        ours = layers.accelerate(theirs)
        ours.compile(keras.optimizers.SGD(0.5), "mse")
    theirs.compile(keras.optimizers.SGD(0.5), "mse")
    random = np.random.default_rng(0)
    data = random.normal(size=(8, 17, 3)).astype(np.float32)
    targets = random.normal(size=(8, 2)).astype(np.float32)
    before = theirs.get_weights()
    for model in (ours, theirs):
        model.fit(data, targets, batch_size=8, epochs=2, shuffle=False, verbose=0)
    for a, b, start in zip(ours.get_weights(), theirs.get_weights(), before, strict=True):
        assert np.abs(b - start).max() > 1e-4, "nothing was learnt"
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    print(f"{strategy.num_replicas_in_sync} replicas")


if __name__ == "__main__":
    main()
