"""What a device must compute right to be used."""

from __future__ import annotations

import pytest
import torch

from pipeline.engines.dia.devices import (
    DTYPES,
)
from pipeline.engines.dia.kernels.device_check import KERNELS, Numbers, check_device, relative_error


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
def test_a_cpu_passes_its_own_check(dtype: torch.dtype) -> None:
    """In fp32 because it is the yardstick, in bf16 because the tolerance has room for rounding."""
    assert check_device("cpu", dtype) == []


@pytest.mark.parametrize("name", KERNELS)
def test_another_rounding_passes_and_bf16_in_disguise_does_not(name: str) -> None:
    """fp64 stands for a device that adds in another order; the second device rounds what should stay fp32."""
    cpu, kernel = torch.device("cpu"), KERNELS[name]

    def wider(numbers: Numbers) -> torch.Tensor:
        return kernel(Numbers(numbers.device, numbers.rounding, torch.float64))

    def narrower(numbers: Numbers) -> torch.Tensor:
        return kernel(Numbers(numbers.device, torch.bfloat16, torch.bfloat16))

    assert check_device(cpu, torch.float32, {name: wider}) == []
    (told,) = check_device(cpu, torch.float32, {name: narrower})
    assert told.startswith(f"{name} is off by 0.0")


def test_errors_are_relative_to_the_largest_value() -> None:
    """And infinite for what is not a number."""
    assert relative_error(torch.tensor([1.0, -9.0]), torch.tensor([2.0, -10.0])) == pytest.approx(0.1)
    assert relative_error(torch.tensor([1.0, torch.nan]), torch.tensor([1.0, 1.0])) == torch.inf
    assert relative_error(torch.tensor([1.0, torch.inf]), torch.tensor([1.0, 1.0])) == torch.inf
