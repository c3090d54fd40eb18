"""What builds the files for TensorFlow Lite Micro: CMake, ESP-IDF, Arduino and PlatformIO."""

from __future__ import annotations

import json
from pathlib import Path

from pipelines.base.atomic_files import write_text

VERSION = "1.0.0"
# Every build file has this somewhere, so that it is known from one that the user wrote.
_OURS = "made by rnn-apps"

_CMAKE = """\
# The models in this folder with TensorFlow Lite Micro, made by rnn-apps.
#
# By itself it builds one program per model; added to a project, the library rnn_apps_models without
# their main(). ESP-IDF takes the folder as a component.
file(GLOB RNN_APPS_EXAMPLES "${CMAKE_CURRENT_LIST_DIR}/*_example.cc")
if(ESP_PLATFORM)
  idf_component_register(SRCS ${RNN_APPS_EXAMPLES} INCLUDE_DIRS ".")
else()
  cmake_minimum_required(VERSION 3.16)
  project(rnn_apps_models CXX)
  set(TFLITE_MICRO "" CACHE PATH "tflite-micro's sources, whose Makefile has built the library")
  set(TFLITE_MICRO_LIBRARY "" CACHE FILEPATH "libtensorflow-microlite.a for the processor")
  if(NOT EXISTS "${TFLITE_MICRO}/tensorflow/lite/micro/micro_interpreter.h")
    message(FATAL_ERROR "Give -DTFLITE_MICRO=FOLDER, the sources of tflite-micro")
  endif()
  set(TFLITE_MICRO_DOWNLOADS ${TFLITE_MICRO}/tensorflow/lite/micro/tools/make/downloads)
  function(rnn_apps_settings NAME)
    target_compile_features(${NAME} PUBLIC cxx_std_17)
    # As the library was compiled: without it tensors have another layout here than there.
    target_compile_definitions(${NAME} PUBLIC TF_LITE_STATIC_MEMORY)
    target_include_directories(${NAME} PUBLIC ${CMAKE_CURRENT_LIST_DIR} ${TFLITE_MICRO}
      ${TFLITE_MICRO_DOWNLOADS}/flatbuffers/include ${TFLITE_MICRO_DOWNLOADS}/gemmlowp
      ${TFLITE_MICRO_DOWNLOADS}/ruy)
    target_link_libraries(${NAME} PUBLIC ${TFLITE_MICRO_LIBRARY})
  endfunction()
  if(CMAKE_CURRENT_SOURCE_DIR STREQUAL CMAKE_SOURCE_DIR)
    foreach(EXAMPLE ${RNN_APPS_EXAMPLES})
      get_filename_component(NAME ${EXAMPLE} NAME_WE)
      add_executable(${NAME} ${EXAMPLE})
      rnn_apps_settings(${NAME})
    endforeach()
  else()
    add_library(rnn_apps_models STATIC ${RNN_APPS_EXAMPLES})
    target_compile_definitions(rnn_apps_models PRIVATE RNN_APPS_NO_MAIN)
    rnn_apps_settings(rnn_apps_models)
  endif()
endif()
"""

_ESP_IDF = f"""\
# The component that has TensorFlow Lite Micro; {_OURS}.
dependencies:
  espressif/esp-tflite-micro: ">=1.3.4"
"""

_ARDUINO = """\
name={stem}_model
version={version}
author=made by rnn-apps
maintainer=made by rnn-apps
sentence=Recurrent networks for TensorFlow Lite Micro.
paragraph=It needs a library with TensorFlow Lite Micro, installed beside it.
category=Data Processing
url=https://www.arduino.cc
architectures=*
includes={stem}_example.h
"""

_SKETCH = """\
// Runs the model {stem} on zeros: put what your sensor gives into the inputs.

// Arduino finds the library of TensorFlow Lite Micro by this header.
#if __has_include(<TensorFlowLite.h>)
#include <TensorFlowLite.h>
#endif
#include <{stem}_example.h>

void setup() {{
  Serial.begin(115200);
  const char* reason = nullptr;
  if (!{stem}_model::Setup(&reason)) Serial.println(reason);
}}

void loop() {{
{buffers}
  if ({stem}_model::{call}) Serial.println({shown}[0]);
  delay(100);
}}
"""


def write_project_files(
    folder: Path, stem: str, buffers: list[str], arguments: list[str]
) -> tuple[Path, ...]:
    """Writes what builds the models of a folder; a file of the same name by others stays.

    Args:
        folder: folder of NAME_model.h, NAME_example.h and NAME_example.cc.
        stem: the model's name in C++.
        buffers: declarations of the arguments of `Run`.
        arguments: names of these arguments, the outputs last.

    Returns:
        Paths of the files that are there and made by this function.
    """
    library = {
        "name": f"{stem}_model",
        "version": VERSION,
        "description": f"Recurrent networks for TensorFlow Lite Micro, {_OURS}.",
        "build": {
            "srcDir": ".",
            "includeDir": ".",
            "flags": ["-DTF_LITE_STATIC_MEMORY", "-DRNN_APPS_NO_MAIN"],
        },
    }
    sketch = _SKETCH.format(
        stem=stem,
        buffers="\n".join(buffers).replace("@STEM@", stem),
        call=f"Run({', '.join(arguments)})",
        shown=arguments[-1],
    )
    texts = {
        "CMakeLists.txt": _CMAKE,
        "idf_component.yml": _ESP_IDF,
        "library.properties": _ARDUINO.format(stem=stem, version=VERSION),
        "library.json": json.dumps(library, indent=2) + "\n",
        f"examples/{stem}_sketch/{stem}_sketch.ino": sketch,
    }
    written = []
    for name, text in texts.items():
        path = folder / name
        if path.suffix != ".ino" and path.is_file() and _OURS not in _text(path):
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, text)
        written.append(path)
    return tuple(written)


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")
