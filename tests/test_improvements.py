"""The options of training that improve a model: each does what it says, through `mt train`."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from conftest import overrides, toy_pairs, write_pairs
from safetensors.torch import load_file

from mt.config.file import load_config
from mt.config.schema import ModelConfig
from mt.data.batch import build_batch
from mt.model.lora import add_lora, merge_lora
from mt.model.transformer import Transformer
from mt.text.tokenizer import load_tokenizer
from mt.training.averaging import MovingAverage
from mt.training.objective import Objective, divergence, symmetric_divergence

BATCH = build_batch([([5, 6, 7], [8, 9]), ([4], [5, 6, 7, 8])], pad_id=0, bos_id=1, eos_id=2)


def build(**changes) -> Transformer:
    torch.manual_seed(1)
    sizes = dict(d_model=16, d_ff=32, n_heads=2, n_encoder_layers=2, n_decoder_layers=2, dropout=0.0)
    return Transformer(ModelConfig(**{**sizes, **changes}), 12, 12, joint=True)


def gradients(model: Transformer, **options) -> tuple[float, dict[str, torch.Tensor]]:
    torch.manual_seed(7)
    loss_sum, _ = Objective(model, **options).train()(BATCH)
    loss_sum.backward()
    return loss_sum.item(), {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def checkpoint_of(run: Path) -> Path:
    (path,) = (run / "checkpoints").glob("step-*")
    return path


def test_gradient_checkpointing_changes_no_gradient():
    """Recomputation draws the same dropout, and fewer activations are kept."""
    plain, again = build(dropout=0.3), build(dropout=0.3)
    again.gradient_checkpointing = True
    kept: dict[str, int] = {}

    def counted(model, name):
        def count(tensor):
            kept[name] = kept.get(name, 0) + tensor.numel()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
            return gradients(model)

    (loss, expected), (other_loss, found) = counted(plain, "plain"), counted(again, "again")
    assert kept["again"] < kept["plain"] / 2
    assert loss == pytest.approx(other_loss)
    for name in expected:
        assert torch.allclose(expected[name], found[name], atol=1e-6), name


def test_separate_dropouts():
    model = build(dropout=0.1, attention_dropout=0.0, activation_dropout=0.4)
    layer = model.encoder[0]
    assert (layer.residuals[0].dropout.p, layer.self_attention.dropout.p, layer.feed_forward.dropout.p) == (0.1, 0, 0.4)
    assert build(dropout=0.2).encoder[0].self_attention.dropout.p == 0.2


def test_layer_drop_skips_layers_in_training_only():
    model = build(layer_drop=0.5)
    names: set[int] = set()
    for seed in range(20):
        torch.manual_seed(seed)
        names.add(len(model.train().layers_of_step(model.encoder)))
    assert names == {1, 2}  # never none
    assert len(model.eval().layers_of_step(model.encoder)) == 2


@pytest.mark.parametrize("trained", ["training.lora.rank=4", "training.freeze=[decoder,embeddings]"])
def test_layer_drop_leaves_something_to_train(run_folder, corpus, tmp_path, mt, trained):
    start = [f"run_dir={tmp_path}/run", f"training.init_from={run_folder}", *TUNING, "training.max_steps=8", trained]
    outcome = mt(*overrides(corpus, *start, "model.layer_drop=0.9"))
    assert outcome.code == 0, outcome.err


def test_depth_scaled_initialisation():
    """Zhang et al., 2019, equation 4: the standard deviation of layer l falls as 1/√l."""
    plain = build(d_model=256, d_ff=512, n_encoder_layers=4)
    scaled = build(d_model=256, d_ff=512, n_encoder_layers=4, depth_scaled_init=True)
    for depth in (1, 4):
        std = [model.encoder[depth - 1].feed_forward.hidden.weight.std().item() for model in (plain, scaled)]
        assert std[1] == pytest.approx(std[0] / depth**0.5, rel=0.02)


def test_r_drop():
    p, q = torch.tensor([[0.9, 0.1]]), torch.tensor([[0.5, 0.5]])
    divergence = (p * (p / q).log()).sum() + (q * (q / p).log()).sum()
    assert symmetric_divergence(p.log(), q.log()).item() == pytest.approx(divergence.item(), rel=1e-5)
    # without dropout both passes agree, and nothing changes
    (loss, expected), (other_loss, found) = gradients(build()), gradients(build(), r_drop=5.0)
    assert loss == pytest.approx(other_loss, rel=1e-5)
    assert all(torch.allclose(expected[name], found[name], atol=1e-5) for name in expected)
    assert gradients(build(dropout=0.3), r_drop=50.0)[0] > gradients(build(dropout=0.3), r_drop=0.001)[0]


def test_bf16_gives_nearly_the_gradients_of_float32():
    (loss, expected), (other_loss, found) = gradients(build()), gradients(build(), bf16=True)
    assert other_loss == pytest.approx(loss, rel=0.01)
    for name in expected:
        # A key bias adds the same to all scores of a query, so softmax ignores it and its gradient is zero but for
        # rounding. The gradient of the key weights, computed from the same scores, gives the scale of that rounding.
        scale = expected[name.replace("key.bias", "key.weight")].norm()
        assert found[name].dtype == torch.float32
        assert (found[name] - expected[name]).norm() < 0.05 * scale, name  # bf16 rounds to 1 part in 256
    assert Objective(build(), bf16=True).features(BATCH).dtype == torch.bfloat16  # the projection uses it
    assert gradients(build(dropout=0.3), bf16=True, r_drop=5.0)[0] > other_loss


def test_moving_average_is_the_sum_written_out():
    model = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.zeros_(model.weight)
    average = MovingAverage(model, decay=0.25)
    expected = 0.0
    for step, value in enumerate((1.0, 2.0, 4.0), 1):
        torch.nn.init.constant_(model.weight, value)
        average.update(step)
        decay = min(0.25, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * value
    assert average.weights["weight"].item() == pytest.approx(expected)
    with average.applied():
        assert model.weight.item() == pytest.approx(expected)
    assert model.weight.item() == 4.0


def test_the_moving_average_is_kept_as_the_model(corpus, tmp_path, mt):
    common = ["training.ema_decay=0.9", "training.valid_every_steps=6", "training.early_stopping.metric=loss"]
    assert mt(*overrides(corpus, f"run_dir={tmp_path}/whole", "training.max_steps=12", *common)).code == 0
    for steps in (5, 12):
        limits = [f"training.max_steps={steps}", *common]
        assert mt(*overrides(corpus, f"run_dir={tmp_path}/parts", *limits)).code == 0
    whole, parts = (checkpoint_of(tmp_path / name) for name in ("whole", "parts"))
    for name in ("model", "average", "optimizer"):
        a, b = load_file(whole / f"{name}.safetensors"), load_file(parts / f"{name}.safetensors")
        assert all(torch.equal(a[key], b[key]) for key in a), name
    assert json.loads((whole / "state.json").read_text())["best_step"] == 12
    kept, average = load_file(tmp_path / "whole" / "model.safetensors"), load_file(whole / "average.safetensors")
    assert all(torch.equal(kept[name], average[name]) for name in average)
    assert not torch.equal(
        kept["src_embedding.tokens.weight"], load_file(whole / "model.safetensors")["src_embedding.tokens.weight"]
    )


def test_averages_of_saved_models(corpus, tmp_path, mt):
    run = tmp_path / "run"
    limits = ["training.max_steps=40", "training.valid_every_steps=8", "optim.lr=0.005", "training.average_best=3"]
    limits += ["training.early_stopping.metric=loss", "data.test={held: 20}"]
    outcome = mt(*overrides(corpus, f"run_dir={run}", *limits))
    assert outcome.code == 0, outcome.err
    assert "The mean of the 3 best models is " in outcome.err
    files = sorted((run / "best").glob("step-*"))
    assert len(files) == 3
    assert mt("average", run, "--best", 3, "--output", tmp_path / "mean").code == 0
    mean = load_file(tmp_path / "mean" / "model.safetensors")
    parts = [load_file(path) for path in files]
    for name in mean:
        assert torch.allclose(mean[name], sum(part[name] for part in parts) / 3, atol=1e-6)
    assert mt("translate", tmp_path / "mean", "ba de").code == 0
    assert mt("evaluate", tmp_path / "mean", "--metrics", "chrf", "--samples", 0).code == 0  # the sets held out, too
    for wrong in (["--last", 2], ["--best", 1], ["--best", -3], ["--best", 9]):
        refused = mt("average", run, *wrong, "--output", tmp_path / "other")
        assert refused.code == 2
        assert "cannot be averaged, at least 2 are needed" in refused.err
    assert mt("average", run, "--best", 3, "--output", run).code == 2


def test_lora_starts_as_the_model_and_merges_into_it():
    model = build()
    with torch.no_grad():
        before = model(BATCH.src, BATCH.src_mask, BATCH.tgt_in)
        add_lora(model, rank=3, alpha=6)
        assert torch.allclose(model(BATCH.src, BATCH.src_mask, BATCH.tgt_in), before, atol=1e-6)
        for name, parameter in model.named_parameters():
            if ".up." in name:
                parameter.normal_()
        after = model(BATCH.src, BATCH.src_mask, BATCH.tgt_in)
        assert not torch.allclose(after, before, atol=1e-2)
        plain = build()
        plain.load_state_dict(merge_lora(dict(model.named_parameters()), scale=6 / 3), strict=False)
        assert torch.allclose(plain(BATCH.src, BATCH.src_mask, BATCH.tgt_in), after, atol=1e-5)


@pytest.fixture(scope="module")
def other_corpus(tmp_path_factory) -> Path:
    """The toy task in another domain, with words written backwards."""
    folder = tmp_path_factory.mktemp("other")
    for name, count, seed in (("train", 200, 5), ("valid", 40, 6)):
        write_pairs(folder / name, [(src, tgt.lower()[::-1].upper()) for src, tgt in toy_pairs(count, seed)])
    return folder


TUNING = [
    "training.max_steps=30",
    "training.valid_every_steps=30",
    "model.d_model=64",
    "model.d_ff=128",
    "optim.lr=2e-3",
]


def best_loss(run: Path) -> float:
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return min(row["valid/loss"] for row in rows if "valid/loss" in row)


@pytest.mark.slow
def test_fine_tuning_starts_from_another_run(run_folder, other_corpus, tmp_path, mt):
    def tune(name: str, *extra: str) -> Path:
        outcome = mt(*overrides(other_corpus, f"run_dir={tmp_path}/{name}", *TUNING, "optim.warmup_steps=5", *extra))
        assert outcome.code == 0, outcome.err
        assert mt("translate", tmp_path / name, "ba de").code == 0
        return tmp_path / name

    start = f"training.init_from={run_folder}"
    scratch, tuned = tune("scratch"), tune("tuned", start)
    assert best_loss(tuned) < best_loss(scratch)
    assert (tuned / "tokenizer.model").read_bytes() == (run_folder / "tokenizer.model").read_bytes()

    frozen = tune("frozen", start, "training.freeze=[encoder,embeddings]", "optim.l1=0.01")
    before, after = load_file(run_folder / "model.safetensors"), load_file(frozen / "model.safetensors")
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert all(name.startswith("decoder") for name in changed)

    lora = tune("lora", start, "training.lora.rank=4", "optim.lr=1e-2")
    after = load_file(lora / "model.safetensors")
    assert after.keys() == before.keys()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert all(name.endswith("weight") and ("attention" in name or "feed_forward" in name) for name in changed)
    assert best_loss(lora) < best_loss(scratch)

    new = tune("new", start, "training.new_vocab=true", "tokenizer.vocab_size=315")
    assert (new / "tokenizer.model").read_bytes() != (run_folder / "tokenizer.model").read_bytes()


def test_a_new_vocabulary_keeps_the_embeddings_of_shared_pieces(run_folder, corpus, tmp_path, mt):
    limits = ["training.max_steps=1", "optim.lr=1e-12", f"training.init_from={run_folder}", "training.new_vocab=true"]
    assert (
        mt(*overrides(corpus, f"run_dir={tmp_path}/run", *TUNING[2:4], *limits, "tokenizer.vocab_size=310")).code == 0
    )
    old, new = (load_tokenizer([run / "tokenizer.model"]).src for run in (run_folder, tmp_path / "run"))
    key = "src_embedding.tokens.weight"
    before = load_file(run_folder / "model.safetensors")[key]
    after = load_file(checkpoint_of(tmp_path / "run") / "model.safetensors")[key]
    old_ids = {old.id_to_piece(i): i for i in range(old.get_piece_size())}
    shared = [i for i in range(len(after)) if new.id_to_piece(i) in old_ids]
    assert len(shared) > 250
    for i in shared:
        assert torch.allclose(after[i], before[old_ids[new.id_to_piece(i)]], atol=1e-6)


def test_models_of_different_text_translate_together(run_folder, other_corpus, tmp_path, mt):
    """One takes the vocabulary of the other; later it no longer needs it."""
    shutil.copytree(run_folder, tmp_path / "origin")
    arguments = [a for a in overrides(other_corpus, f"run_dir={tmp_path}/run") if not a.startswith("tokenizer.vocab")]
    arguments += [f"tokenizer.from_run={tmp_path}/origin", "model.d_model=16"]
    outcome = mt(*arguments, "training.max_steps=2")
    assert outcome.code == 0, outcome.err
    assert load_config(tmp_path / "run" / "config.yaml").tokenizer.vocab_size == 320
    assert (tmp_path / "run" / "tokenizer.model").read_bytes() == (run_folder / "tokenizer.model").read_bytes()
    shutil.rmtree(tmp_path / "origin")
    outcome = mt(*arguments, "training.max_steps=3")
    assert outcome.code == 0, outcome.err
    assert "Resuming from step 2" in outcome.err
    outcome = mt("translate", tmp_path / "run", "--ensemble", run_folder, "ba de fi")
    assert outcome.code == 0, outcome.err


def test_a_vocabulary_comes_with_its_tags(corpus, tmp_path, mt):
    """A run takes over how pairs are tagged; with tags that the other lacks, it says that they do not fit together."""
    tagged = ["data.language_tags=true", "training.max_steps=1"]
    assert mt(*overrides(corpus, f"run_dir={tmp_path}/origin"), *tagged).code == 0
    arguments = [f"tokenizer.from_run={tmp_path}/origin", "training.max_steps=1"]
    outcome = mt(*overrides(corpus, f"run_dir={tmp_path}/run"), *arguments)
    assert outcome.code == 0, outcome.err
    assert "lacks tags" not in outcome.err
    outcome = mt("translate", tmp_path / "run", "--ensemble", tmp_path / "origin", "ba de fi")
    assert outcome.code == 0, outcome.err
    domain = f"data.train=[{{path: {corpus}/train, tag: news}}]"
    outcome = mt(*overrides(corpus, f"run_dir={tmp_path}/other"), *arguments, domain)
    assert "lacks tags of data.train, so it cannot translate together" in outcome.err


def test_a_vocabulary_and_a_start_that_do_not_fit(run_folder, corpus, tmp_path, mt):
    arguments = [a for a in overrides(corpus) if not a.startswith("tokenizer")]
    assert mt(*arguments, f"run_dir={tmp_path}/apart", "tokenizer.joint=false", "training.max_steps=1").code == 0
    start = [f"training.init_from={run_folder}", "training.new_vocab=true", f"tokenizer.from_run={tmp_path}/apart"]
    outcome = mt(*arguments, f"run_dir={tmp_path}/run", *start)
    assert outcome.code == 2
    assert "differ in tokenizer.joint: a run cannot start from both" in outcome.err
    outcome = mt(*arguments, f"run_dir={tmp_path}/apart", f"tokenizer.from_run={tmp_path}/apart")
    assert outcome.code == 2
    assert "is the folder of this run itself" in outcome.err
    assert (tmp_path / "apart" / "tokenizer.src.model").exists()


def test_a_new_vocabulary_can_be_that_of_another_run(run_folder, corpus, other_corpus, tmp_path, mt):
    arguments = [a for a in overrides(corpus, f"run_dir={tmp_path}/start") if not a.startswith("tokenizer.vocab")]
    assert mt(*arguments, "tokenizer.vocab_size=310", "training.max_steps=1").code == 0
    start = [f"training.init_from={tmp_path}/start", "training.new_vocab=true", f"tokenizer.from_run={run_folder}"]
    outcome = mt(*overrides(other_corpus, f"run_dir={tmp_path}/run"), *start, "training.max_steps=1")
    assert outcome.code == 0, outcome.err
    assert (tmp_path / "run" / "tokenizer.model").read_bytes() == (run_folder / "tokenizer.model").read_bytes()


def test_tags_are_added_to_both_vocabularies(tmp_path, mt):
    """The vocabularies differ in size, so a tag has a different id in each; the embeddings of all pieces stay."""
    for name, seed in (("train", 1), ("valid", 2)):
        write_pairs(tmp_path / name, [(source, f"{target} ÄÖÜß") for source, target in toy_pairs(200, seed)])
    common = [a for a in overrides(tmp_path) if not a.startswith("tokenizer")] + ["tokenizer.joint=false", *TUNING[2:4]]
    assert mt(*common, f"run_dir={tmp_path}/old", "training.max_steps=2").code == 0
    tags = ["data.language_tags=true", "data.tag_each_side=true", "training.max_steps=2", "optim.lr=1e-12"]
    outcome = mt(*common, f"run_dir={tmp_path}/new", f"training.init_from={tmp_path}/old", *tags)
    assert outcome.code == 0, outcome.err
    names = ("tokenizer.src.model", "tokenizer.tgt.model")
    old, new = (load_tokenizer([tmp_path / run / name for name in names]) for run in ("old", "new"))
    assert new.vocab_sizes == tuple(size + 2 for size in old.vocab_sizes)
    assert old.vocab_sizes[0] != old.vocab_sizes[1]
    found = new.encode_tags(["<2aa>"], ["<2bb>"])
    assert (found.src, found.tgt) == ([old.vocab_sizes[0]], [old.vocab_sizes[1] + 1])
    before, after = (load_file(checkpoint_of(tmp_path / run) / "model.safetensors") for run in ("old", "new"))
    for side, size in zip(("src", "tgt"), old.vocab_sizes, strict=True):
        key = f"{side}_embedding.tokens.weight"
        assert torch.allclose(after[key][:size], before[key], atol=1e-6)
    assert mt("translate", tmp_path / "new", "ba de").code == 0


@pytest.mark.parametrize("model_type", ["unigram", "bpe"])
def test_subword_sampling_is_reproducible_and_keeps_the_text(corpus, tmp_path, mt, model_type):
    common = ["training.subword_alpha=0.2", f"tokenizer.model_type={model_type}", "training.log_every_steps=1"]
    assert mt(*overrides(corpus, f"run_dir={tmp_path}/whole", "training.max_steps=8", *common)).code == 0
    for steps in (3, 8):
        assert mt(*overrides(corpus, f"run_dir={tmp_path}/parts", f"training.max_steps={steps}", *common)).code == 0
    whole, parts = (load_file(checkpoint_of(tmp_path / n) / "model.safetensors") for n in ("whole", "parts"))
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    tokenizer = load_tokenizer([tmp_path / "whole" / "tokenizer.model"])
    line = "ba de fi go hu\u3000ka le mi no pu ra"
    pairs = [(tokenizer.encode_src([line])[0], tokenizer.encode_tgt([line.upper()])[0])] * 20
    sampled = tokenizer.resample(pairs, alpha=0.2, seed=5)
    assert len({tuple(src) for src, _ in sampled}) > 1
    assert {tokenizer.decode_src(src) for src, _ in sampled} == {line}
    assert {tokenizer.decode_tgt(tgt) for _, tgt in sampled} == {line.upper()}
    assert tokenizer.resample(pairs, alpha=0.2, seed=5) == sampled != tokenizer.resample(pairs, alpha=0.2, seed=6)


def test_the_schedule_ends_with_the_time(corpus, tmp_path, mt):
    limits = ["training.max_steps=null", "training.max_minutes=0.05", "optim.schedule=linear", "optim.warmup_steps=0"]
    assert mt(*overrides(corpus, f"run_dir={tmp_path}/run", *limits, "training.log_every_steps=1")).code == 0
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    rates = [row["train/learning_rate"] for row in rows if "train/learning_rate" in row]
    assert rates[0] > 0.8e-3
    assert rates[-1] < 0.2e-3
    assert rates == sorted(rates, reverse=True)


def test_a_model_of_another_direction_gives_a_warning(run_folder, corpus, tmp_path, mt):
    tune = overrides(corpus, f"run_dir={tmp_path}/run", f"training.init_from={run_folder}", *TUNING)
    tune = [one.replace("max_steps=30", "max_steps=1") for one in tune if not one.startswith("data.test=")]
    warning = f"training.init_from={run_folder} translates from aa to bb, but this training is from bb to aa"
    assert warning not in mt(*tune).err
    swapped = mt(*tune, f"run_dir={tmp_path}/swapped", "data.src_lang=bb", "data.tgt_lang=aa")
    assert swapped.code == 0, swapped.err
    assert swapped.err.count(warning) == 1


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (["training.init_from=nowhere"], "training.init_from=nowhere: there is no such run folder"),
        (["training.init_from={run}", "model.d_ff=96"], "use its values:\n  model.d_ff=128"),
        (
            ["training.init_from={run}", "model.d_ff=128", "tokenizer.vocab_size=310"],
            "use its values:\n  tokenizer.vocab_size=320",
        ),
        (["tokenizer.from_run=nowhere"], "tokenizer.from_run=nowhere: there is no such run folder"),
        (
            ["tokenizer.from_run={run}", "tokenizer.vocab_size=310"],
            "To take its vocabulary, use its values:\n  tokenizer.vocab_size=320",
        ),
        (
            ["tokenizer.from_run={run}", "tokenizer.copy_markers=2", "data.normalize.unicode=nfc"],
            "use its values:\n  tokenizer.copy_markers=4 data.normalize.unicode=none",
        ),
        (["tokenizer.from_run={run}", "tokenizer.joint=false"], "use its values:\n  tokenizer.joint=true"),
        (["tokenizer.from_run={run}", "training.init_from={run}"], "training.init_from brings its own vocabulary"),
        (["training.freeze=[encodre]"], "encodre"),
        (["training.freeze=[encoder,decoder,embeddings]"], "leaves nothing to train"),
        (["training.new_vocab=true"], "replaces the vocabulary of training.init_from"),
        (["training.lora.rank=-1"], "training.lora.rank=-1 must be a number, 0 or above"),
        (["training.lora.rank=4"], "training.lora.rank adapts a trained model"),
        (["training.lora.rank=64", "training.init_from={run}"], "must be below model.d_model=64"),
        (["training.r_drop=inf"], "training.r_drop=inf must be a number"),
        (["training.max_minutes=nan"], "training.max_minutes=nan must be a number above 0"),
        (["training.average_best=1"], "a mean needs 2 models or more"),
        (
            ["training.new_vocab=true", "training.init_from={run}", "training.freeze=[embeddings]"],
            "has to train the embeddings",
        ),
        (["training.ema_decay=1"], "training.ema_decay=1.0 must be at least 0 and below 1"),
        (["training.subword_alpha=2"], "training.subword_alpha=2.0 must be at most 1"),
        (["training.batches_per_step=2", "training.accumulate=2"], "give one of them"),
    ],
)
def test_wrong_settings_are_refused(corpus, run_folder, tmp_path, mt, extra, message):
    extra = [argument.format(run=run_folder) for argument in extra]
    outcome = mt(*overrides(corpus, f"run_dir={tmp_path}/run", "model.d_model=64", *extra))
    assert outcome.code == 2
    assert message in outcome.err
    assert not (tmp_path / "run").exists()


def test_a_fine_tuned_run_no_longer_needs_its_start(run_folder, other_corpus, tmp_path, mt):
    """LoRA with a moving average resumes after the first run is deleted, and its checkpoints can be averaged."""
    shutil.copytree(run_folder, tmp_path / "start")
    tune = ["training.lora.rank=4", "training.ema_decay=0.9", "training.keep_checkpoints=2"]
    tune += [*TUNING, f"training.init_from={tmp_path}/start", f"run_dir={tmp_path}/run"]
    assert mt(*overrides(other_corpus, *tune)).code == 0
    shutil.rmtree(tmp_path / "start")
    outcome = mt(*overrides(other_corpus, *tune, "training.max_steps=40"))
    assert outcome.code == 0, outcome.err
    assert "of them trained" in outcome.err
    assert mt("average", tmp_path / "run", "--last", 2, "--output", tmp_path / "mean").code == 0
    assert mt("translate", tmp_path / "mean", "ba de").code == 0
    mean, model = (load_file(tmp_path / name / "model.safetensors") for name in ("mean", "run"))
    assert mean.keys() == model.keys()


def test_simcut(monkeypatch):
    """Without cut tokens and dropout both passes agree, and nothing changes; with them the divergence is added."""
    p, q = torch.tensor([[0.9, 0.1]]), torch.tensor([[0.5, 0.5]])
    assert divergence(p.log(), q.log()).item() == pytest.approx((p * (p / q).log()).sum().item(), rel=1e-5)
    monkeypatch.setattr("mt.training.objective.CUT", 0.5)  # the batch has few tokens
    cut_loss, cut = gradients(build(), simcut=3.0)
    monkeypatch.setattr("mt.training.objective.CUT", 0.0)
    (loss, expected), (same_loss, found) = gradients(build()), gradients(build(), simcut=3.0)
    assert same_loss == pytest.approx(loss, rel=1e-5)
    assert all(torch.allclose(expected[name], found[name], atol=1e-5) for name in expected)
    assert cut_loss > loss
    assert any(not torch.allclose(expected[name], cut[name], atol=1e-3) for name in expected)


def test_a_cut_token_leaves_its_position():
    embedding = build(dropout=0.0).src_embedding
    ids = torch.full((1, 400), 5)
    rows = embedding(ids, cut=0.05)[0] - embedding.positions[:400]
    is_cut = rows.abs().amax(1) < 1e-6
    assert 5 <= int(is_cut.sum()) <= 40  # 20 expected
