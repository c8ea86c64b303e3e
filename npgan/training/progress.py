"""Progress on stderr: a bar on a terminal, and one line for each epoch."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tqdm import tqdm

LABELS = {"loss_D": "loss D", "loss_G": "loss G", "D_real": "D(real)", "D_fake": "D(fake)"}


class Progress:
    """What is shown of a run while it trains.

    Parameters
    ----------
    wanted : bool, str or None
        True shows progress, a text shows it below that text, False shows nothing; None is True if
        stderr is a terminal, else False.
    steps : int
        The steps of this run.
    epochs : int
        The number of the run's last epoch.
    """

    def __init__(self, wanted: bool | str | None, steps: int, epochs: int):
        terminal = sys.stderr is not None and sys.stderr.isatty()
        self.enabled = terminal if wanted is None else bool(wanted) and sys.stderr is not None
        self.epochs = epochs
        self.bar: tqdm | None = None
        if self.enabled and isinstance(wanted, str):
            print(wanted, file=sys.stderr, flush=True)
        if self.enabled and terminal:
            from tqdm import tqdm

            self.bar = tqdm(
                total=steps, unit="step", leave=False, dynamic_ncols=True, file=sys.stderr
            )

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        if self.bar is not None:
            self.bar.close()

    def step(self, epoch: int, sums: Mapping[str, float], count: int) -> None:
        """After a step: `sums` of the values of the `count` steps of this epoch."""
        if self.bar is not None:
            self.bar.update()
            if count % 20 == 0:
                means = {name: f"{total / count:.3f}" for name, total in sums.items()}
                self.bar.set_postfix(epoch=f"{epoch}/{self.epochs}", **means, refresh=False)

    def epoch(self, row: Mapping[str, float], rate: float, seconds_left: float) -> None:
        """After an epoch: its means, images per second, and seconds until the end of the run."""
        if not self.enabled:
            return
        width = int(math.log10(max(self.epochs, 1))) + 1
        values = "  ".join(f"{LABELS.get(n, n)} {v:.3f}" for n, v in row.items() if n != "epoch")
        minutes, seconds = divmod(round(seconds_left), 60)
        line = f"epoch {int(row['epoch']):{width}d}/{self.epochs}  {values}  {rate:,.0f} images/s"
        line += f"  {minutes}:{seconds:02d} left" if seconds_left else ""
        self.write(line)

    def write(self, *lines: str) -> None:
        """Lines that stay, above the bar if there is one."""
        for line in lines:
            if self.bar is not None:
                self.bar.write(line, file=sys.stderr)
            else:
                print(line, file=sys.stderr, flush=True)
