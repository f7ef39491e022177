"""A folder of weights in, a table of tensors out, under one set of names and shapes whatever the folder's layout is.

Names and shapes are those of transformers' DiaForConditionalGeneration without the leading `model.`; linear weights are
(out, in). The other layout is that of Nari's own code, whose linear weights are (in..., out...) with their heads apart.
The keys tell which it is, because both kinds of file go by the same names. Every tensor is brought to its place, type
and device before the next one is read, so there is never a second copy of them all. Knows nothing of the network.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from pipeline.engines.dia.weights.config import CONFIG_NAME, DiaConfig, read_config
from pipeline.engines.dia.weights.fingerprint import weight_files
from pipeline.errors import EngineError, Problem
from pipeline.files import atomic_folder

Layout = Literal["transformers", "nari"]
Shape = tuple[int, ...]

_EMBEDDINGS = "decoder.embeddings.embed.weight"
_HEAD = "logits_dense.weight"
_MOST_NAMED = 4  # of any one kind of problem; weights of another size have hundreds
_AGAIN = "Fetch the weights again."


def load_weights(
    folder: Path, config: DiaConfig, dtype: torch.dtype, device: torch.device | str
) -> dict[str, torch.Tensor]:
    """All tensors in `folder`, by their names: what `read_weights` gives."""
    return dict(read_weights(folder, config, dtype, device))


@torch.no_grad()
def read_weights(
    folder: Path, config: DiaConfig, dtype: torch.dtype, device: torch.device | str
) -> Iterator[tuple[str, torch.Tensor]]:
    """The tensors in `folder` one by one, by the names, shapes and order of `expected_shapes`, as `dtype` on `device`.

    The weights of norms stay float32: they multiply every activation, and they are few. All names and shapes are
    checked before any tensor is read. Raises `EngineError` where tensors are missing, unknown or of other shapes, and
    where a file is damaged, refused or not there.
    """
    with ExitStack() as stack:
        files, stored, layout = _open(folder, stack)
        shapes = expected_shapes(config)
        parts = {name: _parts(name, shape, config, layout) for name, shape in shapes.items()}
        _check(folder if len(files) > 1 else files[0], stored, parts)
        for name, shape in shapes.items():
            placed = _place(
                [stored[part] for part in parts[name]],
                shape,
                turned=layout == "nari" and _is_linear(name),
                dtype=torch.float32 if name.endswith("norm.weight") else dtype,
                device=device,
            )
            yield name, placed


def convert(folder: Path, out: Path, dtype: torch.dtype) -> Path:
    """Write the weights in `folder` to a new folder `out`, in transformers' layout as `dtype`; norms stay float32.

    config.json goes along: as it is for the first release, whose schema is all that tells its network, and with the new
    type in it otherwise. Memory holds one copy of the result. `out` appears when it is whole, or not at all. Raises
    `EngineError` where the weights cannot be read, and where `out` exists or cannot be written.
    """
    config = read_config(folder)
    state = load_weights(folder, config, dtype, "cpu")
    named = {name if name == _HEAD else f"model.{name}": tensor for name, tensor in state.items()}
    config_json = config_as(str(dtype).removeprefix("torch."), (folder / CONFIG_NAME).read_bytes(), config)
    return write_folder(out, named, config_json, {"format": "pt"})


def write_folder(
    out: Path, named: dict[str, torch.Tensor], config: bytes, metadata: dict[str, str], alignment: int = 8
) -> Path:
    """Write model.safetensors and config.json to a new folder `out`, which appears when it is whole, or not at all.

    The first tensor begins at a multiple of `alignment` bytes. Raises `EngineError` where `out` exists or cannot be
    written.
    """
    if out.exists():
        raise EngineError(Problem(str(out), "exists already.", "Name a folder that does not exist."))
    try:
        with atomic_folder(out) as temporary:
            file = temporary / "model.safetensors"
            save_file(named, file, metadata=metadata)
            if beyond := (8 + _header_bytes(file)) % alignment:  # safetensors cannot align, but its header may grow
                save_file(named, file, metadata=metadata | {"_": " " * (alignment - beyond - len(',"_":""'))})
            (temporary / CONFIG_NAME).write_bytes(config)
            shutil.copymode(temporary / CONFIG_NAME, file)  # safetensors makes it private
            with file.open("rb+") as written:
                os.fsync(written.fileno())
    except (OSError, SafetensorError) as error:
        raise EngineError(
            Problem(str(out), f"cannot be written: {error}.", "Make room, or name another folder.")
        ) from None
    return out


def _header_bytes(file: Path) -> int:
    with file.open("rb") as opened:
        return int.from_bytes(opened.read(8), "little")


def expected_shapes(config: DiaConfig) -> dict[str, Shape]:
    """Name and shape of every tensor of the network that `config` describes."""
    encoder, decoder = config.encoder, config.decoder
    rows = decoder.channels * decoder.vocab
    shapes: dict[str, Shape] = {"encoder.embedding.weight": (encoder.vocab, encoder.hidden)}
    for n in range(encoder.layers):
        layer = f"encoder.layers.{n}"
        shapes |= {f"{layer}.{norm}.weight": (encoder.hidden,) for norm in ("pre_sa_norm", "post_sa_norm")}
        sizes = (encoder.heads, encoder.kv_heads, encoder.head_dim)
        shapes |= _attention(f"{layer}.self_attention", encoder.hidden, encoder.hidden, *sizes)
        shapes |= _mlp(layer, encoder.hidden, encoder.inner)
    shapes["encoder.norm.weight"] = (encoder.hidden,)
    shapes[_EMBEDDINGS] = (rows, decoder.hidden)
    for n in range(decoder.layers):
        layer = f"decoder.layers.{n}"
        norms = ("pre_sa_norm", "pre_ca_norm", "pre_mlp_norm")
        shapes |= {f"{layer}.{norm}.weight": (decoder.hidden,) for norm in norms}
        sizes = (decoder.heads, decoder.kv_heads, decoder.head_dim)
        shapes |= _attention(f"{layer}.self_attention", decoder.hidden, decoder.hidden, *sizes)
        sizes = (decoder.cross_heads, decoder.cross_kv_heads, decoder.cross_head_dim)
        shapes |= _attention(f"{layer}.cross_attention", decoder.hidden, decoder.cross_hidden, *sizes)
        shapes |= _mlp(layer, decoder.hidden, decoder.inner)
    return shapes | {"decoder.norm.weight": (decoder.hidden,), _HEAD: (rows, decoder.hidden)}


def _attention(name: str, width: int, source: int, heads: int, kv_heads: int, head_dim: int) -> dict[str, Shape]:
    """Queries come from `width`, keys and values from `source`, the width of what is attended to."""
    return {
        f"{name}.q_proj.weight": (heads * head_dim, width),
        f"{name}.k_proj.weight": (kv_heads * head_dim, source),
        f"{name}.v_proj.weight": (kv_heads * head_dim, source),
        f"{name}.o_proj.weight": (width, heads * head_dim),
    }


def _mlp(layer: str, width: int, inner: int) -> dict[str, Shape]:
    return {
        f"{layer}.mlp.gate_up_proj.weight": (2 * inner, width),
        f"{layer}.mlp.down_proj.weight": (width, inner),
    }


def _parts(name: str, shape: Shape, config: DiaConfig, layout: Layout) -> dict[str, Shape]:
    """The stored tensors that make up the one called `name`, one below the other, with the shapes they have on disk."""
    if layout == "transformers":
        return {name if name == _HEAD else f"model.{name}": shape}
    decoder = config.decoder
    if name == _EMBEDDINGS:
        return {f"decoder.embeddings.{c}.weight": (decoder.vocab, decoder.hidden) for c in range(decoder.channels)}
    if name == _HEAD:
        return {f"decoder.{_HEAD}": (decoder.hidden, decoder.channels, decoder.vocab)}
    if not _is_linear(name):
        return {name: shape}
    out_width, in_width = shape
    if name.endswith("gate_up_proj.weight"):
        return {name.replace("gate_up_proj", "wi_fused"): (in_width, 2, out_width // 2)}
    if name.endswith("down_proj.weight"):
        return {name.replace("down_proj", "wo"): (in_width, out_width)}
    head_dim = config.encoder.head_dim if name.startswith("encoder") else decoder.head_dim
    head_dim = decoder.cross_head_dim if "cross_attention" in name else head_dim
    if name.endswith("o_proj.weight"):
        return {name: (in_width // head_dim, head_dim, out_width)}
    return {name: (in_width, out_width // head_dim, head_dim)}


def _is_linear(name: str) -> bool:
    return name == _HEAD or name.endswith("_proj.weight")


@dataclass(frozen=True)
class _Stored:
    """A tensor on disk."""

    file: Path
    shape: Shape
    floating: bool
    read: Callable[[], torch.Tensor]


def _open(folder: Path, stack: ExitStack) -> tuple[list[Path], dict[str, _Stored], Layout]:
    """The files, every tensor in them by its stored name, and their layout; `stack` keeps the files open."""
    files = weight_files(folder)
    stored: dict[str, _Stored] = {}
    for file in files:
        try:
            is_safe = file.suffix == ".safetensors"
            stored |= _open_safetensors(file, stack) if is_safe else _open_pickle(file)
        except OSError as error:
            raise EngineError(Problem(str(file), f"cannot be read: {error}.", _AGAIN)) from None
    return files, stored, _layout(folder, stored)


def _layout(folder: Path, stored: Mapping[str, _Stored]) -> Layout:
    if any(name.endswith("mlp.gate_up_proj.weight") for name in stored):
        return "transformers"
    if any(name.endswith("mlp.wi_fused.weight") for name in stored):
        return "nari"
    what = f"the weights are not Dia's; they hold {_some(sorted(stored))}."
    raise EngineError(Problem(str(folder), what, "Name a folder of Dia-1.6B weights."))


def _open_safetensors(file: Path, stack: ExitStack) -> dict[str, _Stored]:
    try:
        tensors = stack.enter_context(safe_open(file, framework="pt"))
    except SafetensorError as error:
        raise _damaged(file, str(error)) from None
    stored = {}
    for name in tensors.keys():  # noqa: SIM118 (not a mapping)
        head = tensors.get_slice(name)
        floating = head.get_dtype() in ("F64", "F32", "F16", "BF16")
        stored[name] = _Stored(file, tuple(head.get_shape()), floating, partial(tensors.get_tensor, name))
    return stored


def _open_pickle(file: Path) -> dict[str, _Stored]:
    try:
        state = torch.load(file, map_location="cpu", mmap=True, weights_only=True)
    except Exception as error:  # a damaged pickle can raise anything, OSError too
        refused = next((line for line in str(error).splitlines() if "GLOBAL" in line), None)
        if refused is None:
            raise _damaged(file, str(error)) from None
        what = f"is refused: it holds more than tensors, and a pickle can run any program. {refused}"
        raise EngineError(Problem(str(file), what, "Use weights in the safetensors format.")) from None
    if not isinstance(state, dict) or not all(isinstance(tensor, torch.Tensor) for tensor in state.values()):
        raise EngineError(Problem(str(file), "is no table of tensors.", "Name a folder of Dia-1.6B weights."))
    return {
        str(name): _Stored(file, tuple(tensor.shape), tensor.is_floating_point(), partial(_same, tensor))
        for name, tensor in state.items()
    }


def _same(tensor: torch.Tensor) -> torch.Tensor:
    return tensor


def _damaged(file: Path, reason: str) -> EngineError:
    """Raises `OSError` where `file` cannot even be opened."""
    with file.open("rb") as opened:
        pointer = opened.read(64).startswith(b"version https://git-lfs")
    if pointer:
        hint = "Run git lfs pull, or fetch the weights again."
        return EngineError(Problem(str(file), "is only Git LFS's pointer to the weights.", hint))
    size = file.stat().st_size
    reason = reason.partition("\n")[0].partition(". ")[0].rstrip(".")
    return EngineError(Problem(str(file), f"is damaged or cut short at {size:,} bytes ({reason}).", _AGAIN))


def _check(where: Path, stored: Mapping[str, _Stored], parts: Mapping[str, Mapping[str, Shape]]) -> None:
    """Raise `EngineError` unless `stored` is just what `parts` asks for."""
    wanted = {name: shape for group in parts.values() for name, shape in group.items()}
    other_shape = [
        Problem(str(tensor.file), f"{name} is {_shape(tensor.shape)}; {CONFIG_NAME} makes it {_shape(wanted[name])}.")
        for name, tensor in stored.items()
        if name in wanted and tensor.shape != wanted[name]
    ]
    problems = other_shape[:_MOST_NAMED]
    if len(other_shape) > _MOST_NAMED:
        problems.append(Problem(str(where), f"{len(other_shape) - _MOST_NAMED} more tensors have another shape."))
    for what, names in (
        ("lacks", [name for name in wanted if name not in stored]),
        ("has besides", [name for name in stored if name not in wanted]),
        ("holds no floating-point numbers in", [name for name in stored if not stored[name].floating]),
    ):
        if names:
            problems.append(Problem(str(where), f"{what} {_some(names)}."))
    if problems:
        last = problems.pop()
        hint = f"Weights and {CONFIG_NAME} must come from one model; fetching them again restores both."
        raise EngineError(*problems, Problem(last.where, last.what, hint))


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return (", ".join(names[:_MOST_NAMED]) or "no tensor") + more


def _shape(shape: Shape) -> str:
    return " x ".join(map(str, shape)) or "one number"


def _place(
    parts: Sequence[_Stored], shape: Shape, turned: bool, dtype: torch.dtype, device: torch.device | str
) -> torch.Tensor:
    """One tensor of `shape` from its stored `parts`; `turned` ones are flattened to (in, out) and transposed.

    Always a copy, even where nothing changes: a tensor that maps its file would change or fault when the file does.
    """
    placed = torch.empty(shape, dtype=dtype, device=device)
    for rows, part in zip(placed.chunk(len(parts)), parts, strict=True):
        tensor = part.read().to(device, dtype)  # first: turning is quicker there, and with fewer bytes
        rows.copy_(tensor.reshape(shape[1], shape[0]).T if turned else tensor)
    return placed


def config_as(dtype: str, source: bytes, config: DiaConfig) -> bytes:
    """The config.json `source` for weights of `dtype`; that of the first release has no place for it."""
    if config.network == "v1":
        return source
    data = json.loads(source)
    data.pop("torch_dtype", None)
    data["dtype"] = dtype
    return (json.dumps(data, indent=2) + "\n").encode()


def merge(state: dict[str, Any]) -> None:
    """Make one weight of those that read the same input: `qkv`, and `kv` of cross-attention."""
    for name in [name for name in state if name.endswith(".v_proj.weight")]:
        stem = name.removesuffix("v_proj.weight")
        kinds = "kv" if "cross_attention" in stem else "qkv"
        parts = [f"{stem}{kind}_proj.weight" for kind in kinds]
        if all(part in state for part in parts):
            state[f"{stem}{kinds}.weight"] = torch.cat([state.pop(part) for part in parts])


def is_part(name: str) -> bool:
    """Whether `name` is that of a weight which `merge` makes a part of another."""
    of_self = name.endswith("self_attention.q_proj.weight")
    return of_self or name.endswith(("k_proj.weight", "v_proj.weight"))
