"""The one mistake every entry point translates into a single line and a non-zero exit status."""


class LabError(ValueError):
    """A user's mistake: what was given, what is allowed, what to do. One line."""
