"""`npgan export`: the generator of a run as a page, or for other programs."""

from __future__ import annotations

import argparse
from typing import Any

from .. import export as writers
from ..training.model import GAN
from .output import CommandError, UsageError, check_target


def export(args: argparse.Namespace) -> dict[str, Any]:
    """Write what was asked for; the results are the names of the files."""
    if not (args.html or args.onnx):
        raise UsageError("nothing to write: give --html FILE.html, --onnx FILE.onnx or both")
    if args.name is not None and not args.html:
        raise UsageError("--name is the heading of a page; it does not go with --onnx alone")
    check_target(args.html)
    check_target(args.onnx)
    gan = GAN.load(args.run)
    results: dict[str, Any] = {"run": str(args.run), "epoch": gan.epoch_}
    if args.html:
        writers.html(gan, args.html, args.name or f"The generator of {args.run.resolve().name}")
        results["html"] = str(args.html)
    if args.onnx:
        try:
            writers.onnx(gan, args.onnx)
        except ImportError as error:
            raise CommandError(str(error)) from None
        results["onnx"] = str(args.onnx)
    return results
