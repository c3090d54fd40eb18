"""The settings of the models that `benchmarks.multi30k` trains. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

# The published model's cell and sizes; what differs: a vocabulary for each language, no layer
# norm, a little less dropout, label smoothing, a moving average of the weights, a learning rate
# that falls.
SHARED: dict[str, Any] = {
    "split": "1,0,0",
    "joint_vocabulary": False,
    "vocabulary_size": 6000,
    "normalization": "identity",
    "bleu_tokenizer": "none",
    "cell": "gru",
    "units": 256,
    "embedding_size": 128,
    "attention": "bahdanau",
    "decoder": "conditional",
    "tied": "target",
    "embedding_dropout": 0.2,
    "annotation_dropout": 0.4,
    "output_dropout": 0.4,
    "label_smoothing": 0.1,
    "token_budget": 1024,
    "clip_norm": 1.0,
    "monitor": "val_bleu",
    "gradient_flow": False,
    "learning_rate": 2e-3,
    "warmup_steps": 150,
    # Of those that train for minutes; the others have their own.
    "epochs": 1000,
    "average_decay": 0.99,
}

_LONG: dict[str, Any] = {
    "schedule": "cosine",
    "final_learning_rate": 5e-5,
    "average_decay": 0.998,
}
GENUINE_PAIRS: dict[str, Any] = {
    **_LONG,
    "epochs": 30,
    "embedding_dropout": 0.25,
    "annotation_dropout": 0.45,
    "output_dropout": 0.45,
}
# Each batch is read twice with different dropout, whose predictions have to agree; that takes the
# place of some of the dropout.
READ_TWICE: dict[str, Any] = {
    **_LONG,
    "epochs": 22,
    "consistency": 3.0,
    "embedding_dropout": 0.2,
    "annotation_dropout": 0.35,
    "output_dropout": 0.35,
}
# Of a model that writes further pairs: it need not be the best.
TEACHER: dict[str, Any] = {**GENUINE_PAIRS, "epochs": 22}
# Goes on from the teacher's weights, with what it writes in German for each English sentence, and
# what a teacher of the other direction writes in English for each German one, as further pairs
# (data diversification, Nguyen et al. 2020).
STUDENT: dict[str, Any] = {
    "epochs": 9,
    "learning_rate": 1e-3,
    "schedule": "cosine",
    "final_learning_rate": 2e-5,
    "average_decay": 0.998,
    "embedding_dropout": 0.2,
    "annotation_dropout": 0.35,
    "output_dropout": 0.35,
}
# Goes on from the student's weights, with what four models write as further pairs: the teachers,
# and the students of both directions.
SECOND_ROUND: dict[str, Any] = {
    **STUDENT,
    "epochs": 7,
    "embedding_dropout": 0.15,
    "annotation_dropout": 0.3,
    "output_dropout": 0.3,
}
# Goes on from the model of the second round, with what it writes in the teacher's place.
THIRD_ROUND: dict[str, Any] = {**STUDENT, "epochs": 3, "learning_rate": 7e-4}


@dataclass(frozen=True)
class Recipe:
    """A model of the table.

    Args:
        name: folder of its run, and the table's first column.
        group: comparison that it belongs to.
        settings: fields that differ from `SHARED`.
        seed: seed of the first weights, of dropout and of the order of the pairs.
        german_to_english: whether it translates in the other direction.
        teachers: names of the recipes whose models write further pairs; the training goes on from
            the first.
        teachers_beam: width of the beam with which they write.
    """

    name: str
    group: str
    settings: dict[str, Any] = field(default_factory=dict)
    seed: int = 0
    german_to_english: bool = False
    teachers: tuple[str, ...] = ()
    teachers_beam: int = 3


WHOLE = "whole"
TEACHERS = "teachers"
SEEDS = "the student with another seed, and of teachers with another beam"
CELLS = "cells"
ATTENTION = "attention"

TWO = ("teacher", "back-teacher")
FOUR = ("student", "back-student", *TWO)

RECIPES: tuple[Recipe, ...] = (
    Recipe("student", WHOLE, STUDENT, teachers=TWO),
    Recipe("second-round", WHOLE, SECOND_ROUND, teachers=FOUR),
    Recipe("third-round", WHOLE, THIRD_ROUND, teachers=("second-round", *FOUR[:2], FOUR[3])),
    Recipe("genuine-pairs", WHOLE, GENUINE_PAIRS),
    Recipe("student-of-beam-2", SEEDS, STUDENT, teachers=TWO, teachers_beam=2),
    Recipe("second-student", SEEDS, STUDENT, seed=1, teachers=TWO, teachers_beam=2),
    Recipe("teacher", TEACHERS, TEACHER),
    Recipe("back-teacher", TEACHERS, TEACHER, german_to_english=True),
    Recipe(
        "back-student", TEACHERS, STUDENT,
        german_to_english=True, teachers=("back-teacher", "teacher"),
    ),
    Recipe("read-twice", WHOLE, READ_TWICE),
    Recipe("gru", CELLS),
    Recipe("lstm", CELLS, {"cell": "lstm"}),
    Recipe("simple", CELLS, {"cell": "simple", "learning_rate": 1e-3}),
    Recipe("layer-norm", CELLS, {"layer_norm": True}),
    Recipe("none", ATTENTION, {"attention": "none", "decoder": "plain"}),
    Recipe("bahdanau", ATTENTION, {"decoder": "plain"}),
    Recipe("general", ATTENTION, {"attention": "general", "decoder": "plain"}),
    Recipe(
        "dot", ATTENTION,
        {"attention": "dot", "decoder": "plain", "bidirectional": False},
    ),
    Recipe("concat", ATTENTION, {"attention": "concat", "decoder": "plain"}),
    Recipe(
        "input-feeding", ATTENTION,
        {"attention": "general", "decoder": "plain", "input_feeding": True},
    ),
    Recipe("coverage", ATTENTION, {"coverage": True}),
)  # fmt: skip
