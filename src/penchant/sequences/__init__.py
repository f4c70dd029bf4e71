"""From a prepared log to training batches and evaluation targets.

Both off-by-ones live here and nowhere else.
"""

from penchant.sequences.loader import TrainingBatch, TrainingLoader
from penchant.sequences.targets import TargetBlock, target_blocks

__all__ = ["TargetBlock", "TrainingBatch", "TrainingLoader", "target_blocks"]
