"""A story of the documentation: the files that a page shows, and the commands that it gives."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


class Story:
    """A page whose blocks of data and of commands are used as they stand.

    Args:
        page: name of the page in docs/.
    """

    def __init__(self, page: str) -> None:
        self._text = (DOCS / page).read_text(encoding="utf-8")

    def write_files(self, folder: Path, *names: str) -> None:
        """Writes the page's blocks of data, in their order, to files of these names."""
        blocks = self._blocks("json", "tsv", "text")
        assert len(blocks) == len(names)
        for name, content in zip(names, blocks, strict=True):
            assert f"`{name}`" in self._text
            (folder / name).write_text(content, encoding="utf-8")

    def commands(self) -> list[list[str]]:
        """The arguments of each command of rnn-apps, in the page's order."""
        text = "".join(self._blocks("bash")).replace("\\\n", "")
        lines = [line for line in text.splitlines() if line.strip()]
        assert all(line.startswith("rnn-apps ") for line in lines)
        return [shlex.split(line)[1:] for line in lines]

    def _blocks(self, *languages: str) -> list[str]:
        pattern = rf"^```(?:{'|'.join(languages)})\n(.*?)^```"
        return re.findall(pattern, self._text, re.MULTILINE | re.DOTALL)
