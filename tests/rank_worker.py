"""What tests/test_ranks.py starts: runs of small GANs, and `npgan` with a fault on one rank.

python rank_worker.py fit OUT [NAME ...]          the recipes below, by GAN.fit(comm=...)
python rank_worker.py sweep OUT                   a sweep on the executor of mpi4py
python rank_worker.py npgan FAULT RANK STEP ARGV  npgan ARGV; the fault happens on this rank
"""

import errno
import os
import signal
import sys
from pathlib import Path

import numpy as np

IMAGES = np.random.default_rng(0).integers(0, 256, (96, 5, 5), dtype=np.uint8)
LABELS = np.arange(96) % 3
RECIPES = {
    "default": dict(penalty_every=2),
    "hinge, r1, two D steps": dict(loss="hinge", penalty="r1", penalty_every=1, d_steps=2),
    "least squares, r2": dict(loss="least_squares", penalty="r2", penalty_every=3, beta1=0.5),
    "wasserstein, wgan_gp": dict(loss="wasserstein", penalty="wgan_gp"),
    "nonsaturating, noise": dict(loss="nonsaturating", penalty=None, instance_noise=0.3),
    "minimax, dropout, smoothing": dict(loss="minimax", dropout=0.3, smoothing=0.1),
    "conditional": dict(conditional=True, penalty="wgan_gp", dropout=0.2, d_steps=3, batch=8),
    "six shards": dict(shards=6, batch=12),
}
SMALL = dict(latent=3, hidden=[6], hidden_D=[5], batch=8)
SWEEP = {"plain": SMALL, "hinge": {**SMALL, "loss": "hinge", "penalty": None}}


def world():
    """MPI's communicator, or None without a launcher."""
    from npgan.parallel.launcher import connect, launched

    started = launched()
    return None if started is None else connect(started.size)


def fit(out, names):
    """Train each recipe, and write its checkpoint and history."""
    from npgan import GAN, set_threads
    from npgan.training.run_directory import history_table

    set_threads(1)
    comm = world()
    for name in names or RECIPES:
        options = {"shards": 8, "batch": 16, **RECIPES[name]}
        gan = GAN(latent=4, hidden=(9, 8), hidden_D=(9, 7), **options)
        called = []
        labels = LABELS if gan.config["conditional"] else None
        gan.fit(IMAGES, 3, [called.append], progress=False, labels=labels, comm=comm)
        first = comm is None or comm.rank == 0
        assert len(called) == 3 * first
        if first:
            gan.save(Path(out, f"{name}.npz"))
            Path(out, f"{name}.csv").write_text(history_table(gan))


def differ(what):
    """Fit with something that is not the same on rank 1."""
    import npgan.training.fitting
    from npgan import GAN

    comm, images, settings = world(), IMAGES, {}
    if comm.rank == 1:
        if what == "data":
            images = IMAGES[::-1].copy()
        elif what == "version":
            npgan.training.fitting.__version__ = "0.0"
        elif what == "settings":
            settings = dict(lr=1e-3)
        elif what == "weights":
            settings = dict(rng=0)
    gan = GAN(latent=4, hidden=(9,), hidden_D=(9,), batch=8, shards=2, **settings)
    if what == "weights":
        gan.start((5, 5))
        gan.generator_.theta[3] += comm.rank
    if what == "weights later":
        step = gan.step

        def spoilt(real, labels=None):
            values = step(real, labels)
            gan.average_.theta[7] += comm.rank
            return values

        gan.step = spoilt
    gan.fit(images, 2, progress=False, comm=comm)


def sweep(out):
    """Four runs, trained by the ranks other than 0."""
    from mpi4py import MPI
    from mpi4py.futures import MPICommExecutor

    import npgan

    with MPICommExecutor(MPI.COMM_WORLD, root=0) as executor:
        if executor is not None:
            npgan.sweep(SWEEP, range(2), executor, data="data.npy", epochs=2, out=out)


def disturb(fault, step):
    """Let a fault happen in this process, in or after a step of the training."""
    from npgan import GAN
    from npgan.training.run_directory import RunDirectory

    usual, save = GAN.step, RunDirectory.save

    def disturbed(self, real, labels=None):
        if self.adam_G.t == step:
            if fault == "error":
                raise ZeroDivisionError("planted")
            if fault == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            if fault == "nan":
                real = real.copy()
                real[-1] = np.nan
        return usual(self, real, labels)

    def full(self):
        if self.gan.adam_G.t >= step:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
        save(self)

    GAN.step = disturbed
    if fault == "full disk":
        RunDirectory.save = full


def main():
    what, *rest = sys.argv[1:]
    if what == "fit":
        fit(rest[0], rest[1:])
    elif what == "sweep":
        sweep(rest[0])
    elif what == "differ":
        differ(rest[0])
    else:
        from npgan.cli import main as npgan
        from npgan.parallel.launcher import launched

        fault, rank, step, *argv = rest
        started = launched()
        if fault == "no mpi4py":
            sys.modules["mpi4py"] = None
        elif fault != "none" and int(rank) == (started.rank if started else 0):
            disturb(fault, int(step))
        code = npgan(argv)
        if fault == "imported":
            assert "mpi4py" not in sys.modules
        sys.exit(code)


if __name__ == "__main__":
    main()
