"""Devices are read as people write them, and every core is given away once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.engines.devices import Worker, parse_devices, share_cores
from pipeline.errors import RequestError


@pytest.mark.parametrize(
    ("text", "workers"),
    [
        ("cpu", [Worker("cpu", "cpu")]),
        ("cpu:1", [Worker("cpu", "cpu")]),
        ("cpu:1x8", [Worker("cpu", "cpu", 8)]),
        ("cpu:2x4", [Worker("cpu:0", "cpu", 4), Worker("cpu:1", "cpu", 4)]),
        ("cpu:1x4,cpu:1x2", [Worker("cpu:0", "cpu", 4), Worker("cpu:1", "cpu", 2)]),
        ("cuda", [Worker("cuda:0", "cuda:0", gpu=0)]),
        (" cuda:0, cuda:3 ", [Worker("cuda:0", "cuda:0", gpu=0), Worker("cuda:3", "cuda:0", gpu=3)]),
        ("cuda:1,cpu:1x4", [Worker("cuda:1", "cuda:0", gpu=1), Worker("cpu", "cpu", 4)]),
        ("mps", [Worker("mps", "mps")]),
        ("xpu:1", [Worker("xpu:1", "xpu:1")]),
    ],
)
def test_devices_as_people_write_them(text: str, workers: list[Worker]) -> None:
    """A worker for each GPU, which is number 0 to its own process, and as many of the CPU as are asked for."""
    assert list(parse_devices(text)) == workers


@pytest.mark.parametrize(
    ("text", "complaints"),
    [
        ("", ['"" is no device']),
        ("gpu", ['"gpu" is no device']),
        ("cuda:0,,tpu,cuda:x", ['"" is no device', '"tpu" is no device', '"cuda:x" is no device']),
        ("cuda:0x4", ['"cuda:0x4" is no device']),
        ("cpu:2x0", ['"cpu:2x0" is no device']),
        ("cuda:-1", ['"cuda:-1" is no device']),
        ("cuda:٣", ['"cuda:٣" is no device']),
        ("cuda:0,cuda,cuda:00", ["cuda:0 is named twice"]),
        ("cuda:1,nix,cuda:1", ['"nix" is no device', "cuda:1 is named twice"]),
        ("cpu:0", ["these are 0 workers"]),
        ("cpu:257", ["these are 257 workers"]),
        ("cpu:" + "9" * 5000, ["is no device"]),
    ],
)
def test_everything_that_is_wrong_is_told_at_once(text: str, complaints: list[str]) -> None:
    """One problem for each, with a next step."""
    with pytest.raises(RequestError) as caught:
        parse_devices(text, "PODCAST_DEVICE")
    problems = caught.value.problems
    assert [problem.where for problem in problems] == ["PODCAST_DEVICE"] * len(complaints)
    for problem, complaint in zip(problems, complaints, strict=True):
        assert complaint in problem.what
        assert problem.next


_numbers = st.integers(0, 999)
_groups = st.tuples(st.integers(1, 5), st.none() | st.integers(1, 999))


@given(st.lists(_numbers, unique=True, max_size=5), st.lists(_groups, max_size=3), st.randoms())
def test_what_is_written_is_what_is_read(gpus: list[int], groups: list[tuple[int, int | None]], order: object) -> None:
    """Each GPU once, each group of the CPU in full, and no two workers with one name."""
    parts = [f"cuda:{gpu}" for gpu in gpus]
    parts += [f"cpu:{count}" if threads is None else f"cpu:{count}x{threads}" for count, threads in groups]
    if not parts:
        return
    order.shuffle(parts)  # type: ignore[attr-defined]
    workers = parse_devices(",".join(parts))
    assert sorted(worker.gpu for worker in workers if worker.gpu is not None) == sorted(gpus)
    on_cpu = [worker.threads for worker in workers if worker.device == "cpu"]
    assert sorted(map(str, on_cpu)) == sorted(str(threads) for count, threads in groups for _one in range(count))
    assert len({worker.name for worker in workers}) == len(workers)


@given(st.text(max_size=40) | st.from_regex(r"(cuda|cpu|mps|xpu|gpu)(:\d*(x\d*)?)?(,\w+)?", fullmatch=True))
def test_no_text_ends_in_a_traceback(text: str) -> None:
    """It names workers, or it is a request that was wrong."""
    try:
        assert parse_devices(text)
    except RequestError as error:
        assert all(problem.what and problem.next for problem in error.problems)


@given(st.integers(1, 1000))
def test_cores_are_shared_among_as_few_workers_as_use_them_well(cores: int) -> None:
    """No more threads than cores, no worker with more than 16, and fewer cores idle than there are workers."""
    workers = share_cores(cores)
    threads = [worker.threads or 0 for worker in workers]
    assert max(threads) <= 16
    assert cores - len(workers) < sum(threads) <= cores
    assert 16 * (len(workers) - 1) < cores
    assert len({worker.name for worker in workers}) == len(workers)


@given(st.integers(1, 1000), st.integers(1, 64))
def test_workers_of_a_size_that_was_asked_for(cores: int, threads: int) -> None:
    """Have it, as many as the cores allow; there is always one."""
    workers = share_cores(cores, threads)
    assert {worker.threads for worker in workers} == {threads}
    assert len(workers) == max(1, cores // threads)


def test_a_process_sees_its_own_device_and_nothing_else() -> None:
    """A GPU by the number the machine has for it; a CPU with its threads."""
    (gpu,) = parse_devices("cuda:3")
    assert gpu.environment == {"PODCAST_DEVICE": "cuda:0", "CUDA_VISIBLE_DEVICES": "3"}
    first, second = parse_devices("cpu:2x4")
    assert first.environment == second.environment == {"PODCAST_DEVICE": "cpu", "OMP_NUM_THREADS": "4"}
    assert gpu.capacity > first.capacity
