"""Files: atomic writes, and the checkpoint that holds the state of a training run."""
