"""Devices as people write them, and the worker processes that are made of them.

In: `cuda:0,cuda:1`, `cpu:2x4`, or nothing. Out: one `Worker` for each process. Knows no torch: what this machine has is
told by whoever asks.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipeline.errors import Problem, RequestError

_FORM = re.compile(r"(?P<kind>cuda|xpu|mps|cpu)(?::(?P<number>[0-9]{1,6})(?:x(?P<threads>[1-9][0-9]{0,5}))?)?")
_THREADS_OF_WORKER = 16  # more of them wait for one another longer than they help
_MOST_WORKERS = 256
# Takes a worker may hold: those it makes at once (32 on a CPU, 128 on a GPU) and some that wait for a free slot.
_HELD_ON_CPU, _HELD_ON_GPU = 40, 144


@dataclass(frozen=True)
class Worker:
    """One process with one device, which keeps its engine loaded. `name` is told in reports."""

    name: str
    device: str  # as the process itself sees it: its only GPU is number 0
    threads: int | None = None  # of a CPU; None: as many as there are
    gpu: int | None = None  # the number the machine knows it by

    @property
    def held(self) -> int:
        """The most takes it may have at a time."""
        return _HELD_ON_GPU if self.gpu is not None else _HELD_ON_CPU

    @property
    def environment(self) -> dict[str, str]:
        """What its process sees of the machine."""
        seen = {} if self.gpu is None else {"CUDA_VISIBLE_DEVICES": str(self.gpu)}
        threads = {} if self.threads is None else {"OMP_NUM_THREADS": str(self.threads)}
        return {"PODCAST_DEVICE": self.device} | seen | threads


def visible_gpu(worker: Worker, visible: str | None) -> dict[str, str]:
    """The worker's only GPU, where `visible` (CUDA_VISIBLE_DEVICES of this process) lists those it counts among."""
    within = [name.strip() for name in visible.split(",")] if visible else []
    if worker.gpu is None or worker.gpu >= len(within):
        return {}
    return {"CUDA_VISIBLE_DEVICES": within[worker.gpu]}


def parse_devices(text: str, where: str = "--device") -> tuple[Worker, ...]:
    """The workers that `text` names: devices separated by commas, `cpu:2x4` for two workers of four threads each.

    Raises `RequestError` with all that is wrong.
    """
    problems: list[Problem] = []
    workers: list[Worker] = []
    for part in text.replace(" ", "").split(","):
        found = _FORM.fullmatch(part)
        if found is None or (found["threads"] and found["kind"] != "cpu"):
            hint = "Write devices such as cuda:0,cuda:1 or cpu:2x4 (two workers of four threads)."
            problems.append(Problem(where, f'"{part}" is no device.', hint))
            continue
        workers += _workers(found["kind"], found["number"], found["threads"])
    names = [worker.name for worker in workers]
    for name in sorted({name for name in names if names.count(name) > 1 and not name.startswith("cpu")}):
        problems.append(Problem(where, f"{name} is named twice.", "Each device has one worker."))
    if not 0 < len(workers) <= _MOST_WORKERS and not problems:
        problems.append(Problem(where, f"these are {len(workers)} workers.", f"Name 1 to {_MOST_WORKERS}."))
    if problems:
        raise RequestError(*problems)
    return tuple(_numbered(workers))


def first_device(text: str | None) -> str | None:
    """The first of the devices `text` names, for an engine in this process: `cpu:2x4` is the CPU there."""
    return None if text is None else re.sub(r"^cpu:.*", "cpu", text.split(",")[0].strip())


def share_cores(cores: int, threads: int | None = None) -> tuple[Worker, ...]:
    """A CPU of so many physical cores as workers: of `threads` each, or as few as leave none with more than 16."""
    count = max(1, cores // threads) if threads else -(-cores // _THREADS_OF_WORKER)
    return tuple(_numbered([Worker("cpu", "cpu", threads or max(1, cores // count)) for _ in range(count)]))


def _workers(kind: str, number: str | None, threads: str | None) -> Iterator[Worker]:
    if kind == "cpu":
        count = min(int(number or 1), _MOST_WORKERS + 1)
        yield from (Worker("cpu", "cpu", int(threads) if threads else None) for _ in range(count))
    elif kind == "cuda":
        yield Worker(f"cuda:{int(number or 0)}", "cuda:0", gpu=int(number or 0))
    else:
        name = kind if number is None else f"{kind}:{int(number)}"
        yield Worker(name, name)


def _numbered(workers: Sequence[Worker]) -> Iterator[Worker]:
    """With names of their own: `cpu` alone stays so, two are `cpu:0` and `cpu:1`."""
    total = Counter(worker.name for worker in workers)
    seen: Counter[str] = Counter()
    for worker in workers:
        if total[worker.name] == 1:
            yield worker
            continue
        yield Worker(f"{worker.name}:{seen[worker.name]}", worker.device, worker.threads, worker.gpu)
        seen[worker.name] += 1
