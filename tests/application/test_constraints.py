"""The pins of ``constraints.txt`` agree with one another.

pip reads them all at once, so one pin that a pinned package's own requirements exclude stops
every installation of the README, though each package alone is there.
"""

import importlib.metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

CONSTRAINTS = Path(__file__).resolve().parents[2] / "constraints.txt"


def pins() -> dict[str, Version]:
    """The pinned version per package, the names in their canonical spelling."""
    pinned = {}
    for line in CONSTRAINTS.read_text(encoding="utf-8").splitlines():
        text = line.split("#")[0].strip()
        if text:
            requirement = Requirement(text)
            (exact,) = requirement.specifier
            assert exact.operator == "==", line
            pinned[canonicalize_name(requirement.name)] = Version(exact.version)
    return pinned


def test_no_pin_is_excluded_by_what_an_installed_package_requires() -> None:
    pinned = pins()
    excluded = []
    judged = 0
    for distribution in importlib.metadata.distributions():
        for text in distribution.requires or ():
            requirement = Requirement(text)
            version = pinned.get(canonicalize_name(requirement.name))
            if version is None or (requirement.marker and not requirement.marker.evaluate()):
                continue
            judged += 1
            if not requirement.specifier.contains(version, prereleases=True):
                excluded.append(f"{distribution.name} requires {text}, pinned is {version}")
    assert judged > 50
    assert excluded == []


def test_each_library_of_the_project_has_a_pin() -> None:
    pinned = pins()
    missing = [
        text
        for text in importlib.metadata.requires("rnn-apps") or ()
        if "extra ==" not in text
        and canonicalize_name(Requirement(text).name) not in pinned
        and canonicalize_name(Requirement(text).name) != "rnn-apps"
    ]
    assert missing == []
