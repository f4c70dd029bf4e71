"""The laws of the house as functions: run them on a component of your own."""

from penchant.testing.folding import (
    FOLDING_LAWS,
    LawBroken,
    check_attention,
    check_encoder,
    check_fold,
    check_model,
)
from penchant.testing.judging import LOSS_LAWS, check_loss
from penchant.testing.parts import check_head, check_items
from penchant.testing.searching import INDEX_LAWS, check_index
from penchant.testing.subjects import (
    Histories,
    Subject,
    attention_subject,
    encoder_subject,
    model_subject,
)

__all__ = [
    "FOLDING_LAWS",
    "INDEX_LAWS",
    "LOSS_LAWS",
    "Histories",
    "LawBroken",
    "Subject",
    "attention_subject",
    "check_attention",
    "check_encoder",
    "check_fold",
    "check_head",
    "check_index",
    "check_items",
    "check_loss",
    "check_model",
    "encoder_subject",
    "model_subject",
]
