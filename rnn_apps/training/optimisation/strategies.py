"""Which devices train: one, several of this machine, or several machines."""

from __future__ import annotations

import functools
import json
import logging
import os
from typing import Any

import tensorflow as tf

from pipelines.base.errors import ConfigurationError
from pipelines.base.quiet_tensorflow import has_nvidia_device

_log = logging.getLogger(__name__)
_EXAMPLE = (
    '{"cluster": {"worker": ["host1:12345", "host2:12345"]}, '
    '"task": {"type": "worker", "index": 0}}'
)


def make_strategy(name: str) -> tf.distribute.Strategy:
    """The `tf.distribute` strategy called "none", "mirrored" or "multiworker".

    "mirrored" uses every GPU, or without one every logical CPU device. "multiworker" reads the
    environment variable TF_CONFIG, and must be made before TensorFlow runs its first operation.

    Raises:
        ConfigurationError: TF_CONFIG is missing or wrong, or the strategy comes too late.
    """
    if name == "none":
        return tf.distribute.get_strategy()
    if name == "mirrored":
        devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
        return tf.distribute.MirroredStrategy([device.name for device in devices])
    check_cluster(os.environ.get("TF_CONFIG", ""))
    try:
        return tf.distribute.MultiWorkerMirroredStrategy()
    except RuntimeError as error:
        raise ConfigurationError(
            "strategy = 'multiworker' must be set up before TensorFlow runs anything: call "
            f"rnn_apps.training.make_strategy first and hand it to fit ({error})"
        ) from None


@functools.cache
def report_unused_gpu() -> None:
    """Says once per process that there is an NVIDIA device which TensorFlow cannot use.

    TensorFlow's own messages about it are hidden along with its start-up notices. A device that the
    user has hidden with CUDA_VISIBLE_DEVICES is not missed.
    """
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")
    if has_nvidia_device() and not hidden and not tf.config.list_physical_devices("GPU"):
        _log.warning(
            "This machine has an NVIDIA device that TensorFlow cannot use, so training runs on the "
            "CPU. Start again with TF_CPP_MIN_LOG_LEVEL=0 in the environment to see why."
        )


def check_cluster(text: str) -> None:
    """Refuses a TF_CONFIG that does not describe a cluster of workers and a place in it.

    Raises:
        ConfigurationError: says what is wrong and shows a correct one.
    """
    advice = f"On the first of two machines it reads: {_EXAMPLE}"
    if not text.strip():
        raise ConfigurationError(
            f"strategy = 'multiworker' needs the environment variable TF_CONFIG. {advice}"
        )
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise ConfigurationError(f"TF_CONFIG is not valid JSON: {error}. {advice}") from None
    problem = _cluster_problem(content)
    if problem:
        raise ConfigurationError(f"TF_CONFIG: {problem}. {advice}")


def _cluster_problem(content: Any) -> str | None:
    if not isinstance(content, dict):
        return "not a JSON object"
    cluster, task = content.get("cluster"), content.get("task")
    if not isinstance(cluster, dict) or not isinstance(cluster.get("worker"), list):
        return "'cluster' must list the addresses of every 'worker'"
    if not all(isinstance(a, str) and ":" in a for a in cluster["worker"]):
        return "every worker's address is a text 'host:port'"
    if not isinstance(task, dict) or task.get("type") not in cluster:
        return f"'task' must have a 'type' out of {', '.join(sorted(cluster))}"
    index = task.get("index")
    if not isinstance(index, int) or not 0 <= index < len(cluster[task["type"]]):
        return f"'task' must have an 'index' from 0 to {len(cluster[task['type']]) - 1}"
    return None


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Whether this process writes the run folder: all do but the workers after the first."""
    resolver = strategy.cluster_resolver
    if resolver is None or not resolver.cluster_spec().as_dict():
        return True
    if "chief" in resolver.cluster_spec().as_dict():
        return resolver.task_type == "chief"
    return resolver.task_id == 0


def any_worker(strategy: tf.distribute.Strategy, flag: bool) -> bool:
    """Whether the flag is set on any worker; every worker must ask."""
    return _sum_over_workers(strategy, float(flag)) > 0


def agree_on(strategy: tf.distribute.Strategy, value: int, what: str) -> None:
    """Checks that every worker has the same value.

    Raises:
        ConfigurationError: they differ, as when workers do not see the same run folder.
    """
    mean = _sum_over_workers(strategy, float(value)) / strategy.num_replicas_in_sync
    if mean != value:
        raise ConfigurationError(
            f"the workers differ in {what}: here it is {value}. They must all see the same run "
            "folder, on a shared file system"
        )


def sum_over_replicas(values: list[tf.Tensor]) -> list[tf.Tensor]:
    """The sums of each tensor over all replicas; to be called inside `strategy.run`."""
    # `identity` puts a tensor on the replica's device: several workers need to know it.
    placed = [tf.identity(value) for value in values]
    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, placed)


def _sum_over_workers(strategy: tf.distribute.Strategy, value: float) -> float:
    if strategy.num_replicas_in_sync == 1:
        return value

    @tf.function(autograph=False)
    def total(number: tf.Tensor) -> tf.Tensor:
        def replica(mine: tf.Tensor) -> tf.Tensor:
            return sum_over_replicas([mine])[0]

        return strategy.experimental_local_results(strategy.run(replica, args=(number,)))[0]

    return float(total(tf.constant(value, tf.float64)))
