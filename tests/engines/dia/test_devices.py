"""What Dia runs on: the choice by itself and by name, and what is read of the machine."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pipeline.engines.dia.devices import (
    Device,
    DeviceChoice,
    checked,
    choose,
    cpu_features,
    memory,
    threads,
)
from pipeline.engines.dia.kernels.device_check import KERNELS, Kernel, Numbers
from pipeline.errors import EngineError

CPU = Device("cpu", "Zen 5", 64_000_000_000, bf16=True)
OLD_CPU = Device("cpu", "Haswell", 16_000_000_000, bf16=False)
AMPERE = Device("cuda:0", "A100", 80_000_000_000, bf16=True)
TURING = Device("cuda:1", "T4", 16_000_000_000, bf16=False)
APPLE = Device("mps", "Apple M4", 32_000_000_000, bf16=True)
ARC = Device("xpu:0", "Arc A770", 16_000_000_000, bf16=True)
NO_XPU = Device("xpu:7", "A card that is not here", 16_000_000_000, bf16=True)
NOTHING_WRONG: Mapping[str, Kernel] = {}  # a check of no kernels, for devices this machine does not have


@pytest.mark.parametrize(
    ("found", "device", "precision", "expected"),
    [
        ([AMPERE, TURING, CPU], None, None, ("cuda:0", "bf16")),
        ([AMPERE, TURING, CPU], "auto", "auto", ("cuda:0", "bf16")),
        ([AMPERE, TURING, CPU], "cuda", "fp32", ("cuda:0", "fp32")),
        ([AMPERE, TURING, CPU], "cuda:1", None, ("cuda:1", "fp32")),
        ([AMPERE, TURING, CPU], "cpu", None, ("cpu", "bf16")),
        ([APPLE, OLD_CPU], None, None, ("mps", "fp32")),
        ([APPLE, OLD_CPU], "mps", "bf16", ("mps", "bf16")),
        ([CPU, ARC], None, None, ("cpu", "bf16")),
        ([CPU, ARC], "xpu", None, ("xpu:0", "fp32")),
        ([OLD_CPU], None, None, ("cpu", "fp32")),
        ([OLD_CPU], None, "bf16", ("cpu", "bf16")),
    ],
)
def test_what_is_chosen(
    found: Sequence[Device], device: str | None, precision: str | None, expected: tuple[str, str]
) -> None:
    """The first GPU before the CPU, XPU only by name; bf16 where the device computes in it, never so on MPS and XPU."""
    choice = choose(device, precision, found, NOTHING_WRONG)
    assert (str(choice.device), choice.precision) == expected
    assert choice.why


def test_what_is_slow_or_doubtful_is_said() -> None:
    """bf16 that is emulated, and XPU; a plain choice comes without a warning."""
    assert choose(None, None, [AMPERE, CPU]).warnings == ()
    assert "emulates bf16" in choose(None, "bf16", [OLD_CPU]).warnings[0]
    assert "listen" in choose("xpu", None, [CPU, ARC], NOTHING_WRONG).warnings[0]


def test_a_wrong_request_names_what_there_is() -> None:
    """Both problems at once."""
    with pytest.raises(EngineError) as caught:
        choose("cuda:3", "fp16", [AMPERE, TURING, CPU])
    device, precision = map(str, caught.value.problems)
    assert device == 'device: there is no "cuda:3" here. Use auto or one of: cuda:0, cuda:1, cpu.'
    assert precision == 'precision: no precision "fp16". Use one of: auto, bf16, fp32, fp8, int8.'


@given(
    st.sampled_from([[AMPERE, TURING, CPU], [APPLE, OLD_CPU], [CPU, ARC], [OLD_CPU]]),
    st.sampled_from([None, "auto", "cpu", "cuda", "cuda:1", "mps", "xpu", "", "gpu", "cuda:10"]),
    st.sampled_from([None, "auto", "fp32", "bf16", "int8", "fp8", "", "fp16"]),
)
def test_every_request_is_met_or_refused(found: list[Device], device: str | None, precision: str | None) -> None:
    """Nothing but what was asked for, nothing that is not there."""
    names = {name for entry in found for name in (entry.name, entry.name.removesuffix(":0"))}
    possible = device in names | {None, "auto"} and precision in (None, "auto", "fp32", "bf16", "int8", "fp8")
    try:
        choice = choose(device, precision, found, NOTHING_WRONG)
    except EngineError:
        assert not possible
        return
    assert possible
    assert str(choice.device) in {entry.name for entry in found}
    if device not in (None, "auto"):
        assert str(choice.device).startswith(str(device))
    else:
        assert choice.device.type != "xpu"
    if precision == "fp8" or (precision == "int8" and choice.device.type != "cpu"):
        assert choice.precision in ("fp32", "bf16")
    elif precision not in (None, "auto"):
        assert choice.precision == precision


def test_a_device_that_computes_right_is_used() -> None:
    """As it was chosen."""
    wanted = choose("cpu", "bf16", [CPU])
    assert checked(wanted, choose("cpu", "fp32", [CPU])) is wanted


def _divided_scores(numbers: Numbers) -> torch.Tensor:
    query = numbers.normal(1, 4, 4, 128) / 2
    keys, values = (numbers.normal(4, 100, 128)[:, :70] for _ in range(2))
    return torch.nn.functional.scaled_dot_product_attention(query, keys[None] / 2, values[None])


def _interleaved_rope(numbers: Numbers) -> torch.Tensor:
    x = numbers.normal(50, 4, 128).float()
    even, odd = x[..., ::2], x[..., 1::2]
    angle = torch.arange(3022, 3072)[:, None, None] / 10_000 ** (torch.arange(64) / 64)
    turned = torch.stack([even * angle.cos() - odd * angle.sin(), odd * angle.cos() + even * angle.sin()], dim=-1)
    return turned.flatten(-2).to(numbers.dtype)


def _one_sample_lost(numbers: Numbers) -> torch.Tensor:
    made = KERNELS["codec"](numbers)
    made[..., 65_536] = 0.0 if made[..., 65_536].abs() > 0.1 else 0.5
    return made


def _one_nan(numbers: Numbers) -> torch.Tensor:
    made = KERNELS["RMSNorm"](numbers)
    made[3, 1000] = torch.nan
    return made


def _missing(numbers: Numbers) -> torch.Tensor:
    raise NotImplementedError("Output channels > 65536 not supported at the MPS device. As a temporary fix, wait.")


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize(
    ("name", "kernel", "told"),
    [
        ("attention", _divided_scores, "attention is off by"),
        ("RoPE", _interleaved_rope, "RoPE is off by"),
        ("codec", _one_sample_lost, "codec is off by"),
        ("RMSNorm", _one_nan, "RMSNorm is off by inf"),
        (
            "codec",
            _missing,
            "codec raised NotImplementedError: Output channels > 65536 not supported at the MPS device",
        ),
    ],
)
def test_a_device_with_a_wrong_kernel_is_not_used(precision: str, name: str, kernel: Kernel, told: str) -> None:
    """The CPU is, and the warning names the kernel, and only that."""
    wanted = choose("cpu", precision, [OLD_CPU])
    instead = choose("cpu", None, [OLD_CPU])
    choice = checked(wanted, instead, {**KERNELS, name: kernel})
    assert choice.device == instead.device
    assert choice.precision == instead.precision == "fp32"
    (warning,) = choice.warnings
    assert f"computes wrongly in {precision}, so cpu is used: {told}" in warning
    assert "more)" not in warning


def test_a_device_that_does_not_answer_is_not_used() -> None:
    """Asked for by name, and not there after all."""
    choice = choose("xpu:7", None, [CPU, NO_XPU])
    why = "xpu:7 failed its check; it computes in bf16"
    assert choice == DeviceChoice(torch.device("cpu"), "bf16", why, choice.warnings, torch.bfloat16)
    assert "xpu:7 computes wrongly in fp32, so cpu is used: embedding raised" in choice.warnings[0]
    assert choose("xpu:7", "fp32", [CPU, NO_XPU]).precision == "fp32"


def _plant(root: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.mark.parametrize(
    ("cpuinfo", "expected"),
    [
        (
            "flags\t\t: fpu sse2 avx2 fma avx512f avx512bw avx512_bf16 avx512_vnni\nmodel name : AMD\n",
            {"avx2", "fma", "avx512f", "avx512bw", "avx512_bf16", "avx512_vnni"},
        ),
        ("Features\t: fp asimd asimddp i8mm bf16 sve\n", {"neon", "dotprod", "i8mm", "bf16", "sve"}),
        ("flags : avx2 avx512f\nflags : avx2\n", {"avx2"}),  # only what every core has
        ("flags : fpu sse2\n", set()),
    ],
)
def test_instruction_sets_of_other_machines(tmp_path: Path, cpuinfo: str, expected: set[str]) -> None:
    """As Linux writes them on x86 and on ARM."""
    assert cpu_features(_plant(tmp_path, {"proc/cpuinfo": cpuinfo})) == expected


@pytest.mark.skipif(not hasattr(torch.cpu, "get_capabilities"), reason="an older torch does not tell")
def test_instruction_sets_agree_with_what_the_cpu_tells_torch() -> None:
    """Two ways to ask this machine."""
    names = {"fma": "fma3", "avx512f": "avx512_f", "avx512bw": "avx512_bw", "dotprod": "dot"}
    known = "avx2 fma avx512f avx512bw avx512_vnni avx512_bf16 amx_bf16 amx_int8 neon dotprod i8mm bf16".split()
    told = torch.cpu.get_capabilities()
    assert cpu_features() & set(known) == {name for name in known if told.get(names.get(name, name))}


def test_instruction_sets_where_the_system_does_not_tell(tmp_path: Path) -> None:
    """What torch computes with then."""
    level = {"AVX2": {"avx2"}, "AVX512": {"avx2", "avx512f"}}.get(torch.backends.cpu.get_cpu_capability(), set())
    if platform.system() == "Linux":
        assert cpu_features(tmp_path) == level
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/cpuinfo").write_bytes(b"flags : avx2 \xff\xfe\n")
    assert cpu_features(tmp_path) == {"avx2"}


TOPOLOGY = {
    f"sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list": f"{cpu % 4},{cpu % 4 + 4}\n" for cpu in range(8)
}
linux = pytest.mark.skipif(platform.system() != "Linux", reason="reads /proc and /sys")


@linux
@pytest.mark.parametrize(
    ("cpus", "files", "expected"),
    [
        (range(8), {}, 4),
        ([0, 4], {}, 1),
        ([0, 1, 5], {}, 2),
        (range(12), {}, 8),  # four whose topology is not told
        (range(8), {"proc/self/cgroup": "0::/job\n", "sys/fs/cgroup/job/cpu.max": "250000 100000\n"}, 2),
        (range(8), {"proc/self/cgroup": "0::/job\n", "sys/fs/cgroup/job/cpu.max": "max 100000\n"}, 4),
        (range(8), {"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/cpu.max": "300000 100000\n"}, 3),
        (range(8), {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "50000 100000\n"}, 1),
        (
            range(8),
            {
                "proc/self/cgroup": "5:memory:/x\n4:cpu,cpuacct:/x\n",
                "sys/fs/cgroup/cpu/x/cpu.cfs_quota_us": "200000\n",
                "sys/fs/cgroup/cpu/x/cpu.cfs_period_us": "100000\n",
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            },
            2,
        ),
    ],
)
def test_threads_are_cores_within_affinity_and_quota(
    tmp_path: Path, cpus: Sequence[int], files: Mapping[str, str], expected: int
) -> None:
    """Four cores with two hyperthreads each, in groups of both versions; never less than one."""
    assert threads(_plant(tmp_path, {**TOPOLOGY, **files}), cpus) == expected


MEMINFO = {"proc/meminfo": "MemTotal:       16000000 kB\nMemFree:  1000 kB\nMemAvailable:    8000000 kB\n"}


@linux
@pytest.mark.parametrize(
    ("files", "total", "available"),
    [
        ({}, 16_384_000_000, 8_192_000_000),
        (
            {
                "proc/self/cgroup": "0::/a/b\n",
                "sys/fs/cgroup/a/b/memory.max": "max\n",
                "sys/fs/cgroup/a/memory.max": "4000000000\n",
                "sys/fs/cgroup/a/memory.current": "3000000000\n",
                "sys/fs/cgroup/a/memory.stat": "anon 5\ninactive_file 500000000\n",
            },
            4_000_000_000,
            1_500_000_000,
        ),
        (
            {
                "proc/self/cgroup": "7:memory:/x\n2:cpu:/y\n",
                "sys/fs/cgroup/memory/x/memory.limit_in_bytes": "9223372036854771712\n",
                "sys/fs/cgroup/memory/x/memory.usage_in_bytes": "1000\n",
                "sys/fs/cgroup/memory/memory.limit_in_bytes": "10000000000\n",
                "sys/fs/cgroup/memory/memory.usage_in_bytes": "9000000000\n",
                "sys/fs/cgroup/memory/memory.stat": "inactive_file 1\ntotal_inactive_file 250000000\n",
            },
            10_000_000_000,
            1_250_000_000,
        ),
        ({"proc/self/cgroup": "0::/x\n", "sys/fs/cgroup/x/memory.max": "1000000\n"}, 1_000_000, 1_000_000),
    ],
)
def test_memory_is_what_the_groups_leave(tmp_path: Path, files: Mapping[str, str], total: int, available: int) -> None:
    """The tightest of the groups above counts; file pages that can be dropped are not in use."""
    found = memory(root=_plant(tmp_path, {**MEMINFO, **files}))
    assert (found.total, found.available) == (total, available)
    assert memory(torch.device("cpu"), tmp_path) == found


def test_int8_is_for_cpus_that_are_asked_for_it() -> None:
    """What is no int8 is in the type that suits the CPU; a GPU uses such weights in floating point."""
    chosen = choose("cpu", "int8", [AMPERE, CPU])
    assert (str(chosen.device), chosen.precision, chosen.dtype) == ("cpu", "int8", torch.bfloat16)
    assert choose("cpu", "int8", [OLD_CPU]).dtype == torch.float32
    elsewhere = choose(None, "int8", [AMPERE, CPU])
    assert (str(elsewhere.device), elsewhere.precision) == ("cuda:0", "bf16")
    assert elsewhere.warnings == ("cuda:0 does not multiply int8 here: the weights are used in floating point.",)


def test_fp8_is_for_gpus_that_multiply_it() -> None:
    """Others compute as they would unasked, and it is said."""
    hopper = replace(AMPERE, model="H200", fp8=True)
    assert choose(None, "fp8", [hopper, CPU]).precision == "fp8"
    assert choose(None, None, [hopper, CPU]).precision == "bf16"
    for found in ([AMPERE, CPU], [CPU]):
        elsewhere = choose(None, "fp8", found)
        assert elsewhere.precision == "bf16"
        assert "does not multiply fp8 here" in elsewhere.warnings[0]
