"""`npgan study`: record one training step of a tiny GAN, and write it as a page."""

from __future__ import annotations

import argparse
import os
from typing import Any

from .. import kernels
from ..study.page import default_record
from ..study.record import check_replaceable
from .output import CommandError, print_message


def study(args: argparse.Namespace) -> dict[str, Any] | str:
    """Write the page; CommandError where a check of the record does not hold."""
    check_replaceable(args.out)  # before the work
    if "NPGAN_KERNELS" not in os.environ:
        kernels.use_kernels("reference")  # nothing here is worth compiling for
    record = default_record(print_message)
    record.write(args.out)
    failed = record.failed()
    if failed:
        print_message("\n".join(failed))
        raise CommandError(f"{len(failed)} checks do not hold; {args.out} shows where")
    tapes = record.data["tapes"]
    checks = sum(len(tape["checks"]) for tape in tapes)
    if args.json:
        return {
            "page": str(args.out),
            "bytes": args.out.stat().st_size,
            "tapes": [tape["title"] for tape in tapes],
            "checks": checks,
        }
    return (
        f"{args.out}: {len(tapes)} tapes and the ring's training, all {checks} checks hold; "
        "open it in a browser"
    )
