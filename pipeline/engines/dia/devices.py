"""Devices and precisions: what this machine has, what the model runs on, and why.

The precision is chosen by device:

- CUDA: bf16 where the GPU computes in it (Ampere and later), because a step waits for the weights to be read and bf16
  halves them. fp32 elsewhere, where bf16 is emulated.
- CPU: bf16 where the CPU multiplies in it (AMX-BF16, AVX512_BF16, ARM's BF16) and this torch has oneDNN, whose kernels
  use that. fp32 elsewhere.
- int8 only where it is asked for, and on a CPU: what stays in floating point (norms, embeddings, the softmax of
  attention, the head) is then in bf16 or fp32 by the same rule. Elsewhere int8 weights are multiplied in bf16.
- fp8 only where it is asked for, and on GPUs that multiply it (Ada, Hopper); the rest as for int8.
- MPS: fp32. Reduced precision has given trouble there and gains little.
- XPU: fp32, and only where asked for. Distorted speech was reported, so rounding must not add to it.

fp16 is not offered: Dia does not divide attention scores by the root of the head size, so they can leave fp16's range,
and CPUs are slow in it. bf16 has the range of fp32. What bf16 rounds away moves the edge of the candidates that
guidance picks, while their probabilities come from the conditional logits. The older network ("v1") draws from the
guided logits, in which guidance magnifies rounding about fourfold: there fp32 is worth a comparison.
"""

from __future__ import annotations

import functools
import os
import platform
import re
import subprocess
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch

from pipeline.engines.dia.kernels.device_check import Kernel, check_device
from pipeline.errors import EngineError, Problem

Precision = Literal["fp32", "bf16", "int8", "fp8"]
DTYPES: Mapping[str, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16}
PRECISIONS = (*DTYPES, "fp8", "int8")

_CHECKED = ("mps", "xpu")  # wrong results were reported from both
_ROOT = Path("/")

_FEATURES = frozenset(
    "avx2 fma avx512f avx512bw avx512_vnni avx_vnni avx512_bf16 avx512_fp16 amx_bf16 amx_int8 "
    "neon dotprod i8mm bf16 sve".split()
)
_BF16_FEATURES = frozenset({"amx_bf16", "avx512_bf16", "bf16"})
_LINUX_ON_ARM = {"asimd": "neon", "asimddp": "dotprod"}
_MACOS = {
    "hw.optional.neon": "neon",
    "hw.optional.arm.FEAT_DotProd": "dotprod",
    "hw.optional.arm.FEAT_I8MM": "i8mm",
    "hw.optional.arm.FEAT_BF16": "bf16",
}
_TORCH = {"AVX2": frozenset({"avx2"}), "AVX512": frozenset({"avx2", "avx512f"})}


@dataclass(frozen=True)
class Device:
    """Something torch can compute on. `bf16` and `fp8`: whether it does so in them without emulating them."""

    name: str  # as torch and the user write it: "cpu", "cuda:0", "mps", "xpu:0"
    model: str
    memory_bytes: int
    bf16: bool
    fp8: bool = False

    @property
    def kind(self) -> str:
        """The name without its number."""
        return self.name.partition(":")[0]

    @property
    def precisions(self) -> tuple[Precision, ...]:
        """What it computes in without emulation."""
        return ("fp32", "bf16") if self.bf16 else ("fp32",)


@dataclass(frozen=True)
class DeviceChoice:
    """What the model runs on; `why` and `warnings` are for people. `dtype` is that of all that is no int8."""

    device: torch.device
    precision: Precision
    why: str
    warnings: tuple[str, ...] = ()
    dtype: torch.dtype = torch.float32


@dataclass(frozen=True)
class Memory:
    """Memory this process may use, in bytes."""

    total: int
    available: int


def choose(
    device: str | None,
    precision: str | None,
    candidates: Sequence[Device] | None = None,
    kernels: Mapping[str, Kernel] | None = None,
) -> DeviceChoice:
    """The device and precision to use; None or "auto" leaves either to this machine.

    `candidates` are there to choose from, best first: `devices()` unless given. MPS and XPU are used only if
    `check_device` finds nothing wrong with `kernels`, and the CPU otherwise, with a warning. Raises `EngineError` for
    a device that is not here and for an unknown precision, both at once.
    """
    candidates = devices() if candidates is None else candidates
    automatic = device is None or device == "auto"
    wanted = candidates[0] if automatic else _named(device or "", candidates)
    problems = []
    if wanted is None:
        there = ", ".join(entry.name for entry in candidates)
        problems.append(Problem("device", f'there is no "{device}" here.', f"Use auto or one of: {there}."))
    if precision not in (None, "auto", *PRECISIONS):
        problems.append(
            Problem("precision", f'no precision "{precision}".', "Use one of: auto, bf16, fp32, fp8, int8.")
        )
    if wanted is None or problems:
        raise EngineError(*problems)
    best = "no CUDA or Apple GPU here" if wanted.kind == "cpu" else "the first GPU"
    choice = _choice(wanted, precision, best if automatic else "asked for")
    if wanted.kind not in _CHECKED:
        return choice
    cpu = next(entry for entry in candidates if entry.kind == "cpu")
    return checked(choice, _choice(cpu, precision, f"{wanted.name} failed its check"), kernels)


def checked(choice: DeviceChoice, instead: DeviceChoice, kernels: Mapping[str, Kernel] | None = None) -> DeviceChoice:
    """`choice` if its device computes right, else `instead` with a warning that tells what went wrong.

    `kernels` as in `check_device`.
    """
    wrong = check_device(choice.device, choice.dtype, kernels)
    if not wrong:
        return choice
    more = f" (and {len(wrong) - 1} more)" if wrong[1:] else ""
    warning = f"{choice.device} computes wrongly in {choice.precision}, so {instead.device} is used: {wrong[0]}{more}."
    return replace(instead, warnings=(*instead.warnings, warning))


def _named(name: str, candidates: Sequence[Device]) -> Device | None:
    """The device of that name; "cuda" is "cuda:0", and "cpu:0" is "cpu"."""
    same = (entry for entry in candidates if entry.name.removesuffix(":0") == name.removesuffix(":0"))
    return next(same, None)


def _choice(device: Device, precision: str | None, reason: str) -> DeviceChoice:
    """`device`, chosen for `reason`, with the precision asked for (a known one) or the one that suits it."""
    suits_bf16 = device.bf16 and device.kind not in _CHECKED
    warnings = []
    multiplied = {"int8": device.kind == "cpu", "fp8": device.fp8}
    if not multiplied.get(precision or "", True):
        warnings.append(f"{device.name} does not multiply {precision} here: the weights are used in floating point.")
        precision = None
    floating: Precision = "bf16" if precision == "bf16" or (precision != "fp32" and suits_bf16) else "fp32"
    chosen: Precision = "int8" if precision == "int8" else "fp8" if precision == "fp8" else floating
    if precision == chosen:
        because = f"{chosen} asked for"
    elif suits_bf16:
        because = "it computes in bf16"
    elif device.kind in _CHECKED:
        because = "fp32 is the safe precision there"
    else:
        because = "it does not compute in bf16"
    if floating == "bf16" and not device.bf16:
        warnings.append(f"{device.name} emulates bf16, which is slower than fp32.")
    if device.kind == "xpu":
        warnings.append("Distorted speech was reported on Intel XPU: listen before a long job.")
    why = f"{reason}; {because}"
    return DeviceChoice(torch.device(device.name), chosen, why, tuple(warnings), DTYPES[floating])


def devices() -> tuple[Device, ...]:
    """What torch can compute on here, best first; XPU comes last because it is never chosen by itself."""
    present = []
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            gpu = torch.cuda.get_device_properties(index)
            bf16 = gpu.major >= 8 or torch.version.hip is not None
            fp8 = (gpu.major, gpu.minor) >= (8, 9) and torch.version.hip is None
            present.append(Device(f"cuda:{index}", gpu.name, gpu.total_memory, bf16, fp8))
    if torch.backends.mps.is_available():
        bf16 = torch.backends.mps.is_macos_or_newer(14, 0)
        present.append(Device("mps", cpu_model(), torch.mps.recommended_max_memory(), bf16))
    bf16 = torch.backends.mkldnn.is_available() and not _BF16_FEATURES.isdisjoint(cpu_features())
    present.append(Device("cpu", cpu_model(), memory().total, bf16))
    if torch.xpu.is_available():
        for index in range(torch.xpu.device_count()):
            intel = torch.xpu.get_device_properties(index)
            bf16 = bool(intel.has_bfloat16_conversions)
            present.append(Device(f"xpu:{index}", intel.name, intel.total_memory, bf16))
    return tuple(present)


# What follows reads the system; `root` is where its /proc and /sys are.


def cpu_features(root: Path = _ROOT) -> frozenset[str]:
    """Instruction sets that matter to an engine and that every core has; never raises.

    "avx2", "fma", "avx512f", "avx512bw", "avx512_vnni", "avx_vnni", "avx512_bf16", "avx512_fp16", "amx_bf16" and
    "amx_int8" on x86; "neon", "dotprod", "i8mm", "bf16" and "sve" on ARM.
    """
    lines = re.findall(r"^(?:flags|Features)\s*:(.*)$", _read(root / "proc/cpuinfo"), re.MULTILINE)
    cores = [{_LINUX_ON_ARM.get(name, name) for name in line.split()} for line in lines]
    if cores:
        return _FEATURES.intersection(*cores)
    on_mac = frozenset(name for key, name in _MACOS.items() if _sysctl().get(key) == "1")
    return on_mac or _TORCH.get(torch.backends.cpu.get_cpu_capability(), frozenset())


def threads(root: Path = _ROOT, cpus: Collection[int] | None = None) -> int:
    """Physical cores this process may use; a core's two hyperthreads count once, and a Mac's slow cores do not count.

    `cpus` are those it may run on, its own affinity unless given. A control group's quota is rounded down.
    """
    if cpus is None:
        cpus = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    topology = (root / f"sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list" for cpu in cpus)
    cores = {_read(path) or str(path) for path in topology}
    count = int(_sysctl().get("hw.perflevel0.physicalcpu", len(cores)))
    for group in _control_groups(root, "cpu"):
        v1 = f"{_read(group / 'cpu.cfs_quota_us')} {_read(group / 'cpu.cfs_period_us')}"
        if quota := re.fullmatch(r"(\d+) (\d+)", _read(group / "cpu.max") or v1):
            count = min(count, int(quota[1]) // int(quota[2]))
    return max(count, 1)


def memory(device: torch.device | None = None, root: Path = _ROOT) -> Memory:
    """The memory of `device`, main memory unless given.

    Of main memory, what control groups allow and what is there without swapping, files read ahead counted as free;
    zeros where the system does not tell. On MPS, which shares it, no more than Metal recommends.
    """
    kind = "cpu" if device is None else device.type
    if kind in ("cuda", "xpu"):
        free, total = torch.cuda.mem_get_info(device) if kind == "cuda" else torch.xpu.mem_get_info(device)
        return Memory(total, free)
    main = _main_memory(root)
    if kind == "mps":
        most = torch.mps.recommended_max_memory()
        return Memory(most, max(min(most - torch.mps.driver_allocated_memory(), main.available), 0))
    return main


def _main_memory(root: Path) -> Memory:
    known = dict(re.findall(r"^(\w+): +(\d+) kB$", _read(root / "proc/meminfo"), re.MULTILINE))
    if not known:
        pages = re.findall(r"Pages (?:free|inactive|speculative): +(\d+)", _output("vm_stat"))
        page_bytes = int(_sysctl().get("hw.pagesize", 0))
        return Memory(int(_sysctl().get("hw.memsize", 0)), page_bytes * sum(map(int, pages)))
    total, available = 1024 * int(known["MemTotal"]), 1024 * int(known["MemAvailable"])
    for group in _control_groups(root, "memory"):
        limit = _read(group / "memory.max") or _read(group / "memory.limit_in_bytes")
        if limit.isdecimal():
            used = int(_read(group / "memory.current") or _read(group / "memory.usage_in_bytes") or 0)
            files = re.findall(r"^(?:total_)?inactive_file (\d+)$", _read(group / "memory.stat"), re.MULTILINE)
            free = int(limit) - used + max(map(int, files), default=0)
            total, available = min(total, int(limit)), min(available, max(free, 0))
    return Memory(total, min(total, available))


def _control_groups(root: Path, controller: str) -> Iterator[Path]:
    """Folders of the control groups this process is in and of those above them, in the layout of either version."""
    for line in _read(root / "proc/self/cgroup").splitlines():
        _number, controllers, path = line.split(":", 2)
        if not controllers or controller in controllers.split(","):
            mount = root / "sys/fs/cgroup" / (controller if controllers else "")
            group = mount / path.lstrip("/")
            yield from (folder for folder in (group, *group.parents) if folder.is_relative_to(mount))


def cpu_model() -> str:
    """The name of the processor."""
    named = re.search(r"^model name\s*: (.+)$", _read(_ROOT / "proc/cpuinfo"), re.MULTILINE)
    model = named[1] if named else _sysctl().get("machdep.cpu.brand_string", "")
    return model or platform.processor() or platform.machine()


@functools.cache
def _sysctl() -> Mapping[str, str]:
    """What macOS tells of its hardware; nothing elsewhere."""
    return dict(re.findall(r"^([\w.]+): (.*)$", _output("sysctl", "hw", "machdep.cpu"), re.MULTILINE))


def _output(*command: str) -> str:
    if platform.system() != "Darwin":
        return ""
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=5, check=False).stdout
    except (OSError, subprocess.SubprocessError):
        return ""


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
