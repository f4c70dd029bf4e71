import json
import subprocess
import sys

import polars as pl
import pytest
import torch

from penchant.config import Config, build_labels, build_loss, build_model, recipes
from penchant.config.parts import kinds
from penchant.errors import ConfigError, MissingFileError
from penchant.events import FeatureEncoder
from penchant.items import ItemContent, TextTable
from penchant.losses import BinaryLoss


def load(*overrides, name="default", environ=None):
    return Config.load(name, overrides, {} if environ is None else environ)


def refusal(*overrides, **options) -> str:
    with pytest.raises(ConfigError) as caught:
        load(*overrides, **options)
    return str(caught.value)


@pytest.mark.parametrize("recipe", recipes(), ids=lambda recipe: recipe.name)
def test_every_recipe_builds_and_names_its_command_and_figure(recipe):
    assert recipe.text.startswith(f"# {recipe.command}\n# {recipe.figure}\n")
    assert recipe.command.startswith("penchant ")
    config = load(name=recipe.name)
    table = pl.DataFrame({"item_id": list("abcdefg"), "genre": list("xyxxyyx")})
    features = FeatureEncoder.fit(table).transform(table)
    content = ItemContent(torch.tensor([3, 0, 1, 2, 5, 1, 1]), TextTable.blank(7, 4, 3))
    model = build_model(config, 7, num_event_types=2, features=features, content=content)
    assert (model.num_items, model.width) == (7, config.width)
    build_loss(config, item_counts=[3, 0, 1, 2, 5, 1, 1])


@pytest.mark.parametrize("recipe", recipes(), ids=lambda recipe: recipe.name)
def test_written_configuration_reads_back_equal(recipe, tmp_path):
    config = load("loss.taken_types=['buy', 'a \"quoted\" \\\\ one']", name=recipe.name)
    assert Config.from_toml(config.to_toml()) == config
    (tmp_path / "c.toml").write_text(config.to_toml(), encoding="utf-8")
    assert Config.load(tmp_path / "c.toml", (), {}) == config


def test_each_layer_wins_over_the_one_below(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text("width = 24\n[training]\nseed = 1\npatience = 2\nwindow = 3\n")
    environ = {"PENCHANT_TRAINING__SEED": "4", "PENCHANT_TRAINING__PATIENCE": "5"}
    config = Config.load(file, ["training.seed=6"], environ)
    training = config.training
    assert (config.width, training.seed, training.patience, training.window) == (24, 6, 5, 3)
    assert training.learning_rate == 1e-3


def test_width_comes_from_the_environment_and_other_variables_are_passed_over():
    environ = {"PENCHANT_WIDTH": "32", "PENCHANT_STORE": "sqlite:///x.db", "HOME": "/"}
    assert load(environ=environ).width == 32


def test_overrides_may_be_a_mapping_of_dotted_or_nested_keys():
    config = Config.load(
        "default", {"width": 8, "training": {"seed": 3}, "encoder.kind": "lstm"}, {}
    )
    assert (config.width, config.training.seed, config.encoder.kind) == (8, 3, "lstm")


def test_values_without_quotes_are_texts_and_numbers_are_numbers():
    config = load("encoder.kind=rnn", "training.learning_rate=1e-2", "readout.query_time=false")
    assert config.encoder.kind == "rnn"
    assert config.training.learning_rate == 0.01
    assert config.readout.settings["query_time"] is False


def test_whole_number_is_taken_where_a_number_is_wanted():
    assert load("training.weight_decay=1").training.weight_decay == 1.0


def test_another_kind_keeps_the_settings_that_it_also_has(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text('[interest]\nkind = "multi_head"\nnum_heads = 4\ndecay = "both"\n')
    interest = Config.load(file, ["interest.kind=additive"], {}).interest
    assert interest.kind == "additive"
    assert interest.settings["decay"] == "both"
    assert "num_heads" not in interest.settings


def test_another_kind_refuses_what_the_same_layer_sets_in_vain(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text('[interest]\nkind = "additive"\nnum_heads = 4\n')
    with pytest.raises(ConfigError, match='interest of kind "additive" has no setting "num_heads"'):
        Config.load(file, (), {})


def test_unknown_setting_is_refused_with_the_nearest_and_its_source():
    assert refusal("training.learning_rat=1").startswith(
        'training has no setting "learning_rat" (from --set training.learning_rat=1). '
        "Did you mean learning_rate? Known: batch_events, "
    )


def test_unknown_setting_in_the_environment_is_refused_by_variable():
    environ = {"PENCHANT_TRAINING__LERNING_RATE": "1"}
    text = refusal(environ=environ)
    assert "(from variable PENCHANT_TRAINING__LERNING_RATE)" in text
    assert "Did you mean learning_rate?" in text


def test_unknown_section_is_refused_with_the_nearest():
    assert refusal("trainin.seed=1").startswith(
        'There is no section or setting "trainin" (from --set trainin.seed=1). '
        "Did you mean training? Known: behaviour, "
    )


def test_unknown_setting_of_a_part_names_its_kind():
    assert refusal("encoder.dropout=0.1").startswith(
        'encoder of kind "gru" has no setting "dropout" (from --set encoder.dropout=0.1). '
        "Did you mean dropout_rate? Known: dropout_rate, num_layers"
    )


def test_unknown_kind_is_refused_with_the_nearest():
    assert refusal("encoder.kind=grue") == (
        'encoder.kind must be one of the known kinds but is "grue" (from --set encoder.kind=grue). '
        f"Did you mean gru? Known: {', '.join(kinds('encoder'))}."
    )


def test_section_without_a_key_is_refused_with_an_example():
    assert refusal("encoder=gru") == (
        'encoder must be a section of settings but is "gru" (from --set encoder=gru). '
        "Set one of its keys, such as encoder.kind."
    )


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("training.seed=-1", "training.seed must be greater than or equal to 0 but is -1"),
        ("training.seed=soon", 'training.seed must be a whole number but is "soon"'),
        ("training.seed=true", "training.seed must be a whole number but is true"),
        ("training.seed=1.5", "training.seed must be a whole number but is 1.5"),
        ("training.learning_rate=x", 'training.learning_rate must be a number but is "x"'),
        ("training.learning_rate=nan", "training.learning_rate must be a finite number but is nan"),
        ("training.schedule=up", "training.schedule must be 'constant' or 'cosine' but is \"up\""),
        ("evaluation.exclude_seen=1", "evaluation.exclude_seen must be true or false but is 1"),
        ("training.device=gpu", "training.device must be a text of the form ^(auto|cpu|cuda"),
        ("training.metric=ndcg", "training.metric must be a text of the form ^(ndcg|hit|"),
        ("interest.decay=slow", "interest.decay must be 'none', 'event', 'time' or 'both' but is"),
        ("loss.interest_share=2", "loss.interest_share must be less than or equal to 1 but is 2"),
        ("width=0", "width must be greater than or equal to 1 but is 0"),
        ("loss.taken_types=buy", 'loss.taken_types must be a valid tuple but is "buy"'),
    ],
)
def test_wrong_value_is_refused_with_what_is_allowed_and_where_it_came_from(override, expected):
    text = refusal(override)
    assert text.startswith(expected)
    assert f"(from --set {override})" in text


def test_refusal_says_the_default():
    assert refusal("training.seed=-1").endswith("The default is 0.")


def test_override_without_a_value_is_refused():
    assert refusal("training.seed") == (
        '--set needs key=value but got "training.seed". Say --set training.seed=1.'
    )


def test_unknown_recipe_is_refused_with_the_nearest():
    assert refusal(name="quikstart").startswith(
        'There is no recipe or file "quikstart". Did you mean quickstart?'
    )


def test_missing_file_is_named(tmp_path):
    with pytest.raises(MissingFileError, match=r"no configuration file .*gone\.toml\. Recipes: "):
        load(name=tmp_path / "gone.toml")


def test_file_that_is_no_toml_is_refused_with_the_line(tmp_path):
    file = tmp_path / "bad.toml"
    file.write_text("width = 3\n[training\n")
    assert "bad.toml must be TOML" in refusal(name=file)
    assert "line 2" in refusal(name=file)


def test_file_that_is_no_text_is_refused_with_the_byte(tmp_path):
    file = tmp_path / "bad.toml"
    file.write_bytes(b"# caf\xe9\n")
    assert "bad.toml must be UTF-8 text, but byte 5 is not. Save" in refusal(name=file)


def test_wrong_value_in_a_file_names_the_file(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text("[training]\npatience = 0\n")
    assert f"(from {file})" in refusal(name=file)


def test_recipes_are_listed_without_waiting_for_torch():
    code = (
        "import sys; from penchant.config import recipes; recipes(); print('torch' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "False\n"


def test_configuration_cannot_be_changed_in_place():
    config = load()
    with pytest.raises(AttributeError):
        config.width = 3
    with pytest.raises(ValueError, match="frozen"):
        config.training.seed = 3
    with pytest.raises(TypeError):
        config.encoder.settings["num_layers"] = 3


def test_differences_are_named_by_dotted_key():
    other = load("training.seed=3", "encoder.num_layers=2", "width=32")
    assert load().differences(other) == ["width", "encoder.num_layers", "training.seed"]


def test_configuration_is_fit_for_json():
    assert json.loads(json.dumps(load().to_dict()))["encoder"]["kind"] == "gru"


def test_feature_items_without_attributes_are_refused():
    with pytest.raises(ConfigError, match=r'items\.kind "features" needs the attributes'):
        build_model(load("items.kind=features"), 3, 1, None)


def test_binary_loss_needs_a_head_with_probabilities():
    with pytest.raises(ConfigError, match=r'needs head\.kind "binary" but it is "dot"\. Set head'):
        build_loss(load("loss.kind=binary"), [1, 2])
    assert isinstance(build_loss(load("loss.kind=binary", "head.kind=binary"), [1, 2]), BinaryLoss)


BINARY = ("head.kind=binary", "loss.kind=binary")


@pytest.mark.parametrize(
    ("overrides", "metric"),
    [
        ((), "ndcg@10"),
        (BINARY, "auc"),
        (BINARY[:1], "ndcg@10"),
        ((*BINARY, "training.metric=log_loss"), "log_loss"),
        ((*BINARY, "training.metric=ndcg@10"), "ndcg@10"),
    ],
)
def test_a_training_stops_by_auc_where_head_and_loss_are_binary(overrides, metric):
    config = load(*overrides)
    assert config.training.metric == metric
    assert Config.from_toml(config.to_toml()) == config
    assert config.override(["training.seed=3"]).training.metric == metric


def test_the_usual_metric_follows_head_and_loss_and_a_chosen_one_stays():
    binary = load().override(BINARY)
    assert binary.training.metric == "auc"
    assert binary.override({"head.kind": "dot"}).training.metric == "ndcg@10"
    assert load("training.metric=mrr@5").override(BINARY).training.metric == "mrr@5"


def test_a_metric_of_probabilities_needs_a_head_that_has_them():
    assert refusal("training.metric=auc") == (
        'training.metric "auc" (from --set training.metric=auc) needs head.kind "binary" but it is '
        '"dot". Set head.kind=binary and loss.kind=binary, or training.metric=ndcg@10.'
    )


def test_labels_name_event_types_by_their_place_in_the_data():
    rule = build_labels(
        load("loss.least_value=4", "loss.taken_types=['buy', 'like']"), ("view", "like", "buy")
    )
    assert rule == (4.0, (2, 1))


def test_a_taken_type_that_no_event_has_is_refused_with_the_nearest():
    with pytest.raises(ConfigError, match=r'names "bye", which no event has\. Did you mean buy\?'):
        build_labels(load("loss.taken_types=['bye']"), ("view", "buy"))
