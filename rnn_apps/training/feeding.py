"""Batches on their way to the replicas: every one gets its own share of each global batch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import tensorflow as tf

if TYPE_CHECKING:
    from pipelines.batches import Batches


def feed(
    batches: Batches, strategy: tf.distribute.Strategy, epoch: int, start_step: int = 0
) -> Iterator[tuple[Any, Any]]:
    """The batches of one epoch from `start_step` on, each with its `tf.TypeSpec`s.

    With one device a batch is what the dataset yields. With several, replica r of n asks for the
    shard (r, n) and the batch is spread over them; its specification is then None.
    """
    if strategy is tf.distribute.get_strategy():
        dataset = batches.epoch(epoch, start_step=start_step)
        for batch in dataset:
            yield batch, dataset.element_spec
        return
    replicas = strategy.num_replicas_in_sync
    shards: dict[int, Iterator[Any]] = {}

    def share(context: tf.distribute.ValueContext) -> Any:
        replica = context.replica_id_in_sync_group
        if replica not in shards:
            shard = (replica, replicas)
            shards[replica] = iter(batches.epoch(epoch, start_step=start_step, shard=shard))
        return next(shards[replica])

    for _ in range(start_step, batches.steps_per_epoch):
        yield strategy.experimental_distribute_values_from_function(share), None
