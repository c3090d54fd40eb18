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
    34: (1,),  # PAD
    37: (1, 2),  # BATCH_TO_SPACE_ND
    38: (1, 2),  # SPACE_TO_BATCH_ND
    45: (1, 2, 3),  # STRIDED_SLICE
    48: (1,),  # TOPK_V2
    60: (1,),  # PADV2
    65: (1, 2),  # SLICE
    67: (0,),  # TRANSPOSE_CONV
    69: (1,),  # TILE
    70: (1,),  # EXPAND_DIMS
    85: (1,),  # ONE_HOT
    94: (0,),  # FILL
    96: (0, 1, 2),  # RANGE
    100: (1,),  # MIRROR_PAD
    102: (1,),  # SPLIT_V
    130: (1,),  # BROADCAST_TO
}
# Their result is as large as the values of their input make it.
_SIZED_BY_VALUES = frozenset({103, 109, 120, 121})  # UNIQUE, WHERE, NON_MAX_SUPPRESSION_V4 and _V5


def computes_sizes(file: ModelFile) -> bool:
    """Whether the size of any tensor is computed while the file runs."""
    return any(_computes_sizes(graph) for graph in file.subgraphs)


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
