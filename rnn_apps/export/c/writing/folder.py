"""The folder around C code: what builds it, examples, what it is."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from rnn_apps.edge.runtime.library_check import FILE, write_checks
from rnn_apps.export.c.results import CodeFolder
from rnn_apps.export.c.writing.documents import card_of, readme_text
from rnn_apps.export.c.writing.examples import main_text, sketch_text

VERSION = "1.0.0"


def write_folder(
    folder: Path,
    sources: Mapping[str, tuple[str, str]],
    written: CodeFolder,
    chapters: str = "",
    examples: tuple[str, str] | None = None,
) -> None:
    """Writes everything that a firmware project needs to take the code as it is.

    The folder builds with CMake, and is an Arduino library, a PlatformIO library and an ESP-IDF
    component.

    Args:
        folder: a folder; what is there under the same names is replaced.
        sources: header and source by the names of their files.
        written: errors, cost and proof of the functions.
        chapters: further chapters for the README.
        examples: a program for a desktop and a sketch for Arduino; None for those that call every
            function once.
    """
    name = written.name
    interfaces = [result.interface for result in written.functions.values()]
    main, sketch = examples or (main_text(interfaces), sketch_text(interfaces))
    texts = {
        "CMakeLists.txt": _cmake(name, list(sources)),
        "library.properties": _arduino(name, list(sources)),
        "library.json": json.dumps(
            {
                "name": name,
                "version": VERSION,
                "description": "A recurrent network in C, exported by rnn-apps.",
                "build": {"srcDir": "src", "includeDir": "src"},
            },
            indent=2,
        )
        + "\n",
        "examples/desktop/main.c": main,
        f"examples/{name}_sketch/{name}_sketch.ino": sketch,
    }
    for file, (header, source) in sources.items():
        texts[f"src/{file}.h"] = header
        texts[f"src/{file}.c"] = source
    for path, text in texts.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    checks = {one.interface.prefix: one.check for one in written.functions.values()}
    write_checks(
        folder / FILE, {prefix: check for prefix, check in checks.items() if check is not None}
    )
    write_documents(folder, written, chapters)


def write_documents(folder: Path, written: CodeFolder, chapters: str = "") -> None:
    """Writes the card and the README of a folder."""
    card = json.dumps(card_of(written), indent=2) + "\n"
    (folder / "card.json").write_text(card, encoding="utf-8")
    (folder / "README.md").write_text(readme_text(written, chapters), encoding="utf-8")


def _cmake(name: str, prefixes: Sequence[str]) -> str:
    sources = " ".join(f"src/{prefix}.c" for prefix in prefixes)
    quoted = " ".join(f'"src/{prefix}.c"' for prefix in prefixes)
    return f"""if(ESP_PLATFORM)
  idf_component_register(SRCS {quoted} INCLUDE_DIRS "src")
else()
  cmake_minimum_required(VERSION 3.13)
  project({name} C)
  add_library({name} STATIC {sources})
  target_include_directories({name} PUBLIC src)
  set_target_properties({name} PROPERTIES C_STANDARD 99)
  if(CMAKE_CURRENT_SOURCE_DIR STREQUAL CMAKE_SOURCE_DIR)
    add_executable({name}_example examples/desktop/main.c)
    target_link_libraries({name}_example PRIVATE {name})
  endif()
endif()
"""


def _arduino(name: str, prefixes: Sequence[str]) -> str:
    headers = ",".join(f"{prefix}.h" for prefix in prefixes)
    return f"""name={name}
version={VERSION}
author=exported by rnn-apps
maintainer=exported by rnn-apps
sentence=A recurrent network in C.
paragraph=See README.md for what it takes and gives.
category=Data Processing
url=https://www.arduino.cc
architectures=*
includes={headers}
"""
