"""The class GAN: two networks, their optimisers, and what trains, samples, saves and loads them."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..datasets import Images
from ..files import checkpoint
from ..gan import Generator
from ..layers import Network
from ..optim import Adam
from ..parallel.group import Group
from . import fitting, guidance, notebook, saving, validation
from .conditional import join_labels, labels_for, one_hot
from .data import told_of_labels
from .loop import State
from .settings import COUNT, Several, complete, validate
from .step import training_step
from .streams import Stream, key
from .texture import check_texture, make_discriminator

Array = npt.NDArray[Any]


class GAN:
    """A generator G and a discriminator D, with everything that trains them.

    The defaults are among the best of those tried on MNIST (docs/recipes.md). A setting that is not
    allowed raises ValueError with one line.

    Parameters
    ----------
    latent : int, default 32
        Length of the latent vector z, the generator's input.
    hidden : sequence of int, default (512, 512, 512)
        Widths of the generator's hidden layers.
    hidden_D : sequence of int, default (512, 256)
        Widths of the discriminator's hidden layers.
    loss : str, default "relativistic"
        "nonsaturating" or "minimax" (Goodfellow et al. 2014), "least_squares" (Mao et al. 2017),
        "hinge" (Lim & Ye 2017), "wasserstein" (Arjovsky et al. 2017), or "relativistic"
        (Jolicoeur-Martineau 2019); `npgan.losses` has the formulas.
    lr : float or (float, float), default 8e-4
        Adam's learning rate, or a pair: the generator's and the discriminator's.
    beta1, beta2 : float, default 0.0 and 0.99
        Adam's decay rates for the mean of the gradients and of their squares (Kingma & Ba 2015), in
        [0, 1).
    batch : int, default 64
        Real images in each update of D.
    average : float, default 0.999
        Decay rate, in [0, 1), of the exponential moving average of G's weights (Yazıcı et al.
        2019), from which all samples are drawn. In the first steps the rate is smaller. Where it
        is 0.99 or more, every 8th step is averaged, at the rate to the power of 8. 0 draws samples
        from G's own weights.
    rng : int, np.random.Generator or None, default 0
        The seed, or a generator that draws it. The same int gives the same bits.
    lr_decay : float, default 0.5
        Share of the run, at its end, over which `lr` falls linearly to 0; in [0, 1]. A fit after a
        complete one makes the run longer, so `lr` rises again first: to train in pieces use
        callbacks, or 0.
    penalty : str or None, default "r1+r2"
        Penalty on D's gradient by its input: "r1", "r2" (Mescheder et al. 2018),
        "r1+r2" (Huang et al. 2024) or "wgan_gp" (Gulrajani et al. 2017); see `npgan.penalties`.
    penalty_weight : float, optional
        Weight of the penalty, γ or λ of the papers. Default: 1 for r1 and r2, 0.2 for r1+r2, 10 for
        wgan_gp.
    penalty_every : int, optional
        Add the penalty only in every N-th update of D, with N times the weight (Karras et al.
        2020). Default: 16 for r1, r2 and r1+r2, 1 for wgan_gp.
    smoothing : float, default 0.0
        D's target at real images is 1 - smoothing (Salimans et al. 2016); in [0, 0.5), for the
        losses with a target: "nonsaturating", "minimax" and "least_squares".
    instance_noise : float, default 0.0
        Standard deviation of Gaussian noise on all images that D sees (Sønderby et al. 2017). It
        falls linearly to 0 over the run.
    d_steps : int, default 1
        Updates of D for each update of G (Goodfellow et al. 2014, algorithm 1).
    dropout : float, default 0.0
        Probability, in [0, 1), with which each hidden unit of D is left out of a step (Srivastava
        et al. 2014).
    conditional : bool, default False
        Also learn the labels: both networks get the label as an input (Mirza & Osindero 2014).
    shards : int, default 1
        Equal parts into which each batch is cut. Each has its own random numbers, so another number
        gives other bits; the processes that share a run by MPI share its shards.
    wrong_labels : float, optional
        Share, in [0, 0.5], of D's generated images in place of which it sees the real image of that
        row with a wrong label (Reed et al. 2016). Default: 0.125 if conditional, else 0.
    texture : bool, default False
        Whether D also sees how rough an image is in every block of 2 x 2 pixels
        (`npgan.convolution.Texture`): less grain in photos; a step takes 1.45 times as long.

    Attributes
    ----------
    config : dict
        The settings, as config.json holds them.
    generator_, discriminator_ : Network
        The two networks. These and the following exist after `fit`, `start` or `load`.
    average_ : Network
        The generator with the averaged weights.
    average_D_ : Network
        The discriminator with averaged weights, which `sample` asks for `refine` and `keep`.
    critic_ : dict of str to float
        After an epoch: the means "real" and "generated" of the logits of `average_D_` at 1,000 real
        and at 1,000 generated images, and their "variance".
    history_ : dict of str to list
        The means of each epoch: "epoch", "loss_D", "D_real", "D_fake", "loss_G", with a penalty
        "penalty".
    epoch_ : int
        Epochs completed.
    shape_ : tuple of int, or None
        Shape of one image; None before there is any.
    classes_ : list of int
        The labels that a conditional GAN has learnt; else empty.

    Examples
    --------
    >>> images = npgan.datasets.mnist().images
    >>> gan = GAN(batch=128).fit(images, epochs=10)  # doctest: +SKIP
    >>> gan.sample(16).shape  # doctest: +SKIP
    (16, 28, 28)
    """

    generator_: Network
    discriminator_: Network
    average_: Network
    average_D_: Network  # noqa: N815
    adam_G: Adam  # noqa: N815
    adam_D: Adam  # noqa: N815
    z_rng: np.random.Generator
    pixels_: bool

    def __init__(
        self,
        latent: int = 32,
        hidden: Sequence[int] = (512, 512, 512),
        hidden_D: Sequence[int] = (512, 256),
        loss: str = "relativistic",
        lr: float | Sequence[float] = 8e-4,
        beta1: float = 0.0,
        beta2: float = 0.99,
        batch: int = 64,
        average: float = 0.999,
        rng: int | np.random.Generator | None = 0,
        *,
        lr_decay: float = 0.5,
        penalty: str | None = "r1+r2",
        penalty_weight: float | None = None,
        penalty_every: int | None = None,
        smoothing: float = 0.0,
        instance_noise: float = 0.0,
        d_steps: int = 1,
        dropout: float = 0.0,
        conditional: bool = False,
        shards: int = 1,
        wrong_labels: float | None = None,
        texture: bool = False,
    ) -> None:
        arguments = dict(locals())
        del arguments["self"]
        self.config = validate(arguments)
        self.group = Group(self.config["shards"])
        self.images_per_step = self.config["batch"] * self.config["d_steps"]
        self.classes_: list[int] = []
        self.shape_: tuple[int, ...] | None = None
        self.data_: dict[str, Any] = {}
        self.epoch_, self.position_ = 0, 0
        self.sums_: dict[str, float] = {}
        self.critic_: dict[str, float] = {}
        self.history_: dict[str, list[float]] = {}
        # During a fit: its last epoch and the steps of an epoch, on which the schedules depend.
        self._schedule: tuple[int, int] | None = None

    # ---- start, and one step ----

    def stream(self, purpose: Stream, *path: int) -> np.random.Generator:
        """A new generator of the random numbers for one purpose, in one step or epoch."""
        return np.random.default_rng(key(self.config["rng"], purpose, *path))

    def shuffle_rng(self, epoch: int) -> np.random.Generator:
        """The generator that shuffles the images of an epoch."""
        return self.stream(Stream.ORDER_OF_IMAGES, epoch)

    def start(self, shape: Sequence[int], pixels: bool = True, classes: Sequence[int] = ()) -> None:
        """Make new networks. `fit` does this by itself.

        Parameters
        ----------
        shape : sequence of int
            Shape of one image.
        pixels : bool
            Whether the data are images, scaled to [-1, 1], or points in space.
        classes : sequence of int
            The labels that a conditional GAN learns.
        """
        c, weights = self.config, self.stream(Stream.WEIGHTS)
        shape = tuple(Several(COUNT).check("shape", shape))
        if not pixels and len(shape) != 1:
            raise ValueError(f"points have the shape (features,); got {shape}")
        check_texture(c, shape, pixels)
        size = math.prod(shape)
        output = "tanh" if pixels else "linear"
        self.classes_ = [int(label) for label in classes]
        self.generator_ = Generator(c["latent"] + len(classes), c["hidden"], size, output, weights)
        self.discriminator_ = make_discriminator(c, shape, len(classes), weights)
        self.average_, self.average_D_ = self.generator_.copy(), self.discriminator_.copy()
        self.critic_ = {}
        lr_G, lr_D = c["lr"]
        self.adam_G = Adam(self.generator_, lr_G, c["beta1"], c["beta2"])
        self.adam_D = Adam(self.discriminator_, lr_D, c["beta1"], c["beta2"])
        self.z_rng = self.stream(Stream.LATENT)
        self.shape_, self.pixels_ = shape, pixels

    def step(self, real: Array, labels: Array | None = None) -> dict[str, float]:
        """Train one step: `d_steps` updates of D, one of G, and those of the averages of weights.

        Parameters
        ----------
        real : array (batch * d_steps, pixels)
            Float images in [-1, 1]; each update of D uses `batch` of them.
        labels : array (batch * d_steps,), optional
            Their labels, for a conditional GAN. Each generated image has the label of the real one
            in its row.

        Returns
        -------
        dict of str to float
            "loss_D", "D_real", "D_fake", "loss_G", and with a penalty "penalty". Those of D are
            means over its updates.
        """
        return training_step(self, real, labels)

    def fraction_done(self) -> float:
        """The fraction of the run that is done, in [0, 1); outside of `fit`, 0."""
        if self._schedule is None:
            return 0.0
        last_epoch, steps = self._schedule
        return (self.epoch_ + self.position_ / steps) / last_epoch

    # ---- fit ----

    @told_of_labels
    def fit(
        self,
        images: Images | npt.ArrayLike,
        epochs: int = 100,
        callbacks: Sequence[Callable[[State[GAN]], object]] = (),
        out: str | os.PathLike[str] | None = None,
        progress: bool | str | None = None,
        labels: npt.ArrayLike | None = None,
        comm: Any = None,
    ) -> GAN:
        """Train new networks, or continue an earlier fit with its networks.

        Parameters
        ----------
        images : Images or array
            What `npgan.datasets` returns; or uint8 images (n, h, w), (n, h, w, 3) or (n, pixels),
            or float points (n, d).
        epochs : int, default 100
            Passes through the data. An epoch that was interrupted is finished first, and counts.
        callbacks : sequence of functions
            Each receives a `npgan.training.State` after every epoch; one that returns True ends the
            run.
        out : path, optional
            Directory for the files of the run. Without it no file is written.
        progress : bool, str or None
            Whether to show progress on stderr, below this text if it is one. None: if stderr is a
            terminal, or in a notebook, where samples are shown, too.
        labels : array (n,), optional
            Whole numbers, for a conditional GAN, if `images` is an array.
        comm : mpi4py.MPI.Comm, optional
            The processes that train this GAN together; each calls `fit` with the same arguments and
            has the whole GAN afterwards, with the bits of a single process. The first one alone
            writes files, shows progress and calls the callbacks. `shards` must be at least their
            number. See docs/cluster.md.

        Returns
        -------
        GAN
            This object.

        Raises
        ------
        ValueError
            Data or labels that this GAN cannot be trained on.
        FileExistsError
            If `out` holds another run or other files of the same names, or another process trains
            in it.
        FloatingPointError
            At a step whose numbers are not finite; the message names the step and the numbers.
        KeyboardInterrupt
            After Ctrl-C, when the step is complete, or the pictures at the end, and everything is
            saved.

        Notes
        -----
        `lr_decay` and `instance_noise` depend on the fraction of the run that is done, and the run
        ends where this fit ends. A run that is interrupted and continued to the same end gives the
        same bits. With a later end, the same epoch is a smaller fraction of the run, so the
        learning rate and the noise rise again.
        """
        with fitting.shared(self, comm):
            fitting.fit(self, images, labels, epochs, callbacks, out, progress)
        return self

    def schedule_for(self, last_epoch: int | None, steps: int = 1) -> None:
        """Let `fraction_done` tell it of a run of so many epochs; None: there is no run."""
        self._schedule = None if last_epoch is None else (last_epoch, steps)

    # ---- samples ----

    def generate(self, z: Array, labels: npt.ArrayLike | None = None) -> Array:
        """The images that the averaged generator makes of given latent vectors.

        Parameters
        ----------
        z : array (n, latent)
            Latent vectors; G was trained on standard normal ones.
        labels : int or array (n,), optional
            For a conditional GAN: the class of all images, or of each. By default every class in
            turn.

        Returns
        -------
        array (n, *shape_)
            uint8 images, or float32 points.
        """
        if self.shape_ is None:
            raise RuntimeError("this GAN has no generator yet; fit it, or GAN.load() one")
        z = join_labels(z, one_hot(labels_for(len(z), labels, self.classes_), self.classes_))
        chunk = 256  # rows at a time, so that memory is bounded
        pieces = [self.average_(z[i : i + chunk]) for i in range(0, len(z), chunk)]
        x = np.concatenate([np.zeros((0, math.prod(self.shape_)), np.float32), *pieces])
        return guidance.as_images(self, x)

    def sample(
        self,
        n: int = 64,
        rng: int | np.random.Generator | None = None,
        label: npt.ArrayLike | None = None,
        refine: int | None = None,
        keep: float | None = None,
    ) -> Array:
        """New images, from random latent vectors.

        Parameters
        ----------
        n : int, default 64
            How many.
        rng : int, np.random.Generator or None
            The same int gives the same images.
        label : int or array (n,), optional
            For a conditional GAN: the class of all images, or of each. By default every class in
            turn.
        refine : int, optional
            Langevin steps of each latent vector, in which D's gradient moves it to where its image
            is more like the data (Che et al. 2020). Default: 3, for points 0.
        keep : float, optional
            Share, in [0.1, 1], of the samples that is kept. The others, those that D likes least,
            are drawn again, of the same class (after Azadi et al. 2019). Default: 0.97, for points
            1.

        Returns
        -------
        array (n, *shape_)
            uint8 images, or float32 points.

        Raises
        ------
        ValueError
            If `refine` or `keep` is given, and D's logits have not been measured yet, or are not
            larger for real images. Then the default is 0 and 1: samples as G makes them.

        Notes
        -----
        D here is the moving average of its weights, `average_D_`. `refine` assumes that the log of
        the ratio of the densities of real and generated images is a D(x), up to a constant. After
        each epoch, a is set to the difference of the mean logits of real and generated images
        divided by their variance (`critic_`), which holds with any loss if logits are normal.
        With few steps and a D that is not exact the samples are only nearer to the data than
        those of G. N steps take about 3 N times the time of samples without them, and `keep`
        1 / keep times, and that of 500 samples once. npgan.sampling has the formulas.
        """
        return guidance.sample(self, n, rng, label, refine, keep)

    # ---- to a file and back ----

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the whole state to one .npz file, atomically. A loaded GAN continues bit for bit.

        Parameters
        ----------
        path : path
            The file; an existing one is replaced when the new one is complete.

        Raises
        ------
        FloatingPointError
            If a weight, a moment of Adam or a mean is not finite; the file stays as it was.
        """
        if self.shape_ is None:
            raise RuntimeError("there is nothing to save before the first fit")
        checkpoint.save(path, *saving.get_state(self))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> GAN:
        """The GAN that `save` wrote.

        Parameters
        ----------
        path : path
            The file, or the directory of a run.

        Raises
        ------
        CheckpointError
            If there is no checkpoint, or its parts do not fit together; the message is one line.
        """
        arrays, meta = checkpoint.load(path)
        try:
            config = complete(meta["config"])
            gan = cls(**config)
            validation.check_settings(config, gan.config)
            validation.check_state(gan.config, arrays, meta)
            gan.start(meta["shape_"], meta["pixels_"], meta.get("classes_", []))
            saving.set_state(gan, arrays, meta)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise checkpoint.CheckpointError(
                f"{Path(path)} is not a complete checkpoint: {checkpoint.reason(error)}"
            ) from error
        return gan

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={value!r}" for name, value in self.config.items())
        return f"GAN({settings})" + ("" if self.shape_ is None else f", {self.epoch_} epochs done")

    def _repr_html_(self) -> str:
        return notebook.as_html(self)
