"""Progress on stderr: a bar on a terminal or in a notebook, and one line for each epoch.

Progress never ends a run: after the first error of stderr nothing more is shown.
"""

from __future__ import annotations

import math
import sys
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING

from ..files.messages import is_terminal, printable, write_line

if TYPE_CHECKING:
    from tqdm import tqdm

LABELS = {"loss_D": "loss D", "loss_G": "loss G", "D_real": "D(real)", "D_fake": "D(fake)"}


class Progress:
    """What is shown of a run while it trains.

    Parameters
    ----------
    wanted : bool, str or None
        True shows progress, a text shows it below that text, False shows nothing; None is True if
        stderr is a terminal or the program is a notebook, else False.
    steps : int
        The steps of this run.
    epochs : int
        The number of the run's last epoch.
    """

    def __init__(self, wanted: bool | str | None, steps: int, epochs: int):
        live = is_terminal(sys.stderr) or in_notebook()
        self.enabled = live if wanted is None else bool(wanted) and sys.stderr is not None
        self.epochs = epochs
        self.bar: tqdm | None = None
        if isinstance(wanted, str):
            self.write(wanted)
        if self.enabled and live:
            self.attempt(lambda: self.start_bar(steps))

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        if self.bar is not None:
            self.attempt(self.bar.close)

    def start_bar(self, steps: int) -> None:
        """Show the bar, in a notebook as a widget where there are widgets."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # tqdm warns where there are no widgets
            from tqdm.auto import tqdm

        self.bar = tqdm(total=steps, unit="step", leave=False, dynamic_ncols=True, file=sys.stderr)

    def attempt(self, action: Callable[[], object]) -> None:
        """Call a function that writes on stderr; after an error nothing more is shown."""
        try:
            action()
        except Exception:  # whatever stderr, or an object in its place, raises
            self.stop()

    def stop(self) -> None:
        """Show nothing more."""
        bar, self.bar, self.enabled = self.bar, None, False
        if bar is not None:
            bar.disable = True  # else it would write once more when it is deleted
            with suppress(Exception):
                bar.close()

    def step(self, epoch: int, sums: Mapping[str, float], count: int) -> None:
        """After a step: `sums` of the values of the `count` steps of this epoch."""
        if self.bar is not None:
            self.attempt(self.bar.update)
        if self.bar is not None and count % 20 == 0:
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
                self.attempt(partial(self.bar.write, printable(line), file=sys.stderr))
            elif self.enabled and not write_line(line):
                self.stop()


def in_notebook() -> bool:
    """Whether this program is the kernel of a notebook; IPython is not imported to find out."""
    get_ipython = getattr(sys.modules.get("IPython"), "get_ipython", None)
    shell = None if get_ipython is None else get_ipython()
    return "IPKernelApp" in getattr(shell, "config", {})
