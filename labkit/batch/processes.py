"""A process and everything it started: their memory, and their end.

A kernel is in a session of its own and may start others, so a process group would miss them: the
family is found by parent, and each member is remembered after its parent has gone. psutil names a
process by pid and start, so that a pid used anew is never killed for an old one.
"""

from __future__ import annotations

from collections.abc import Iterable

import psutil


def family(pid: int) -> set[psutil.Process]:
    """The process and its descendants; empty when it is gone."""
    try:
        root = psutil.Process(pid)
        return {root, *root.children(recursive=True)}
    except psutil.Error:
        return set()


def resident_bytes(processes: Iterable[psutil.Process]) -> int:
    """Sum of resident memory; pages that processes share count once for each."""
    total = 0
    for process in processes:
        try:
            total += process.memory_info().rss
        except psutil.Error:
            continue
    return total


def end(processes: Iterable[psutil.Process]) -> None:
    """Kill those that still run and all that they started; never the caller itself."""
    found = {member for process in processes if _runs(process) for member in family(process.pid)}
    for process in found - {psutil.Process()}:
        try:
            process.kill()
        except psutil.Error:
            continue


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running()
    except psutil.Error:
        return False
