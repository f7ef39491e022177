from __future__ import annotations

import importlib
import json
import os
import shutil
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from pipeline.engines.dia.codec.dac_import import import_torchaudio
from pipeline.engines.dia.weights import tensors as weights
from pipeline.engines.dia.weights.config import DiaConfig, parse_config, read_config
from pipeline.engines.dia.weights.tensors import convert, expected_shapes, load_weights
from pipeline.errors import EngineError
from tests.support import tiny_dia

CONFIG = tiny_dia.config_dict()
STATE = tiny_dia.make_state(CONFIG, seed=1)
PARSED = parse_config(CONFIG, "config.json")
Write = Callable[[Path, dict[str, Any], tiny_dia.State], Path]
FORMATS: dict[str, Write] = {
    "transformers": tiny_dia.write_transformers,
    "sharded": partial(tiny_dia.write_transformers, shards=2),
    "old keys": partial(tiny_dia.write_transformers, old_keys=True),
    "nari bin": partial(tiny_dia.write_nari, kind="bin"),
    "nari pth": partial(tiny_dia.write_nari, kind="pth"),
    "nari safetensors": partial(tiny_dia.write_nari, kind="safetensors"),
    "v1": tiny_dia.write_v1,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Whole weights in transformers' layout."""
    return tiny_dia.write_transformers(tmp_path / "weights", CONFIG, STATE)


def problems(folder: Path, config: DiaConfig = PARSED) -> list[str]:
    """What is said about `folder`."""
    with pytest.raises(EngineError) as caught:
        load_weights(folder, config, torch.float32, "cpu")
    return [str(problem) for problem in caught.value.problems]


def assert_same(left: tiny_dia.State, right: tiny_dia.State) -> None:
    assert left.keys() == right.keys()
    for name, tensor in left.items():
        assert tensor.dtype == right[name].dtype
        assert torch.equal(tensor, right[name]), name


@pytest.mark.parametrize("written", FORMATS)
def test_every_format_loads_to_the_same_tensors(written: str, tmp_path: Path) -> None:
    FORMATS[written](tmp_path, CONFIG, STATE)
    loaded = load_weights(tmp_path, read_config(tmp_path), torch.float32, "cpu")
    assert_same(loaded, STATE)
    assert all(tensor.is_contiguous() and not tensor.requires_grad for tensor in loaded.values())


sizes = st.integers(1, 4)


@settings(max_examples=25)
@given(sizes, sizes, sizes, sizes, sizes, st.sampled_from([2, 4]), sizes, st.sampled_from(sorted(FORMATS)))
def test_every_size_loads_from_every_format(
    layers: int, width: int, heads: int, group: int, inner: int, head_dim: int, channels: int, written: str
) -> None:
    """Square matrices too, whose shape would not show that one was not turned."""
    # Nari's first release knows no fewer key-value heads than heads in the encoder and in cross-attention.
    config = tiny_dia.config_dict(
        encoder={"num_hidden_layers": layers, "hidden_size": width * 2, "intermediate_size": inner * 2}
        | {"num_attention_heads": heads, "num_key_value_heads": heads, "head_dim": head_dim},
        decoder={"num_hidden_layers": layers, "hidden_size": width * 4, "intermediate_size": inner * 4}
        | {"num_attention_heads": heads * group, "num_key_value_heads": heads, "head_dim": head_dim * 2}
        | {"cross_num_attention_heads": group, "cross_num_key_value_heads": group, "cross_head_dim": head_dim * 3}
        | {"num_channels": channels, "vocab_size": 11, "bos_token_id": 10, "eos_token_id": 8, "pad_token_id": 9},
        delay_pattern=list(range(channels)),
    )
    state = tiny_dia.make_state(config, seed=width)
    with TemporaryDirectory() as name:
        folder = FORMATS[written](Path(name), config, state)
        assert_same(load_weights(folder, read_config(folder), torch.float32, "cpu"), state)


def test_norms_stay_float32_and_all_else_is_rounded(folder: Path) -> None:
    loaded = load_weights(folder, PARSED, torch.bfloat16, torch.device("cpu"))
    norms = {name for name in STATE if name.endswith("norm.weight")}
    assert len(norms) == 2 * 2 + 3 * 3 + 2
    assert_same(loaded, {name: t if name in norms else t.to(torch.bfloat16) for name, t in STATE.items()})


def test_weights_of_half_precision_load(tmp_path: Path) -> None:
    half = {name: tensor.to(torch.bfloat16) for name, tensor in STATE.items()}
    tiny_dia.write_nari(tmp_path, CONFIG, half, kind="safetensors")
    loaded = load_weights(tmp_path, PARSED, torch.float32, "cpu")
    assert_same(loaded, {name: tensor.float() for name, tensor in half.items()})


@pytest.mark.parametrize("written", ["transformers", "nari pth"])
def test_loaded_weights_do_not_change_with_their_file(written: str, tmp_path: Path) -> None:
    FORMATS[written](tmp_path, CONFIG, STATE)
    loaded = load_weights(tmp_path, PARSED, torch.float32, "cpu")
    [file] = [file for file in tmp_path.iterdir() if file.suffix != ".json"]
    with file.open("rb+") as opened:
        opened.write(b"\xff" * file.stat().st_size)
    assert_same(loaded, STATE)


@pytest.mark.parametrize("written", ["sharded", "nari safetensors"])
def test_no_more_than_two_stored_tensors_are_in_memory_at_once(
    written: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is being placed, and the next one when it replaces it."""
    live, most = 0, 0

    def gone() -> None:
        nonlocal live
        live -= 1

    class Counting:
        def __init__(self, *where: Any, **options: Any) -> None:
            self._file: Any = safe_open(*where, **options)

        def __enter__(self) -> Any:
            self._open: Any = self._file.__enter__()
            return self

        def __exit__(self, *error: Any) -> None:
            self._file.__exit__(*error)

        def __getattr__(self, name: str) -> Any:
            return getattr(self._open, name)

        def get_tensor(self, name: str) -> torch.Tensor:
            nonlocal live, most
            tensor: torch.Tensor = self._open.get_tensor(name)
            live += 1
            most = max(most, live)
            weakref.finalize(tensor, gone)
            return tensor

    FORMATS[written](tmp_path, CONFIG, STATE)
    monkeypatch.setattr(weights, "safe_open", Counting)
    assert_same(load_weights(tmp_path, PARSED, torch.float32, "cpu"), STATE)
    assert (live, most) == (0, 2 if written == "nari safetensors" else 1)


def test_safetensors_come_before_a_pickle_of_another_layout(folder: Path) -> None:
    """The published repository holds both."""
    other = tiny_dia.make_state(CONFIG, seed=2)
    torch.save(tiny_dia.nari_state(CONFIG, other), folder / "pytorch_model.bin")
    assert_same(load_weights(folder, PARSED, torch.float32, "cpu"), STATE)
    (folder / "model.safetensors").unlink()
    assert_same(load_weights(folder, PARSED, torch.float32, "cpu"), other)


def test_the_shapes_are_those_of_the_published_model() -> None:
    big = tiny_dia.config_dict(
        encoder={"num_hidden_layers": 12, "hidden_size": 1024, "intermediate_size": 4096, "head_dim": 128}
        | {"num_attention_heads": 16, "num_key_value_heads": 16},
        decoder={"num_hidden_layers": 18, "hidden_size": 2048, "intermediate_size": 8192, "head_dim": 128}
        | {"num_attention_heads": 16, "num_key_value_heads": 4, "cross_head_dim": 128}
        | {"cross_num_attention_heads": 16, "cross_num_key_value_heads": 16},
    )
    shapes = expected_shapes(parse_config(big, "config.json"))
    assert shapes == tiny_dia.shapes(big)
    assert len(shapes) == 335
    assert sum(int(torch.Size(shape).numel()) for shape in shapes.values()) == 1_611_160_576


@pytest.fixture(scope="module")
def reference() -> Any:
    """transformers' own network."""
    import_torchaudio()  # which transformers imports too
    return importlib.import_module("transformers").DiaForConditionalGeneration


@pytest.mark.slow
def test_what_transformers_saves_loads(reference: Any, tmp_path: Path) -> None:
    model = reference(reference.config_class(**CONFIG))
    named = {name if name == "logits_dense.weight" else f"model.{name}": tensor for name, tensor in STATE.items()}
    model.load_state_dict(named, strict=True)
    model.save_pretrained(tmp_path)
    assert read_config(tmp_path) == PARSED
    assert_same(load_weights(tmp_path, PARSED, torch.float32, "cpu"), STATE)


@pytest.mark.parametrize("written", FORMATS)
def test_a_converted_folder_loads_as_its_source_does(written: str, tmp_path: Path) -> None:
    source = FORMATS[written](tmp_path / "source", CONFIG, STATE)
    out = convert(source, tmp_path / "out", torch.bfloat16)
    config = read_config(source)
    assert read_config(out) == config
    assert_same(load_weights(out, config, torch.bfloat16, "cpu"), load_weights(source, config, torch.bfloat16, "cpu"))
    assert sorted(file.name for file in out.iterdir()) == ["config.json", "model.safetensors"]
    assert len({file.stat().st_mode for file in out.iterdir()}) == 1
    assert sorted(file.name for file in tmp_path.iterdir()) == ["out", "source"]
    written_as_it_was = (out / "config.json").read_bytes() == (source / "config.json").read_bytes()
    assert written_as_it_was == (written == "v1")


@pytest.mark.slow
def test_transformers_reads_a_converted_folder(reference: Any, tmp_path: Path) -> None:
    source = tiny_dia.write_nari(tmp_path / "source", CONFIG, STATE)
    model = reference.from_pretrained(convert(source, tmp_path / "out", torch.float32))
    assert model.dtype == torch.float32
    assert_same({name.removeprefix("model."): tensor for name, tensor in model.state_dict().items()}, STATE)


def test_a_conversion_appears_whole_or_not_at_all(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EngineError, match="cannot be written"):
        convert(folder, tmp_path / "file" / "out", torch.float32)
    with pytest.raises(EngineError, match="exists already"):
        convert(folder, tmp_path / "file", torch.float32)
    (folder / "model.safetensors").write_bytes(b"")
    with pytest.raises(EngineError, match="damaged"):
        convert(folder, tmp_path / "out", torch.float32)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["file", "weights"]


def rewrite(folder: Path, change: Callable[[tiny_dia.State], object]) -> Path:
    """Save the tensors of `folder` again, as `change` leaves them; returns their file."""
    file = folder / "model.safetensors"
    state = {name: tensor.clone() for name, tensor in load_file(file).items()}
    change(state)
    save_file(state, file)
    return file


def test_missing_and_unknown_tensors_are_named(folder: Path) -> None:
    norm, head = "model.encoder.norm.weight", "logits_dense.weight"
    file = rewrite(folder, lambda state: (state.pop(norm), state.pop(head)))
    [problem] = problems(folder)
    assert problem.startswith(f"{file}: lacks {norm}, {head}. Weights and config.json must come from one model")
    rewrite(folder, lambda state: state.update({f"extra.{n}": torch.zeros(1) for n in range(6)}))
    lacks, besides = problems(folder)
    assert lacks == f"{file}: lacks {norm}, {head}."
    assert besides.startswith(f"{file}: has besides extra.0, extra.1, extra.2, extra.3 and 2 more. Weights")


def test_a_wrong_shape_is_told_with_both_shapes(folder: Path) -> None:
    name = "model.decoder.layers.1.self_attention.k_proj.weight"
    file = rewrite(folder, lambda state: state.update({name: torch.zeros(48, 32)}))
    [problem] = problems(folder)
    assert problem.startswith(f"{file}: {name} is 48 x 32; config.json makes it 32 x 48. Weights")


def test_weights_of_another_size_are_told_with_both_shapes(folder: Path) -> None:
    bigger = tiny_dia.config_dict(decoder={"hidden_size": 64, "num_hidden_layers": 4})
    told = problems(folder, parse_config(bigger, "config.json"))
    assert len(told) == 4 + 2  # the first few shapes, how many more, and the layer that is missing
    assert "is 9252 x 48; config.json makes it 9252 x 64." in told[0]
    assert "more tensors have another shape." in told[4]
    assert "lacks model.decoder.layers.3." in told[5]


def test_quantized_weights_are_refused(folder: Path) -> None:
    name = "model.encoder.norm.weight"
    file = rewrite(folder, lambda state: state.update({name: torch.ones(32, dtype=torch.int8)}))
    [problem] = problems(folder)
    assert problem.startswith(f"{file}: holds no floating-point numbers in {name}.")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of small weights, as a safetensors file and as a pickle."""
    config = tiny_dia.config_dict(decoder={"vocab_size": 1027, "num_channels": 1}, delay_pattern=[0])
    state = tiny_dia.make_state(config)
    folder = tiny_dia.write_transformers(tmp_path_factory.mktemp("whole"), config, state)
    return tiny_dia.write_nari(folder, config, state, kind="pth")


@contextmanager
def damaged(whole: Path, name: str, damage: Callable[[bytes], bytes]) -> Iterator[Path]:
    """A folder with config.json and the damaged file `name` of `whole`."""
    with TemporaryDirectory() as folder:
        shutil.copy(whole / "config.json", folder)
        (Path(folder) / name).write_bytes(damage((whole / name).read_bytes()))
        yield Path(folder)


BOTH_KINDS = st.sampled_from(["model.safetensors", "dia-v0_1.pth"])


@settings(max_examples=30)
@given(BOTH_KINDS, st.floats(0, 1, exclude_max=True))
def test_a_file_cut_anywhere_is_told(whole: Path, name: str, share: float) -> None:
    size = int((whole / name).stat().st_size * share)
    with damaged(whole, name, lambda content: content[:size]) as folder:
        [problem] = problems(folder, read_config(folder))
        assert problem.startswith(f"{folder / name}: is damaged or cut short at {size:,} bytes (")
        assert problem.endswith("). Fetch the weights again.")


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@settings(max_examples=60)
@given(BOTH_KINDS, st.integers(-4000, 4000), st.binary(min_size=1, max_size=8))
def test_damage_inside_a_file_gives_an_error_of_ours_or_tensors(
    whole: Path, name: str, start: int, noise: bytes
) -> None:
    """Damaged names, shapes and pickles are noticed; damaged numbers cannot be."""

    def damage(content: bytes) -> bytes:
        at = start % (len(content) - len(noise))
        return content[:at] + noise + content[at + len(noise) :]

    with damaged(whole, name, damage) as folder:
        config = read_config(folder)
        try:
            loaded = load_weights(folder, config, torch.float32, "cpu")
        except EngineError as error:
            assert all(problem.where.startswith(str(folder)) for problem in error.problems)
        else:
            assert {key: tuple(tensor.shape) for key, tensor in loaded.items()} == expected_shapes(config)


class Harmful:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("harm",)


def test_a_pickle_that_could_run_a_program_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save(tiny_dia.nari_state(CONFIG, STATE) | {"x": Harmful()}, tmp_path / "pytorch_model.bin")
    [problem] = problems(tmp_path)
    assert problem.startswith(f"{tmp_path / 'pytorch_model.bin'}: is refused: it holds more than tensors")
    assert "posix.mkdir" in problem
    assert "safetensors" in problem
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize("value", [{"state_dict": STATE}, [1, 2], STATE["encoder.norm.weight"]])
def test_a_pickle_of_something_else_is_told(value: Any, tmp_path: Path) -> None:
    torch.save(value, tmp_path / "dia.pth")
    assert problems(tmp_path) == [f"{tmp_path / 'dia.pth'}: is no table of tensors. Name a folder of Dia-1.6B weights."]


def test_a_git_lfs_pointer_is_told_as_such(folder: Path) -> None:
    (folder / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 6\n")
    [problem] = problems(folder)
    assert "is only Git LFS's pointer to the weights. Run git lfs pull" in problem


def test_weights_of_another_model_are_told(tmp_path: Path) -> None:
    save_file({f"decoder.block.{n}.weight": torch.zeros(1) for n in range(6)}, tmp_path / "model.safetensors")
    [problem] = problems(tmp_path)
    assert problem.startswith(
        f"{tmp_path}: the weights are not Dia's; they hold decoder.block.0.weight, decoder.block.1.weight, "
    )
    assert "and 2 more. Name a folder of Dia-1.6B weights." in problem


def test_a_folder_without_weights_is_told(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    [problem] = problems(tmp_path)
    assert problem.startswith(f"{tmp_path}: there are no weights: no model.safetensors.index.json, *.safetensors")
    assert "cannot be read: No such file" in problems(tmp_path / "nowhere")[0]
