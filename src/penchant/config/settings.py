"""The settings that belong to no part of the model: what counts, how it is fitted and ranked.

Types and ranges stand here once; the defaults are the values of the recipe `default`.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

BINARY_METRICS: Final = ("auc", "log_loss")
"""What a training may be stopped by when its head tells probabilities, and not otherwise."""


class Settings(BaseModel):
    """A frozen section whose values have exactly the types that it declares."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class WidthSettings(Settings):
    """The one setting that stands above the sections: the width D of all vectors."""

    width: int = Field(64, ge=1)


Types = Annotated[tuple[str, ...], Field(strict=False)]
"""Names of event types, as the data has them."""


class EventSettings(Settings):
    """Which events are read, which are to be predicted, and how much each counts.

    Notes
    -----
    Events of `history_types` are folded into the memory, others move nothing. Events of
    `target_types` are to be predicted; one counts as much as `type_weights` says for its type, else
    1. All types where none are named, but those of `negative_types` (skips, dislikes) are never to
    be predicted: they are targets whose item is pushed down, each counting `negative_weight`.

    `value_as` "weight" lets a target count as much as its value (seconds watched, a price) by the
    mean of the training part; a target without a value counts 1. "target" predicts the value beside
    the item; its squared error, in standard deviations, counts `value_weight`. `log_value` takes
    the logarithm of 1 + value first.

    With `half_life_days` above 0 a target counts half as much for every so many days that it lies
    before the end of the training part, so that what was wanted long ago says less about now.
    """

    history_types: Types = ()
    target_types: Types = ()
    type_weights: dict[str, Annotated[float, Field(ge=0)]] = {}
    negative_types: Types = ()
    negative_weight: float = Field(1.0, gt=0)
    value_as: Literal["none", "weight", "target"] = "none"
    value_weight: float = Field(1.0, gt=0)
    log_value: bool = False
    half_life_days: float = Field(0.0, ge=0)


class NamedObjective(Settings):
    """One of several things to be predicted, with a readout of its own.

    Notes
    -----
    `types` are its targets, `weight` what its loss counts in the sum.
    """

    types: Annotated[tuple[str, ...], Field(strict=False, min_length=1)]
    weight: float = Field(1.0, gt=0)


class TrainingSettings(Settings):
    """How a model is fitted.

    Notes
    -----
    A batch holds about `batch_events` events (0: a 64th of the training part, from 256 to 4,096) in
    windows of at most `window` events of one user;
    `max_windows` (0: no limit) caps the windows of one user in one epoch. `drop_time_share` of the
    windows lose their times, so that bare lists of items are learned too. The best epoch by
    `metric` on the validation part is kept (`ndcg@10` unless another is named, `auc` where head and
    loss are binary); after `patience` epochs without a better one the training ends. `schedule`
    says what follows after `warmup_steps`. `validation_users` are drawn by chance, always the same
    ones. It, `num_threads`, `checkpoint_minutes` and `max_minutes` mean no limit, torch's own
    choice, none within an epoch, and no limit when they are 0. `optimizer` is `adamw`;
    `sparse_adamw`, which comes to the same with the work of the items that a step used; or `auto`:
    the latter for a loss that samples a large catalogue. The vectors of items learn at `item_rate`
    times the `learning_rate`: more than 1 where most items have few events.
    """

    optimizer: Literal["auto", "adamw", "sparse_adamw"] = "auto"
    learning_rate: float = Field(1e-3, gt=0)
    item_rate: float = Field(1.0, gt=0)
    weight_decay: float = Field(0.01, ge=0)
    batch_events: int = Field(0, ge=0)
    window: int = Field(200, ge=2)
    max_windows: int = Field(0, ge=0)
    num_epochs: int = Field(100, ge=1)
    patience: int = Field(10, ge=1)
    metric: str = Field(
        "ndcg@10", pattern=r"^(ndcg|hit|recall|mrr|map|precision)@[1-9]\d*$|^(auc|log_loss)$"
    )
    schedule: Literal["constant", "cosine"] = "constant"
    warmup_steps: int = Field(100, ge=0)
    max_gradient_norm: float = Field(1.0, gt=0)
    drop_time_share: float = Field(0.1, ge=0, le=1)
    seed: int = Field(0, ge=0)
    device: str = Field("auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    num_threads: int = Field(0, ge=0)
    validation_users: int = Field(0, ge=0)
    checkpoint_minutes: float = Field(10.0, ge=0)
    max_minutes: float = Field(0.0, ge=0)
    tracker: Literal["tensorboard", "none"] = "tensorboard"


class ObjectiveSettings(Settings):
    """What the section of the loss may set beside the settings of its kind.

    Notes
    -----
    L = L_seq + `interest_weight` · L_int; L_int is computed at each window's last position and at
    `interest_share` of the others. For the binary loss an event was taken where its value is at
    least `least_value` and its type is among `taken_types`, where these are given.

    `contrast_weight` adds a contrast between positions with the same target, `view_weight` one
    between two passes over the histories, which differ by dropout and by `view_drop_share` of the
    events that the second leaves out. Both are taken at `contrast_positions` of a batch, by cosine
    over `contrast_temperature`.
    """

    interest_weight: float = Field(0.1, ge=0)
    interest_share: float = Field(0.1, ge=0, le=1)
    least_value: float | None = None
    taken_types: Types = ()
    contrast_weight: float = Field(0.0, ge=0)
    view_weight: float = Field(0.0, ge=0)
    contrast_temperature: float = Field(0.1, gt=0)
    contrast_positions: int = Field(512, ge=2)
    view_drop_share: float = Field(0.0, ge=0, lt=1)


class TextSettings(Settings):
    """How texts of items become vectors, where a kind of items reads them.

    Notes
    -----
    `model` is a short name (`penchant text-models` lists them), the name of a Hugging Face model
    or a folder; `auto` is the best that is at hand without a network. A text is made of an item's
    columns by `template`, such as "{title}. {category}", by their usual names where it is empty,
    and cut at `max_tokens`. Vectors are turned by `projection`, fitted on the items of the training
    part: `whitening` gives all directions unit variance, `pca` and `none` keep theirs; the
    strongest `num_directions` are kept, all where it is 0.

    By `adaptation` the model stays as it is (`frozen`: vectors are made once and cached), gets
    trained additions of rank `lora_rank` (`lora`), or is trained as a whole (`full`); the vectors
    that a step needs are then made anew at every step, and turned as those of the frozen model
    were. Its trained weights learn at `rate` times the `training.learning_rate`. With
    `checkpointing` only one batch of texts is held for gradients at a time, each of which is read
    twice.
    """

    model: str = Field("auto", min_length=1)
    template: str = ""
    max_tokens: int = Field(64, ge=4)
    projection: Literal["whitening", "pca", "none"] = "whitening"
    num_directions: int = Field(0, ge=0)
    adaptation: Literal["frozen", "lora", "full"] = "frozen"
    lora_rank: int = Field(8, ge=1)
    rate: float = Field(0.1, gt=0)
    checkpointing: bool = False


class EvaluationSettings(Settings):
    """How a model is ranked, and which items its lists leave out.

    Notes
    -----
    An event of one of `seen_types`, of any type where none are named, makes its item seen.
    """

    exclude_seen: bool = True
    seen_types: Types = ()
    block_events: int = Field(50_000, ge=1)
