"""Indexes: find the items with the greatest scores, exactly or nearly, while items come and go."""

from penchant.indexes.approximate import ApproximateIndex
from penchant.indexes.base import Index, indexes
from penchant.indexes.choosing import AutoIndex, choose_index
from penchant.indexes.exact import ExactIndex
from penchant.indexes.facts import IndexFacts
from penchant.indexes.scanning import Found

__all__ = [
    "ApproximateIndex",
    "AutoIndex",
    "ExactIndex",
    "Found",
    "Index",
    "IndexFacts",
    "choose_index",
    "indexes",
]
