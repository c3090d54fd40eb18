"""Runs exported models on the device: numpy and one runtime, neither TensorFlow nor Keras.

`load` opens a .tflite file on LiteRT or on TensorFlow Lite Micro; `StreamingSession` carries the
state from chunk to chunk; `sampling`, `search`, `ctc` and `forecasting` turn what the four
applications' models give into text, labels and forecasts; `EdgeRecogniser` goes from a microphone
to words.
"""

from __future__ import annotations

from pipelines.lazy_names import lazy_names

_HOMES = {
    "load": "model",
    "EdgeModel": "model",
    "Signature": "model",
    "TensorSpec": "model",
    "StreamingSession": "streaming",
    "SamplingConfig": "sampling",
    "generate": "sampling",
    "token_probabilities": "sampling",
    "BeamConfig": "search",
    "Hypothesis": "search",
    "beam_search": "search",
    "greedy_search": "search",
    "StepResult": "search",
    "EdgeDecoder": "sequence_to_sequence",
    "CtcBeamSearch": "ctc_beam",
    "ctc_greedy": "ctc",
    "CtcGreedy": "ctc",
    "DecodingConfig": "transcripts",
    "SpeechDecoder": "transcripts",
    "SpeechLabels": "speech_labels",
    "Transcript": "transcripts",
    "Word": "transcripts",
    "WordModel": "word_model",
    "read_arpa": "word_model",
    "EndpointConfig": "endpointing",
    "RecognitionStream": "recognition",
    "Utterance": "recognition",
    "EdgeRecogniser": "speech",
    "open_microphone": "microphone",
    "EdgeForecaster": "forecasting",
    "EdgeLanguageModel": "language_model",
    "EdgeTranslator": "translation",
    "SearchOptions": "translation_options",
    "Translation": "sentences",
    "read_glossary": "glossary",
}
__all__ = sorted(_HOMES)

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
