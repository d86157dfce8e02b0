"""Deep-Person in notebooks: the reusable code behind the lessons.

One module per idea; import the module you need: ``from dplib import model, losses``.
"""

__version__ = "0.1.0"


class DplibError(Exception):
    """Base of every error that dplib raises on bad input; its text says what to do."""
