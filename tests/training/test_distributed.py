from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import distributed_process
import numpy as np
import pytest

from pipelines.base.errors import ConfigurationError
from rnn_apps.training.optimisation.strategies import check_cluster, make_strategy

SUPPORT = Path(__file__).parents[1] / "support"


def start(strategy: str, folder: Path, cluster: str = "") -> subprocess.Popen[str]:
    folder.mkdir(exist_ok=True)
    environment = {**os.environ, "PYTHONPATH": f"{SUPPORT.parents[1]}{os.pathsep}{SUPPORT}"}
    if cluster:
        environment["TF_CONFIG"] = cluster
    command = [sys.executable, str(SUPPORT / "distributed_process.py"), strategy, str(folder)]
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def finish(process: subprocess.Popen[str]) -> None:
    output, _ = process.communicate(timeout=400)
    assert process.returncode == 0, output[-4000:]


def results(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted(folder.glob("seen-*.json"))]


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """One device, the same global batch."""
    folder = tmp_path_factory.mktemp("single")
    distributed_process.train("none", folder)
    return results(folder)[0]


def assert_same_training(found: dict[str, Any], single: dict[str, Any]) -> None:
    np.testing.assert_allclose(found["losses"], single["losses"], rtol=2e-5)
    for weight, expected in zip(found["weights"], single["weights"], strict=True):
        np.testing.assert_allclose(weight, expected, atol=2e-5)


def assert_each_example_once(workers: list[dict[str, Any]], epochs: int) -> None:
    for epoch in range(epochs):
        seen = Counter(n for worker in workers for n in worker["seen"][str(epoch)])
        assert seen == Counter(range(distributed_process.EXAMPLES))


@pytest.mark.slow
def test_two_workers_train_as_one(single: dict[str, Any], tmp_path: Path) -> None:
    addresses = [f"127.0.0.1:{port}" for port in free_ports(2)]
    processes = [
        start(
            "multiworker",
            tmp_path,
            json.dumps(
                {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
            ),
        )
        for index in range(2)
    ]
    try:
        for process in processes:
            finish(process)
    finally:
        for process in processes:
            process.kill()
    workers = results(tmp_path)
    assert len(workers) == 2
    assert_each_example_once(workers, distributed_process.CONFIG.epochs)
    for worker in workers:
        assert_same_training(worker, single)
    # Both ended with the same bits, and one of them wrote the run.
    assert workers[0]["weights"] == workers[1]["weights"]
    names = sorted(path.name for path in (tmp_path / "run").iterdir())
    assert names == ["checkpoints", "gradient_flow.json", "history.csv", "model.keras"]


def test_two_devices_train_as_one_and_resume(single: dict[str, Any], tmp_path: Path) -> None:
    process = start("mirrored", tmp_path)
    finish(process)
    workers = results(tmp_path)
    # The second training of the process resumed the first and added an epoch.
    assert list(workers[0]["seen"]) == ["3"]
    assert_each_example_once([{"seen": {"0": workers[0]["seen"]["3"]}}], 1)
    assert len(workers[0]["losses"]) == distributed_process.CONFIG.epochs + 1
    np.testing.assert_allclose(workers[0]["losses"][:3], single["losses"], rtol=2e-5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "needs the environment variable TF_CONFIG"),
        ("{'cluster'", "not valid JSON"),
        ("[]", "not a JSON object"),
        ('{"cluster": {"ps": ["a:1"]}}', "must list the addresses of every 'worker'"),
        ('{"cluster": {"worker": ["a"]}}', "'host:port'"),
        ('{"cluster": {"worker": ["a:1"]}, "task": {"type": "boss"}}', "'type' out of worker"),
        (
            '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}',
            "'index' from 0 to 0",
        ),
    ],
)
def test_a_wrong_cluster_is_named(monkeypatch: pytest.MonkeyPatch, text: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        check_cluster(text)
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(ConfigurationError, match=message):
        make_strategy("multiworker")
