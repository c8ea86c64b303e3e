"""One training step with every number in it: `npgan study` writes it as a page.

`record` takes a small GAN of yours, or a loss written with npgan.ops. `nodes`, `replay` and
`update_of` are what it is made of: what a tape holds, the same computation with other numbers, and
what Adam would do with a gradient.
"""

from .record import Record, record
from .tape import Node, Update, nodes, replay, update_of

__all__ = ["Node", "Record", "Update", "nodes", "record", "replay", "update_of"]
