"""A study of parts small enough to run in seconds, as overrides of notebook 30."""

SMALL_STUDY = {
    "effort.d_model": 32,
    "effort.num_layers": 1,
    "effort.context_length": 16,
    "effort.num_tokens": 3000,
    "effort.num_windows": 50,
    "effort.num_seeds": 2,
}
