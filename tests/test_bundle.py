import json
import shutil

import numpy as np
import polars as pl
import pytest
import torch
from safetensors.torch import load_file, save_file

from penchant.bundle import Bundle, bundle_directory
from penchant.config import Config
from penchant.errors import CorruptBundleError, MissingFileError, OutputExistsError
from penchant.events import EventLog
from penchant.events.directories import checksums
from penchant.model import InterestModel, Query
from penchant.packed import NO_ELAPSED, PackedEvents
from penchant.training import Run, fresh_model

USERS = "aaaabbbcccccdde"
ITEMS = "kmnkpnmqkrmknpq"


def scores(model: InterestModel) -> torch.Tensor:
    events = PackedEvents.from_lists([[3, 1, 4], [], [5, 2]], times_ms=[[1, 50, 10**7], [], [4, 8]])
    with torch.inference_mode():
        trace, _ = model(events)
        return model.scores(model.readout(trace, torch.tensor([9, NO_ELAPSED, 10**8, 0, 3])))


@pytest.fixture(scope="module")
def data():
    events = pl.DataFrame(
        {
            "user_id": list(USERS),
            "item_id": list(ITEMS),
            "timestamp": [1_000_000_000 + 86_400 * day * day for day in range(len(USERS))],
            "value": [float(day % 4) for day in range(len(USERS))],
        }
    )
    items = pl.DataFrame(
        {
            "item_id": list("kmnpqr"),
            "genre": ["War", "Drama", None, "War", "Drama", "War"],
            "price": [1.0, 9.0, None, 4.0, 2.5, 7.0],
        }
    )
    return EventLog.read(events, items=items).prepare(split="leave-one-out")


@pytest.fixture(params=["identity", "features"])
def bundle(data, request) -> Bundle:
    torch.manual_seed(2)
    config = Config.load("default", {"width": 8, "items.kind": request.param}, {})
    model = fresh_model(data, config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return Bundle.of(model, config, data)


def test_scores_are_the_same_after_loading_bit_for_bit(bundle, tmp_path):
    bundle.save(tmp_path / "bundle")
    loaded = Bundle.load(tmp_path / "bundle")
    assert scores(loaded.model).numpy().tobytes() == scores(bundle.model).numpy().tobytes()
    assert not loaded.model.training


def test_everything_else_is_the_same_after_loading(bundle, data, tmp_path):
    bundle.save(tmp_path / "bundle")
    loaded = Bundle.load(tmp_path / "bundle")
    assert loaded.config == bundle.config
    assert loaded.vocabulary == data.items
    assert loaded.item_table.equals(data.item_table)
    assert loaded.encoder == data.encoder
    assert loaded.event_types == ("event",)
    counts = np.bincount(data.log.train.item_index, minlength=6)
    assert loaded.item_counts.tolist() == counts.tolist()
    assert loaded.facts == bundle.facts
    assert loaded.facts["fingerprint"] == data.fingerprint
    assert loaded.facts["num_train_events"] == (4 - 2) + (3 - 2) + (5 - 2) + 2 + 1


def test_same_content_has_the_same_id(bundle, tmp_path):
    bundle.save(tmp_path / "one")
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    loaded = Bundle.load(tmp_path / "two")
    assert loaded.id == bundle.id == json.loads((tmp_path / "one/bundle.json").read_text())["id"]
    assert len(bundle.id) == 12


def test_other_weights_have_another_id(bundle, data):
    other = Bundle.of(fresh_model(data, bundle.config), bundle.config, data)
    assert other.id != bundle.id


def test_loading_leaves_the_random_state_alone(bundle, tmp_path):
    bundle.save(tmp_path / "bundle")
    before = torch.get_rng_state()
    Bundle.load(tmp_path / "bundle")
    assert torch.equal(torch.get_rng_state(), before)


FILES = ["weights.safetensors", "items.parquet", "config.toml", "features.json"]


def test_files_are_all_listed(bundle, tmp_path):
    bundle.save(tmp_path / "bundle")
    names = sorted(file.name for file in (tmp_path / "bundle").iterdir())
    assert names == sorted([*FILES, "bundle.json"])


@pytest.mark.parametrize("name", [*FILES, "bundle.json"])
def test_missing_file_is_refused_by_name(bundle, tmp_path, name):
    bundle.save(tmp_path / "bundle")
    (tmp_path / "bundle" / name).unlink()
    with pytest.raises(CorruptBundleError, match=name):
        Bundle.load(tmp_path / "bundle")


@pytest.mark.parametrize("name", [*FILES, "bundle.json"])
def test_cut_file_is_refused_by_name(bundle, tmp_path, name):
    bundle.save(tmp_path / "bundle")
    file = tmp_path / "bundle" / name
    file.write_bytes(file.read_bytes()[:-3])
    with pytest.raises(CorruptBundleError, match=name):
        Bundle.load(tmp_path / "bundle")


@pytest.mark.parametrize("name", FILES)
def test_altered_file_is_refused_by_name(bundle, tmp_path, name):
    bundle.save(tmp_path / "bundle")
    file = tmp_path / "bundle" / name
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(bytes(content))
    with pytest.raises(CorruptBundleError, match=f"{name} was altered"):
        Bundle.load(tmp_path / "bundle")


def test_newer_format_is_refused_with_the_version_that_wrote_it(bundle, tmp_path):
    bundle.save(tmp_path / "bundle")
    manifest = tmp_path / "bundle" / "bundle.json"
    text = manifest.read_text().replace('"format": 1', '"format": 2')
    manifest.write_text(text.replace('"version": "', '"version": "9.'))
    with pytest.raises(CorruptBundleError, match=r"format 2, written by Penchant 9\."):
        Bundle.load(tmp_path / "bundle")


def _sign_again(directory):
    manifest = json.loads((directory / "bundle.json").read_text())
    (directory / "bundle.json").unlink()
    manifest["files"] = checksums(directory)
    (directory / "bundle.json").write_text(json.dumps(manifest))


def test_weights_that_do_not_fit_the_configuration_are_refused(bundle, tmp_path):
    bundle.save(tmp_path / "bundle")
    path = tmp_path / "bundle" / "weights.safetensors"
    tensors = load_file(path)
    del tensors["model.head.bias"]
    save_file(tensors, path)
    _sign_again(tmp_path / "bundle")
    with pytest.raises(CorruptBundleError, match=r"does not fit together: .*head\.bias"):
        Bundle.load(tmp_path / "bundle")


def test_items_that_do_not_fit_the_weights_are_refused(bundle, tmp_path):
    bundle.save(tmp_path / "bundle")
    bundle.item_table.head(5).write_parquet(tmp_path / "bundle" / "items.parquet")
    _sign_again(tmp_path / "bundle")
    with pytest.raises(CorruptBundleError, match=r"does not fit together: .*size mismatch"):
        Bundle.load(tmp_path / "bundle")


def test_pickle_in_place_of_weights_is_not_read(bundle, tmp_path):
    bundle.save(tmp_path / "bundle")
    torch.save({"model.head.bias": torch.ones(3)}, tmp_path / "bundle" / "weights.safetensors")
    _sign_again(tmp_path / "bundle")
    with pytest.raises(CorruptBundleError, match="does not fit together"):
        Bundle.load(tmp_path / "bundle")


def test_directory_that_exists_is_refused(bundle, tmp_path):
    bundle.save(tmp_path / "bundle")
    with pytest.raises(OutputExistsError, match="exists already"):
        bundle.save(tmp_path / "bundle")
    bundle.save(tmp_path / "bundle", overwrite=True)
    assert [file.name for file in tmp_path.iterdir()] == ["bundle"]


def test_nothing_is_left_where_saving_fails(bundle, tmp_path, monkeypatch):
    monkeypatch.setattr(pl.DataFrame, "write_parquet", _fail)
    with pytest.raises(OSError, match="disk full"):
        bundle.save(tmp_path / "bundle")
    assert list(tmp_path.iterdir()) == []


def _fail(*_):
    raise OSError("disk full")


def test_run_stands_for_its_bundle(bundle, data, tmp_path):
    run = Run.create(tmp_path / "run", data, bundle.config)
    bundle.save(run.bundle)
    assert bundle_directory(run.path) == run.bundle
    assert Bundle.load(run.path).id == bundle.id


def test_run_without_a_bundle_says_how_to_finish_it(bundle, data, tmp_path):
    run = Run.create(tmp_path / "run", data, bundle.config)
    run.update(state="interrupted")
    with pytest.raises(MissingFileError) as caught:
        Bundle.load(run.path)
    assert "has no bundle yet: its training is interrupted" in caught.value.message
    assert f"--out {run.path} --resume" in caught.value.hint


def test_directory_that_is_no_bundle_is_refused(tmp_path):
    with pytest.raises(CorruptBundleError, match=r"it has no bundle\.json"):
        Bundle.load(tmp_path)
    with pytest.raises(MissingFileError, match="no directory"):
        Bundle.load(tmp_path / "gone")


def test_a_bundle_of_several_objectives_reads_each_of_them_as_before(data, tmp_path):
    config = Config.load(
        "default",
        {
            "width": 8,
            "items.kind": "identity",
            "objectives": {"first": {"types": ["event"]}, "second": {"types": ["event"]}},
            "events.value_as": "target",
            "behaviour": {"use_elapsed": True, "use_calendar": True},
            "readout.query_calendar": True,
        },
        {},
    )
    model = fresh_model(data, config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    Bundle.of(model, config, data).save(tmp_path / "bundle")
    loaded = Bundle.load(tmp_path / "bundle")
    assert loaded.config == config
    asked = Query(torch.tensor([10**9]))
    found = []
    for one in (model, loaded.model):
        events = PackedEvents.from_lists([[3, 1, 4]], times_ms=[[1, 50, 10**7]])
        with torch.inference_mode():
            state = one(events)[1]
            vectors = [one.read(state, asked._replace(objective=o)).vectors for o in one.objectives]
            found.append([*vectors, one.values(state, asked, one.items(torch.tensor([2])))])
    assert not torch.equal(found[0][0], found[0][1])
    for before, after in zip(*found, strict=True):
        assert torch.equal(before, after)
