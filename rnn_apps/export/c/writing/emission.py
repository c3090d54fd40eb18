"""A scheduled program as one C header and one C source."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from rnn_apps.export.c.programs.layout import Layout, laid_out
from rnn_apps.export.c.programs.program import (
    C_TYPES,
    Buffer,
    Index,
    JoinedProducts,
    Loop,
    Product,
    Program,
    QuantisedProduct,
    QuantisedWindow,
    Reduction,
    Repeat,
    Statement,
    View,
    Window,
)
from rnn_apps.export.c.writing.integer_loops import Integers
from rnn_apps.export.c.writing.loops import Elements, is_number, number_of
from rnn_apps.export.c.writing.names import identifiers

# The members of the union `scratch` in the caller's struct, by the type of their elements.
POOLS = {"float32": "floats", "int16": "fixed", "int32": "integers", "bool": "truths"}
# What fits into one sum of 32 bits, and where shifts of sums begin that need no other kernel.
_SHORT_DEPTH, _SHORT_SHIFT = 512, 33


@dataclass
class Writer:
    """What is needed to write a program's statements.

    Attributes:
        prefix: beginning of all names.
        layout: places of the scratch buffers.
        names: identifiers of inputs, outputs and states, by their buffers' numbers.
        functions: text of the functions written so far.
        constants: constants that are used, by name.
        loops: the loops around the statement that is being written, from the outermost on.
        matrices: columns and rows of those that are weights of integers, by name.
    """

    prefix: str
    layout: Layout
    names: dict[int, str]
    functions: list[str] = field(default_factory=list)
    constants: dict[str, Buffer] = field(default_factory=dict)
    loops: list[Repeat] = field(default_factory=list)
    matrices: dict[str, tuple[int, int]] = field(default_factory=dict)
    _constant_names: dict[int, str] = field(default_factory=dict)

    def base(self, buffer: Buffer) -> str:
        """The address of a buffer's first element, where the caller's memory is `memory`."""
        if buffer.kind == "constant":
            new = f"{self.prefix}_constant{len(self.constants) + 1}"
            name = self._constant_names.setdefault(buffer.number, new)
            self.constants[name] = buffer
            return name
        if buffer.kind == "scratch":
            place = self.layout.places[buffer.number]
            pool = f"memory->scratch.{POOLS[buffer.dtype]}"
            return f"{pool} + {place}" if place else pool
        name = self.names[buffer.number]
        return f"memory->{name}" if buffer.kind == "state" else name

    def address(self, view: View) -> str:
        """The address of a view's first element."""
        base = self.base(view.buffer)
        if view.offset == Index():
            # GCC takes bytes for elements where an array's name and its length meet in memset.
            return f"&{base}[0]" if base.startswith("memory->") and " " not in base else base
        return f"{base} + {view.offset}"

    def weights(self, view: View) -> str:
        """The address of weights of integers [columns, rows]."""
        name = self.base(view.buffer)
        columns, depth = view.shape
        self.matrices[name] = (columns, depth)
        return name


def written(program: Program, prefix: str) -> tuple[Writer, list[str]]:
    """The program's writer, with its functions and constants, and the lines of its body."""
    names: dict[int, str] = {}
    for kind, views in (
        ("input", program.inputs),
        ("output", program.outputs),
        ("state", program.states),
    ):
        spelled = identifiers(kind, views)
        names |= {view.buffer.number: spelled[name] for name, view in views.items()}
    writer = Writer(prefix, laid_out(program), names)
    lines = _block(writer, program.statements, "    ")
    return writer, lines


def _block(writer: Writer, statements: Sequence[Statement], indent: str) -> list[str]:
    lines: list[str] = []
    for one in statements:
        if isinstance(one, Repeat):
            index = one.variable
            lines.append(f"{indent}for (int32_t {index} = 0; {index} < {one.count}; ++{index}) {{")
            writer.loops.append(one)
            lines += _block(writer, one.body, indent + "    ")
            writer.loops.pop()
            lines.append(f"{indent}}}")
        elif isinstance(one, Loop):
            lines += _loop(writer, one, indent)
        elif isinstance(one, Product):
            lines += _product(writer, one, indent)
        elif isinstance(one, JoinedProducts):
            lines += _joined_products(writer, one, indent)
        elif isinstance(one, QuantisedProduct):
            lines += _quantised_product(writer, one, indent)
        elif isinstance(one, QuantisedWindow):
            lines.append(indent + _quantised_window(writer, one))
        elif isinstance(one, Reduction):
            lines += _reduction(writer, one, indent)
        else:
            assert isinstance(one, Window)
            lines += _window(writer, one, indent)
    return lines


def _variables(views: Sequence[View]) -> list[str]:
    return sorted({name for view in views for name, _ in view.offset.terms})


def _loop(writer: Writer, loop: Loop, indent: str) -> list[str]:
    """A call of a function of its own, whose arguments share no memory."""
    block = _as_memory_function(writer, loop, indent)
    if block is not None:
        return block
    read = [view for view in loop.reads() if not is_number(view)]
    stored = [view for view, _ in loop.stores]
    buffers = {view.buffer.number: view.buffer for view in (*stored, *read)}
    changed = {view.buffer.number for view in stored}
    names = {number: f"p{place}" for place, number in enumerate(buffers)}
    name = f"{writer.prefix}_loop{len(writer.functions) + 1}"
    arguments, parameters = [], []
    for number, buffer in buffers.items():
        const = "" if number in changed else "const "
        kind = C_TYPES[buffer.dtype]
        arguments.append(writer.base(buffer))
        parameters.append(f"{const}{kind} *{writer.prefix.upper()}_RESTRICT {names[number]}")
    for variable in _variables([*stored, *read]):
        arguments.append(variable)
        parameters.append(f"int32_t {variable}")
    elements = Elements if loop.fractions is None else Integers
    body = elements(loop, names).text()
    text = _function(writer, name, parameters, body)
    writer.functions.append(text)
    return [f"{indent}{name}({', '.join(arguments)});"]


def _function(writer: Writer, name: str, parameters: Sequence[str], body: Sequence[str]) -> str:
    """A function of its own; see the comment on SHARED in the code."""
    head = f"{writer.prefix.upper()}_SHARED static void {name}({', '.join(parameters)})"
    return "\n".join([head, "{", *body, "}", ""])


def _as_memory_function(writer: Writer, loop: Loop, indent: str) -> list[str] | None:
    """memcpy or memset for loops that do no more."""
    lines = []
    for view, value in loop.stores:
        if loop.assignments or view.strides not in ((1,), ()):
            return None
        size = f"{view.size} * sizeof({C_TYPES[view.buffer.dtype]})"
        number = number_of(value)
        if number == 0:
            lines.append(f"{indent}memset({writer.address(view)}, 0, {size});")
        elif isinstance(value, View) and value.strides in ((1,), ()) and not is_number(value):
            mine, theirs = view.buffer, value.buffer
            if mine is theirs or (mine.dtype, mine.fraction) != (theirs.dtype, theirs.fraction):
                return None
            copy = "@_copied" if theirs.kind == "constant" else "memcpy"
            lines.append(
                f"{indent}{copy}({writer.address(view)}, {writer.address(value)}, {size});"
            )
        else:
            return None
    return lines


def _product(writer: Writer, one: Product, indent: str) -> list[str]:
    rows, columns = one.out.shape
    depth = one.left.shape[1]
    lines: list[str] = []
    if not one.accumulates:
        assert one.out.is_contiguous
        size = f"{rows * columns} * sizeof(float)"
        lines.append(f"{indent}memset({writer.address(one.out)}, 0, {size});")
    right = one.right
    if one.tiled and rows > 1:
        numbers = f"{rows}, {depth}, {columns}"
        out = f"{writer.address(one.out)}, {one.out.strides[0]}"
        left = f"{writer.address(one.left)}, {one.left.strides[0]}"
        return [*lines, f"{indent}@_tiled_rows({out}, {left}, {writer.address(right)}, {numbers});"]
    by_columns = all(view.has_rows_in_one_piece for view in (right, one.left, one.out))
    if one.tiled:
        call = (
            f"@_tiled_product({writer.address(one.out)}{{out}}, "
            f"{writer.address(one.left)}{{left}}, {writer.address(right)}, {depth}, {columns}, "
            f"{_every_other(writer.loops)});"
        )
    elif by_columns and (depth == 1 or right.strides[0] > 0):
        call = (
            f"@_product({writer.address(one.out)}{{out}}, {writer.address(one.left)}{{left}}, "
            f"{writer.address(right)}, {depth}, {columns}, {right.strides[0]});"
        )
    else:
        call = (
            f"@_strided_product({writer.address(one.out)}{{out}}, "
            f"{writer.address(one.left)}{{left}}, {one.left.strides[1]}, "
            f"{writer.address(right)}, {right.strides[0]}, {right.strides[1]}, "
            f"{depth}, {columns});"
        )
    if rows == 1:
        return [*lines, indent + call.format(out="", left="")]
    moved = {"out": one.out.strides[0], "left": one.left.strides[0]}
    steps = {name: f" + row * {stride}" for name, stride in moved.items()}
    lines.append(f"{indent}for (int32_t row = 0; row < {rows}; ++row)")
    return [*lines, f"{indent}    {call.format(**steps)}"]


def _joined_products(writer: Writer, one: JoinedProducts, indent: str) -> list[str]:
    block, step = one.block, one.step
    numbers = [
        f"{writer.address(block.out)}, {block.out.strides[0]}",
        f"{writer.address(block.left)}, {block.left.strides[0]}",
        f"{writer.address(block.right)}, {block.out.shape[0]}, {block.left.shape[1]}",
        f"{writer.address(step.out)}, {writer.address(step.left)}, {writer.address(step.right)}",
        f"{step.left.shape[1]}, {step.out.shape[1]}, {_every_other(writer.loops)}",
    ]
    return [
        f"{indent}if ({one.variable} == 0)",
        f"{indent}    @_joined_products({', '.join(numbers)});",
        f"{indent}else",
        *_product(writer, step, indent + "    "),
    ]


def _every_other(loops: Sequence[Repeat]) -> str:
    """A number that is 0 and 1 in turn, from pass to pass of the loops around a statement."""
    if not loops:
        return "0"
    odd = [one.variable for place, one in enumerate(loops) if _passes(loops[place + 1 :]) % 2]
    together = " + ".join(odd)
    return f"{together} & 1" if len(odd) == 1 else f"({together}) & 1"


def _passes(loops: Sequence[Repeat]) -> int:
    return math.prod(one.count for one in loops)


def _quantised_product(writer: Writer, one: QuantisedProduct, indent: str) -> list[str]:
    """A call of the kernel for each row."""
    columns, depth = one.weights.shape
    numbers = [depth, columns, int(one.accumulates)]
    kernel = f"{_form_of(depth, one.shift)}_product"
    if one.shift is not None:
        numbers.insert(0, one.shift)
    if one.weights.buffer.dtype == "int16":
        kernel = f"wide_{kernel}"
    rows = one.out.shape[0]
    steps = {"out": one.out.strides[0], "left": one.left.strides[0]}
    moved = {name: f" + row * {step}" if rows > 1 else "" for name, step in steps.items()}
    call = ", ".join(
        [
            f"{writer.address(one.out)}{moved['out']}",
            f"{writer.address(one.left)}{moved['left']}",
            writer.weights(one.weights),
            writer.address(one.scales),
            *map(str, numbers),
        ]
    )
    if rows == 1:
        return [f"{indent}@_{kernel}({call});"]
    loop = f"{indent}for (int32_t row = 0; row < {rows}; ++row)"
    return [loop, f"{indent}    @_{kernel}({call});"]


def _form_of(depth: int, shift: int | None) -> str:
    """Which form of a product in integers does it: with floats as results, short, or any."""
    if shift is None:
        return "half"
    return "short" if depth <= _SHORT_DEPTH and shift >= _SHORT_SHIFT else "fixed"


_STARTS = {"sum": "0", "product": "1"}
_STEPS = {
    "sum": "total += value;",
    "product": "total *= value;",
    "maximum": "total = value > total ? value : total;",
    "minimum": "total = value < total ? value : total;",
}
# As Keras' whole numbers wrap around; see `INTEGER_FUNCTIONS`.
_INTEGER_STEPS = {
    "sum": "total = (int32_t)((uint32_t)total + (uint32_t)value);",
    "product": "total = (int32_t)((uint32_t)total * (uint32_t)value);",
}


def _reduction(writer: Writer, one: Reduction, indent: str) -> list[str]:
    """A function with one loop for each dimension."""
    kept = len(one.out.shape)
    kind = C_TYPES[one.source.buffer.dtype]
    indices = [f"i{axis}" for axis in range(len(one.source.shape))]
    variables = _variables([one.out, one.source])
    name = f"{writer.prefix}_reduction{len(writer.functions) + 1}"
    restrict = f"{writer.prefix.upper()}_RESTRICT"
    out_kind = C_TYPES[one.out.buffer.dtype]
    parameters = [f"{out_kind} *{restrict} out", f"const {kind} *{restrict} source"]
    parameters += [f"int32_t {variable}" for variable in variables]

    def place(view: View, names: Sequence[str], zeros: int = 0) -> str:
        own = view.offset
        for index, stride in zip(names, view.strides[: len(names)], strict=True):
            own = own + Index(0, ((index, stride),) if stride else ())
        return str(own)

    depth = 1
    lines = []
    for axis in range(kept):
        lines.append("    " * depth + _for(indices[axis], one.source.shape[axis]))
        depth += 1
    here = "    " * depth
    first = f"source[{place(one.source, indices[:kept])}]"
    start = _STARTS.get(one.kind, first)
    lines.append(f"{here}{kind} total = ({kind}){start};")
    if one.kind.startswith("arg"):
        lines.append(f"{here}int32_t found = 0;")
    for axis in range(kept, len(indices)):
        lines.append("    " * depth + _for(indices[axis], one.source.shape[axis]))
        depth += 1
    inner = "    " * depth
    lines.append(f"{inner}const {kind} value = source[{place(one.source, indices)}];")
    if one.kind.startswith("arg"):
        mark = ">" if one.kind == "argmax" else "<"
        lines.append(f"{inner}if (value {mark} total) {{")
        lines.append(f"{inner}    total = value;\n{inner}    found = {indices[-1]};\n{inner}}}")
    else:
        known = _STEPS if kind != "int32_t" else _STEPS | _INTEGER_STEPS
        lines.append(inner + known[one.kind])
    for _ in range(kept, len(indices)):
        depth -= 1
        lines.append("    " * depth + "}")
    result = "found" if one.kind.startswith("arg") else "total"
    lines.append(f"{here}out[{place(one.out, indices[:kept])}] = {result};")
    for _ in range(kept):
        depth -= 1
        lines.append("    " * depth + "}")
    text = _function(writer, name, parameters, lines)
    writer.functions.append(text)
    arguments = [writer.base(one.out.buffer), writer.base(one.source.buffer), *variables]
    return [f"{indent}{name}({', '.join(arguments)});"]


def _for(index: str, size: int) -> str:
    return f"for (int32_t {index} = 0; {index} < {size}; ++{index}) {{"


def _window(writer: Writer, one: Window, indent: str) -> list[str]:
    """A call of the kernel of its kind, with all sizes."""
    arguments = [writer.address(one.out), writer.address(one.source)]
    if one.weights is not None:
        arguments.append(writer.address(one.weights))
    text = ", ".join([*arguments, *map(str, _window_sizes(one))])
    return [f"{indent}@_{one.kind}({text});"]


def _window_sizes(one: Window) -> list[int]:
    """The sizes that a kernel for windows takes, in the order of its arguments."""
    return [
        *one.source.shape, *one.out.shape, *one.window, *one.steps, *one.spread, *one.before,
    ]  # fmt: skip


def _quantised_window(writer: Writer, one: QuantisedWindow) -> str:
    """A call of the kernel for the type of what is written."""
    places = [
        *map(writer.address, (one.window.out, one.window.source)),
        writer.weights(one.weights),
        *map(writer.address, (one.scales, one.patch)),
    ]
    numbers = _window_sizes(one.window)
    if one.shift is not None:
        numbers.insert(0, one.shift)
    kernel = f"{_form_of(one.weights.shape[1], one.shift)}_convolution"
    return f"@_{kernel}({', '.join([*places, *map(str, numbers)])});"
