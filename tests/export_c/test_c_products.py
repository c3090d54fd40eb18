"""Products are right with any processor's instructions; in integers they are exact."""

from __future__ import annotations

import ctypes
import platform
from pathlib import Path

import numpy as np
import pytest

from rnn_apps.export.c.programs.program import Buffer, whole
from rnn_apps.export.c.programs.tiling import tiles_of
from rnn_apps.export.c.programs.weights import in_blocks
from rnn_apps.export.c.proof.compiler import SANITIZERS, STRICT, c_compiler
from rnn_apps.export.c.writing.code import preamble
from rnn_apps.export.c.writing.fixed_texts import kernels_for

# Plain C, and what this computer's processor has beyond it.
PROCESSORS = {"plain": (), "native": ("-march=native",)}
if platform.machine() == "x86_64":
    PROCESSORS["avx2"] = ("-march=x86-64-v3",)
    PROCESSORS["avx512bw"] = ("-march=x86-64-v4",)

FORMS = ("fixed", "half", "short")
CALLS = """
void products(int16_t *out, float *half, const int16_t *in, const int8_t *weights,
              const int32_t *multipliers, const float *factors, int32_t shift, int32_t depth,
              int32_t columns, int32_t adds)
{
    net_fixed_product(out, in, weights, multipliers, shift, depth, columns, adds);
    net_half_product(half, in, weights, factors, depth, columns, adds);
}

void wide_products(int16_t *out, float *half, const int16_t *in, const int16_t *weights,
                   const int32_t *multipliers, const float *factors, int32_t shift, int32_t depth,
                   int32_t columns, int32_t adds)
{
    net_wide_fixed_product(out, in, weights, multipliers, shift, depth, columns, adds);
    net_wide_half_product(half, in, weights, factors, depth, columns, adds);
}

void short_products(int16_t *narrow, int16_t *wide, const int16_t *in, const int8_t *weights,
                    const int16_t *wide_weights, const int32_t *multipliers, int32_t shift,
                    int32_t depth, int32_t columns, int32_t adds)
{
    net_short_product(narrow, in, weights, multipliers, shift, depth, columns, adds);
    net_wide_short_product(wide, in, wide_weights, multipliers, shift, depth, columns, adds);
}

void float_products(float *out, float *tiled, const float *in, const float *weights,
                    const float *tiles, int32_t rows, int32_t columns, int32_t stride,
                    int32_t turned)
{
    net_product(out, in, weights, rows, columns, stride);
    net_tiled_product(tiled, in, tiles, rows, columns, turned);
}

void joined(float *block, float *out, const float *in, const float *in_weights,
            const float *values, const float *weights, int32_t count, int32_t depth, int32_t rows,
            int32_t columns, int32_t turned)
{
    net_joined_products(block, columns, in, depth, in_weights, count, depth, out, values, weights,
                        rows, columns, turned);
}

NET_ALIGNED static const float constants[3][5] = {{1.0f}, {2.0f}, {3.0f}};

int32_t out_of_line(void)
{
    return (int32_t)((uintptr_t)&constants[0][0] % 64);
}

void tanhs(int32_t *x, int32_t count)
{
    for (int32_t start = 0; start < count; start += net_LANES)
        net_fixed_tanhs(x + start, count - start < net_LANES ? count - start : net_LANES);
}

void plain_tanhs(int32_t *x, int32_t count)
{
    for (int32_t k = 0; k < count; ++k)
        x[k] = net_fixed_tanh(x[k]);
}
"""


def runs_here(options: tuple[str, ...]) -> bool:
    """Whether this computer's processor has the instructions."""
    needed = {"-march=x86-64-v3": "avx2", "-march=x86-64-v4": "avx512bw"}
    flags = [needed[option] for option in options if option in needed]
    return not flags or flags[0] in Path("/proc/cpuinfo").read_text("ascii", "replace").split()


@pytest.fixture(scope="module", params=[name for name, o in PROCESSORS.items() if runs_here(o)])
def library(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> ctypes.CDLL:
    folder = tmp_path_factory.mktemp("kernels")
    integers = [f"@_{width}{form}_product" for width in ("", "wide_") for form in FORMS]
    wanted = " ".join([*integers, "@_product @_joined_products @_fixed_tanhs"])
    text = "\n".join(["#include <stdint.h>", preamble("net"), *kernels_for(wanted, "net"), CALLS])
    (folder / "kernels.c").write_text(text, encoding="ascii")
    options = [*STRICT, "-O2", *PROCESSORS[request.param], "-fPIC", "-shared"]
    undefined = [SANITIZERS[0].replace("address,", ""), "-fno-sanitize-recover=all"]
    complaint = c_compiler().run([*options, *undefined, "kernels.c", "-o", "kernels.so"], folder)
    if complaint is not None:
        complaint = c_compiler().run([*options, "kernels.c", "-o", "kernels.so"], folder)
    assert complaint is None, complaint
    return ctypes.CDLL(str(folder / "kernels.so"))


def pointer(array: np.ndarray) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


def rounded(sums: np.ndarray, multipliers: np.ndarray, shift: int) -> np.ndarray:
    """Whole numbers times multipliers / 2^shift, in the kernel's two roundings."""
    high = (sums.astype(object) * multipliers.astype(object)) >> 32
    return np.array([(one + (1 << (shift - 33))) >> (shift - 32) for one in high], np.int64)


@pytest.mark.parametrize("columns", [1, 3, 4, 9, 22, 53])
@pytest.mark.parametrize("depth", [1, 7, 8, 21, 48, 130, 1291])
@pytest.mark.parametrize("kind", ["int8", "int16"])
def test_products_are_exact(library: ctypes.CDLL, kind: str, depth: int, columns: int) -> None:
    draw = np.random.default_rng(depth + columns)
    # The first numbers are as large as numbers can be: their sums need all 32 bits.
    given = draw.integers(-32768, 32768, depth + 1).astype(np.int16)[1:]
    weights = draw.integers(-127, 128, (columns, depth)).astype(kind)
    given[: min(depth, 512)] = 32767
    weights[0, :] = 127
    if kind == "int16":
        weights[-1, :] = -(65535 // min(depth, 512) // 2)
        weights[-1, ::512] = -32767
    multipliers = draw.integers(1 << 29, 1 << 30, columns).astype(np.int32)
    factors = (multipliers * 2.0**-38).astype(np.float32)
    shift = 42
    blocks = in_blocks(weights)
    parts = [
        weights[:, start : start + 512].astype(np.int64) @ given[start : start + 512].astype(int)
        for start in range(0, depth, 512)
    ]
    call = library.products if kind == "int8" else library.wide_products
    for adds in (0, 1):
        before = draw.integers(-9000, 9000, columns).astype(np.int16)
        out, half = before.copy(), before.astype(np.float32)

        call(
            *map(pointer, (out, half, given, blocks, multipliers, factors)),
            *map(ctypes.c_int32, (shift, depth, columns, adds)),
        )

        total = adds * before.astype(np.int64)
        for part in parts:
            total = total + rounded(part, multipliers, shift)
        np.testing.assert_array_equal(out, np.clip(total, -32768, 32767))
        exact = adds * before + sum(parts) * factors.astype(np.float64)
        scale = sum(np.abs(part) for part in parts) * factors + 9000
        assert (np.abs(half - exact) <= 1e-6 * scale).all()


@pytest.mark.parametrize("columns", [1, 4, 13, 53])
@pytest.mark.parametrize("depth", [1, 8, 21, 130, 512])
def test_short_products_are_those_of_any_depth(
    library: ctypes.CDLL, depth: int, columns: int
) -> None:
    draw = np.random.default_rng(depth * columns)
    given = draw.integers(-32768, 32768, depth + 1).astype(np.int16)
    weights = draw.integers(-127, 128, (columns, depth)).astype(np.int8)
    multipliers = draw.integers(1 << 29, 1 << 30, columns).astype(np.int32)
    blocks, wide_blocks = in_blocks(weights), in_blocks(weights.astype(np.int16))
    # Numbers that words of memory begin with, and numbers between two words.
    for start, shift, adds in ((0, 33, 0), (1, 40, 1)):
        before = draw.integers(-9000, 9000, columns).astype(np.int16)
        narrow, wide, general = before.copy(), before.copy(), before.copy()
        half = np.zeros(columns, np.float32)
        numbers = [ctypes.c_int32(n) for n in (shift, depth, columns, adds)]
        left = given[start : start + depth]

        library.short_products(
            *map(pointer, (narrow, wide, left, blocks, wide_blocks, multipliers)), *numbers
        )
        library.products(*map(pointer, (general, half, left, blocks, multipliers, half)), *numbers)

        np.testing.assert_array_equal(narrow, general)
        np.testing.assert_array_equal(wide, general)


def test_a_factor_above_one_is_a_shift_to_the_left(library: ctypes.CDLL) -> None:
    given, weights = np.array([3, -2], np.int16), np.array([[5, 7], [-1, 1]], np.int8)
    out, half = np.zeros(2, np.int16), np.zeros(2, np.float32)
    multipliers, factors = np.full(2, 1 << 30, np.int32), np.ones(2, np.float32)

    library.products(
        *map(pointer, (out, half, given, in_blocks(weights), multipliers, factors)),
        *map(ctypes.c_int32, (25, 2, 2, 0)),
    )

    # 1 * 2^30 / 2^32 is rounded down first, and raised by 2^7 then.
    np.testing.assert_array_equal(out, [0, (-5 * 2**30 >> 32) * 2**7])
    np.testing.assert_array_equal(half, [1, -5])


@pytest.mark.parametrize("columns", [1, 5, 16, 37, 64, 65, 200])
@pytest.mark.parametrize("rows", [1, 4, 7, 33])
@pytest.mark.parametrize("turned", [0, 1])
def test_products_of_floats(library: ctypes.CDLL, rows: int, columns: int, turned: int) -> None:
    draw = np.random.default_rng(rows * columns)
    # The matrix is a part of a wider one, and no number lies where a register would have it.
    wide = draw.normal(size=(rows, columns + 3)).astype(np.float32)
    given = draw.normal(size=rows + 1).astype(np.float32)[1:]
    own = whole(
        Buffer("constant", "float32", rows * columns, data=wide[:, 1:-2].ravel()), (rows, columns)
    )
    before = draw.normal(size=columns + 2).astype(np.float32)
    out, tiled = before.copy(), before.copy()
    weights, tiles = wide[:, 1:-2], tiles_of(own).data
    assert tiles is not None

    library.float_products(
        *map(pointer, (out[1:], tiled[1:], given, weights, tiles)),
        *map(ctypes.c_int32, (rows, columns, columns + 3, turned)),
    )

    exact = given.astype(np.float64) @ weights
    exact = np.concatenate([before[:1], before[1:-1] + exact, before[-1:]])
    np.testing.assert_allclose(out, exact, atol=1e-5)
    np.testing.assert_allclose(tiled, exact, atol=1e-5)


@pytest.mark.parametrize("columns", [65, 128])
@pytest.mark.parametrize(("depth", "rows"), [(1, 40), (7, 33), (12, 5)])
@pytest.mark.parametrize("count", [4, 5])
@pytest.mark.parametrize("turned", [0, 1])
@pytest.mark.parametrize("first_row", [True, False])
def test_two_products_at_once(
    library: ctypes.CDLL,
    columns: int,
    depth: int,
    rows: int,
    count: int,
    turned: int,
    first_row: bool,
) -> None:
    draw = np.random.default_rng(columns * depth + count)
    shapes = ((count, depth), (depth, columns), (rows,), (rows, columns), (count, columns))
    given, others, values, weights, block = (
        draw.normal(size=shape).astype(np.float32) for shape in shapes
    )
    tiles = [
        tiles_of(whole(Buffer("constant", "float32", one.size, data=one.ravel()), one.shape)).data
        for one in (others, weights)
    ]
    assert tiles[0] is not None and tiles[1] is not None
    exact = block + given.astype(np.float64) @ others
    own = values.astype(np.float64) @ weights
    out = block[0] if first_row else np.ones(columns, np.float32)
    wanted = own + (exact[0] if first_row else 1.0)
    exact[0] = wanted if first_row else exact[0]

    library.joined(
        *map(pointer, (block, out, given, tiles[0], values, tiles[1])),
        *map(ctypes.c_int32, (count, depth, rows, columns, turned)),
    )

    np.testing.assert_allclose(out, wanted, atol=2e-5)
    np.testing.assert_allclose(block, exact, atol=2e-5)


@pytest.mark.skipif(
    platform.machine() not in ("x86_64", "aarch64"), reason="other processors read by words"
)
def test_constants_begin_with_a_line_of_the_cache(library: ctypes.CDLL) -> None:
    """An attribute that asks for less would replace what compilers do by themselves."""
    assert library.out_of_line() == 0


def test_tanh_in_integers_is_the_same_everywhere(library: ctypes.CDLL) -> None:
    # Every number of 16 bits, and some beyond them; the last block is not a full one.
    given = np.concatenate([np.arange(-32768, 32768), [-(2**31), 2**31 - 1, -40000, 40000, 99999]])
    made, plain = given.astype(np.int32), given.astype(np.int32)

    library.tanhs(pointer(made), ctypes.c_int32(made.size))
    library.plain_tanhs(pointer(plain), ctypes.c_int32(made.size))

    np.testing.assert_array_equal(made, plain)

    exact = np.tanh(np.clip(given, -32768, 32767) / 4096) * 32768
    assert np.abs(made - exact).max() < 2.4
    inside = made[:-5]
    assert (np.diff(inside) >= 0).all() and inside[32768] == 0


@pytest.mark.parametrize("options", [("-O2",), ("-O3",)])
def test_no_size_makes_the_compiler_complain(options: tuple[str, ...], tmp_path: Path) -> None:
    """A compiler sees the sizes of calls, and warns of what it thinks of them."""
    for place, (depth, columns) in enumerate([(64, 768), (320, 960), (7, 13), (1300, 6)]):
        calls = f"""
void call(int16_t *out, float *half, const int16_t *in, const int8_t *weights,
          const int32_t *multipliers, const float *factors)
{{
    net_fixed_product(out, in, weights, multipliers, 40, {depth}, {columns}, 1);
    net_short_product(out, in, weights, multipliers, 40, {min(depth, 512)}, {columns}, 1);
    net_wide_short_product(out, in, in, multipliers, 40, {min(depth, 512)}, {columns}, 0);
    net_half_product(half, in, weights, factors, {depth}, {columns}, 0);
    net_tiled_product(half, factors, factors, {depth}, {columns}, 0);
}}
"""
        kernels = kernels_for(calls.replace("net_", "@_"), "net")
        text = "\n".join(["#include <stdint.h>", preamble("net"), *kernels, calls])
        (tmp_path / f"{place}.c").write_text(text, encoding="ascii")

        command = [*STRICT, *options, "-c", f"{place}.c", "-o", "kernels.o"]
        complaint = c_compiler().run(command, tmp_path)

        assert complaint is None
