"""RecBole's SASRec on the task: every prefix is an example of its own, full softmax at its end.

Its lists keep seen items in, as it ranks by itself; the validation figure leaves them out.
"""

from __future__ import annotations

import measures  # first: the clock starts with it

# isort: split
import logging
import time
import warnings
from pathlib import Path

import numpy as np
import recbole
import torch
from recbole.config import Config
from recbole.data import create_dataset
from recbole.data.dataloader import FullSortEvalDataLoader, TrainDataLoader
from recbole.data.interaction import Interaction
from recbole.model.sequential_recommender import SASRec
from recbole.trainer import Trainer
from recbole.utils import init_seed
from recbole.utils.case_study import full_sort_topk

NAME = "events"
BATCH_SIZE = 2048  # its default


def write_events(task: measures.Task, folder: Path) -> None:
    """Write its atomic file: one line per event."""
    (folder / NAME).mkdir(parents=True, exist_ok=True)
    users = np.repeat(np.arange(task.num_users), task.lengths)
    place = np.arange(len(task.item)) - np.repeat(task.offsets[:-1], task.lengths)
    np.savetxt(
        folder / NAME / f"{NAME}.inter",
        np.stack([users, task.item, place], axis=1),
        fmt="%d",
        delimiter="\t",
        header="user_id:token\titem_id:token\ttimestamp:float",
        comments="",
    )


def config_of(task: measures.Task, settings: measures.Settings, folder: Path) -> Config:
    return Config(
        model="SASRec",
        dataset=NAME,
        config_dict={
            "data_path": str(folder),
            "checkpoint_dir": str(folder / "saved"),
            "load_col": {"inter": ["user_id", "item_id", "timestamp"]},
            "MAX_ITEM_LIST_LENGTH": task.window,
            "hidden_size": settings.width,
            "inner_size": settings.feed_forward * settings.width,
            "n_layers": settings.num_layers,
            "n_heads": settings.num_heads,
            "hidden_dropout_prob": settings.dropout_rate,
            "attn_dropout_prob": settings.dropout_rate,
            "loss_type": "CE",
            "train_neg_sample_args": None,
            "learning_rate": settings.learning_rate,
            "train_batch_size": settings.batch_size or BATCH_SIZE,
            "epochs": settings.num_epochs,
            "eval_args": {"order": "TO", "split": {"LS": "valid_only"}, "mode": "full"},
            "use_gpu": False,
            "show_progress": False,
            "state": "WARNING",
            "seed": settings.seed,
        },
    )


class Sequences:
    """The task's histories in the form that the model reads."""

    def __init__(self, task: measures.Task, dataset: object) -> None:
        self.task = task
        names = [str(item) for item in range(task.num_items)]
        self.inside = dataset.token2id(dataset.iid_field, names)  # (I,)
        self.index = np.concatenate([[0], self.inside])

    def examples(self, users: np.ndarray) -> Interaction:
        rows, lengths = self.task.padded(users, first_item=1, left=False)
        return Interaction(
            {
                "item_id_list": torch.from_numpy(self.index[rows]),
                "item_length": torch.from_numpy(lengths),
            }
        )


def list_loader(config: Config, dataset: object, task: measures.Task) -> FullSortEvalDataLoader:
    """Return a loader that holds each listed user once, with the whole history."""
    users = np.array(task.listed_users(task.num_users))
    examples = Sequences(task, dataset).examples(users)
    examples.update(
        Interaction(
            {
                "user_id": torch.from_numpy(inside_users(dataset, users)),
                "item_id": torch.ones(len(users), dtype=torch.int64),
            }
        )
    )
    return FullSortEvalDataLoader(config, dataset.copy(examples), sampler=None)


def inside_users(dataset: object, users: np.ndarray) -> np.ndarray:
    return dataset.token2id(dataset.uid_field, [str(user) for user in users])


def main() -> None:
    task, settings = measures.asked()
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    torch.set_num_threads(settings.num_threads)
    folder = Path.cwd() / "recbole-data"
    write_events(task, folder)
    config = config_of(task, settings, folder)
    init_seed(settings.seed, reproducibility=False)
    dataset = create_dataset(config)
    dataset._change_feat_format()  # makes the prefixes; its own splits would hold events back
    loader = TrainDataLoader(config, dataset, sampler=None, shuffle=True)
    model = SASRec(config, dataset).to(config["device"])
    trainer = Trainer(config, model)
    sequences = Sequences(task, dataset)

    @torch.no_grad()
    def scores(users: np.ndarray) -> np.ndarray:
        model.eval()
        return model.full_sort_predict(sequences.examples(users))[:, sequences.inside].numpy()

    epochs = measures.Epochs(task, settings, scores)
    for number in range(settings.num_epochs):
        epochs.begin()
        start = time.perf_counter()
        trainer._train_epoch(loader, number)
        if epochs.end(time.perf_counter() - start):
            break
    lists = list_loader(config, dataset, task)
    users = task.listed_users(settings.num_lists)
    inside = {user: inside_users(dataset, np.array([user])) for user in users}
    measures.tell(
        {
            **epochs.figures(),
            "version": recbole.__version__,
            "torch": torch.__version__,
            "batch": f"{config['train_batch_size']} prefixes",
            "own_targets": len(dataset),
            "list_ms": measures.list_ms(
                lambda user: full_sort_topk(inside[user], model, lists, k=measures.TOP),
                users,
            ),
        }
    )


if __name__ == "__main__":
    main()
