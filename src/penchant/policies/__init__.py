"""Arrange a list: what may be in it, how varied it is, what chance and promotions put there."""

from penchant.policies.arranging import Arranger, Plan, Promoted
from penchant.policies.board import Scored
from penchant.policies.columns import ItemColumns
from penchant.policies.context import Context, Happened, Shown
from penchant.policies.documents import (
    check_fields,
    diff,
    load_policies,
    policies_from_dict,
    policies_from_json,
    policies_from_toml,
    policies_to_dict,
    policies_to_json,
)
from penchant.policies.eligible import Eligible
from penchant.policies.exploration import Slot
from penchant.policies.filters import Filter, filter_to_dict, parse_filter
from penchant.policies.matching import check_filter
from penchant.policies.placed import Arranged, Placed
from penchant.policies.settings import ORDER, Policies

__all__ = [
    "ORDER",
    "Arranged",
    "Arranger",
    "Context",
    "Eligible",
    "Filter",
    "Happened",
    "ItemColumns",
    "Placed",
    "Plan",
    "Policies",
    "Promoted",
    "Scored",
    "Shown",
    "Slot",
    "check_fields",
    "check_filter",
    "diff",
    "filter_to_dict",
    "load_policies",
    "parse_filter",
    "policies_from_dict",
    "policies_from_json",
    "policies_from_toml",
    "policies_to_dict",
    "policies_to_json",
]
