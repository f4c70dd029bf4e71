"""What items are to the model: identities, attributes, and what an event adds to its item."""

from penchant.items.base import ItemEncoder, item_encoders
from penchant.items.behaviour import BehaviourInput
from penchant.items.features import FeatureArrays, FeatureTable
from penchant.items.graph import GraphTable, NeighbourArrays
from penchant.items.identity import FeatureItems, IdentityItems
from penchant.items.mixture import ItemContent, MixtureItems
from penchant.items.profile import PrefixProfile, ProfileInput, Profiles, profile_inputs
from penchant.items.rows import ItemRows, Table, whole
from penchant.items.text import TextReading, TextTable
from penchant.items.tuned_text import TextReader, TunedText, of_hugging_face, trained_on_top

__all__ = [
    "BehaviourInput",
    "FeatureArrays",
    "FeatureItems",
    "FeatureTable",
    "GraphTable",
    "IdentityItems",
    "ItemContent",
    "ItemEncoder",
    "ItemRows",
    "MixtureItems",
    "NeighbourArrays",
    "PrefixProfile",
    "ProfileInput",
    "Profiles",
    "Table",
    "TextReader",
    "TextReading",
    "TextTable",
    "TunedText",
    "item_encoders",
    "of_hugging_face",
    "profile_inputs",
    "trained_on_top",
    "whole",
]
