"""Recorded speech: read, checked, turned into features, augmented and batched for CTC.

from pipelines.speech import FeatureConfig, extract_features, load_recordings
recordings = load_recordings("file:manifest.csv")
store = extract_features(recordings, FeatureConfig(), folder="cache")
"""

from __future__ import annotations

from pipelines.lazy_names import lazy_names

_HOMES = {
    "FeatureConfig": "feature_config",
    "FeatureStore": "feature_store",
    "Recording": "recordings",
    "Recordings": "recordings",
    "SpeechBatches": "batching",
    "extract_features": "feature_store",
    "features": "librosa_features",
    "load_recordings": "loading",
    "read_audio": "audio",
    "stream_audio": "audio",
}

__all__ = sorted(_HOMES)

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
