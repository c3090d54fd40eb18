"""Recorded speech: read, checked, turned into features, augmented and batched for CTC.

from pipelines.speech import FeatureConfig, extract_features, load_recordings
recordings = load_recordings("file:manifest.csv")
store = extract_features(recordings, FeatureConfig(), cache_dir="cache")
"""

from __future__ import annotations

from pipelines.base.lazy_names import lazy_names

_HOMES = {
    "FeatureConfig": "feature_extraction.configuration",
    "FeatureStore": "feature_extraction.feature_store",
    "Recording": "recordings.recording",
    "Recordings": "recordings.recording",
    "SpeechBatches": "feature_extraction.batching",
    "extract_features": "feature_extraction.feature_store",
    "features": "feature_extraction.librosa_features",
    "load_recordings": "recordings.loading",
    "read_audio": "audio.reading",
    "stream_audio": "audio.reading",
}

__all__ = sorted(_HOMES)

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
