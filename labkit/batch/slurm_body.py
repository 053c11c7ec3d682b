"""The commands of a job script, after the values that they use.

The batch shell is told before the time is up, not the ranks: it asks for a pause through the run's
`control.json`, as `RunRecord.ask` does, waits until the ranks have written their checkpoint, and
asks Slurm to start the job again. A signal would reach torchrun too, which gives its workers 30 s.
Started again only where the run paused at a later step than it was started from: a start that came
to nothing is not repeated for ever.
"""

from __future__ import annotations

VALUES = """
set +eu                                 # whatever the lines above set
export LABKIT_HOME={home}
export OMP_NUM_THREADS={threads}
export TORCH_ELASTIC_SHUTDOWN_TIMEOUT={lead}   # of torchrun at SIGTERM, as far as KillWait allows
folder={folder}
python={python}
"""

ONE_NODE = """
rendezvous=(--nnodes=1 --nproc-per-node={processes} --standalone)
"""

SEVERAL_NODES = """
first=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
rendezvous=(--nnodes={nodes} --nproc-per-node={processes} --rdzv-backend=c10d
  --rdzv-id="$SLURM_JOB_ID" --rdzv-endpoint="$first:$((10000 + SLURM_JOB_ID % 20000))")
"""

COMMANDS = """
state() {{ sed -n 's/^ "state": "\\(.*\\)",*$/\\1/p' "$folder/status.json" 2>/dev/null; }}
step() {{ sed -n 's/^ "step": \\([0-9]*\\),*$/\\1/p' "$folder/status.json" 2>/dev/null; }}
ask() {{
  asked=yes
  printf '{{"request": "pause"}}\\n' >"$folder/control.json.$SLURM_JOB_ID" &&
    mv -f "$folder/control.json.$SLURM_JOB_ID" "$folder/control.json"
}}

asked=''
late=''
before=$(step)
trap '{on_time_limit}' USR1
trap 'ask' TERM                         # scancel: pause, and that is all
echo "labkit: $folder; what ranks but the first say: logs/ there"
srun --nodes={nodes} --ntasks={nodes} --ntasks-per-node=1 --{cpus_option}={cpus} --export=ALL \\
  --kill-on-bad-exit=0 --wait={lead} \\
  "$python" -m torch.distributed.run "${{rendezvous[@]}}" \\
  -m labkit.training "$folder/plan.json" --folder "$folder" &
ranks=$!
while kill -0 "$ranks" 2>/dev/null; do
  if [ -z "$asked" ]; then
    wait "$ranks"                       # a signal cuts this short
  else
    [ -e "$folder/control.json" ] || ask    # a run that was just starting drops a request
    sleep 2
  fi
done
wait "$ranks"
status=$?
[ -z "$asked" ] || rm -f "$folder/control.json"
echo "labkit: $(state) at step $(step), exit status $status"
"""

AGAIN = """
if [ -n "$late" ]; then
  if [ "$(state)" = paused ] && [ "$(step)" -gt "${before:-0}" ]; then
    scontrol requeue "$SLURM_JOB_ID" || status=1
  else
    echo "labkit: not queued again: the run did not pause at a step after ${before:-0}"
  fi
fi
"""
