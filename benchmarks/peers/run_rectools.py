"""RecTools' SASRec on the task: padded sequences, full softmax at every position.

`PreLNTransformerLayers` are its blocks with a feed-forward network of four times the width.
"""

from __future__ import annotations

import measures  # first: the clock starts with it

# isort: split
import time
import warnings

import numpy as np
import pandas as pd
import rectools
import torch
from pytorch_lightning import Callback, Trainer, seed_everything
from rectools import Columns
from rectools.dataset import Dataset
from rectools.models import SASRecModel
from rectools.models.nn.item_net import IdEmbeddingsItemNet
from rectools.models.nn.transformers.net_blocks import PreLNTransformerLayers

BATCH_SIZE = 128


class Clock(Callback):
    """Times epochs, and validates between them."""

    def __init__(self, epochs: measures.Epochs) -> None:
        self.epochs = epochs

    def __deepcopy__(self, _: object) -> Clock:
        return self  # the model fits with a copy of its trainer, and the figures are wanted here

    def on_train_epoch_start(self, *_: object) -> None:
        self.epochs.begin()
        self.start = time.perf_counter()

    def on_train_epoch_end(self, trainer: Trainer, module: torch.nn.Module) -> None:
        if self.epochs.end(time.perf_counter() - self.start):
            trainer.should_stop = True
        module.train()


def dataset_of(task: measures.Task) -> Dataset:
    place = np.arange(len(task.item)) - np.repeat(task.offsets[:-1], task.lengths)
    return Dataset.construct(
        pd.DataFrame(
            {
                Columns.User: np.repeat(np.arange(task.num_users), task.lengths),
                Columns.Item: task.item,
                Columns.Weight: 1.0,
                Columns.Datetime: pd.Timestamp("2020-01-01") + pd.to_timedelta(place, unit="s"),
            }
        )
    )


def own_targets(model: SASRecModel) -> int:
    trained = model.data_preparator.train_dataset
    return len(trained.interactions.df) - trained.user_id_map.size


class Scores:
    """All items' scores for users, from the network itself."""

    def __init__(self, task: measures.Task, model: SASRecModel) -> None:
        self.task, self.model = task, model

    @torch.no_grad()
    def __call__(self, users: np.ndarray) -> np.ndarray:
        network = self.model.lightning_model.torch_model.eval()
        rows, _ = self.task.padded(users, first_item=1, left=True)
        place_of = self.model.data_preparator.item_id_map
        inside = place_of.convert_to_internal(np.arange(self.task.num_items), strict=True)
        index = np.concatenate([[0], inside])
        table = network.item_model.get_all_embeddings()
        batch = {"x": torch.from_numpy(index[rows])}
        last = network.encode_sessions(batch, table)[:, -1]  # (B, D)
        return (last @ table.T)[:, torch.from_numpy(inside)].numpy()


def main() -> None:
    task, settings = measures.asked()
    warnings.filterwarnings("ignore")
    torch.set_num_threads(settings.num_threads)
    seed_everything(settings.seed)
    dataset = dataset_of(task)
    batch_size = settings.batch_size or BATCH_SIZE

    def trainer() -> Trainer:
        return Trainer(
            max_epochs=settings.num_epochs,
            accelerator="cpu",
            devices=1,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            callbacks=[Clock(epochs)],
        )

    epochs = measures.Epochs(task, settings, lambda users: scores(users))
    model = SASRecModel(
        n_factors=settings.width,
        n_blocks=settings.num_layers,
        n_heads=settings.num_heads,
        dropout_rate=settings.dropout_rate,
        session_max_len=task.window,
        loss="softmax",
        lr=settings.learning_rate,
        batch_size=batch_size,
        item_net_block_types=(IdEmbeddingsItemNet,),
        transformer_layers_type=PreLNTransformerLayers,
        transformer_layers_kwargs={"ff_factors_multiplier": settings.feed_forward},
        get_trainer_func=trainer,
        recommend_torch_device="cpu",
    )
    scores = Scores(task, model)
    model.fit(dataset)

    def recommend(user: int) -> object:
        return model.recommend(users=[user], dataset=dataset, k=measures.TOP, filter_viewed=True)

    measures.tell(
        {
            **epochs.figures(),
            "version": rectools.__version__,
            "torch": torch.__version__,
            "batch": f"{batch_size} sequences",
            "own_targets": own_targets(model),
            "list_ms": measures.list_ms(recommend, task.listed_users(settings.num_lists)),
        }
    )


if __name__ == "__main__":
    main()
