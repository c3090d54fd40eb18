"""Convolutions in integers, and scratch memory that numbers of several types share."""

from __future__ import annotations

import ctypes
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import Input, Model, Sequential, layers

from rnn_apps.export.c import CodeResult, export_c
from rnn_apps.export.c.lowering.movement import borders
from rnn_apps.export.c.programs.layout import laid_out
from rnn_apps.export.c.programs.program import (
    Assignment,
    Buffer,
    Loop,
    Product,
    Program,
    Repeat,
    Statement,
    View,
    Window,
    whole,
)
from rnn_apps.export.c.programs.schedule import scheduled
from rnn_apps.export.c.programs.simulation import Simulation
from rnn_apps.export.c.programs.weights import in_blocks
from rnn_apps.export.c.proof.boards import BOARDS, missing_tools, run_on_board
from rnn_apps.export.c.proof.compiler import STRICT, c_compiler
from rnn_apps.export.c.proof.harness import compiled
from rnn_apps.export.c.writing.code import Code, preamble
from rnn_apps.export.c.writing.fixed_texts import kernels_for

# Options of a layer, and whether the numbers of a window always lie in one piece. TensorFlow itself
# takes dilated sequences apart.
ALONG_TIME: dict[str, tuple[dict[str, Any], bool]] = {
    "plain": ({}, True),
    "strided": ({"strides": 3}, True),
    "causal": ({"padding": "causal", "activation": "relu"}, True),
    "same": ({"padding": "same", "strides": 2}, False),
    "dilated": ({"dilation_rate": 2, "padding": "same"}, True),
    "groups": ({"groups": 3, "padding": "same"}, False),
}
PICTURES: dict[str, dict[str, Any]] = {
    "strided": {"strides": (2, 1), "padding": "same"},
    "dilated": {"dilation_rate": (1, 2)},
    "of one row": {"kernel_size": (1, 3), "padding": "same", "activation": "tanh"},
}


def draws(*shape: int) -> np.ndarray:
    return np.random.default_rng(7).normal(size=shape).astype(np.float32)


def exported(model: keras.Model, data: np.ndarray, folder: Path, **options: Any) -> CodeResult:
    return export_c(model, folder, quantize="int8", representative_data=data, name="net", **options)


@pytest.mark.parametrize("name", ALONG_TIME)
def test_convolutions_along_time(name: str, tmp_path: Path) -> None:
    keras.utils.set_random_seed(3)
    options, is_product = ALONG_TIME[name]
    model = Sequential([Input((11, 6)), layers.Conv1D(9, 3, **options), layers.GRU(5)])

    result = exported(model, draws(40, 11, 6), tmp_path / "code")

    assert result.sanitized and 0 < result.errors[0].relative_rmse < 0.01
    source = result.source.read_text()
    assert "_product" in source and "net_convolution(" not in source
    assert ("net_short_convolution(" not in source) == is_product


def test_what_follows_groups_knows_its_shape(tmp_path: Path) -> None:
    """Keras calls a function for them, behind which TensorFlow does not know shapes."""
    keras.utils.set_random_seed(3)
    picture = Input((6, 5, 4))
    grouped = layers.Conv2D(6, 2, groups=2, activation="relu")(picture)
    rows = keras.ops.split(grouped, 2, axis=-1)[1]
    results = [
        layers.GlobalAveragePooling2D()(grouped),
        layers.Dense(3)(layers.Flatten()(rows)),
        layers.Conv2D(2, 3, padding="same")(layers.LayerNormalization()(grouped)),
        keras.ops.max(keras.ops.transpose(grouped, (0, 3, 1, 2)), axis=1),
    ]

    result = export_c(
        Model(picture, results), tmp_path / "code", representative_data=draws(4, 6, 5, 4)
    )

    assert all(error.relative_rmse < 1e-6 for error in result.errors)


@pytest.mark.parametrize("name", PICTURES)
def test_convolutions_over_pictures(name: str, tmp_path: Path) -> None:
    keras.utils.set_random_seed(4)
    layer = layers.Conv2D(7, **{"kernel_size": 3, **PICTURES[name]})
    model = Sequential([Input((6, 9, 2)), layer, layers.Reshape((-1, 7)), layers.SimpleRNN(4)])

    result = exported(model, draws(40, 6, 9, 2), tmp_path / "code", batch_size=2)

    assert result.sanitized and 0 < result.errors[0].relative_rmse < 0.01
    source = result.source.read_text()
    assert "net_short_convolution(" in source and "net_convolution(" not in source
    # Both rows of the batch read the same weights.
    assert source.count("static const int8_t") == 3


def test_what_a_softmax_reads_stays_float(tmp_path: Path) -> None:
    keras.utils.set_random_seed(5)
    layer = layers.Conv2D(4, 2, padding="same", activation="softmax")
    model = Sequential([Input((4, 5, 2)), layer])

    result = exported(model, draws(40, 4, 5, 2), tmp_path / "code")

    assert result.sanitized and 0 < result.errors[0].relative_rmse < 0.01
    assert "convolution(" in result.source.read_text()


def test_a_depthwise_convolution_stays_float(tmp_path: Path) -> None:
    model = Sequential([Input((9, 4)), layers.SeparableConv1D(5, 3, padding="same")])

    result = exported(model, draws(30, 9, 4), tmp_path / "code")

    source = result.source.read_text()
    assert "net_depthwise(" in source and "_product" in source


@pytest.mark.parametrize("spread", [1, 2])
@pytest.mark.parametrize("above", [0, 1, 3])
def test_the_kernels_are_exact(spread: int, above: int, tmp_path: Path) -> None:
    """Against NumPy's whole numbers, windows that lie wholly in the padding included."""
    kernels = kernels_for("@_fixed_convolution @_half_convolution @_short_convolution", "net")
    text = "\n".join(["#include <stdint.h>", preamble("net"), *kernels])
    (tmp_path / "kernels.c").write_text(
        text.replace("NOINLINE static void", "NOINLINE void"), encoding="ascii"
    )
    options = [*STRICT, "-O2", "-fPIC", "-shared", "kernels.c", "-o", "kernels.so"]
    assert c_compiler().run(options, tmp_path) is None
    library = ctypes.CDLL(str(tmp_path / "kernels.so"))
    draw = np.random.default_rng(above)
    given = draw.integers(-9000, 9000, (5, 6, 3)).astype(np.int16)
    weights = draw.integers(-127, 128, (10, 2, 3, 3)).astype(np.int8)
    multipliers = draw.integers(1 << 29, 1 << 30, 10).astype(np.int32)
    factors = (multipliers * 2.0**-42).astype(np.float32)
    rows, columns = 4, 3
    out = draw.integers(-900, 900, (rows, columns, 10)).astype(np.int16)
    half, patch = out.astype(np.float32), np.full(18, 77, np.int16)
    padded = np.zeros((40, 40, 3), np.int64)
    padded[above : above + 5, 2:8] = given
    sums = np.zeros(out.shape, np.int64)
    for row, column, down, right in itertools.product(
        range(rows), range(columns), range(2), range(3)
    ):
        place = padded[2 * row + down * spread, 3 * column + right * spread]
        sums[row, column] += weights[:, down, right].astype(np.int64) @ place
    scaled = (((sums * multipliers) >> 32) + (1 << 9)) >> 10
    wanted, wanted_half = np.clip(out + scaled, -32768, 32767), out + sums * factors
    sizes = [5, 6, 3, rows, columns, 10, 2, 3, 2, 3, spread, spread, above, 2]
    blocks = in_blocks(weights.reshape(10, -1))

    def run(
        kernel: Callable[..., Any], target: np.ndarray, scales: np.ndarray, *first: int
    ) -> None:
        arrays = (target, given, blocks, scales, patch)
        places = [ctypes.c_void_p(array.ctypes.data) for array in arrays]
        kernel(*places, *map(ctypes.c_int32, (*first, *sizes)))

    short = out.copy()
    run(library.net_fixed_convolution, out, multipliers, 42)
    run(library.net_short_convolution, short, multipliers, 42)
    run(library.net_half_convolution, half, factors)

    np.testing.assert_array_equal(out, wanted)
    np.testing.assert_array_equal(short, wanted)
    np.testing.assert_allclose(half, wanted_half, rtol=1e-5, atol=1e-3)


@pytest.mark.skipif(bool(missing_tools()), reason=f"not installed: {', '.join(missing_tools())}")
def test_integers_of_convolutions_are_equal_to_the_bit_on_boards(tmp_path: Path) -> None:
    keras.utils.set_random_seed(6)
    picture = layers.Conv2D(6, 3, strides=2, padding="same", activation="relu")
    model = Sequential(
        [Input((5, 7, 2)), picture, layers.Reshape((-1, 6)), layers.Conv1D(5, 3, name="last")]
    )
    data = draws(30, 5, 7, 2)
    result = exported(model, data, tmp_path / "code", integer_io=True)
    (given,) = result.interface.inputs
    assert given.fraction is not None
    numbers = np.clip(np.round(data[:3] * 2.0**given.fraction), -32767, 32767).astype(np.int16)
    calls = [{given.name: numbers[row : row + 1]} for row in range(3)]
    (tmp_path / "host").mkdir()
    for path in (result.header, result.source):
        (tmp_path / "host" / path.name).write_text(path.read_text())
    code = Code(result.interface, result.header.read_text(), result.source.read_text(), 0, 0)
    host = compiled(code, tmp_path / "host", c_compiler(), 60.0)
    reals = [
        {given.name: (call[given.name] * 2.0**-given.fraction).astype(np.float32)} for call in calls
    ]
    expected = host.stream("", [[real] for real in reals])
    for board in ("m3", "m4f", "m55"):
        folder = tmp_path / board
        folder.mkdir()

        run = run_on_board(BOARDS[board], result.source, result.interface, calls, folder)

        for there, (here,) in zip(run.outputs, expected, strict=True):
            assert here.keys() == {one.name for one in result.interface.outputs}
            for one in result.interface.outputs:
                assert one.fraction is not None
                real = there[one.name] * 2.0**-one.fraction
                np.testing.assert_array_equal(real.astype(np.float32), here[one.name])


def chain(*buffers: Buffer) -> list[Statement]:
    """Each buffer copied to the next one."""
    views = [whole(one, (one.size,)) for one in buffers]
    pairs = itertools.pairwise(views)
    return [Loop(target.shape, [], [(target, source)]) for source, target in pairs]


def scratch(dtype: str, size: int) -> Buffer:
    return Buffer("scratch", dtype, size, fraction=3 if dtype == "int16" else None)


def test_types_share_bytes_when_their_numbers_live_at_different_times() -> None:
    given, result = Buffer("input", "float32", 100, "x"), Buffer("output", "float32", 100, "y")
    kinds = ("float32", "int16", "int16", "int32", "float32", "int16")
    buffers = [scratch(kind, 100) for kind in kinds]
    program = Program({}, {}, {}, chain(given, *buffers, result))

    layout = laid_out(program)

    spans = {}
    for one in buffers:
        width = np.dtype(one.dtype).itemsize
        start = layout.places[one.number] * width
        assert start % 16 == 0
        spans[one.number] = range(start, start + one.size * width)
        assert layout.places[one.number] + one.size <= layout.sizes[one.dtype]
    for one, other in itertools.pairwise(buffers):
        assert not set(spans[one.number]) & set(spans[other.number])
    # The two that live together are never more than 400 bytes each.
    assert max(span.stop for span in spans.values()) <= 2 * 400 + 16


def test_what_the_next_pass_reads_is_kept() -> None:
    carried, passing = scratch("float32", 8), scratch("int16", 40)
    given, result = Buffer("input", "float32", 40, "x"), Buffer("output", "float32", 8, "y")
    part = View(given, (8,), (1,))
    start = Loop((8,), [], [(whole(carried, (8,)), part)])
    filled = Loop((40,), [], [(whole(passing, (40,)), whole(given, (40,)))])
    again = Loop((8,), [], [(whole(carried, (8,)), View(passing, (8,), (1,)))])
    end = Loop((8,), [], [(whole(result, (8,)), whole(carried, (8,)))])
    program = Program({}, {}, {}, [start, Repeat("t", 3, [filled, again]), end])

    layout = laid_out(program)

    own = range(4 * layout.places[carried.number], 4 * layout.places[carried.number] + 32)
    other = range(2 * layout.places[passing.number], 2 * layout.places[passing.number] + 80)
    assert not set(own) & set(other)


def test_the_code_has_one_block_for_all_types(tmp_path: Path) -> None:
    keras.utils.set_random_seed(8)
    normalised = [layers.Dense(64), layers.LayerNormalization(), layers.Dense(48)]
    model = Sequential([Input((40,)), *normalised, layers.LayerNormalization()])

    result = exported(model, draws(40, 40), tmp_path / "code")

    sizes = {"float32": 4, "int16": 2, "int32": 4, "bool": 1}
    parts = {one: sizes[one] * size for one, size in result.interface.scratch.items()}
    assert len(parts) == 2
    assert 0 <= result.cost.scratch_bytes - max(parts.values()) < 4
    assert "union {" in result.header.read_text()


def test_loops_over_one_dimension_join_those_over_several() -> None:
    """What a normalisation makes per channel need not be written down for all elements."""
    given, result = Buffer("input", "float32", 12, "x"), Buffer("output", "float32", 12, "y")
    factors = Buffer("constant", "float32", 4, data=np.arange(4, dtype=np.float32))
    middle = scratch("float32", 12)
    from_factors = View(factors, (3, 4), (0, 1))
    first = Loop((3, 4), [], [(whole(middle, (3, 4)), from_factors)])
    second = adding(whole(given, (12,)), whole(middle, (12,)), whole(result, (12,)))
    names = {"x": whole(given, (12,))}, {"y": whole(result, (12,))}
    program = scheduled(Program(*names, {}, [first, second]))

    assert len(program.statements) == 1
    assert not laid_out(program).places
    numbers = np.arange(12, dtype=np.float32)
    simulation = Simulation(program)
    simulation.begin({})
    made = simulation.call({"x": numbers})["y"]
    np.testing.assert_array_equal(made, numbers + np.tile(np.arange(4), 3))


@pytest.mark.parametrize(("function", "loops"), [("tanh", 1), ("exp", 2)])
def test_loops_between_products_are_joined_if_both_run_in_integers(
    function: str, loops: int
) -> None:
    """As the query and the keys of attention, and the tanh of their sums."""
    identity = np.eye(4, dtype=np.float32).ravel()
    weights = whole(Buffer("constant", "float32", 16, data=identity), (4, 4))
    given, result = Buffer("input", "float32", 4, "x"), Buffer("output", "float32", 12, "y")
    query, total, made = scratch("float32", 4), scratch("float32", 12), scratch("float32", 12)
    numbers_of_keys = np.linspace(-1, 1, 12, dtype=np.float32)
    keys = Buffer("constant", "float32", 12, data=numbers_of_keys)
    squashed = Assignment("t", function, (whole(total, (12,)),))
    statements = [
        Product(whole(query, (1, 4)), whole(given, (1, 4)), weights),
        adding(whole(keys, (3, 4)), View(query, (3, 4), (0, 1)), whole(total, (3, 4))),
        Loop((12,), [squashed], [(whole(made, (12,)), "t")]),
        Product(whole(result, (3, 4)), whole(made, (3, 4)), weights),
    ]
    names = {"x": whole(given, (4,))}, {"y": whole(result, (3, 4))}

    program = scheduled(Program(*names, {}, statements))

    assert sum(isinstance(one, Loop) for one in program.statements) == loops
    numbers = np.array([0.5, -0.25, 1, 2], np.float32)
    simulation = Simulation(program)
    simulation.begin({})
    wanted = {"tanh": np.tanh, "exp": np.exp}[function](numbers_of_keys.reshape(3, 4) + numbers)
    np.testing.assert_allclose(simulation.call({"x": numbers})["y"], wanted, rtol=1e-6)


def adding(one: View, other: View, out: View) -> Loop:
    return Loop(out.shape, [Assignment("t", "add", (one, other))], [(out, "t")])


def test_the_simulation_s_convolution_is_keras() -> None:
    source, weights = draws(5, 6, 2), draws(3, 2, 2, 4)
    places = [whole(Buffer("input", "float32", 60, "x"), (5, 6, 2))]
    kernel = whole(Buffer("constant", "float32", 48, data=weights.ravel()), (3, 2, 2, 4))
    out = whole(Buffer("output", "float32", 36, "y"), (3, 3, 4))
    window = Window("convolution", out, places[0], kernel, (3, 2), (2, 2), (1, 1), (1, 0))
    simulation = Simulation(Program({"x": places[0]}, {"y": out}, {}, [window]))
    simulation.begin({})

    made = simulation.call({"x": source})["y"]

    expected = keras.ops.conv(source[None], weights, (2, 2), "same")
    np.testing.assert_allclose(made, np.array(expected)[0], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("shape", "widths"),
    [
        ((3, 4), [[1, 2], [0, 1]]),
        ((2, 2, 2), [[0, 0], [2, 0], [1, 1]]),
        ((2, 3), [[0, 0], [0, 0]]),
        ((1,), [[3, 3]]),
    ],
)
def test_padding_is_written_once_and_nothing_else(
    shape: tuple[int, ...], widths: list[list[int]]
) -> None:
    wanted = np.pad(np.zeros(shape, int), widths, constant_values=1)
    buffer = Buffer("scratch", "float32", wanted.size)
    written = np.zeros(wanted.size, int)

    for part in borders(whole(buffer, wanted.shape), np.array(widths)):
        for place in np.ndindex(*part.shape):
            step = sum(one * stride for one, stride in zip(place, part.strides, strict=True))
            written[part.offset.constant + step] += 1

    np.testing.assert_array_equal(written.reshape(wanted.shape), wanted)
