"""The figures of a model on the validation part, as early stopping reads them."""

from __future__ import annotations

import numpy as np
import torch

from penchant.config import Config
from penchant.events.arrays import Part
from penchant.events.prepared import PreparedData
from penchant.model import InterestModel, elapsed_between
from penchant.packed import PackedEvents
from penchant.sequences.ranking import cut_block, ranks
from penchant.sequences.targets import TargetBlock, target_blocks


def has_targets(data: PreparedData) -> bool:
    """Return whether there is a validation part to look at."""
    return bool((data.log.part == Part.VALIDATION).any())


@torch.inference_mode()
def validate(model: InterestModel, data: PreparedData, config: Config) -> dict[str, float]:
    """Return the ranking metrics over all validation targets, or over those of the first users."""
    model.eval()
    table = model.table()
    settings = config.evaluation
    found = []
    blocks = target_blocks(
        data.log,
        Part.VALIDATION,
        block_events=settings.block_events,
        max_users=config.training.validation_users or None,
    )
    for block in blocks:
        for piece in cut_block(block, model.num_items):
            ranked = ranks(_score(model, piece, table), piece, settings.exclude_seen)
            found.append(ranked.rank[~ranked.is_left_out])
    model.train()
    return metrics(np.concatenate(found), int(config.training.metric.split("@")[1]))


def metrics(rank: np.ndarray, k: int) -> dict[str, float]:
    """Return the metrics at k of targets with the given ranks.

    Examples
    --------
    >>> metrics(np.array([1, 3, 99]), 10)["ndcg@10"] == (1 + 1 / 2) / 3
    True
    """
    inside = rank <= k
    hit = float(inside.mean()) if len(rank) else 0.0
    reciprocal = float((inside / rank).mean()) if len(rank) else 0.0
    return {
        f"ndcg@{k}": float((inside / np.log2(rank + 1)).mean()) if len(rank) else 0.0,
        f"hit@{k}": hit,
        f"recall@{k}": hit,
        f"mrr@{k}": reciprocal,
        f"map@{k}": reciprocal,
        f"precision@{k}": hit / k,
    }


def _score(model: InterestModel, block: TargetBlock, table: torch.Tensor) -> np.ndarray:
    """Return (M, I) scores; the histories are folded once."""
    log, rows = block.log, torch.as_tensor(block.rows)
    device = table.device
    events = PackedEvents(
        torch.as_tensor(log.item_index, dtype=torch.int64),
        torch.as_tensor(log.event_type, dtype=torch.int64),
        torch.as_tensor(log.value, dtype=torch.float32),
        torch.as_tensor(log.time_ms, dtype=torch.int64),
        torch.zeros((log.num_events, 0), dtype=torch.int64),
        torch.as_tensor(log.offsets, dtype=torch.int64),
    ).to(device)
    trace, _ = model(events, None, table)
    before = (rows - 1).clamp(min=0).to(device)
    times = events.time_ms
    vectors = model.readout(trace.rows(before), elapsed_between(times[before], times[rows]))
    return model.scores(vectors, table).cpu().numpy()
