"""Runs exported models on the device: numpy and one runtime, neither TensorFlow nor Keras.

`load` opens a .tflite file on LiteRT or on TensorFlow Lite Micro; `StreamingSession` carries the
state from chunk to chunk; `sampling`, `search`, `ctc` and `forecasting` turn what the four
applications' models give into text, labels and forecasts; `EdgeRecogniser` goes from a microphone
to words.
"""

from __future__ import annotations

from pipelines.base.lazy_names import lazy_names

_HOMES = {
    "load": "runtime.model",
    "EdgeModel": "runtime.model",
    "Signature": "runtime.signatures",
    "TensorSpec": "runtime.signatures",
    "StreamingSession": "runtime.streaming",
    "SamplingConfig": "sampling",
    "generate": "sampling",
    "token_probabilities": "sampling",
    "BeamConfig": "search",
    "Hypothesis": "search",
    "beam_search": "search",
    "greedy_search": "search",
    "StepResult": "search",
    "EdgeDecoder": "sequence_to_sequence",
    "CtcBeamSearch": "speech.ctc_beam",
    "ctc_greedy": "speech.ctc",
    "CtcGreedy": "speech.ctc",
    "DecodingConfig": "speech.transcripts",
    "SpeechDecoder": "speech.transcripts",
    "SpeechLabels": "speech.speech_labels",
    "Transcript": "speech.transcripts",
    "Word": "speech.transcripts",
    "WordModel": "speech.word_model",
    "read_arpa": "speech.word_model",
    "EndpointConfig": "speech.endpointing",
    "RecognitionStream": "speech.recognition",
    "Utterance": "speech.recognition",
    "EdgeRecogniser": "speech.recogniser",
    "open_microphone": "speech.microphone",
    "EdgeForecaster": "forecasting",
    "EdgeLanguageModel": "language_model",
    "EdgeTranslator": "translation.translator",
    "SearchOptions": "translation.options",
    "Translation": "translation.sentences",
    "read_glossary": "translation.glossary",
}
__all__ = sorted(_HOMES)

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
