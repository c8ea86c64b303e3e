"""A whole GAN on one screen: python examples/one_screen.py

Two networks, a loss and an optimiser. npgan.GAN does the same in its loop, with more options.
"""

import numpy as np

import npgan
from npgan import Adam, Discriminator, Generator, bce_with_logits

BATCH, LATENT = 64, 100


def main(epochs=16, limit=None, out="one_screen.png"):
    """Train on MNIST, or its first `limit` images, and save 64 new digits. Returns both losses."""
    rng = np.random.default_rng(0)
    images = npgan.datasets.mnist().images[:limit]  # (60000, 784) uint8
    G = Generator(latent=LATENT, hidden=(256, 512, 1024), out=784, rng=rng)  # z -> image, tanh
    D = Discriminator(inputs=784, hidden=(512, 256), rng=rng)  # image -> logit of "it is real"
    adam_G, adam_D = Adam(G, lr=2e-4, beta1=0.5), Adam(D, lr=2e-4, beta1=0.5)

    # D's targets for a batch of real images followed by a batch of fakes.
    real_then_fake = np.repeat(np.float32([[1], [0]]), BATCH, axis=0)  # (128, 1)

    for epoch in range(epochs):
        losses = []
        for real in npgan.datasets.batches(images, BATCH, rng):  # (64, 784) float32 in [-1, 1]
            z = rng.standard_normal((BATCH, LATENT), dtype=np.float32)

            # Update D: it should give 1 to real images and 0 to fakes. Its input needs no gradient.
            fake, pull_G = G.forward(z)
            logits, pull_D = D.forward(np.concatenate([real, fake]))
            loss_D, dlogits = bce_with_logits(logits, real_then_fake)
            adam_D.step(pull_D(dlogits, wrt="params"))

            # Update G: D should give 1 to its images. The gradient goes back through D and then G.
            logits, pull_D = D.forward(fake)  # again, because D has changed
            loss_G, dlogits = bce_with_logits(logits, 1.0)
            adam_G.step(pull_G(pull_D(dlogits, wrt="input"), wrt="params"))
            losses.append((loss_D, loss_G))

        # In nats per image. This loss of D is the mean over real and fake images: a D that answers
        # at random has ln 2 = 0.693, and so has its G. (npgan.GAN reports the sum of both parts, as
        # Goodfellow et al. 2014 write it: 2 ln 2 = 1.386 for that D.)
        loss_D, loss_G = np.mean(losses, axis=0).tolist()
        print(f"epoch {epoch + 1}/{epochs}  loss D {loss_D:.3f}  loss G {loss_G:.3f}", flush=True)

    digits = npgan.datasets.to_uint8(G(rng.standard_normal((64, LATENT), dtype=np.float32)))
    npgan.plot.save(npgan.plot.grid(npgan.plot.as_images(digits, (28, 28))), out)
    return loss_D, loss_G


if __name__ == "__main__":
    main()
