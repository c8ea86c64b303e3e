"""The training step in Keras 3 on TensorFlow: a Model with its own train_step, as documented."""

from __future__ import annotations

import os
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from npgan.bench.problem import BETA1, BETA2, EPS, LR, SLOPE, Step, Weights

tf.config.threading.set_intra_op_parallelism_threads(int(os.environ["OMP_NUM_THREADS"]))
tf.config.threading.set_inter_op_parallelism_threads(int(os.environ["OMP_NUM_THREADS"]))


def network(weights: Weights, last: str | None) -> Any:
    layers: list[Any] = [keras.Input((weights[0].shape[0],))]
    for b in weights[1::2]:
        layers += [keras.layers.Dense(len(b)), keras.layers.LeakyReLU(negative_slope=SLOPE)]
    net = keras.Sequential([*layers[:-1], *([keras.layers.Activation(last)] if last else [])])
    net.set_weights(weights)
    return net


class GAN(keras.Model):
    """As the documentation's example, which generates images twice: for D's update and for G's."""

    def __init__(self, generator: Any, discriminator: Any):
        super().__init__()
        self.generator, self.discriminator = generator, discriminator
        self.adam_G, self.adam_D = (keras.optimizers.Adam(LR, BETA1, BETA2, EPS) for _ in range(2))
        self.bce = keras.losses.BinaryCrossentropy(from_logits=True)

    def train_step(self, data: Any) -> Any:
        real, z, _ = keras.utils.unpack_x_y_sample_weight(data)
        n = keras.ops.shape(real)[0]
        images = tf.concat([real, self.generator(z)], 0)
        labels = tf.concat([tf.ones((n, 1)), tf.zeros((n, 1))], 0)
        with tf.GradientTape() as tape:
            # The mean over real and generated images; the other peers add the two means.
            loss_D = 2 * self.bce(labels, self.discriminator(images))
        weights = self.discriminator.trainable_weights
        self.adam_D.apply_gradients(zip(tape.gradient(loss_D, weights), weights, strict=True))
        with tf.GradientTape() as tape:
            loss_G = self.bce(tf.ones((n, 1)), self.discriminator(self.generator(z)))
        weights = self.generator.trainable_weights
        self.adam_G.apply_gradients(zip(tape.gradient(loss_G, weights), weights, strict=True))
        return {"loss_D": loss_D, "loss_G": loss_G}


def step(G0: Weights, D0: Weights) -> Step:
    gan = GAN(network(G0, "tanh"), network(D0, None))
    gan.compile()

    def step(real: np.ndarray, z: np.ndarray) -> tuple[float, float]:
        values = gan.train_on_batch(real, z, return_dict=True)
        return float(values["loss_D"]), float(values["loss_G"])

    return step
