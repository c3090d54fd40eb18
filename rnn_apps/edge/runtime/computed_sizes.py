"""Whether a graph learns sizes of its tensors only while it runs.

LiteRT then plans its memory anew in the middle of a call. With XNNPACK, its default delegate, all
later calls of that interpreter can be wrong without a message: XNNPACK leaves out a copy whose two
ends have the same address, also if one of them is an address that the plan before has freed, and
never takes it up again (`setup_unary_elementwise_nc` in XNNPACK's unary-elementwise-nc.c, August
2026; LiteRT 2.3 and TensorFlow 2.21 have it too). How often depends on the memory that the process
used before: on a forecasting model 367 of 2,000 interpreters were wrong from their second call on.
"""

from __future__ import annotations

from rnn_apps.edge.runtime.flatbuffer import ModelFile, Subgraph

# Builtin operators by their number in the schema, with the inputs that tell their result's size.
_SIZES_AT = {
    22: (1,),  # RESHAPE
    23: (1,),  # RESIZE_BILINEAR
    34: (1,),  # PAD
    37: (1, 2),  # BATCH_TO_SPACE_ND
    38: (1, 2),  # SPACE_TO_BATCH_ND
    39: (1,),  # TRANSPOSE
    40: (1,),  # MEAN
    45: (1, 2, 3),  # STRIDED_SLICE
    48: (1,),  # TOPK_V2
    49: (0,),  # SPLIT
    56: (1,),  # ARG_MAX
    60: (1,),  # PADV2
    65: (1, 2),  # SLICE
    67: (0,),  # TRANSPOSE_CONV
    68: (1,),  # SPARSE_TO_DENSE
    69: (1,),  # TILE
    70: (1,),  # EXPAND_DIMS
    74: (1,),  # SUM
    79: (1,),  # ARG_MIN
    81: (1,),  # REDUCE_PROD
    82: (1,),  # REDUCE_MAX
    85: (1,),  # ONE_HOT
    89: (1,),  # REDUCE_MIN
    91: (1,),  # REDUCE_ANY
    94: (0,),  # FILL
    96: (0, 1, 2),  # RANGE
    97: (1,),  # RESIZE_NEAREST_NEIGHBOR
    100: (1,),  # MIRROR_PAD
    102: (1, 2),  # SPLIT_V
    122: (2,),  # SCATTER_ND
    130: (1,),  # BROADCAST_TO
    131: (1,),  # RFFT2D
    140: (1,),  # REDUCE_ALL
    141: (0,),  # CONV_3D_TRANSPOSE
    146: (0,),  # RANDOM_STANDARD_NORMAL
    148: (0,),  # RANDOM_UNIFORM
    149: (1,),  # MULTINOMIAL
    153: (2,),  # UNSORTED_SEGMENT_PROD
    154: (2,),  # UNSORTED_SEGMENT_MAX
    155: (2,),  # UNSORTED_SEGMENT_SUM
    157: (2,),  # UNSORTED_SEGMENT_MIN
}
# Their result is as large as the values of their input make it: UNIQUE, WHERE,
# NON_MAX_SUPPRESSION_V4 and _V5, SEGMENT_SUM.
_SIZED_BY_VALUES = frozenset({103, 109, 120, 121, 125})
# IF and WHILE: what they carry may change its size in a way that only running them shows.
_BRANCHES = frozenset({118, 119})


def computes_sizes(file: ModelFile) -> bool:
    """Whether the size of any tensor is computed while the file runs, as its operators say.

    Some sizes that operators compute are constants to LiteRT 2.3 and were not to its predecessors.
    What grows from pass to pass of a loop is not recognised.
    """
    return any(_computes_sizes(graph) for graph in file.subgraphs)


def may_compute_sizes(file: ModelFile) -> bool:
    """As `computes_sizes`, and true for files with loops or branches: only LiteRT knows."""
    codes = {operator.code for graph in file.subgraphs for operator in graph.operators}
    return bool(codes & _BRANCHES) or computes_sizes(file)


def loops_and_branches(graph: Subgraph) -> set[int]:
    """The tensors that IF and WHILE write."""
    return {i for item in graph.operators if item.code in _BRANCHES for i in item.outputs}


def _computes_sizes(graph: Subgraph) -> bool:
    computed = {index for operator in graph.operators for index in operator.outputs}
    computed |= set(graph.inputs)
    return any(
        operator.code in _SIZED_BY_VALUES
        or any(
            operator.inputs[place] in computed
            for place in _SIZES_AT.get(operator.code, ())
            if place < len(operator.inputs)
        )
        for operator in graph.operators
    )
