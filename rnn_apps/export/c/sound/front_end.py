"""The features of speech in C: 16-bit samples in, one frame of features out for each hop.

The numbers are those of `pipelines.speech.feature_extraction.numpy_features`, computed in float32.
A frame is centred, so that it is complete some hops after its middle: the first `delay` calls of a
stream give no frame yet, and at its end as many hops of silence follow.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipelines.speech.feature_extraction.configuration import FeatureConfig
from pipelines.speech.feature_extraction.filter_banks import cosine_transform, mel_bands, window
from pipelines.speech.feature_extraction.numpy_features import SpeechFeatures
from rnn_apps.export.c.programs.program import Buffer
from rnn_apps.export.c.proof.compiler import Compiler
from rnn_apps.export.c.proof.harness import CompiledCode
from rnn_apps.export.c.proof.proven_builds import proven_builds
from rnn_apps.export.c.results import CodeResult
from rnn_apps.export.c.writing.code import Code, header_text, top_text
from rnn_apps.export.c.writing.fixed_texts import constant_text, kernels_for
from rnn_apps.export.c.writing.interface import Argument, Interface
from rnn_apps.export.c.writing.loops import literal
from rnn_apps.export.proof.comparison import Comparison, compare
from rnn_apps.export.results import ExportError, OutputError, ProofExtent

SAMPLES, FEATURES = "samples", "features"
# Largest difference from NumPy's features, in units of the largest feature. Quiet frequencies of
# loud frames lose digits in float32, which bands average out.
TOLERANCES = {"log_mel": 1e-3, "mfcc": 1e-3, "spectrogram": 2e-2}


@dataclass(frozen=True)
class FrontEnd:
    """The code of the features, and what a caller must know of it.

    Attributes:
        code: header and source.
        delay: number of calls before the first frame, and of silent hops at the end.
    """

    code: Code
    delay: int


def refuse_features(config: FeatureConfig) -> None:
    """Refuses features that have no C code.

    Raises:
        ExportError: the length of the transform is not a power of two, or there are deltas.
    """
    length = config.fft_length
    if length & (length - 1):
        raise ExportError(
            f"fft_size = {length}: C code has transforms of a power of two only. Train with "
            f"fft_size = {1 << length.bit_length()}, or export for another target"
        )
    if config.deltas:
        raise ExportError(
            f"deltas = {config.deltas}: C code computes no deltas, which need frames of the "
            "future. Train with deltas = 0, or export for another target"
        )


def front_end(config: FeatureConfig, prefix: str) -> FrontEnd:
    """Writes the features as C.

    Args:
        config: configuration of the features; normalisation is left to the model.
        prefix: beginning of all names in the code.

    Raises:
        ExportError: see `refuse_features`.
    """
    refuse_features(config)
    half, hop = config.fft_length // 2, config.hop_length
    hops = -(-half // hop)
    heard = half + hops * hop
    extra = config.bands if config.kind == "mfcc" else 0
    interface = Interface(
        prefix,
        "step",
        (Argument(SAMPLES, "input_samples", (hop,), "int16"),),
        (Argument(FEATURES, "output_features", (config.size,), "float32"),),
        (Argument("heard", "state_heard", (heard,), "int16"),),
        {"float32": config.fft_length + 1 + extra},
    )
    constants = _constants(config)
    lines = _steps(config, heard)
    body = "\n".join(f"    {line}" for line in lines)
    title = "The features of speech in C"
    function = f"""void {prefix}_init({prefix}_memory *memory)
{{
    memset(memory, 0, sizeof *memory);
}}

void {interface.function}({prefix}_memory *memory, const int16_t *input_samples,
    float *output_features)
{{
{body}
}}
"""
    arrays = [
        constant_text(Buffer("constant", str(array.dtype), array.size, data=array), f"@_{name}")
        for name, array in constants.items()
    ]
    arrays = [text.replace("@_ALIGNED", f"{prefix.upper()}_ALIGNED") for text in arrays]
    kernels = kernels_for(function, prefix)
    parts = [top_text(interface, title), *arrays, *kernels, function]
    code = Code(
        interface,
        header_text(interface, title),
        "\n".join(parts).replace("@_", f"{prefix}_"),
        sum(array.nbytes for array in constants.values()),
        0,
    )
    return FrontEnd(code, hops)


def _constants(config: FeatureConfig) -> dict[str, np.ndarray]:
    """All tables, by name."""
    whole, length = window(config), config.window_length
    before = (config.fft_length - length) // 2
    angles = 2 * math.pi * np.arange(config.fft_length // 2) / config.fft_length
    tables = {
        # Samples of 16 bits count as numbers from -1 to 1.
        "window": whole[before : before + length] / 32768.0,
        "turns": np.stack([np.cos(angles), np.sin(angles)], axis=1).ravel(),
    }
    if config.kind != "spectrogram":
        bands = mel_bands(config).T
        present = [np.flatnonzero(row) for row in bands]
        spans = [(int(found[0]), int(found[-1] - found[0] + 1)) for found in present]
        tables["weights"] = np.concatenate(
            [row[start : start + count] for row, (start, count) in zip(bands, spans, strict=True)]
        )
        tables["bands"] = np.array(spans, np.int16).ravel()
    if config.kind == "mfcc":
        tables["cosines"] = cosine_transform(config).ravel()
    return {
        name: table if table.dtype == np.int16 else table.astype(np.float32)
        for name, table in tables.items()
    }


def _steps(config: FeatureConfig, heard: int) -> list[str]:
    """The lines of the function."""
    length, hop, half = config.window_length, config.hop_length, config.fft_length // 2
    before = (config.fft_length - length) // 2
    floor = literal(config.floor, "float32")
    logarithms = "output_features"
    lines = [
        "float *const values = memory->scratch.floats;",
        f"memmove(memory->state_heard, memory->state_heard + {hop}, "
        f"{heard - hop} * sizeof(int16_t));",
        f"memcpy(memory->state_heard + {heard - hop}, input_samples, {hop} * sizeof(int16_t));",
        f"@_windowed(values, memory->state_heard, @_window, {before}, {length}, {half});",
        f"@_power_spectrum(values, @_turns, {half});",
    ]
    if config.kind == "spectrogram":
        return [
            *lines,
            f"for (int32_t k = 0; k <= {half}; ++k) {{",
            "    const float power = values[2 * k];",
            f"    output_features[k] = @_log(power > {floor} ? power : {floor});",
            "}",
        ]
    if config.kind == "mfcc":
        logarithms = "logarithms"
        lines.insert(1, f"float *const logarithms = values + {config.fft_length + 1};")
        lines.insert(2, "const float *cosine = @_cosines;")
    lines.insert(1, "const float *weight = @_weights;")
    lines += [
        f"for (int32_t band = 0; band < {config.bands}; ++band) {{",
        "    const int32_t start = @_bands[2 * band], count = @_bands[2 * band + 1];",
        "    float power = 0.0f;",
        "    for (int32_t k = start; k < start + count; ++k)",
        "        power += *weight++ * values[2 * k];",
        f"    {logarithms}[band] = @_log(power > {floor} ? power : {floor});",
        "}",
    ]
    if config.kind == "mfcc":
        lines += [
            f"memset(output_features, 0, {config.size} * sizeof(float));",
            f"for (int32_t band = 0; band < {config.bands}; ++band)",
            f"    for (int32_t k = 0; k < {config.size}; ++k)",
            "        output_features[k] += logarithms[band] * *cosine++;",
        ]
    return lines


def in_sixteen_bits(samples: np.ndarray) -> np.ndarray:
    """Samples from -1 to 1 as a chip has them, int16 [samples]."""
    return np.clip(np.rint(np.asarray(samples) * 32768.0), -32768, 32767).astype(np.int16)


def hops_of(samples: np.ndarray, config: FeatureConfig, delay: int) -> np.ndarray:
    """Samples int16 [samples] as whole hops, with the silence at their end, [hops, hop]."""
    hop = config.hop_length
    whole = len(samples) // hop * hop
    silence = np.zeros(delay * hop, np.int16)
    return np.concatenate([samples[:whole], silence]).reshape(-1, hop)


def proven_features(
    front: FrontEnd,
    config: FeatureConfig,
    recordings: list[np.ndarray],
    folder: Path,
    compiler: Compiler,
    target: Path,
) -> CodeResult:
    """Compiles the features and compares them with NumPy's on recordings.

    Args:
        front: C code of the features.
        config: configuration of the features.
        recordings: samples int16 [samples] of each.
        folder: folder for what is compiled.
        compiler: compiler of this computer.
        target: folder that the code will be in.

    Raises:
        ExportError: a compiler or a sanitizer complained, or the features are others.
    """
    prefix = front.code.interface.prefix
    (folder / f"{prefix}.h").write_text(front.code.header, encoding="ascii")
    (folder / f"{prefix}.c").write_text(front.code.source, encoding="ascii")
    parts = [hops_of(samples, config, front.delay) for samples in recordings]
    expected = _expected(config, parts, front)
    given = [[{SAMPLES: hop} for hop in part] for part in parts]
    comparison = Comparison(FEATURES, [{}] * len(given), [{FEATURES: one} for one in expected])

    def prove(program: CompiledCode) -> tuple[OutputError, ...]:
        found = [
            {FEATURES: np.stack([one[FEATURES] for one in calls[front.delay - 1 :]][: len(wanted)])}
            for calls, wanted in zip(program.stream(target, given), expected, strict=True)
        ]
        return compare(comparison, found, TOLERANCES[config.kind])

    hops = [hop for part in given for hop in part]
    proven = proven_builds(
        front.code, folder, compiler, compiler.time_limit, prove, hops, "the features in C"
    )
    return CodeResult(
        folder=target,
        interface=front.code.interface,
        mode="streaming",
        errors=proven.errors,
        cost=proven.cost,
        compiler=compiler.version,
        sanitized=proven.program.sanitized,
        reference_data="representative",
        measured_on=ProofExtent(len(given), max(map(len, expected)), 1),
        check=proven.check,
    )


def _expected(config: FeatureConfig, parts: list[np.ndarray], front: FrontEnd) -> list[np.ndarray]:
    extract = SpeechFeatures(config)
    return [
        extract(part[: len(part) - front.delay].ravel().astype(np.float32) / 32768.0)
        for part in parts
    ]
