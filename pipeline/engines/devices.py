"""Devices as people write them, and the worker processes they stand for.

In: `cuda:0,cuda:1`, `cpu:2x4`, or nothing. Out: one `Worker` for each process. Knows no torch: which devices there are
is for the caller to say.
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
# Takes at a worker: those it renders at once (32 on a CPU, 128 on a GPU) and some that wait for a free slot.
_CAPACITY_OF_CPU, _CAPACITY_OF_GPU = 40, 144


@dataclass(frozen=True)
class Worker:
    """One process with one device, which keeps its engine loaded. `name` stands in reports."""

    name: str
    device: str  # as the process itself sees it: its only GPU is number 0
    threads: int | None = None  # of a CPU; None: as many as there are
    gpu: int | None = None  # the number the machine knows it by

    @property
    def capacity(self) -> int:
        """How many takes may be there at a time, with those that wait for a slot."""
        return _CAPACITY_OF_GPU if self.gpu is not None else _CAPACITY_OF_CPU

    @property
    def environment(self) -> dict[str, str]:
        """Variables that show its process one device, and its threads."""
        gpu = {} if self.gpu is None else {"CUDA_VISIBLE_DEVICES": str(self.gpu)}
        threads = {} if self.threads is None else {"OMP_NUM_THREADS": str(self.threads)}
        return {"PODCAST_DEVICE": self.device} | gpu | threads


def visible_gpu(worker: Worker, visible: str | None) -> dict[str, str]:
    """CUDA_VISIBLE_DEVICES of the worker where that of this process is `visible`: GPUs are numbered among those."""
    gpus = [name.strip() for name in visible.split(",")] if visible else []
    if worker.gpu is None or worker.gpu >= len(gpus):
        return {}
    return {"CUDA_VISIBLE_DEVICES": gpus[worker.gpu]}


def parse_devices(text: str, where: str = "--device") -> tuple[Worker, ...]:
    """The workers that `text` names: devices separated by commas, `cpu:2x4` for two workers of four threads each.

    Raises `RequestError` with all that is wrong.
    """
    problems: list[Problem] = []
    workers: list[Worker] = []
    for part in text.replace(" ", "").split(","):
        match = _FORM.fullmatch(part)
        if match is None or (match["threads"] and match["kind"] != "cpu"):
            hint = "Write devices such as cuda:0,cuda:1 or cpu:2x4 (two workers of four threads)."
            problems.append(Problem(where, f'"{part}" is no device.', hint))
            continue
        workers += _workers(match["kind"], match["number"], match["threads"])
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
    """Workers that share the physical cores of a CPU: of `threads` each, or as few as have at most 16 each."""
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
