"""The short commands: sample, noise, gradcheck, bench and info. Each returns its results."""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__, kernels, plot
from ..bench import peers
from ..files.atomic import atomic_write
from ..training.guidance import chosen, default, why_not
from ..training.model import GAN
from ..training.pictures import MAX_COLUMNS, interpolate, save_samples
from .output import CommandError, UsageError, as_table, check_target, print_message, print_result


def sample(args: argparse.Namespace) -> dict[str, Any]:
    """Draw new images from a run, as a picture, an array, or both."""
    gan = GAN.load(args.run)
    check_sample(args, gan)
    results: dict[str, Any] = {"run": str(args.run), "epoch": gan.epoch_}
    if args.interpolate:
        picture = args.out or Path("interpolation.png")
        plot.save(plot.interpolation(interpolate(gan, rng=args.seed)), picture)
        return {**results, "picture": str(picture)}
    images = gan.sample(args.n or 64, args.seed, args.digit, args.refine, args.keep)
    results |= chosen(gan, args.refine, args.keep)._asdict()
    if chosen(gan) != default(gan) and gan.epoch_ and args.refine is None and args.keep is None:
        print_message(f"note: these are samples of G alone, as {why_not(gan)}")
    if args.npy:
        with atomic_write(args.npy) as file:  # np.save alone would add .npy to another name
            np.save(file, images)
        results["npy"] = str(args.npy)
    picture = args.out or (None if args.npy else Path("samples.png"))
    if picture:
        classes = len(gan.classes_)
        columns = classes if args.digit is None and classes <= MAX_COLUMNS else 0
        save_samples(gan, images, picture, columns=columns or None)
        results["picture"] = str(picture)
    return results


def check_sample(args: argparse.Namespace, gan: GAN) -> None:
    """Raise CommandError for options that do not go together, or not with this run."""
    check_target(args.npy)
    if args.interpolate and args.npy:
        raise UsageError("--interpolate draws a picture; it does not go with --npy")
    if args.interpolate and args.n is not None:
        raise UsageError("--interpolate draws a fixed number of paths; it does not go with -n")
    if args.interpolate and args.digit is not None:
        raise UsageError("--interpolate draws every class; it does not go with --digit")
    if args.interpolate and (args.refine or args.keep not in (None, 1)):
        raise UsageError("--interpolate draws given z; it does not go with --refine or --keep")
    if args.digit is not None and not gan.classes_:
        raise CommandError(
            f"{args.run} was trained without labels; npgan train --conditional learns them"
        )
    if args.interpolate and not gan.pixels_:
        raise CommandError(f"--interpolate draws a picture of images; {args.run} draws points")
    wants_picture = args.out or not args.npy
    if wants_picture and not gan.pixels_ and gan.shape_ != (2,):
        raise CommandError(
            "only images and points in a plane can be drawn; --npy FILE.npy writes other points"
        )


def noise(args: argparse.Namespace) -> dict[str, Any]:
    """Draw images of random pixels."""
    images = np.random.default_rng(args.seed).integers(0, 256, (args.n, 28, 28), dtype=np.uint8)
    plot.save(plot.grid(images), args.out)
    return {"picture": str(args.out)}


def gradcheck(args: argparse.Namespace) -> dict[str, Any]:
    """Check gradients; raises CommandError if one did not pass."""
    from .gradcheck import reports_of

    found, failed = {}, 0
    for report in reports_of(args.target, args.seed):
        failed += not report.passed
        found[report.title or args.target or "check"] = (
            report.to_dict() if args.json else report.summary()
        )
        if not report.passed or (args.target and not args.json):
            print_message(str(report))
    if failed:
        print_result(json.dumps(found) if args.json else as_table(found))
        raise CommandError(
            f"{failed} of {len(found)} gradient checks did not pass; the reports are above"
        )
    return found


def bench(args: argparse.Namespace) -> dict[str, Any] | str:
    """Time the training step of npgan and of the other libraries that are installed."""
    if args.scaling:
        if args.peers:
            raise UsageError("--scaling measures npgan alone; it does not go with --peers")
        return bench_scaling(args)
    from ..bench.step import compare, table

    others = peers.installed(args.peers or tuple(peers.PEERS), print_message)
    names = ["npgan", *(name for name in others if name != "npgan")]
    print_message(f"{', '.join(names)} at batch {', '.join(map(str, args.batch))}")
    results = compare(names, args.batch, args.threads, args.rounds, print_message)
    return results if args.json else table(results)


def bench_scaling(args: argparse.Namespace) -> dict[str, Any] | str:
    """How the default training step scales with the threads: measured, and by a model."""
    from ..bench.scaling import scaling, table

    results = scaling("default", args.batch, args.threads, args.rounds, print_message)
    return results if args.json else table(results)


def info(args: argparse.Namespace) -> dict[str, Any]:
    """The versions and the machine, for a bug report."""
    kernels.choose()
    found: dict[str, Any] = {"npgan": __version__, "python": platform.python_version()}
    for package in ("numpy", "numba", "matplotlib", "tqdm"):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "not installed"
    config: dict[str, Any] = np.show_config(mode="dicts") or {}  # type: ignore[assignment]
    blas = config.get("Build Dependencies", {}).get("blas", {})
    simd = config.get("SIMD Extensions", {})
    return {
        **found,
        "machine": f"{platform.system()} {platform.machine()}",
        "cpu features": " ".join([*simd.get("baseline", []), *simd.get("found", [])]),
        "cores": os.cpu_count(),
        "threads": kernels.thread_count(),
        "kernels": kernels.active,
        "blas": f"{blas.get('name', 'unknown')} {blas.get('version', '')}".strip(),
    }
