"""How a configuration is composed, and the facts that its keys state."""

from dataclasses import dataclass

import pytest
import yaml

from mt.config.data import DataConfig
from mt.config.facts import FACTS, keys_where, section, setting
from mt.config.file import flatten
from mt.config.schema import Config, ModelConfig, TokenizerConfig
from mt.config.search import SearchConfig


def every_key() -> set[str]:
    data = DataConfig(src_lang="aa", tgt_lang="bb", train="x", valid="x")
    return set(flatten(Config(name="n", run_dir="r", data=data)))


def test_every_key_states_whether_it_may_change_and_whether_it_is_tracked():
    """`keys_where` raises if a key states nothing, so a new one cannot be forgotten."""
    for fact in ("may_change", "tracked"):
        keys = keys_where(fact, Config)
        assert keys
        assert set(keys) < every_key()
    assert set(keys_where("shapes_model", ModelConfig, "model.")) < every_key()


def test_facts_that_users_rely_on():
    may_change = keys_where("may_change", Config)
    assert {"training.max_steps", "training.log_every_steps", "search.beam_size", "run_dir"} <= set(may_change)
    assert not {"seed", "model.d_model", "optim.lr", "data.train", "tokenizer.vocab_size"} & set(may_change)
    assert "d_model" in keys_where("shapes_model", ModelConfig)
    assert "dropout" not in keys_where("shapes_model", ModelConfig)
    assert "beam_size" in keys_where("ctranslate2", SearchConfig)
    assert "forbidden" not in keys_where("ctranslate2", SearchConfig)
    assert set(keys_where("holds_text", SearchConfig, default=False)) == {"forbidden", "required"}


def test_a_field_without_a_fact_is_a_programming_error():
    @dataclass
    class Inner:
        a: int = setting(1, may_change=True)
        b: int = 2

    @dataclass
    class Outer:
        inner: Inner = section(Inner)
        inherits: Inner = section(Inner, may_change=False)

    with pytest.raises(LookupError, match=r"inner\.b does not state may_change"):
        keys_where("may_change", Outer)
    assert keys_where("may_change", Outer, default=False) == ("inner.a", "inherits.a")
    with pytest.raises(TypeError, match="unknown facts: may_chnage"):
        setting(1, may_chnage=True)
    assert all(FACTS.values())


@pytest.mark.parametrize("arguments", [
    ["optim.lr=0.5", "--cfg", "job"],
    ["--cfg", "job", "optim.lr=0.5"],
    ["--cfg", "job", "optim.lr=0.5", "--resolve"],
    ["optim.lr=0.5", "--cfg", "job", "--config-dir", "DIR"],
])  # fmt: skip
def test_the_demo_is_the_default_wherever_the_overrides_stand(mt, tmp_path, arguments):
    outcome = mt("train", *(str(tmp_path) if argument == "DIR" else argument for argument in arguments))
    assert outcome.code == 0, outcome.err
    composed = yaml.safe_load(outcome.out)
    assert composed["optim"]["lr"] == 0.5
    assert composed["name"] == "demo"
    assert composed["tokenizer"]["vocab_size"] == 3000


def test_other_data_does_not_get_the_settings_of_the_demo(mt):
    composed = yaml.safe_load(mt("train", "data=demo", "--cfg", "job").out)
    assert composed["tokenizer"]["vocab_size"] == TokenizerConfig().vocab_size
    both = yaml.safe_load(mt("train", "experiment=[demo,back_translation]", "--cfg", "job").out)
    assert both["tokenizer"]["vocab_size"] == 3000
    assert both["name"] == "back-translation"


def test_values_with_equals_signs_need_no_quotes(mt):
    """The folders of a sweep's jobs have such names."""
    job = "runs/sweep/optim.lr=0.001,model=tiny"
    composed = yaml.safe_load(mt("train", f"training.init_from={job}", f"run_dir={job}", "--cfg", "job").out)
    assert (composed["training"]["init_from"], composed["run_dir"]) == (job, job)
    listed = yaml.safe_load(mt("train", "data=files", "data.train=[runs/a=b, c]", "--cfg", "job").out)
    assert listed["data"]["train"] == ["runs/a=b", "c"]
    refused = mt("train", "data=files", "data.train=[runs/a", "--cfg", "job")
    assert (refused.code, "data.train=[runs/a cannot be read (" in refused.err) == (2, True), refused.err
    quoted = yaml.safe_load(mt("train", f'run_dir="{job}"', "--cfg", "job").out)
    assert quoted["run_dir"] == job


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("语料/新闻", "语料/新闻"),
        ("it & co!/tr #1", "it & co!/tr #1"),
        ("[语料/a, b/c]", ["语料/a", "b/c"]),
        ("[{path: Übung/tr, weight: 2}, 'ö, b']", [{"path": "Übung/tr", "weight": 2}, "ö, b"]),
        ("${name}/ü", "${name}/ü"),
        ("a\\=b", "a=b"),
        ("[a\\=b, c]", ["a=b", "c"]),
        ("C:\\Users\\Jörg", "C:\\Users\\Jörg"),
        ("[hub:o/né@x, ${name}/é]", ["hub:o/né@x", "${name}/é"]),
        ('${oc.env:HOME,"~/corpus"}', '${oc.env:HOME,"~/corpus"}'),
    ],
)
def test_paths_in_any_script_need_no_quotes(mt, given, read):
    outcome = mt("train", "data=files", "name=demo", f"data.train={given}", "--cfg", "job")
    assert outcome.code == 0, outcome.err
    assert yaml.safe_load(outcome.out)["data"]["train"] == read


def test_features_are_checked_before_the_number_of_heads_is_known(mt):
    text = ["data.src_lang=aa", "data.tgt_lang=bb", "data.train=nowhere", "data.valid=nowhere"]
    assert "model.d_model=33 must be even" in mt("train", "data=files", *text, "model.d_model=33").err


def test_options_of_hydra_that_exclude_each_other(mt):
    outcome = mt("train", "--cfg", "job", "--multirun")
    assert outcome.code == 2
    assert "Traceback" not in outcome.err
    assert outcome.err.startswith("mt: ")
