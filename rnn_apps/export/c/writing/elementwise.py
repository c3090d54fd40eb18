"""The elementwise functions of a program as C expressions, and TensorFlow's operators by them.

"{0}" is the first operand, "@" the prefix of the model's names; `@_tanh` and the like are kernels,
files in the folder `kernels`, with their errors.
"""

from __future__ import annotations

FLOAT_FUNCTIONS = {
    "copy": "{0}",
    "add": "({0} + {1})",
    "subtract": "({0} - {1})",
    "multiply": "({0} * {1})",
    "divide": "({0} / {1})",
    "divide_no_nan": "({1} == 0.0f ? 0.0f : {0} / {1})",
    "maximum": "({0} > {1} ? {0} : {1})",
    "minimum": "({0} < {1} ? {0} : {1})",
    "negative": "(-{0})",
    "absolute": "({0} < 0.0f ? -{0} : {0})",
    "square": "({0} * {0})",
    "squared_difference": "(({0} - {1}) * ({0} - {1}))",
    "reciprocal": "(1.0f / {0})",
    "sign": "(({0} > 0.0f ? 1.0f : 0.0f) - ({0} < 0.0f ? 1.0f : 0.0f))",
    "exp": "@_exp({0})",
    "expm1": "@_expm1({0})",
    "log": "@_logarithm({0})",
    "log1p": "@_log1p({0})",
    "sqrt": "@_sqrt({0})",
    "rsqrt": "@_rsqrt({0})",
    "tanh": "@_tanh({0})",
    "sigmoid": "@_sigmoid({0})",
    "sin": "@_sin({0})",
    "cos": "@_cos({0})",
    "erf": "@_erf({0})",
    "erfc": "(1.0f - @_erf({0}))",
    "relu": "({0} > 0.0f ? {0} : 0.0f)",
    "relu6": "({0} > 0.0f ? ({0} < 6.0f ? {0} : 6.0f) : 0.0f)",
    "leaky_relu": "({0} > 0.0f ? {0} : {1} * {0})",
    "elu": "({0} > 0.0f ? {0} : @_expm1({0}))",
    "selu": "({0} > 0.0f ? 1.05070099f * {0} : 1.75809934f * @_expm1({0}))",
    "softplus": "@_softplus({0})",
    "softsign": "({0} / (1.0f + ({0} < 0.0f ? -{0} : {0})))",
    "floor": "@_floor({0})",
    "ceil": "(-@_floor(-{0}))",
    "round": "@_round({0})",
    # x raised to a constant is written with other functions where that is possible.
    "power": "@_power({0}, {1})",
    "to_float": "(float){0}",
}

# Whole numbers wrap around as Keras' do; in C only unsigned ones may.
INTEGER_FUNCTIONS = {
    "copy": "{0}",
    "add": "(int32_t)((uint32_t){0} + (uint32_t){1})",
    "subtract": "(int32_t)((uint32_t){0} - (uint32_t){1})",
    "multiply": "(int32_t)((uint32_t){0} * (uint32_t){1})",
    "maximum": "({0} > {1} ? {0} : {1})",
    "minimum": "({0} < {1} ? {0} : {1})",
    "negative": "(int32_t)(0u - (uint32_t){0})",
    "absolute": "({0} < 0 ? (int32_t)(0u - (uint32_t){0}) : {0})",
    "square": "(int32_t)((uint32_t){0} * (uint32_t){0})",
    "floor_divide": "@_floordiv({0}, {1})",
    "floor_modulo": "(int32_t)((uint32_t){0} - (uint32_t)@_floordiv({0}, {1}) * (uint32_t){1})",
    "sign": "(({0} > 0) - ({0} < 0))",
    "to_int": "@_to_int({0})",
    "widen": "(int32_t){0}",
    # The lowest bits, the highest of them as a sign.
    "to_int8": "((({0} & 255) ^ 128) - 128)",
    "to_int16": "((({0} & 65535) ^ 32768) - 32768)",
    "to_uint8": "({0} & 255)",
    "to_uint16": "({0} & 65535)",
}

# Those whose result is a truth value.
TRUTH_FUNCTIONS = {
    "copy": "{0}",
    "less": "(uint8_t)({0} < {1})",
    "less_equal": "(uint8_t)({0} <= {1})",
    "greater": "(uint8_t)({0} > {1})",
    "greater_equal": "(uint8_t)({0} >= {1})",
    "equal": "(uint8_t)({0} == {1})",
    "not_equal": "(uint8_t)({0} != {1})",
    "and": "(uint8_t)({0} && {1})",
    "or": "(uint8_t)({0} || {1})",
    "not": "(uint8_t)!{0}",
    "to_bool": "(uint8_t)({0} != 0)",
    "is_finite": "(uint8_t)({0} - {0} == 0.0f)",
}

SELECT = "({0} ? {1} : {2})"

# TensorFlow's operators with the same meaning for each element.
OPERATORS = {
    "Add": "add", "AddV2": "add", "Sub": "subtract", "Mul": "multiply",
    "RealDiv": "divide", "Div": "divide", "DivNoNan": "divide_no_nan", "Maximum": "maximum",
    "Minimum": "minimum", "Neg": "negative", "Abs": "absolute", "Square": "square",
    "SquaredDifference": "squared_difference", "Reciprocal": "reciprocal", "Inv": "reciprocal",
    "Sign": "sign", "Exp": "exp", "Expm1": "expm1", "Log": "log", "Log1p": "log1p", "Sqrt": "sqrt",
    "Rsqrt": "rsqrt", "Tanh": "tanh", "Sigmoid": "sigmoid", "Sin": "sin", "Cos": "cos",
    "Erf": "erf", "Erfc": "erfc",
    "Relu": "relu", "Relu6": "relu6", "Elu": "elu", "Selu": "selu", "Softplus": "softplus",
    "Softsign": "softsign", "Floor": "floor", "Ceil": "ceil", "Rint": "round", "Round": "round",
    "FloorDiv": "floor_divide", "FloorMod": "floor_modulo", "Less": "less",
    "LessEqual": "less_equal", "Greater": "greater", "GreaterEqual": "greater_equal",
    "Equal": "equal", "NotEqual": "not_equal", "LogicalAnd": "and", "LogicalOr": "or",
    "LogicalNot": "not", "IsFinite": "is_finite", "Select": "select", "SelectV2": "select",
}  # fmt: skip


def expression(function: str, dtype: str, operands: tuple[str, ...]) -> str:
    """The C expression of a function on operands that are names or numbers in C.

    Raises:
        KeyError: there is no such function for results of the type.
    """
    if function == "select":
        return SELECT.format(*operands)
    known = {"float32": FLOAT_FUNCTIONS, "int32": INTEGER_FUNCTIONS, "bool": TRUTH_FUNCTIONS}
    return known[dtype][function].format(*operands)


def is_known(function: str, dtype: str) -> bool:
    """Whether `expression` knows the function for results of the type."""
    try:
        expression(function, dtype, ("", "", ""))
    except KeyError:
        return False
    return True
