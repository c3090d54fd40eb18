"""Where in one decoding step a source is read. Imports nothing heavy."""

from __future__ import annotations

import enum


class Stage(enum.Enum):
    """Where in one decoding step the source is read."""

    BEFORE = "before"
    """Before the cells: the query is the first layer's previous state, and the context is part of
    the first cell's input (Bahdanau et al. 2015, section 3.1)."""
    BETWEEN = "between"
    """Between the two cells of a conditional decoder's first layer: the query is the first cell's
    output, and the context is the second cell's input (Sennrich et al. 2017, section 3)."""
    AFTER = "after"
    """After the cells: the query is the top layer's output (Luong et al. 2015, section 3)."""
