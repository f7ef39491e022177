"""The Dia engine on an NVIDIA GPU: `python tests/gpu/check.py [--budget 480] [--rehearse]`, from a checkout.

One command, at most `--budget` seconds (a check that no longer fits is left out, and says so), no files, no network,
and no packages but torch, triton, numpy, numba, scipy, safetensors and pyyaml. Weights are random ones of Dia's real
size: speed does not depend on them. Each finding is printed as it is made, a table of all comes last, and the command
fails where one is marked FAILED. `--rehearse` runs it on a CPU with a tiny network; its times mean nothing.

The checks, and what their findings say:

    machine         the GPU, what torch was built for, and the memory that is free
    ceilings        what this GPU can do at best: memory copied (both ways counted), bf16 products of 8192 x 8192, and
                    what one small kernel costs inside a CUDA graph. A decode step that needs less is measured wrongly
    one row's bits  for each product of the decoder, the numbers of rows for which the library gives the same row other
                    bits than among 64. Any but none: a take depends on its batch-mates where products are the
                    library's. Then the time by rows, and how far off bf16 is: 0.0017 is rounding, more is bf16 sums
    lanes together  how many lanes may attend at a time with the bits each has alone, of how many (self-attention,
                    cross-attention): fewer than all cost kernels
    steps bf16      decode steps of so many slots that have read so many rows and a text of so many bytes: the median
                    time of one, seconds of speech in a second (steps alone, no prefill, no codec), the first call with
                    its capture. Then whether all logits were finite
    graphs          whether takes from replayed graphs are those of eager steps, code for code (FAILED if not); kernels
                    in a step, the time the GPU is busy in it, and the kernels that take longest
    company         whether takes are the same alone and in any company, code for code (FAILED if not)
    temperatures    whether takes of several temperatures in one batch, from replayed graphs, are those of steppers that
                    have one for all, code for code, and whether logits divided by a tensor's temperature have the bits
                    that a Python number gives (FAILED if not)
    admission       what a request costs before its first step, while all others wait: prefill, and the copy of its KV
                    cache into the static one
    codec           decoding a window of 2 s: the median time, as seconds of speech in a second, inside a graph, and
                    the first window of a length that is new
    codec and steps the same codec on its own stream beside steps of 128 slots: a step alone and beside it, and the
                    codec's speed meanwhile; then a graph is captured beside it
    little memory   34 takes with 3 GB for their KV cache: all must be made (FAILED if not), in how many slots
    fp8 products    whether this GPU multiplies in fp8; error and time of a product in bf16 and in fp8
    steps fp8       as `steps bf16`, with weights, keys and values in fp8
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch

from pipeline.engines.dia.batching.cuda_slots import CudaStepper, on_stream
from pipeline.engines.dia.batching.sampling import Sampling, probabilities
from pipeline.engines.dia.batching.scheduler import Scheduler
from pipeline.engines.dia.network.attention_cuda import steady_tile
from pipeline.engines.dia.network.linear import FP8, Fp8Linear, Linear, multiplies
from tests.gpu.device import FRAMES_PER_S, WINDOW, Device, admit, dac_decoder, request, window

FRAMES = 200  # of the takes whose steps are measured: from row 520 or 1040 on they stay within one block of keys


@dataclass(frozen=True)
class Finding:
    """`value` with its unit; `ok` is False for what must not be."""

    case: str
    value: str
    ok: bool = True


# The checks


def machine(device: Device) -> Iterator[Finding]:
    yield Finding("torch", f"{torch.__version__}, CUDA {torch.version.cuda}")
    if device.rehearse:
        return
    gpu, (free, total) = torch.cuda.get_device_properties(device.torch), torch.cuda.mem_get_info()
    yield Finding("GPU", f"{gpu.name}, sm_{gpu.major}{gpu.minor}, {gpu.multi_processor_count} SMs")
    yield Finding("built for", " ".join(torch.cuda.get_arch_list()))
    yield Finding("memory", f"{free / 2**30:.1f} of {total / 2**30:.1f} GiB free, L2 {gpu.L2_cache_size / 1e6:.0f} MB")


def ceilings(device: Device) -> Iterator[Finding]:
    source = torch.zeros(device.size(1 << 30), dtype=torch.uint8, device=device.torch)
    target = torch.empty_like(source)
    copy_ms = device.median_ms(lambda: target.copy_(source))
    yield Finding("memory", f"{2 * len(source) / copy_ms / 1e9:.2f} TB/s")
    size = device.size(8192)
    left, right = device.random(size, size), device.random(size, size)
    product_ms = device.median_ms(lambda: left @ right)
    yield Finding("bf16 products", f"{2 * size**3 / product_ms / 1e9:.0f} TFLOPS")
    if device.rehearse:
        return
    number, graph = torch.zeros(1, device=device.torch), torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for _ in range(1000):
            number.add_(1)
    yield Finding("a small kernel in a graph", f"{device.median_ms(graph.replay):.2f} us")


def row_bits(device: Device) -> Iterator[Finding]:
    for name, outputs, inputs in (("qkv", 3072, 2048), ("gate and up", 16384, 2048), ("down", 2048, 8192)):
        weight = device.random(device.size(outputs), device.size(inputs)) / device.size(inputs) ** 0.5
        x = device.random(256, device.size(inputs))
        among_64 = x[:64] @ weight.T
        counts = (1, 2, 4, 8, 16, 32, 128, 192, 256)
        others = [n for n in counts if not torch.equal((x[:n] @ weight.T)[:64], among_64[:n])]
        yield Finding(f"{name}: other bits among", " ".join(map(str, others)) or "none")
        times = {n: device.median_ms(partial(torch.mm, x[:n], weight.T)) for n in (16, 64, 128, 256)}
        yield Finding(f"{name}: ms by rows", ", ".join(f"{n}: {ms:.4f}" for n, ms in times.items()))
        exact = x[:64].double() @ weight.double().T
        yield Finding(f"{name}: error", f"{float((among_64.double() - exact).norm() / exact.norm()):.4f}")


def lanes_together(device: Device) -> Iterator[Finding]:
    decoder = device.config.decoder
    for limit in (4,) if device.rehearse else (1, 32, 128):
        slots = tuple(sorted({*(1 << power for power in range(limit.bit_length())), limit}))
        lanes = tuple(sides * count for count in slots for sides in (1, 2))
        for kept_as in (torch.bfloat16, FP8):
            types = (torch.bfloat16, kept_as, str(device.torch))
            own = steady_tile(lanes, decoder.heads, decoder.kv_heads, decoder.head_dim, *types)
            cross = steady_tile(slots, decoder.cross_heads, decoder.cross_kv_heads, decoder.cross_head_dim, *types)
            yield Finding(f"{limit} slots, {kept_as}", f"{own} of {2 * limit}, {cross} of {limit}")


def steps(device: Device, *, fp8: bool) -> Iterator[Finding]:
    cases = ((2, 100, 100),) if device.rehearse else ((1, 520, 200), (32, 520, 200), (128, 520, 200), (128, 1040, 300))
    for case in cases:
        yield from steps_of(device, *case, fp8=fp8)
        device.free()


def steps_of(device: Device, slots: int, context: int, text: int, *, fp8: bool) -> Iterator[Finding]:
    case = f"{slots} slots, row {context}, text {text}"
    if device.left_s < 25:
        yield Finding(case, "left out: there is no time")
        return
    stepper, counts = device.stepper(fp8=fp8), []
    try:
        active = admit(stepper, slots, context, text, FRAMES)
    except MemoryError:
        yield Finding(case, "left out: there is too little memory")
        return

    def decode() -> None:
        counts.append(stepper.decode(active))

    first_s = device.seconds(decode)
    step_ms = device.median_ms(decode, warm=1) / counts[-1]
    speed_x = slots / (step_ms / 1e3) / FRAMES_PER_S
    yield Finding(case, f"{step_ms:.3f} ms, {speed_x:.1f} x real time, first call {first_s:.2f} s")
    finite = all(slot.finite for slot in active)
    yield Finding(f"{case}: logits", "finite" if finite else "NOT finite", ok=finite)


def graphs(device: Device) -> Iterator[Finding]:
    slots = 2 if device.rehearse else 32
    wanted = [request(number, 100 + number, 3, 2 if device.rehearse else 30) for number in range(slots)]
    takes = [
        {result.key: result.codes.tobytes() for result in Scheduler(stepper, slots).generate(wanted)}
        for stepper in (device.stepper(graphs=False), device.stepper())
    ]
    equal = takes[0] == takes[1]
    yield Finding("replayed as eager", f"{len(takes[0])} takes are {'the same' if equal else 'NOT the same'}", ok=equal)
    if device.rehearse:
        return
    stepper = device.stepper()
    active = admit(stepper, slots, 520, 200, FRAMES)
    stepper.decode(active)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        count = stepper.decode(active)
        device.sync()
    kernels = sorted(profile.key_averages(), key=lambda kernel: -kernel.device_time_total)
    busy_ms = sum(kernel.device_time_total for kernel in kernels) / 1e3 / count
    yield Finding("kernels", f"{sum(kernel.count for kernel in kernels) / count:.0f} a step, busy {busy_ms:.3f} ms")
    for kernel in kernels[:14]:
        took = f"{kernel.count / count:.1f} a step, {kernel.device_time_total / 1e3 / count:.3f} ms"
        yield Finding(f"  {kernel.key[:48]}", took)


def company(device: Device) -> Iterator[Finding]:
    count = 2 if device.rehearse else 6
    frames = [3 if device.rehearse else 40 + 7 * number for number in range(count)]
    wanted = [request(number, 48 * (1 + number % 3), 0, frames[number]) for number in range(count)]
    takes: list[dict[str, bytes]] = []
    for limit in (1, 3, 6):
        results = Scheduler(device.stepper(), limit).generate(wanted)
        takes.append({result.key: result.reason.encode() or result.codes.tobytes() for result in results})
    equal = all(other == takes[0] for other in takes)
    yield Finding(f"{count} takes in 1, 3 and 6 slots", "the same" if equal else "NOT the same", ok=equal)


def temperatures(device: Device) -> Iterator[Finding]:
    several = (None, 0.0, 0.7, 1.2, 2.4)
    frames = 3 if device.rehearse else 40
    wanted = [
        replace(request(n, 48, 0, frames), temperature=several[n % len(several)]) for n in range(len(several) * 2)
    ]
    mixed = {result.key: result.codes.tobytes() for result in Scheduler(device.stepper(), 4).generate(wanted)}
    equal = True
    for temperature in several:
        sampling = Sampling() if temperature is None else Sampling(temperature=temperature)
        alike = [replace(one, temperature=None) for one in wanted if one.temperature == temperature]
        results = Scheduler(CudaStepper(device.model(), sampling), 4).generate(alike)
        equal &= all(mixed[result.key] == result.codes.tobytes() for result in results)
    yield Finding(f"{len(mixed)} takes of {len(several)}", "the same" if equal else "NOT the same", ok=equal)
    scores = device.random(4, 9, 45, dtype=torch.float32).sort(descending=True).values
    number = 1.3
    by_number = (scores / number).softmax(-1)
    whole = Sampling(top_p=1.0)
    by_tensor = probabilities(scores, whole, torch.full((4,), number, device=device.torch))[1]
    same_bits = torch.equal(by_number, by_tensor)
    yield Finding("a tensor's and a number's", "the same bits" if same_bits else "NOT the same bits", ok=same_bits)


def admission(device: Device) -> Iterator[Finding]:
    for text, context in ((200, 0), (280, 43 if device.rehearse else 430)):
        stepper = device.stepper()
        times_ms = []
        for number in range(1 if device.rehearse else 6):
            device.sync()
            began = time.perf_counter()
            slot = stepper.prefill(request(number, text, context, 300))
            device.sync()
            prefilled = time.perf_counter()
            stepper.allocate(slot, 8)
            device.sync()
            times_ms.append((1e3 * (prefilled - began), 1e3 * (time.perf_counter() - prefilled)))
        for name, times in zip(("prefill", "copy"), zip(*times_ms, strict=True), strict=True):
            values = " ".join(f"{time_ms:.1f}" for time_ms in times)
            yield Finding(f"text {text}, prompt {context}: {name}", f"{values} ms, one after the other")


def codec(device: Device) -> Iterator[Finding]:
    torch.backends.cudnn.deterministic, torch.backends.cudnn.allow_tf32 = True, False
    for dtype in (torch.bfloat16, torch.float32):
        decoder = dac_decoder(device, dtype)
        decode = window(device, decoder)
        window_ms = device.median_ms(decode)
        yield Finding(f"{dtype}", f"{window_ms:.2f} ms, {WINDOW / FRAMES_PER_S / window_ms * 1e3:.1f} x real time")
        if device.rehearse:
            continue
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            decode()
        yield Finding(f"{dtype} in a graph", f"{device.median_ms(graph.replay):.2f} ms")
        first_ms = 1e3 * device.seconds(window(device, decoder, 117))
        yield Finding(f"{dtype}, a length that is new", f"{first_ms:.1f} ms the first time")


def codec_beside_steps(device: Device) -> Iterator[Finding]:
    slots, calls = (2, 1) if device.rehearse else (128, 4)
    decode = window(device, dac_decoder(device, torch.bfloat16))
    windows, stop = [0], threading.Event()

    def decode_windows() -> None:
        with torch.inference_mode():
            while not stop.is_set():
                with on_stream(device.torch):
                    decode().cpu()
                windows[0] += 1

    stepper = device.stepper()
    active = admit(stepper, slots, 100 if device.rehearse else 520, 200, FRAMES)
    stepper.decode(active)

    def step() -> float:
        began, count = time.perf_counter(), sum(stepper.decode(active) for _ in range(calls))
        return (time.perf_counter() - began) / count

    alone_s = step()
    thread = threading.Thread(target=decode_windows)
    thread.start()
    try:
        windows[0], began = 0, time.perf_counter()
        beside_s = step()
        codec_x = windows[0] * WINDOW / FRAMES_PER_S / (time.perf_counter() - began)
        yield Finding(f"a step of {slots} slots", f"{1e3 * alone_s:.3f} ms alone, {1e3 * beside_s:.3f} beside it")
        yield Finding("the codec meanwhile", f"{codec_x:.1f} x real time")
        few = device.stepper()
        few.decode(admit(few, 2, 3, 20, FRAMES))
        yield Finding("a graph captured beside it", "done")
    finally:
        stop.set()
        thread.join()


def little_memory(device: Device) -> Iterator[Finding]:
    if device.rehearse:
        return
    model = device.model()
    device.free()
    total = torch.cuda.get_device_properties(device.torch).total_memory
    torch.cuda.set_per_process_memory_fraction(min(1.0, (torch.cuda.memory_allocated() + 3e9) / total))
    try:
        scheduler = Scheduler(CudaStepper(model, Sampling()), 32)
        wanted = [request(number, 200, 0, 30 if number < 30 else 900) for number in range(34)]
        reasons = [result.reason for result in scheduler.generate(wanted)]
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    lost = sorted({reason for reason in reasons if reason})
    yield Finding("takes made", f"{len(reasons)} of 34 {' '.join(lost)}", ok=len(reasons) == 34 and not lost)
    yield Finding("slots", f"{scheduler.limit} of 32 in the end")


def fp8_products(device: Device) -> Iterator[Finding]:
    size = device.size(2048)
    weight, x = device.random(size, size) / size**0.5, device.random(100, size).float()
    exact = x.double() @ weight.double().T
    yield Finding("multiplied in fp8 here", "yes" if multiplies(weight) else "no: restored to bf16")
    for name, linear in (("bf16", Linear(weight)), ("fp8", Fp8Linear(weight))):
        error = float((linear(x) - exact).norm() / exact.norm())
        yield Finding(name, f"error {error:.4f}, {device.median_ms(partial(linear, x)):.4f} ms")


CHECKS: dict[str, tuple[float, Callable[[Device], Iterator[Finding]]]] = {  # name: seconds it needs, and what it does
    "machine": (1, machine),
    "ceilings": (5, ceilings),
    "one row's bits": (10, row_bits),
    "lanes together": (10, lanes_together),
    "steps bf16": (60, partial(steps, fp8=False)),
    "graphs": (30, graphs),
    "company": (40, company),
    "temperatures": (40, temperatures),
    "admission": (20, admission),
    "codec": (30, codec),
    "codec and steps": (20, codec_beside_steps),
    "little memory": (30, little_memory),
    "fp8 products": (10, fp8_products),
    "steps fp8": (45, partial(steps, fp8=True)),
}


def run(device: Device) -> Iterator[tuple[str, Finding]]:
    """The findings of all checks for which there is time; a check that raises is one that FAILED."""
    for name, (needed_s, check) in CHECKS.items():
        if device.left_s < needed_s:
            yield name, Finding("left out", f"it takes {needed_s:.0f} s, and {device.left_s:.0f} s are left")
            continue
        began = time.monotonic()
        try:
            with torch.inference_mode():
                for finding in check(device):
                    yield name, finding
        except Exception as error:  # the other checks go on
            traceback.print_exc()
            yield name, Finding(type(error).__name__, str(error)[:400], ok=False)
        device.free()
        yield name, Finding("took", f"{time.monotonic() - began:.1f} s")


def line(name: str, finding: Finding) -> str:
    return f"{name:16} {finding.case:52} {finding.value}{'' if finding.ok else '  FAILED'}\n"


def main() -> int:
    parser = argparse.ArgumentParser(description="Check the Dia engine on an NVIDIA GPU.")
    parser.add_argument("--budget", type=float, default=480, metavar="SECONDS", help="at most [default: 480]")
    parser.add_argument("--rehearse", action="store_true", help="on a CPU, with a tiny network")
    arguments = parser.parse_args()
    if not arguments.rehearse and not torch.cuda.is_available():
        sys.stderr.write("check.py: torch finds no CUDA GPU here. Try it on a CPU with: --rehearse\n")
        return 2
    if arguments.rehearse:
        torch.set_num_threads(1)  # a tiny network is no faster with more
    found = []
    for name, finding in run(Device(arguments.rehearse, time.monotonic() + arguments.budget)):
        sys.stdout.write(line(name, finding))
        sys.stdout.flush()
        found.append((name, finding))
    failed = [(name, finding) for name, finding in found if not finding.ok]
    sys.stdout.write("\n" + "".join(line(*each) for each in found if each[1].case != "took"))
    sys.stdout.write("".join(line(*each) for each in failed) if failed else "nothing failed\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
