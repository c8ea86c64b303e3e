"""The exceptions of a check, and those by which a function refuses its arguments."""


class StyleError(ValueError):
    """func or grad does not return what its style promises."""


class BudgetError(Exception):
    """max_evals calls have been made."""


# How functions refuse a point outside their domain.
DOMAIN_ERRORS = (ValueError, ArithmeticError, AssertionError)
