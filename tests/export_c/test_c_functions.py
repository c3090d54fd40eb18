"""The functions that C code has of its own are as exact as their comments say."""

from __future__ import annotations

import ctypes
import math
import subprocess
from pathlib import Path

import numpy as np
import pytest

from rnn_apps.export.c.writing.code import preamble
from rnn_apps.export.c.writing.fixed_texts import kernels_for

# Name, its values in double precision, from, to, largest absolute error, largest relative error.
FUNCTIONS = {
    "exp": (np.exp, -86.9, 88.0, 0.0, 4e-7),
    "tanh": (np.tanh, -30.0, 30.0, 4e-7, 0.0),
    "sigmoid": (lambda x: 1 / (1 + np.exp(-x)), -60.0, 60.0, 3e-7, 0.0),
    "sin": (np.sin, -1e4, 1e4, 3e-7, 0.0),
    "cos": (np.cos, -1e4, 1e4, 3e-7, 0.0),
    "erf": (np.vectorize(math.erf), -6.0, 6.0, 8e-7, 0.0),
    "log": (np.log, 1e-30, 1e6, 3e-7, 3e-7),
    "rsqrt": (lambda x: 1 / np.sqrt(x), 1e-20, 1e10, 0.0, 3e-7),
    "sqrt": (np.sqrt, 1e-20, 1e10, 0.0, 4e-7),
    "softplus": (lambda x: np.logaddexp(0, x), -40.0, 40.0, 3e-7, 5e-7),
    "log1p": (np.log1p, -0.99, 1e4, 0.0, 4e-7),
    "expm1": (np.expm1, -20.0, 5.0, 3e-7, 5e-7),
    "floor": (np.floor, -1e7, 1e7, 0.0, 0.0),
    "round": (np.round, -1e6, 1e6, 0.0, 0.0),
}

ALSO_CALLED = """
void all_logarithm(const float *in, float *out, int32_t n)
{
    for (int32_t i = 0; i < n; ++i) out[i] = @_logarithm(in[i]);
}
void all_power(const float *in, const float *exponents, float *out, int32_t n)
{
    for (int32_t i = 0; i < n; ++i) out[i] = @_power(in[i], exponents[i]);
}
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    folder = tmp_path_factory.mktemp("functions")
    called = "\n".join(
        f"void all_{name}(const float *in, float *out, int32_t n)\n"
        f"{{ for (int32_t i = 0; i < n; ++i) out[i] = @_{name}(in[i]); }}"
        for name in FUNCTIONS
    )
    called += ALSO_CALLED
    kernels = "\n".join(kernels_for(called, "f"))
    text = f"#include <stdint.h>\n{preamble('f')}\n{kernels}\n{called.replace('@_', 'f_')}\n"
    (folder / "f.c").write_text(text)
    command = ["cc", "-std=c99", "-O2", "-shared", "-fPIC", "f.c", "-o", "f.so"]
    subprocess.run(command, cwd=folder, check=True)
    return ctypes.CDLL(str(Path(folder) / "f.so"))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_is_as_exact_as_it_says(name: str, library: ctypes.CDLL) -> None:
    exact, low, high, absolute, relative = FUNCTIONS[name]
    draw = np.random.default_rng(0)
    values = np.concatenate([np.linspace(low, high, 100_001), draw.normal(size=20_000)])
    if low > 0:
        values = np.concatenate([np.geomspace(low, high, 100_001), np.linspace(0.5, 2, 10_001)])
    values = values[(values >= low) & (values <= high)].astype(np.float32)
    pointer = ctypes.POINTER(ctypes.c_float)
    out = np.empty_like(values)

    getattr(library, f"all_{name}")(
        values.ctypes.data_as(pointer), out.ctypes.data_as(pointer), ctypes.c_int32(values.size)
    )

    wanted = exact(values.astype(np.float64))
    error = np.abs(out - wanted)
    assert (error <= absolute + relative * np.abs(wanted)).all(), error.max()


def test_functions_stay_defined_beyond_their_range(library: ctypes.CDLL) -> None:
    values = np.array([-np.inf, np.inf, -1e30, 1e30, 0.0], np.float32)
    pointer = ctypes.POINTER(ctypes.c_float)
    for name, expected in {
        "exp": [0, 1.65e38, 0, 1.65e38, 1],
        "tanh": [-1, 1, -1, 1, 0],
        "sigmoid": [0, 1, 0, 1, 0.5],
    }.items():
        out = np.empty_like(values)
        getattr(library, f"all_{name}")(
            values.ctypes.data_as(pointer), out.ctypes.data_as(pointer), ctypes.c_int32(5)
        )
        np.testing.assert_allclose(out, expected, rtol=0.01, atol=1e-6)


@pytest.mark.parametrize("name", ["sin", "cos"])
def test_waves_go_on_as_far_as_there_are_numbers(name: str, library: ctypes.CDLL) -> None:
    """A time of day from seconds since 1970 is the sine of 1.2e5 and more."""
    exact = FUNCTIONS[name][0]
    sizes = np.concatenate([np.geomspace(1e4, 3.4e38, 20_000), [1.2e5, 2.5e5]])
    values = np.concatenate([sizes, -sizes]).astype(np.float32)

    out = _applied(library, name, values)

    np.testing.assert_allclose(out, exact(values.astype(np.float64)), atol=3e-7, rtol=0)
    assert np.isnan(_applied(library, name, np.array([np.inf, -np.inf, np.nan], np.float32))).all()


@pytest.mark.parametrize("name", ["logarithm", "sqrt", "rsqrt", "log1p"])
def test_there_is_no_number_where_there_is_none(name: str, library: ctypes.CDLL) -> None:
    values = np.array([-np.inf, -2.0, -1.0, -0.5, 0.0, 1.0, np.inf, np.nan], np.float32)
    exact = {
        "logarithm": np.log, "sqrt": np.sqrt, "rsqrt": lambda x: 1 / np.sqrt(x), "log1p": np.log1p,
    }  # fmt: skip
    with np.errstate(all="ignore"):
        expected = exact[name](values)

    np.testing.assert_allclose(_applied(library, name, values), expected, rtol=1e-6)


def test_powers_of_any_numbers(library: ctypes.CDLL) -> None:
    """Whole powers of negative numbers have a sign, others are not numbers; 0 and infinity too."""
    draw = np.random.default_rng(0)
    bases = np.repeat([-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 3.0, np.inf, -np.inf, np.nan], 12)
    powers = np.tile([-3.0, -2.0, -1.5, -1.0, 0.0, 0.5, 1.0, 2.0, 3.0, 20.0, 201.0, 1e9], 10)
    bases = np.concatenate([bases, draw.uniform(0, 30, 5000)]).astype(np.float32)
    powers = np.concatenate([powers, draw.uniform(-9, 9, 5000)]).astype(np.float32)
    out = np.empty_like(bases)
    pointer = ctypes.POINTER(ctypes.c_float)

    library.all_power(
        *(array.ctypes.data_as(pointer) for array in (bases, powers, out)),
        ctypes.c_int32(out.size),
    )

    with np.errstate(all="ignore"):
        expected = np.power(bases, powers)
        exponents = np.abs(powers * np.log(np.abs(bases)))
        allowed = 3e-7 * np.clip(np.nan_to_num(exponents, nan=1), 1, 89) * np.abs(expected)
        near = np.abs(out - expected) <= allowed + 1e-37
    same = (out == expected) | (np.isnan(out) & np.isnan(expected))
    assert (near | same).all(), (bases[~(near | same)], powers[~(near | same)])


def test_powers_of_one_and_from_minus_one(library: ctypes.CDLL) -> None:
    """1 stays 1, even to what is not a number; what the document says of -1 and -0 is so."""
    bases = np.array([1, 1, 1, 1, -1, -1, -0.0, -0.0], np.float32)
    powers = np.array([np.inf, -np.inf, np.nan, -3, np.inf, -np.inf, -1, -3], np.float32)
    out = np.empty_like(bases)
    pointer = ctypes.POINTER(ctypes.c_float)

    library.all_power(
        *(array.ctypes.data_as(pointer) for array in (bases, powers, out)),
        ctypes.c_int32(out.size),
    )

    np.testing.assert_array_equal(out, [1, 1, 1, 1, np.nan, np.nan, np.inf, np.inf])


def test_roots_of_what_is_below_0_do_not_overflow(tmp_path: Path) -> None:
    called = """
int main(void)
{
    const volatile float values[] = {-1e-40f, -1.0f, -3e38f, 0.0f, 3e38f};
    float sum = 0.0f;
    for (int32_t i = 0; i < 5; ++i) sum += @_rsqrt(values[i]) + @_sqrt(values[i]);
    return sum == sum;
}
"""
    kernels = "\n".join(kernels_for(called, "f"))
    text = f"#include <stdint.h>\n{preamble('f')}\n{kernels}\n{called.replace('@_', 'f_')}\n"
    (tmp_path / "f.c").write_text(text)
    stopping = ["-fsanitize=undefined", "-fsanitize-undefined-trap-on-error"]
    command = ["cc", "-std=c99", "-O1", *stopping, "f.c", "-o", "f"]
    subprocess.run(command, cwd=tmp_path, check=True)

    assert subprocess.run([tmp_path / "f"]).returncode == 0


def _applied(library: ctypes.CDLL, name: str, values: np.ndarray) -> np.ndarray:
    pointer = ctypes.POINTER(ctypes.c_float)
    out = np.empty_like(values)
    getattr(library, f"all_{name}")(
        values.ctypes.data_as(pointer), out.ctypes.data_as(pointer), ctypes.c_int32(values.size)
    )
    return out


CONVERSIONS = """
void to_fixed(const float *in, int32_t *out, int32_t n, int32_t fraction)
{
    for (int32_t i = 0; i < n; ++i) out[i] = @_to_fixed(in[i], fraction);
}
void to_real(const int32_t *in, float *out, int32_t n, int32_t fraction)
{
    for (int32_t i = 0; i < n; ++i) out[i] = @_to_real(in[i], fraction);
}
"""


@pytest.mark.parametrize("options", [(), ("-DF_NO_FLOATS",)], ids=["floats", "bits"])
@pytest.mark.parametrize("fraction", [-8, 0, 7, 15, 24])
def test_conversions_are_exact(options: tuple[str, ...], fraction: int, tmp_path: Path) -> None:
    """With instructions for floats and without them the same."""
    kernels = "\n".join(kernels_for(CONVERSIONS, "f"))
    code = CONVERSIONS.replace("@_", "f_")
    text = f"#include <stdint.h>\n{preamble('f')}\n{kernels}\n{code}"
    (tmp_path / "f.c").write_text(text)
    command = ["cc", "-std=c99", "-O2", "-shared", "-fPIC", *options, "f.c", "-o", "f.so"]
    subprocess.run(command, cwd=tmp_path, check=True)
    library = ctypes.CDLL(str(tmp_path / "f.so"))
    draw = np.random.default_rng(0)
    scaled = np.concatenate(
        [
            np.arange(-70000, 70000) / 2,
            draw.normal(size=20_000) * np.geomspace(1e-3, 1e5, 20_000),
            [0.49999997, -0.49999997, 1.4999999, 32766.5, 32767.5, -32768.5, 1e20, -1e20, 1e-40],
            [np.inf, -np.inf, 0.0, -0.0],
        ]
    ).astype(np.float32)
    given = (scaled * np.float32(2.0**-fraction)).astype(np.float32)
    found = np.empty(given.size, np.int32)

    library.to_fixed(
        given.ctypes.data_as(ctypes.c_void_p), found.ctypes.data_as(ctypes.c_void_p),
        ctypes.c_int32(given.size), ctypes.c_int32(fraction),
    )  # fmt: skip

    exact = given.astype(np.float64) * 2.0**fraction
    wanted = np.clip(np.trunc(exact + np.copysign(0.5, exact)), -32768, 32767)
    np.testing.assert_array_equal(found, wanted)

    whole = np.arange(-32768, 32768, dtype=np.int32)
    real = np.empty(whole.size, np.float32)
    library.to_real(
        whole.ctypes.data_as(ctypes.c_void_p), real.ctypes.data_as(ctypes.c_void_p),
        ctypes.c_int32(whole.size), ctypes.c_int32(fraction),
    )  # fmt: skip
    np.testing.assert_array_equal(real, whole * np.float32(2.0**-fraction))
