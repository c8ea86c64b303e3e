"""Better samples by D: what a trained discriminator tells of the samples of its generator.

`calibration` turns D's logits into an estimate of log p/q, `langevin` moves latent vectors to where
it is larger, and `rejection` draws samples again where it is small. All three are functions of
arrays; training/guidance.py applies them to a GAN.
"""
