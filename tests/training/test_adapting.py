"""A language model in training: through a whole training, into a bundle and out of it again."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from penchant import Live, Recommender
from penchant.bundle import TEXT_WEIGHTS, Bundle
from penchant.cli import app
from penchant.config import Config, with_chosen_loss
from penchant.errors import ConfigError, EnvironmentFault, TrainingInterrupted
from penchant.events import FeatureEncoder, PreparedData
from penchant.items import TextReader, TunedText
from penchant.sequences.loader import TrainingLoader
from penchant.serving.later_items import ItemReader
from penchant.texts import huggingface
from penchant.training import Run, build_objective, fresh_model, train
from penchant.training.adapting import TextCost, check_adaptation, text_cost
from penchant.training.checkpoints import Checkpoint
from penchant.training.optimizers import build_optimizer
from penchant.training.trainer import Trainer

from ..readers import small_reader
from .small import NUM_ITEMS, check_fused_equals_plain, quick_config, small_data
from .test_sitting import Stopper, assert_equal_runs

TITLES = [
    *("green soap", "steel comb", "lavender oil for dry skin", "a wood brush", "hand cream"),
    *("soap bar", None, "oil", "comb for hair", "green brush", "cream and oil", "steel brush"),
    "dry hair",
]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PENCHANT_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def titled() -> PreparedData:
    data = small_data()
    table = data.item_table.select("item_id").with_columns(title=pl.Series(TITLES))
    return replace(data, item_table=table, encoder=FeatureEncoder.fit(table))


def adapting(folder: str | Path = "", adaptation: str = "lora", **changes) -> Config:
    chosen = {
        "items.kind": "mixture",
        "items.identity_dropout": 0.2,
        "text.model": str(folder or small_reader()),
        "text.projection": "pca",
        "text.num_directions": 5,
        "text.adaptation": adaptation,
        "text.lora_rank": 2,
        "text.rate": 0.5,
        "loss.kind": "sampled_softmax",
        "loss.num_negatives": 4,
    }
    return quick_config().override(chosen).override(changes)


@pytest.fixture(scope="module")
def unbroken(titled, tmp_path_factory) -> Run:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PENCHANT_CACHE", str(tmp_path_factory.mktemp("cache")))
        directory = tmp_path_factory.mktemp("runs") / "a"
        return train(titled, adapting(), directory, reporter="none").run


def first_batch(data: PreparedData):
    return next(iter(TrainingLoader(data.log.train, 6, 60, seed=5).epoch(0)))


def test_every_step_reads_each_item_that_it_needs_once(titled, monkeypatch):
    config = adapting(**{"loss.interest_weight": 0.1})
    torch.manual_seed(1)
    model, objective = fresh_model(titled, config).train(), build_objective(titled, config)
    assert objective.interest_loss.num_negatives == 4
    read: list[list[int]] = []
    made = TunedText._made

    def counting(self, items, *rest):
        read.append(items.tolist())
        return made(self, items, *rest)

    monkeypatch.setattr(TunedText, "_made", counting)
    batch = first_batch(titled)
    terms, _ = objective(model, batch)
    terms.total.backward()
    found = [item for items in read for item in items]
    assert len(found) == len(set(found))
    assert set(found) >= {*batch.events.item_index.tolist(), *batch.target_item.tolist()}
    grads = [w.grad for w in model.items.tuned.reader.parameters() if w.requires_grad]
    assert all(grad is not None for grad in grads)
    assert any(grad.any() for grad in grads)
    read.clear()
    objective(model, batch)
    assert read, "a new step reads anew"


@pytest.mark.parametrize("kind", ["bert", "llama"])
def test_the_fused_objective_equals_the_plain_loss_of_one_user(titled, kind):
    config = adapting(
        small_reader(kind), **{"text.checkpointing": True, "loss.negatives": "uniform"}
    )
    model = fresh_model(titled, config).double().eval()
    for weight in model.parameters():
        if weight.requires_grad:
            torch.nn.init.normal_(weight, std=0.4)
    objective = build_objective(titled, config).double()
    objective.interest_share, objective.nominal_targets = 1.0, 0
    log = titled.log.users(np.array([3])).train
    [batch] = TrainingLoader(log, 99, 99, seed=0).epoch(0)
    check_fused_equals_plain(objective, model, batch)


def test_training_moves_additions_and_leaves_the_base(titled, unbroken):
    config = adapting()
    torch.manual_seed(config.training.seed)
    fresh = fresh_model(titled, config).items.tuned.reader
    kept = load_file(unbroken.bundle / TEXT_WEIGHTS)
    assert kept.keys() == fresh.state_dict().keys()
    assert all("lora_" in name for name in kept if name != "base_fingerprint")
    before = fresh.state_dict()
    assert torch.equal(kept["base_fingerprint"], before["base_fingerprint"])
    moved = [name for name, weight in kept.items() if not torch.equal(weight, before[name])]
    assert len(moved) == len(kept) - 1
    names = Checkpoint.load(unbroken.last).of("model")
    assert not [name for name in names if "reader" in name and "lora_" not in name][1:]


@pytest.mark.parametrize("adaptation", ["lora", "full"])
def test_an_interrupted_training_goes_on_to_the_same_numbers(
    titled, unbroken, tmp_path, adaptation
):
    config = adapting(adaptation=adaptation)
    if adaptation == "full":
        unbroken = train(titled, config, tmp_path / "a", reporter="none").run
    with pytest.raises(TrainingInterrupted):
        train(titled, config, tmp_path / "b", reporter=Stopper(7))
    assert_equal_runs(
        unbroken, train(titled, None, tmp_path / "b", resume=True, reporter="none").run
    )


@pytest.mark.parametrize("adaptation", ["lora", "full"])
def test_a_bundle_serves_without_the_language_model(titled, tmp_path, monkeypatch, adaptation):
    folder = Path(shutil.copytree(small_reader(), tmp_path / "model"))
    seen: list[torch.Tensor] = []
    fit = Trainer.fit

    def looked_at(self, tracker):
        reason = fit(self, tracker)
        with torch.inference_mode():
            seen.append(self.model.table().clone())
        return reason

    monkeypatch.setattr(Trainer, "fit", looked_at)
    done = train(titled, adapting(folder, adaptation), tmp_path / "run", reporter="none")
    shutil.rmtree(folder)
    loaded = Recommender.load(done.run.bundle)
    assert loaded.bundle.id == done.bundle.id
    assert torch.equal(loaded.bundle.model.table(), seen[0])
    histories = [["item 3", "item 9"], ["item 6"]]
    listed = Recommender(done.bundle.config, done.bundle).recommend(histories=histories)
    assert loaded.recommend(histories=histories).equals(listed)
    names = load_file(done.run.bundle / "weights.safetensors")
    assert not any("reader" in name or "layers" in name for name in names if "text" in name)
    loaded.save(tmp_path / "again")
    assert Bundle.load(tmp_path / "again").id == done.bundle.id
    with pytest.raises(Exception, match="nothing is there"):
        ItemReader(loaded.bundle).read([{"title": "green soap"}])


def test_a_new_item_is_read_by_what_was_trained(unbroken):
    bundle = Bundle.load(unbroken.bundle)
    table = bundle.model.table()
    content = bundle.model.items.sources["text"](None)
    reader = ItemReader(bundle)
    vectors, known = reader.read([{"title": title} for title in TITLES])
    torch.testing.assert_close(vectors, content, atol=1e-5, rtol=1e-4)
    assert known.tolist() == [title is not None for title in TITLES]
    base = TextReader(reader.text_model.__class__(small_reader()), "lora", 2)
    assert torch.equal(bundle.text_weights["base_fingerprint"], base.base_fingerprint)
    with Live(bundle) as live:
        assert live.put_item({"item_id": "new", "title": "steel soap"}).can_be_recommended
        assert len(live._ranker.table) == len(table) + 1


def test_new_items_need_the_language_model_of_the_training(titled, tmp_path):
    folder = Path(shutil.copytree(small_reader(), tmp_path / "model"))
    config = adapting(folder, **{"training.num_epochs": 1})
    bundle = train(titled, config, tmp_path / "run", reporter="none").bundle
    weights = load_file(folder / "model.safetensors")
    weights["embeddings.word_embeddings.weight"][9, 2] += 0.5
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    assert Bundle.load(tmp_path / "run").id == bundle.id
    with pytest.raises(EnvironmentFault, match=r"with fingerprint .*, but here it has"):
        ItemReader(bundle).read([{"title": "green soap"}])


def test_its_weights_learn_at_a_rate_of_their_own(titled):
    config = adapting(adaptation="full", **{"training.item_rate": 8.0})
    model = fresh_model(titled, config)
    optimizer = build_optimizer(model, config.training, config.text.rate)
    rates = {id(w): group["rate"] for group in optimizer.param_groups for w in group["params"]}
    of_text = {rates[id(weight)] for weight in model.items.tuned.reader.parameters()}
    assert of_text == {0.5}
    assert rates[id(model.items.vectors.weight)] == 8.0
    assert rates[id(model.items.tuned.head[-1].weight)] == 1.0


class Hearer(Stopper):
    def __init__(self) -> None:
        super().__init__(0)
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def test_what_it_will_cost_is_said_before_the_first_step(titled, tmp_path):
    hearer = Hearer()
    run = train(titled, adapting(), tmp_path / "run", reporter=hearer).run
    [told] = [note for note in hearer.notes if note.startswith("text.adaptation")]
    # Rank 2 beside queries and values of width 12, in two layers.
    assert told.startswith(f"text.adaptation lora trains {2 * 2 * 2 * (12 + 12)} of the ")
    assert " minutes an epoch (" in told
    assert told.endswith(" MB")
    cost = run.manifest["text_cost"]
    assert cost["num_trained"] == 192
    assert cost["num_trained_in_all"] > 192
    assert cost["memory_mb"] > 0
    train(titled, quick_config(), tmp_path / "other", reporter=(silent := Hearer()))
    assert not [note for note in silent.notes if "adaptation" in note]


def test_looking_at_the_cost_changes_nothing(titled):
    config = adapting()
    model, objective = fresh_model(titled, config), build_objective(titled, config)
    loader = TrainingLoader(titled.log.train, 6, 60, seed=5)
    state, drawn = torch.random.get_rng_state(), list(model.parameters())
    before = [weight.detach().clone() for weight in drawn]
    cost = text_cost(model, objective, loader)
    assert isinstance(cost, TextCost)
    assert cost.num_steps == len(list(loader.epoch(0)))
    assert cost.texts_per_step <= NUM_ITEMS
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(one, two) for one, two in zip(before, drawn, strict=True))
    assert all(weight.grad is None for weight in drawn)


def test_reading_again_holds_less(titled, monkeypatch):
    monkeypatch.setitem(huggingface.BATCH_TOKENS, "cpu", 12)  # several batches a step
    costs = []
    for checkpointing in (False, True):
        config = adapting(**{"text.checkpointing": checkpointing})
        model, objective = fresh_model(titled, config), build_objective(titled, config)
        costs.append(text_cost(model, objective, TrainingLoader(titled.log.train, 6, 60, seed=5)))
    assert costs[1].memory_mb < costs[0].memory_mb


@pytest.mark.parametrize(
    ("changes", "num_items", "message"),
    [
        ({"items.kind": "identity"}, 13, "needs items that are read by their texts"),
        ({"items.sources": ["identity"]}, 13, "text is not among items.sources"),
        (
            {"loss.kind": "full_softmax"},
            513,
            'loss.kind "full_softmax" would have all 513 texts read anew at every step (at most '
            "512 can be). Set loss.kind=sampled_softmax",
        ),
        ({"events.negative_types": ["skip"]}, 513, "events.negative_types are held against all"),
    ],
)
def test_what_would_read_all_texts_or_none_is_refused(changes, num_items, message):
    with pytest.raises(ConfigError) as caught:
        check_adaptation(adapting(**changes), num_items)
    assert message in str(caught.value)


def test_a_small_catalogue_may_be_read_whole(titled, tmp_path):
    config = adapting(**{"loss.kind": "full_softmax", "training.num_epochs": 1})
    check_adaptation(config, 512)
    assert train(titled, config, tmp_path / "run", reporter="none").reason == "num_epochs"


def test_a_model_that_cannot_be_trained_leaves_no_run(titled, tmp_path):
    with pytest.raises(ConfigError, match='"hashing" is none'):
        train(titled, adapting("hashing"), tmp_path / "run", reporter="none")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("adaptation", "num_items", "kind"),
    [
        ("frozen", 513, "full_softmax"),
        ("lora", 513, "sampled_softmax"),
        ("full", 512, "full_softmax"),
    ],
)
def test_the_loss_that_is_chosen_reads_few_texts(adaptation, num_items, kind):
    config = Config.load("default", {"text.adaptation": adaptation}, {})
    assert with_chosen_loss(config, num_items).loss.kind == kind


def test_a_training_can_start_from_what_was_trained_of_the_language_model(
    titled, unbroken, tmp_path
):
    config = adapting(**{"training.num_epochs": 1, "training.learning_rate": 1e-9})
    after = train(titled, config, tmp_path / "b", warm_start=unbroken.path, reporter="none")
    before = Bundle.load(unbroken.bundle)
    for name, weight in before.text_weights.items():
        torch.testing.assert_close(after.bundle.text_weights[name], weight, atol=1e-6, rtol=0)
    torch.testing.assert_close(
        after.bundle.model.table(), before.model.table(), atol=1e-4, rtol=1e-4
    )
    frozen = adapting(adaptation="frozen")
    with pytest.raises(ConfigError, match=r"text\.adaptation must be that of the model"):
        train(titled, frozen, tmp_path / "c", warm_start=unbroken.path, reporter="none")


def test_a_description_names_the_language_model_and_what_was_trained(unbroken):
    told = CliRunner().invoke(app, ["describe", str(unbroken.path), "--json"])
    text = json.loads(told.stdout)["text"]
    assert (text["adaptation"], text["num_trained"]) == ("lora", 192)
    assert text["model"] == small_reader()
    plain = CliRunner().invoke(app, ["describe", str(unbroken.path)]).output
    words = " ".join(plain.split())
    assert f"(fingerprint {text['fingerprint'][:12]}), lora, 192 of its numbers trained" in words
