"""Training: the class GAN, its settings, the loop, the run directory, and what a run's numbers mean."""
