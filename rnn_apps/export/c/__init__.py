"""Trained Keras models as C99 that compiles anywhere and needs no interpreter.

The way leads from Keras' layers, not from the `.tflite` files: the model is traced as for those
files, with each recurrent layer as one loop over time, and the traced graph is lowered to a small
program of products and elementwise loops (`lowering`), scheduled, quantised and laid out in memory
(`programs`) and written as C (`writing`). A `.tflite` file has lost what makes a recurrent step
fast: its operators are chains that nobody can fuse again with confidence, its weights lie as other
kernels want them, and the converter quantises no loop. From the graph every model that traces is
taken alike, foreign cells and operations of Keras included, and a step becomes its products and one
loop over the units, whatever the cell.
"""

from __future__ import annotations

from pipelines.base.lazy_names import lazy_names

_HOMES = {
    "export_c": "export",
    "export_c_functions": "export",
    "CodeFolder": "results",
    "CodeResult": "results",
}

__all__ = sorted(_HOMES)

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
