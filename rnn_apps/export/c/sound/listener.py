"""Listening in C: hops of 16-bit samples in, labels out, as a chip with a microphone needs it.

The chain is that of `rnn_apps.edge.speech.recognition`: features, steps of the recogniser, and
greedy CTC decoding, in which a label is written once for all frames in a row that show it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rnn_apps.edge.speech.recogniser import FEATURES, LOGITS, PRESENT
from rnn_apps.export.c.sound.front_end import FrontEnd
from rnn_apps.export.c.writing.interface import Interface


@dataclass(frozen=True)
class Listener:
    """A recogniser that listens, as C.

    Attributes:
        prefix: beginning of all names, and name of both files.
        header, source: text of PREFIX.h and PREFIX.c.
        hop: samples of one call.
    """

    prefix: str
    header: str
    source: str
    hop: int

    @property
    def examples(self) -> tuple[str, str]:
        """A program for a desktop, and a sketch for Arduino, that listen to silence."""
        values = {"P": self.prefix, "UPPER": self.prefix.upper(), "FRAMES": ""}
        return filled(_MAIN, values), filled(_SKETCH, values)

    @property
    def readme(self) -> str:
        """What a developer must know to call it."""
        name = self.prefix
        return f"""## {name}

From samples to labels: `src/{name}.h` chains the features, the model and greedy decoding.

```c
#include "{name}.h"

static {name}_memory listener;
int32_t labels[{name.upper()}_MOST_LABELS];

{name}_init(&listener);                              /* before an utterance */
int32_t count = {name}_hear(&listener, samples, labels);  /* int16_t samples[{self.hop}] */
int32_t rest = {name}_end(&listener, labels);         /* behind its end */
```

`{name}_hear` takes {self.hop} samples and returns the number of new labels, which are in `labels`;
`{name}_text(label)` is what a label stands for, in UTF-8. Behind the end of an utterance
`{name}_end` gives the last labels and begins a new one.

"""


def listener(
    front: FrontEnd,
    model: Interface,
    prefix: str,
    *,
    subsampling: int,
    lookahead: int,
    pieces: Sequence[bytes],
) -> Listener:
    """Writes the code of a listener.

    Args:
        front: code of the features.
        model: interface of the recogniser's step.
        prefix: beginning of all names.
        subsampling: number of feature frames per output frame.
        lookahead: number of output frames that come before the first real one.
        pieces: UTF-8 bytes of each label; the last label is the blank.
    """
    given = {one.name: one for one in model.inputs}
    (logits,) = (one for one in model.outputs if one.name == LOGITS)
    _, frames, size = given[FEATURES].shape
    _, outputs, labels = logits.shape
    # At the end: frames that are late, a chunk that is not full, and what the model looks ahead.
    late = front.delay + frames + lookahead * subsampling
    most = (late // frames + 2) * outputs
    hop = front.code.interface.inputs[0].size
    numbers = {
        "frames": frames, "size": size, "outputs": outputs, "labels": labels,
        "lookahead": lookahead, "subsampling": subsampling, "delay": front.delay, "hop": hop,
    }  # fmt: skip
    arguments = ", ".join(["&memory->model", *(_place(one.name) for one in model.arguments)])
    texts = ",\n    ".join(_literal(piece) for piece in pieces)
    values = {
        **{name.upper(): str(number) for name, number in numbers.items()},
        "MOST": str(most),
        "CALL": f"{model.function}({arguments});",
        "TEXTS": texts,
        "PRESENT": (
            "memory->present[memory->filled] = present ? 1.0f : 0.0f;"
            if PRESENT in given
            else "(void)present;"
        ),
        "HELD": "    float present[$FRAMES];\n" if PRESENT in given else "",
        "FRONT": front.code.interface.prefix,
        "MODEL": model.prefix,
        "P": prefix,
        "UPPER": prefix.upper(),
    }
    return Listener(prefix, filled(_HEADER, values), filled(_SOURCE, values), hop)


def _place(name: str) -> str:
    return {FEATURES: "memory->frames", PRESENT: "memory->present", LOGITS: "memory->logits"}[name]


def _literal(piece: bytes) -> str:
    """Bytes as a string of C; octal, so that no digit behind is taken for a part of it."""
    plain = "".join(
        chr(byte) if 32 <= byte < 127 and byte not in b'"\\\\?' else f"\\{byte:03o}"
        for byte in piece
    )
    return f'"{plain}"'


def filled(text: str, values: dict[str, str]) -> str:
    """A text in which each `$NAME` is replaced by the value of that name."""
    for name in sorted(values, key=len, reverse=True):
        text = text.replace(f"${name}", values[name])
    return text.replace("$FRAMES", values["FRAMES"])


_HEADER = """/* From samples to labels. Written by rnn-apps; see README.md. */

#ifndef $UPPER_H
#define $UPPER_H

#include "$FRONT.h"
#include "$MODEL.h"

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Samples of one call, and the most labels that a call can give. */
#define $UPPER_HOP $HOP
#define $UPPER_MOST_LABELS $MOST
#define $UPPER_LABELS $LABELS

/* All memory that listening uses; one for each stream. */
typedef struct {
    $FRONT_memory features;
    $MODEL_memory model;
    float frames[$FRAMES * $SIZE];
$HELD    float logits[$OUTPUTS * $LABELS];
    int32_t early;  /* calls before the first frame */
    int32_t heard;  /* frames of the utterance */
    int32_t filled; /* frames that wait for a whole chunk */
    int32_t made;   /* output frames, those before the first real one included */
    int32_t last;   /* label of the latest output frame */
} $P_memory;

/* Begins an utterance. */
void $P_init($P_memory *memory);

/* Takes the next $HOP samples; returns the number of labels that they complete. */
int32_t $P_hear($P_memory *memory, const int16_t *samples, int32_t *labels);

/* The utterance ends: returns the number of labels that are left, and begins a new one. */
int32_t $P_end($P_memory *memory, int32_t *labels);

/* What a label stands for, in UTF-8; nothing for the blank. */
const char *$P_text(int32_t label);

#ifdef __cplusplus
}
#endif

#endif
"""
_SOURCE = """/* From samples to labels. Written by rnn-apps; see README.md. */

#include "$P.h"

#include <string.h>

static const char *const $P_texts[$LABELS] = {
    $TEXTS
};

/* Runs the model on a whole chunk; returns the number of labels that it shows. */
static int32_t $P_step($P_memory *memory, int32_t *labels, int32_t most_made)
{
    int32_t count = 0;
    $CALL
    memory->filled = 0;
    for (int32_t output = 0; output < $OUTPUTS; ++output) {
        const float *logits = memory->logits + output * $LABELS;
        int32_t best = 0;
        if (memory->made == most_made)
            return count;
        ++memory->made;
        if (memory->made <= $LOOKAHEAD)
            continue;
        for (int32_t label = 1; label < $LABELS; ++label)
            best = logits[label] > logits[best] ? label : best;
        if (best != memory->last && best != $LABELS - 1)
            labels[count++] = best;
        memory->last = best;
    }
    return count;
}

/* Takes a hop, which completes a frame of the utterance but for the first calls. */
static int32_t $P_take($P_memory *memory, const int16_t *samples, int32_t *labels)
{
    const int present = 1;
    $FRONT_step(&memory->features, samples, memory->frames + memory->filled * $SIZE);
    if (memory->early > 0) {
        --memory->early;
        return 0;
    }
    $PRESENT
    ++memory->heard;
    if (++memory->filled < $FRAMES)
        return 0;
    return $P_step(memory, labels, INT32_MAX);
}

void $P_init($P_memory *memory)
{
    memset(memory, 0, sizeof *memory);
    $FRONT_init(&memory->features);
    $MODEL_init(&memory->model);
    memory->early = $DELAY - 1;
    memory->last = $LABELS - 1;
}

int32_t $P_hear($P_memory *memory, const int16_t *samples, int32_t *labels)
{
    return $P_take(memory, samples, labels);
}

int32_t $P_end($P_memory *memory, int32_t *labels)
{
    static const int16_t silence[$HOP] = {0};
    int32_t count = 0, wanted;
    if (memory->early == $DELAY - 1 && memory->heard == 0)
        return 0;
    for (int32_t hop = 0; hop < $DELAY; ++hop)
        count += $P_take(memory, silence, labels + count);
    wanted = (memory->heard + $SUBSAMPLING - 1) / $SUBSAMPLING + $LOOKAHEAD;
    while (memory->made < wanted) {
        for (; memory->filled < $FRAMES; ++memory->filled) {
            const int present = 0;
            memset(memory->frames + memory->filled * $SIZE, 0, $SIZE * sizeof(float));
            $PRESENT
        }
        count += $P_step(memory, labels + count, wanted);
    }
    $P_init(memory);
    return count;
}

const char *$P_text(int32_t label)
{
    return label >= 0 && label < $LABELS ? $P_texts[label] : "";
}
"""
_MAIN = """/* Listens to silence: give it what your microphone gives. */

#include "$P.h"

#include <stdio.h>

static $P_memory listener;

int main(void)
{
    static int16_t samples[$UPPER_HOP];
    int32_t labels[$UPPER_MOST_LABELS], count = 0;
    $P_init(&listener);
    for (int hop = 0; hop < 100; ++hop) {
        count = $P_hear(&listener, samples, labels);
        for (int32_t k = 0; k < count; ++k)
            printf("%s", $P_text(labels[k]));
    }
    count = $P_end(&listener, labels);
    for (int32_t k = 0; k < count; ++k)
        printf("%s", $P_text(labels[k]));
    printf("\\n");
    return 0;
}
"""
_SKETCH = """// Listens to silence: give it what your microphone gives.

#include <$P.h>

static $P_memory listener;
static int16_t samples[$UPPER_HOP];
static int32_t labels[$UPPER_MOST_LABELS];

void setup() {
  Serial.begin(115200);
  $P_init(&listener);
}

void loop() {
  int32_t count = $P_hear(&listener, samples, labels);
  for (int32_t k = 0; k < count; ++k) Serial.println($P_text(labels[k]));
}
"""
