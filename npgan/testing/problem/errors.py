"""The exceptions of a check.

At a point that the check has chosen, func may raise any Exception: the point is then outside its
domain. At the user's own point an exception is the user's, and is not caught.
"""


class StyleError(ValueError):
    """func or grad does not return what its style promises."""


class BudgetError(BaseException):
    """max_evals calls have been made; no Exception, which would mean "outside the domain"."""
