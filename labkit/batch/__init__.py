"""How does it run without a person? Parameters checked, jobs resumed, reports that show offline.

Start at `job.py` (what a job is) and `execute.py` (how one runs). Plain papermill runs the same
notebooks; this room adds what it doesn't check or record. `slurm.py` is a training run's job on a
cluster.
"""
