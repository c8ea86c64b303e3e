"""The training step in TensorFlow: one tf.function with TensorFlow's fused Adam, also with XLA."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import tensorflow as tf

from npgan.bench.problem import BETA1, BETA2, EPS, LR, SLOPE, Step, Weights

tf.config.threading.set_intra_op_parallelism_threads(int(os.environ["OMP_NUM_THREADS"]))
tf.config.threading.set_inter_op_parallelism_threads(int(os.environ["OMP_NUM_THREADS"]))


def forward(weights: Any, x: Any) -> Any:
    for i in range(0, len(weights), 2):
        x = tf.nn.bias_add(tf.matmul(x, weights[i]), weights[i + 1])
        if i + 2 < len(weights):
            x = tf.nn.leaky_relu(x, SLOPE)
    return x


class Adam:
    def __init__(self, weights: Any):
        self.weights = weights
        self.m, self.v = ([tf.Variable(tf.zeros_like(w)) for w in weights] for _ in range(2))
        self.t = tf.Variable(0.0)

    def step(self, grads: Any) -> None:
        power1, power2 = BETA1 ** self.t.assign_add(1.0), BETA2**self.t
        eps = EPS * tf.sqrt(1 - power2)  # TensorFlow adds epsilon to the root of the uncorrected v
        for w, m, v, g in zip(self.weights, self.m, self.v, grads, strict=True):
            tf.raw_ops.ResourceApplyAdam(
                var=w.handle, m=m.handle, v=v.handle, beta1_power=power1, beta2_power=power2, lr=LR,
                beta1=BETA1, beta2=BETA2, epsilon=eps, grad=g,
            )  # fmt: skip


def step(G0: Weights, D0: Weights, xla: bool = False) -> Step:
    G, D = [tf.Variable(w) for w in G0], [tf.Variable(w) for w in D0]
    adam_G, adam_D = Adam(G), Adam(D)
    softplus, mean = tf.nn.softplus, tf.reduce_mean

    @tf.function(jit_compile=xla)
    def update(real: Any, z: Any) -> Any:
        with tf.GradientTape(watch_accessed_variables=False) as through_G:
            through_G.watch(G)
            fake = tf.tanh(forward(G, z))
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(D)
            logits = forward(D, tf.concat([real, fake], 0))
            loss_D = mean(softplus(-logits[: len(real)])) + mean(softplus(logits[len(real) :]))
        adam_D.step(tape.gradient(loss_D, D))
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(fake)
            loss_G = mean(softplus(-forward(D, fake)))
        dfake = tape.gradient(loss_G, fake)
        adam_G.step(through_G.gradient(fake, G, output_gradients=dfake))
        return tf.stack([loss_D, loss_G])

    def step(real: np.ndarray, z: np.ndarray) -> tuple[float, float]:
        loss_D, loss_G = update(tf.constant(real), tf.constant(z)).numpy().tolist()
        return loss_D, loss_G

    return step


def xla(G0: Weights, D0: Weights) -> Step:
    return step(G0, D0, xla=True)
