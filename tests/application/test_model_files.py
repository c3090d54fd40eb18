"""A `.keras` file that is damaged, cut short or something else is refused by name."""

from __future__ import annotations

import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest

from pipelines.base.errors import UserError
from rnn_apps.export.model_files import open_model


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "model.keras"
    inputs = keras.Input((4, 2))
    keras.Model(inputs, keras.layers.SimpleRNN(3)(inputs)).save(path)
    return path


def damaged(saved: Path, content: bytes) -> Path:
    path = saved.with_name("damaged.keras")
    path.write_bytes(content)
    return path


def test_a_whole_file_is_read(saved: Path) -> None:
    assert open_model(str(saved)).output_shape == (None, 3)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_a_file_that_is_cut_short_is_refused(saved: Path, share: float) -> None:
    content = saved.read_bytes()
    path = damaged(saved, content[: int(share * len(content))])
    with pytest.raises(UserError, match=r"damaged\.keras: the file is damaged or cut short"):
        open_model(str(path))


def test_a_changed_byte_of_any_member_is_refused(saved: Path) -> None:
    content = saved.read_bytes()
    with zipfile.ZipFile(saved) as archive:
        members = archive.infolist()
    generator = np.random.default_rng(0)
    for member in members:
        start = member.header_offset + 30 + len(member.filename)
        changed = bytearray(content)
        changed[start + int(generator.integers(member.compress_size))] ^= 0x55
        with pytest.raises(UserError, match="damaged or cut short"):
            open_model(str(damaged(saved, bytes(changed))))
    assert len(members) >= 3


@pytest.mark.parametrize("content", [b"", b"P", b"a text, not a model\n"])
def test_what_is_not_an_archive_is_refused(saved: Path, content: bytes) -> None:
    with pytest.raises(UserError, match=r"this is not a \.keras file"):
        open_model(str(damaged(saved, content)))
