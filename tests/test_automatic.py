"""Settings that are null are chosen for the corpus, the machine and the time, recorded, and used again."""

import math
import shutil
from dataclasses import replace
from itertools import pairwise

import pytest
import yaml
from conftest import overrides

from mt.config.automatic import unset
from mt.config.choices import OptimizerName, Strategy
from mt.config.data import DataConfig
from mt.config.schema import Config, ModelConfig, OptimConfig
from mt.config.training import TrainingConfig
from mt.errors import UserError
from mt.training.automatic import choose_settings
from mt.training.plan import Amount
from mt.training.reasons import describe_choices

TEXT = ["data=files", "data.src_lang=aa", "data.tgt_lang=bb"]
DATA = DataConfig("aa", "bb", "train", "valid")


def choose(
    n_pairs,
    seconds_per_step=0.1,
    model=None,
    optim=None,
    data=DATA,
    n_valid=0,
    with_lines=False,
    overhead=0,
    weight=1,
    **training,
):
    """Choose for pairs of 20 tokens.

    Args:
        seconds_per_step: of 2,048 tokens and 128 features; d features take (d / 128)² times as long.
        overhead: seconds of a step, however small it is.
        weight: of the corpus in an epoch.
    """
    config = Config(
        data=data, model=model or ModelConfig(), optim=optim or OptimConfig(), training=TrainingConfig(**training)
    )

    def measure(candidate):
        assert not unset(candidate)
        tokens = candidate.training.max_tokens / 2048
        return overhead + seconds_per_step * tokens * (candidate.model.d_model / 128) ** 2

    amount = Amount(n_pairs, 20 * n_pairs, 1, 20 * n_valid, n_valid, int(weight * 20 * n_pairs))
    plan = choose_settings(config, amount, measure)
    assert not unset(plan.config)
    return (plan.config, describe_choices(config, plan, amount)) if with_lines else plan.config


def test_larger_corpora_get_larger_models_and_fewer_epochs():
    chosen = [choose(n_pairs) for n_pairs in (3_000, 30_000, 300_000, 3_000_000)]
    assert [one.model.d_model for one in chosen] == [128, 192, 256, 512]
    assert all(a.training.max_tokens < b.training.max_tokens for a, b in pairwise(chosen))
    epochs = [
        one.training.max_steps * one.training.max_tokens / (20 * n_pairs)
        for one, n_pairs in zip(chosen, (3_000, 30_000, 300_000, 3_000_000), strict=True)
    ]
    assert epochs == sorted(epochs, reverse=True)
    assert chosen[0].model.dropout > chosen[-1].model.dropout


def test_the_time_limits_size_and_length():
    assert choose(300_000, max_minutes=600).model.d_model == 256
    assert choose(300_000, max_minutes=50).model.d_model == 192
    assert choose(300_000, max_minutes=3).model.d_model == 128  # even this one sees little of the text
    for minutes in (1, 15, 60, 600):
        chosen = choose(30_000, max_minutes=minutes)
        training = chosen.training
        assert training.max_steps is None  # the time ends training
        n_steps = 60 * minutes / (0.1 * training.max_tokens / 2048 * (chosen.model.d_model / 128) ** 2)
        assert 8 <= n_steps / training.valid_every_steps < 22
        assert training.checkpoint_every_steps <= min(training.valid_every_steps, 1200)


def test_validations_take_a_part_of_the_time():
    """A validation of 1,000 sentences takes as long as 1.8 × 20,000 / 1,024 steps."""
    _, (_, alone) = choose(30_000, max_minutes=3, with_lines=True)
    _, (_, length) = choose(30_000, n_valid=1_000, max_minutes=3, with_lines=True)
    assert "3,600 steps" in alone
    assert f"{math.ceil(3600 - 8 * 1.8 * 20_000 / 1024):,} steps, 03:00 in all." in length
    all_pairs = choose(30_000, n_valid=20_000, max_minutes=3, valid_pairs=0).training
    assert all_pairs.valid_every_steps == 1097  # two; eight take 156%
    chosen, (reasons, length) = choose(30_000, n_valid=20_000, max_minutes=3, with_lines=True)
    assert chosen.training.valid_pairs == 1600  # 1,920 would take 15%
    assert chosen.training.valid_every_steps == math.ceil((3600 - 8 * 1.8 * 1600 * 20 / 1024) / 8)
    assert "validation by 1,600 pairs of data.valid, because all of them would take too much of the time" in reasons
    assert "3,150 steps, 02:59 in all." in length
    assert choose(30_000, n_valid=1_000, max_minutes=3).training.valid_pairs == 0
    assert choose(30_000, n_valid=1_000, max_minutes=0.1).training.valid_pairs == 200
    chosen, lines = choose(30_000, n_valid=10**6, max_minutes=3, with_lines=True, valid_pairs=0)
    assert chosen.training.valid_every_steps == 1800  # once, at the end
    assert lines[-1].startswith("A validation takes about 29:17, which is long for training.max_minutes=3: fewer pairs")


def test_a_short_training_has_smaller_batches():
    """About 5,000 steps, and none of fewer than 1,024 tokens, if these take no longer per token."""
    long, short, shorter = (choose(300_000, max_minutes=minutes).training for minutes in (300, 30, 3))
    assert [one.max_tokens for one in (long, short, shorter)] == [6400, 3200, 1024]
    assert choose(300_000, max_minutes=30, max_tokens=6400).training.max_tokens == 6400
    assert choose(300_000, max_minutes=3, data=replace(DATA, max_len=1500)).training.max_tokens == 1536
    assert choose(300_000, max_steps=1000).training.max_tokens == 6400  # fewer tokens would be less text
    assert choose(300_000, max_epochs=1).training.max_tokens == 1024
    assert choose(300_000, max_minutes=3, overhead=0.02).training.max_tokens == 3200  # 85% of 19,249 tokens/s
    assert choose(300_000, 0.001, max_minutes=1, overhead=0.05).training.max_tokens == 6400  # as on a GPU
    _, (reasons, _) = choose(30_000, max_minutes=3, with_lines=True)
    assert reasons == (
        "Why: 128 features, because a larger model would not see the 5 tokens per weight that it needs; dropout 0.1, "
        "because training has at most 15 epochs; a lexicon initialises the embeddings and guides attention, "
        "because training is short; batches of 1,024 tokens, because a short training needs many steps."
    )


def test_heads_that_fit_no_size():
    assert choose(30_000, model=ModelConfig(n_heads=12)).model.d_model == 192
    assert choose(3_000, model=ModelConfig(n_heads=12), max_minutes=1).model.d_model == 192
    with pytest.raises(UserError, match=r"model.n_heads=7 divides no automatic size .* set model.d_model, too"):
        choose(3_000, model=ModelConfig(n_heads=7))
    _, (reasons, _) = choose(30_000, model=ModelConfig(n_heads=128), max_minutes=600, with_lines=True)
    assert "128 features, the largest size for 30,000 pairs and 128 heads;" in reasons


def test_the_log_gives_reasons():
    _, (reasons, length) = choose(30_000, max_minutes=15, with_lines=True)
    assert reasons == (
        "Why: 128 features, because a larger model would not see the 5 tokens per weight that it needs; dropout 0.2, "
        "because training has at most 60 epochs; batches of 2,048 tokens, because small corpora need many steps."
    )
    assert length == "A step takes 0.1 s here: 00:29 per epoch, about 30.7 epochs, 9,000 steps, 15:00 in all."
    _, (reasons, _) = choose(30_000, model=ModelConfig(dropout=0.1), max_minutes=600, with_lines=True)
    assert "192 features, the largest size for 30,000 pairs; batches" in reasons
    _, (reasons, _) = choose(1_000, with_lines=True)
    assert "128 features, because a larger model would not see the 5 tokens per weight that it needs" in reasons
    _, (reasons, _) = choose(1_000, data=replace(DATA, max_len=4096), with_lines=True)
    assert "batches of 4,352 tokens, because a pair may have data.max_len=4096." in reasons
    _, (reasons, _) = choose(3_000, max_epochs=100, with_lines=True, init_from="run")
    assert "dropout 0.3, because training has more than 60 epochs" in reasons
    assert reasons.endswith("learning rate 0.0015, because the model is trained already.")
    _, lines = choose(30_000, model=ModelConfig(d_model=64, dropout=0.0), with_lines=True, max_tokens=512)
    assert len(lines) == 1


def test_what_is_set_stays():
    chosen = choose(
        30_000,
        model=ModelConfig(d_model=64, dropout=0.0),
        optim=OptimConfig(OptimizerName.sgd, warmup_steps=7),
        max_epochs=2,
        valid_every_steps=5,
    )
    assert (chosen.model.d_model, chosen.model.dropout, chosen.optim.warmup_steps) == (64, 0.0, 7)
    assert (chosen.optim.name, chosen.training.valid_every_steps) == (OptimizerName.sgd, 5)
    assert chosen.training.max_steps is None  # the epochs end training


def test_a_trained_model_is_trained_gently():
    new, tuned = choose(30_000), choose(30_000, init_from="run")
    assert tuned.optim.lr < new.optim.lr
    assert tuned.training.max_steps < new.training.max_steps


@pytest.fixture(scope="module")
def automatic(corpus, tmp_path_factory):
    return [
        *TEXT,
        f"data.train={corpus}/train",
        f"data.valid={corpus}/valid",
        f"run_dir={tmp_path_factory.mktemp('automatic')}/run",
        "training.device=cpu",
        "training.max_steps=12",
    ]


def test_a_run_records_what_was_chosen_and_keeps_it(automatic, mt):
    outcome = mt("train", *automatic, "optim.schedule=constant", "training.max_steps=6", "model.d_model=32")
    assert outcome.code == 0, outcome.err
    assert "Chosen for 800 pairs and this machine, because they were not set: model.n_heads=4" in outcome.err
    assert "optim.name=muon" in outcome.err
    assert "training.lexicon_embeddings=true" in outcome.err
    assert "A step takes" in outcome.err
    assert "model.d_model=" not in outcome.err.split("A step takes")[0]  # as it was set
    run = next(one.partition("=")[2] for one in automatic if one.startswith("run_dir"))
    config = yaml.safe_load(open(f"{run}/config.yaml", encoding="utf-8"))  # noqa: SIM115
    assert config["model"]["d_model"] == 32
    values = {**config["model"], **config["optim"], **config["training"]}
    assert None not in [values[key.partition(".")[2]] for key in unset(Config())]
    changed = {**config, "training": {**config["training"], "checkpoint_every_steps": 5}}
    with open(f"{run}/config.yaml", "w", encoding="utf-8") as file:
        yaml.safe_dump(changed, file)
    longer = mt("train", *automatic, "optim.schedule=constant", "training.max_steps=10", "model.d_model=32")
    assert longer.code == 0, longer.err
    assert "Chosen for" not in longer.err
    assert "Resuming from step 6." in longer.err
    again = yaml.safe_load(open(f"{run}/config.yaml", encoding="utf-8"))  # noqa: SIM115
    assert again["training"]["checkpoint_every_steps"] == 5
    refused = mt("train", *automatic, "optim.schedule=constant", "training.max_steps=20", "model.d_model=64")
    assert (refused.code, "model.d_model: 32 there, 64 now" in refused.err) == (2, True)


def test_a_start_that_learnt_nothing_has_chosen_nothing(corpus, tmp_path, mt):
    """It was killed before its first checkpoint; what it was told does not hold for the next one."""
    arguments = [*TEXT, f"data.train={corpus}/train", f"data.valid={corpus}/valid", f"run_dir={tmp_path}/run"]
    limits = ["training.device=cpu", "model.d_model=32", "training.max_steps=2"]
    assert mt("train", *arguments, *limits, "optim.name=sgd", "optim.lr=0.5").code == 0
    shutil.rmtree(tmp_path / "run" / "checkpoints")
    (tmp_path / "run" / "model.safetensors").unlink()
    outcome = mt("train", *arguments, *limits)
    assert outcome.code == 0, outcome.err
    assert "optim.name=muon" in outcome.err
    assert "was only prepared" not in outcome.err
    assert "Training the tokenizer" not in outcome.err


def test_the_configuration_shows_what_is_automatic(mt):
    composed = yaml.safe_load(mt("train", *TEXT, "data.train=x", "data.valid=y", "--cfg", "job").out)
    assert composed["model"]["d_model"] is None
    assert composed["optim"]["lr"] is None
    assert mt("train", *TEXT, "model=small", "--cfg", "job").out.count("d_model: 256") == 1


def test_a_prepared_run_chooses_when_it_is_trained(corpus, tmp_path, mt):
    arguments = [*overrides(corpus, f"run_dir={tmp_path}/run", "training.max_steps=2")[1:], "model.dropout=null"]
    assert mt("prepare", *arguments).code == 0
    outcome = mt("train", *arguments)
    assert outcome.code == 0, outcome.err
    assert "not set: model.dropout=" in outcome.err


def test_choices_need_every_automatic_field():
    """A new automatic field is chosen, too: `choose` checks that nothing is left."""
    assert set(unset(Config())) >= {"model.d_model", "optim.lr", "training.max_tokens"}
    assert "model.dropout" not in unset(replace(Config(), model=ModelConfig(dropout=0.0)))


def test_regularisation_follows_the_length_of_training():
    short, long = choose(30_000, max_minutes=5), choose(30_000, max_minutes=600)
    assert short.model.dropout < long.model.dropout
    assert short.model.attention_dropout == long.model.attention_dropout == long.model.activation_dropout == 0.1
    assert short.optim.weight_decay == 0.1
    assert 0 < long.optim.weight_decay < 0.1
    assert choose(30_000, optim=OptimConfig(OptimizerName.adam)).optim.weight_decay == 0
    assert choose(30_000, model=ModelConfig(dropout=0.05)).model.activation_dropout == 0.05


def test_a_weight_changes_epochs_but_not_how_often_a_text_is_read():
    assert choose(30_000, weight=0.1) == choose(30_000)
    assert choose(30_000, weight=0.1, max_steps=2000) == choose(30_000, max_steps=2000)
    rarely, often = choose(30_000, weight=0.1, max_epochs=30), choose(30_000, max_epochs=30)
    assert rarely.training.valid_every_steps * 4 < often.training.valid_every_steps
    assert (rarely.model.dropout, often.model.dropout) == (0.0, 0.2)


def test_a_text_that_is_read_a_few_times_needs_no_dropout():
    def dropouts(max_epochs=5, **training):
        model = choose(30_000, max_epochs=max_epochs, **training).model
        return {model.dropout, model.attention_dropout, model.activation_dropout}

    assert dropouts() == {0.0}
    assert dropouts(6) == dropouts(15) == {0.1}
    _, (reasons, _) = choose(30_000, max_epochs=3, with_lines=True)
    assert "; no dropout, because training has at most 5 epochs; " in reasons
    assert dropouts(r_drop=5.0) == dropouts(init_from="run") == {0.1}


def test_attention_is_guided_in_a_short_training_and_for_a_small_corpus():
    def weight(max_epochs=3, **training):
        return choose(30_000, max_epochs=max_epochs, **training).training.guided_attention

    assert weight() == weight(15) == 0.4
    assert choose(5_000_000).training.guided_attention == 0.0  # 100,000 steps, if not many epochs
    assert choose(3_000).training.guided_attention == 0.4
    assert weight(16) == weight(init_from="run") == weight(strategy=Strategy.fsdp) == 0.0
    assert weight(16, guided_attention=0.1) == 0.1
    assert choose(30_000, model=ModelConfig(n_decoder_layers=1), max_epochs=3).training.guided_attention == 0.0


def test_a_lexicon_initialises_the_embeddings_in_a_short_training_and_for_a_small_corpus():
    def begins_with_it(max_epochs=3, **training):
        return choose(30_000, max_epochs=max_epochs, **training).training.lexicon_embeddings

    assert begins_with_it()
    assert begins_with_it(15)
    assert begins_with_it(strategy=Strategy.fsdp)
    assert begins_with_it(16, lexicon_embeddings=True)
    assert not begins_with_it(16)
    assert not begins_with_it(init_from="run")
    assert not begins_with_it(lexicon_embeddings=False)
    assert not choose(5_000_000).training.lexicon_embeddings
    assert not choose(3_000, init_from="run").training.lexicon_embeddings
    config, (reasons, _) = choose(3_000, max_epochs=100, with_lines=True)
    assert config.training.lexicon_embeddings
    assert "; a lexicon initialises the embeddings and guides attention, because the corpus is small; " in reasons
    assert choose(30_000, model=ModelConfig(n_decoder_layers=1), max_epochs=3).training.lexicon_embeddings


@pytest.mark.parametrize("first", ["bf16", "float32"])
def test_the_precision_of_the_first_start_stays(mt, corpus, tmp_path, monkeypatch, first):
    """A processor that is faster in another precision, or a busy moment, does not change it."""
    steps = [f"run_dir={tmp_path}/run", "training.precision=auto"]
    for more, is_faster in ((2, first == "bf16"), (4, first != "bf16")):
        monkeypatch.setattr("mt.commands.automatic_settings.bf16_is_faster", lambda _, answer=is_faster: answer)
        outcome = mt(*overrides(corpus, *steps, f"training.max_steps={more}"))
        assert outcome.code == 0, outcome.err
        assert f"Training on cpu in {'bfloat16' if first == 'bf16' else first}" in outcome.err
    assert yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())["training"]["precision"] == first
