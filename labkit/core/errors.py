"""The one mistake every entry point translates into a single line and a non-zero exit status."""


class LabError(ValueError):
    """A user's mistake: what was given, what is allowed, what to do. One line."""

    exit_status = 2
    """Of a command that ends with it: 2, refused."""


class RunFailed(LabError):
    """A run that had begun could not go on."""

    exit_status = 1
