"""A GAN in the plane, where D and the samples can be drawn: python examples/ring.py  (about 10 s)

The data are eight clusters of points on a circle, the modes. Without a penalty the generator soon
draws only some of them (mode collapse). R1, a penalty on the gradient of D at the real points,
keeps all eight. Try gamma=0.
"""

import numpy as np

import npgan
from npgan import Adam, Discriminator, Generator, r1, value_and_grad
from npgan.losses import nonsaturating
from npgan.ops import sigmoid

BATCH, LATENT, STD = 256, 2, 0.02


def main(steps=6000, gamma=0.03, out="ring.png", rng=0):
    """Train, draw D over the plane with real and generated points, and return the covered modes."""
    rng = np.random.default_rng(rng)
    data = npgan.datasets.ring(std=STD, rng=rng)
    G = Generator(LATENT, hidden=(64, 64), out=2, rng=rng)
    D = Discriminator(2, hidden=(64, 64), rng=rng)
    adam_G, adam_D = Adam(G, lr=2e-3, beta1=0.5), Adam(D, lr=2e-3, beta1=0.5)
    # The weights of G oscillate around a solution; their moving average is closer to it.
    average = G.copy()

    for step in range(steps):
        real = data.images[rng.integers(len(data), size=BATCH)]
        fake, pull_G = G.forward(rng.standard_normal((BATCH, LATENT), dtype=np.float32))

        logits, pull_D = D.forward(np.concatenate([real, fake]))
        of_real, of_fake = logits[:BATCH], logits[BATCH:]
        loss_D, dlogits = value_and_grad(nonsaturating.discriminator, of_real, of_fake)
        gradient = pull_D(np.concatenate(dlogits), wrt="params")
        if (
            gamma and step % 4 == 0
        ):  # lazily: four times as strong (Karras et al. 2020, section 3.1)
            gradient += r1(D, real, 4 * gamma)[1]
        adam_D.step(gradient)

        logits, pull_D = D.forward(fake)
        loss_G, dlogits = npgan.bce_with_logits(logits, 1.0)
        adam_G.step(pull_G(pull_D(dlogits, wrt="input"), wrt="params"))
        average.theta += 0.002 * (G.theta - average.theta)

        if (step + 1) % 1000 == 0:
            losses = f"loss D {loss_D:.3f}  loss G {loss_G:.3f}  (nats)"
            print(f"step {step + 1}/{steps}  {losses}", flush=True)

    fake = average(rng.standard_normal((2000, LATENT), dtype=np.float32))
    counts = near_each_mode(fake)
    covered = int(np.sum(counts >= 0.02 * len(fake)))  # the data have 12.5 % on each mode
    print(f"points within 3 standard deviations of each mode: {counts.tolist()} of {len(fake)}")
    print(f"{covered} of 8 modes covered, {counts.sum() / len(fake):.0%} of the points on a mode")
    title = f"{covered} of 8 modes covered after {steps} steps"
    score = lambda xy: sigmoid(D(xy))[:, 0]
    figure = npgan.plot.surface(score, data.images[:400], fake[:400], extent=1.2, title=title)
    npgan.plot.save(figure, out)
    return covered


def near_each_mode(points, radius=0.8, modes=8):
    """Count the points (n, 2) within three standard deviations of each centre."""
    angle = 2 * np.pi * np.arange(modes) / modes
    centres = radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return np.sum(np.linalg.norm(points[:, None] - centres, axis=-1) < 3 * STD, axis=0)


if __name__ == "__main__":
    main()
