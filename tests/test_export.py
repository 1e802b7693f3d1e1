"""Exported models, loaded by the toolkits that they are for, equal our own."""

import itertools
import json
import os
import re
import shutil
import subprocess
import sys

import pytest
import sentencepiece
import torch
import yaml
from conftest import ROOT, overrides, slow_except, toy_pairs
from safetensors.torch import load_file, save_file

from mt import SearchConfig, Translator
from mt.config.choices import LengthNorm
from mt.data.batch import build_source
from mt.text.language_names import language_name
from mt.translation.likelihood import token_log_probs

ctranslate2 = pytest.importorskip("ctranslate2")
transformers = pytest.importorskip("transformers")

LINES = [source for source, _ in toy_pairs(60, 9)]
KINDS = {
    "pre": [],
    "pre-learned-gelu": ["model.positions=learned", "model.activation=gelu"],
    "post": ["model.norm=post"],
    "post-untied-deep": ["model.norm=post", "model.tie_embeddings=false", "model.n_encoder_layers=3"],
    "separate": ["tokenizer.joint=false", "tokenizer.vocab_size=300", "tokenizer.model_type=bpe"],
    "post-separate": [
        "model.norm=post",
        "model.activation=silu",
        "model.output_bias=true",
        "tokenizer.joint=false",
        "tokenizer.vocab_size=300",
        "tokenizer.model_type=bpe",
    ],
    "swiglu": ["model.activation=swiglu"],
    "post-learned": ["model.norm=post", "model.positions=learned"],
}
LIMIT = SearchConfig(beam_size=1, no_loops=False, max_len_ratio=0.01, max_len_offset=30)
ONLY_CTRANSLATE2 = ("swiglu", "post-learned")


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(kind, marks=() if kind in ("pre", "post-separate", "swiglu") else pytest.mark.slow)
        for kind in KINDS
    ],
)
def run(request, corpus, tmp_path_factory):
    """A model of each kind, trained so little that its flat distributions make equality by chance unlikely."""
    from mt import cli

    folder = tmp_path_factory.mktemp("runs") / request.param
    arguments = overrides(corpus, f"run_dir={folder}", "training.max_steps=40", "optim.lr=0.005", *KINDS[request.param])
    changed = {argument.partition("=")[0] for argument in KINDS[request.param]}
    own = [a for a in arguments if a in KINDS[request.param] or a.partition("=")[0] not in changed]
    assert cli.run(own) == 0
    return folder


def in_pieces(processor, rows):
    return [[processor.id_to_piece(i) for i in ids] for ids in rows]


def greedy(folder, quantization, tokenizer):
    """Return CTranslate2's greedy translations in pieces."""
    engine = ctranslate2.Translator(str(folder), "cpu", compute_type=quantization, intra_threads=1)
    never = {"disable_unk": True, "suppress_sequences": [["<pad>"], ["<s>"]]}
    sources = in_pieces(tokenizer.src, tokenizer.encode_src(LINES))
    found = engine.translate_batch(sources, beam_size=1, max_decoding_length=30, **never)
    return [result.hypotheses[0] for result in found]


def test_ctranslate2_has_the_same_probabilities_and_texts(run, mt, tmp_path):
    assert mt("export", run, "--to", "ctranslate2", tmp_path / "model").code == 0
    translator = Translator.load(run)
    tokenizer = translator.tokenizer
    pairs = list(zip(tokenizer.encode_src(LINES), tokenizer.encode_tgt(LINES[::-1]), strict=True))
    engine = ctranslate2.Translator(str(tmp_path / "model"), "cpu", intra_threads=1)
    theirs = engine.score_batch(
        in_pieces(tokenizer.src, [src for src, _ in pairs]), in_pieces(tokenizer.tgt, [tgt for _, tgt in pairs])
    )
    for own, result in zip(token_log_probs(translator.model, tokenizer, pairs, max_tokens=1000), theirs, strict=True):
        assert own == pytest.approx(result.log_probs, abs=1e-4)
    spm = sentencepiece.SentencePieceProcessor(model_file=str(tmp_path / "model" / "source.spm"))
    assert spm.encode(LINES) == tokenizer.encode_src(LINES)
    pieces = [[p for p in best[0].pieces if p != "</s>"] for best in translator.n_best(LINES, LIMIT, quiet=True)]
    assert pieces == greedy(tmp_path / "model", "float32", tokenizer)


def test_huggingface_has_the_same_logits_and_texts(run, mt, tmp_path):
    outcome = mt("export", run, "--to", "huggingface", tmp_path / "model")
    if run.name in ONLY_CTRANSLATE2:
        assert outcome.code == 2
        assert "transformers has no translation model" in outcome.err
        assert not (tmp_path / "model").exists()
        return
    assert outcome.code == 0, outcome.err
    translator = Translator.load(run)
    model = transformers.AutoModelForSeq2SeqLM.from_pretrained(tmp_path / "model").eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "model")
    encoded = tokenizer(LINES, return_tensors="pt", padding=True)
    src, src_mask = build_source(translator.tokenizer.encode_src(LINES), 0, 3)
    assert torch.equal(encoded.input_ids, src)
    tgt_in = torch.randint(4, 300, (len(LINES), 9), generator=torch.Generator().manual_seed(1))
    tgt_in[:, 0] = translator.tokenizer.bos_id
    with torch.no_grad():
        own = translator.model(src, src_mask, tgt_in)
        theirs = model(**encoded, decoder_input_ids=tgt_in).logits[..., : own.size(-1)]
        assert (own - theirs).abs().max() < 1e-4
        generated = model.generate(**encoded, num_beams=1, do_sample=False, max_length=31)
    for ids, best in zip(generated.tolist(), translator.n_best(LINES, LIMIT, quiet=True), strict=True):
        pieces = [translator.tokenizer.tgt.id_to_piece(i) for i in ids if i != translator.tokenizer.pad_id]
        assert pieces[1 : len(best[0].pieces) + 1] == best[0].pieces


def test_generation_settings_are_those_of_the_run(run_folder, mt, tmp_path):
    """With the same length norm, transformers' own settings give nearly all of our translations."""
    shutil.copytree(run_folder, tmp_path / "run")
    config = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text(encoding="utf-8"))
    config["search"] |= {"length_norm": "average", "length_penalty": 0.5, "beam_size": 4, "no_repeat_ngram": 3}
    (tmp_path / "run" / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    assert mt("export", tmp_path / "run", "--to", "huggingface", tmp_path / "model").code == 0
    model = transformers.AutoModelForSeq2SeqLM.from_pretrained(tmp_path / "model").eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "model")
    theirs = tokenizer.batch_decode(
        model.generate(**tokenizer(LINES, return_tensors="pt", padding=True)), skip_special_tokens=True
    )
    config["search"] |= {"beam_size": 1}
    (tmp_path / "run" / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    assert mt("export", tmp_path / "run", "--to", "huggingface", tmp_path / "greedy").code == 0
    own = mt("translate", tmp_path / "run", "--beam-size", 4, "--no-split", *LINES).out.splitlines()
    assert sum(map(str.__eq__, own, theirs)) >= 0.95 * len(LINES)
    settings = model.generation_config
    assert (settings.num_beams, settings.length_penalty, settings.no_repeat_ngram_size) == (4, 0.5, 3)


def test_ctranslate2_reports_the_probabilities_of_tokens(run_folder, mt):
    def rows(*options):
        outcome = mt("translate", run_folder, "--json", *options, *LINES[:5])
        return [json.loads(line)["translations"][0] for line in outcome.out.splitlines()]

    for own, theirs in zip(rows(), rows("--engine", "ctranslate2"), strict=True):
        assert theirs["text"] == own["text"]
        assert theirs["log_probs"] == pytest.approx(own["log_probs"], abs=1e-4)
        assert theirs["score"] == pytest.approx(own["score"], abs=1e-4)


def test_beams_agree(run_folder, mt, tmp_path):
    """With the same length norm, and searched until no better hypothesis is possible, nearly all beams agree.

    float32 products differ in the last digit between engines and processors. Where two hypotheses are nearly equal when
    the beam is pruned, engines keep different ones, so a few translations may differ; then each engine's score is still
    that of our own model for its text, and neither text is much better.
    """
    lines = [source for source, _ in toy_pairs(500, 11)]
    for engine in ("ctranslate2", "huggingface"):
        assert mt("export", run_folder, "--to", engine, tmp_path / engine).code == 0
    translator = Translator.load(run_folder)
    own = translator.n_best(lines, SearchConfig(patience=None, length_norm=LengthNorm.average, no_loops=False))
    pieces = [[translator.tokenizer.src.id_to_piece(i) for i in ids] for ids in translator.tokenizer.encode_src(lines)]
    engine = ctranslate2.Translator(str(tmp_path / "ctranslate2"), "cpu", intra_threads=1)
    limits = {"patience": 20, "max_decoding_length": 40, "disable_unk": True}
    found = engine.translate_batch(pieces, beam_size=5, length_penalty=1, return_scores=True, **limits)
    texts = [translator.tokenizer.tgt.decode_pieces(result.hypotheses[0]) for result in found]
    assert_nearly_equal(translator, lines, own, texts, [result.scores[0] for result in found])
    model = transformers.AutoModelForSeq2SeqLM.from_pretrained(tmp_path / "huggingface").eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "huggingface")
    outputs = model.generate(
        **tokenizer(lines, return_tensors="pt", padding=True), num_beams=5, length_penalty=1.0, max_length=40,
        return_dict_in_generate=True, output_scores=True,
    )  # fmt: skip
    texts = tokenizer.batch_decode(outputs.sequences, skip_special_tokens=True)
    assert_nearly_equal(translator, lines, own, texts, outputs.sequences_scores.tolist())


def assert_nearly_equal(translator, lines, own, texts, scores):
    """Check the translations and scores of an engine against our own; at most 1% may differ, by little."""
    differing = [i for i in range(len(lines)) if own[i][0].text != texts[i]]
    assert len(differing) <= len(lines) / 100
    for i in range(len(lines)):
        if i not in differing:
            assert own[i][0].score == pytest.approx(scores[i], abs=1e-3)
    tokenizer = translator.tokenizer
    pairs = [(tokenizer.encode_src([lines[i]])[0], tokenizer.encode_tgt([texts[i]])[0]) for i in differing]
    rows = token_log_probs(translator.model, tokenizer, pairs, max_tokens=1000)
    for i, log_probs in zip(differing, rows, strict=True):
        assert sum(log_probs) / len(log_probs) <= scores[i] + 1e-3  # not more: the text may have other segmentations
        assert own[i][0].score == pytest.approx(scores[i], abs=0.1)


def test_int8_is_smaller_and_translates(run_folder, mt, tmp_path):
    for quantization in ("float32", "int8"):
        outcome = mt(
            "export", run_folder, "--to", "ctranslate2", "--quantization", quantization, tmp_path / quantization
        )
        assert outcome.code == 0
    sizes = {name: (tmp_path / name / "model.bin").stat().st_size for name in ("float32", "int8")}
    assert sizes["int8"] < 0.6 * sizes["float32"]
    tokenizer = Translator.load(run_folder).tokenizer
    exact, small = (greedy(tmp_path / name, name, tokenizer) for name in ("float32", "int8"))
    assert sum(a == b for a, b in itertools.zip_longest(exact, small)) > 0.8 * len(LINES)


def test_wrong_options_are_refused(run_folder, mt, tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "file").touch()
    for arguments, message in (
        (["--to", "ctranslate2", tmp_path / "there"], "already exists"),
        (["--to", "huggingface", "--quantization", "int8", tmp_path / "x"], "--quantization needs --to ctranslate2"),
        (["--to", "ctranslate2", "--positions", "1", tmp_path / "x"], "--positions 1"),
        (["--to", "libretranslate", tmp_path / "x"], "must end in .argosmodel"),
    ):
        outcome = mt("export", run_folder, *arguments)
        assert outcome.code == 2
        assert message in outcome.err
        assert not (tmp_path / "x").exists()


def test_transformers_needs_none_of_our_code(run_folder, mt, tmp_path):
    assert mt("export", run_folder, "--to", "huggingface", tmp_path / "model").code == 0
    script = (
        "import json, sys; from transformers import AutoModelForSeq2SeqLM as M, AutoTokenizer as T\n"
        "t, m = T.from_pretrained(sys.argv[1]), M.from_pretrained(sys.argv[1])\n"
        "print(json.dumps(t.batch_decode(m.generate(**t(sys.argv[2:], return_tensors='pt', padding=True)), "
        "skip_special_tokens=True)))\nassert 'mt' not in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "model"), *LINES[:3]],
        capture_output=True, text=True, check=True, cwd=ROOT.parent,
    )  # fmt: skip
    assert json.loads(done.stdout.splitlines()[-1]) == mt("translate", run_folder, *LINES[:3]).out.splitlines()


@pytest.mark.parametrize("beam_size", slow_except(1, [1, 5]))
def test_the_engines_give_the_same_translations(run_folder, mt, beam_size):
    lines = [source for source, _ in toy_pairs(1000, 12)]
    lines += ["ba " * 60, "BA DE", "ba 😀 de", "https://ba.de fi", "", "xa ti. ba de."]
    for options in ([], ["--n-best", "3"], ["--prefix", "XA TI"]):
        if beam_size == 1 and "--n-best" in options:
            continue
        arguments = ["translate", run_folder, "--json", "--beam-size", beam_size, *options]
        rows = [mt(*arguments, "--engine", name, *lines).out.splitlines() for name in ("torch", "auto", "ctranslate2")]
        own, auto, engine = ([json.loads(row)["translations"] for row in one] for one in rows)
        assert auto == engine
        assert len(own) == len(lines)
        best = [(ours[0], theirs[0]) for ours, theirs in zip(own, auto, strict=True)]
        for ours, theirs in best:  # between hypotheses that are nearly equal, rounding decides
            assert ours["score"] == pytest.approx(theirs["score"], abs=0.1 if ours["text"] != theirs["text"] else 1e-3)
        assert sum(ours["text"] != theirs["text"] for ours, theirs in best) <= len(lines) / 100
        if "--n-best" not in options:  # without scores, the search ends sooner, with the same texts
            plain = mt("translate", run_folder, "--beam-size", beam_size, *options, *lines).out.splitlines()
            assert plain == [theirs["text"] for _, theirs in best]


def test_length_limits_are_those_of_each_sentence(run_folder, mt):
    """CTranslate2 has one for a batch: it translates none that reach their own."""
    lines = ["ba", "ba de", "ba de fi go", "ba de fi go hu di du", "ba " * 20]
    limits = ["--set", "search.max_len_ratio=0.3", "--set", "search.max_len_offset=1", "--n-best", "3"]

    def translations(engine, *lines):
        rows = mt("translate", run_folder, "--engine", engine, *limits, *lines).out.splitlines()
        return [row.partition(" ||| ")[2] for row in rows]  # without the number of the line

    together = translations("ctranslate2", *lines)
    assert together == translations("torch", *lines)
    assert together == [row for line in lines for row in translations("ctranslate2", line)]


def test_the_engine_is_named(run_folder, mt):
    assert "Engine: CTranslate2 in float32" in mt("translate", run_folder, "-v", LINES[0]).err
    assert "Engine: " not in mt("translate", run_folder, LINES[0]).err
    two = mt("translate", run_folder, "-v", "--ensemble", run_folder, LINES[0])
    assert "our own search in torch: it translates with one model" in two.err
    assert mt("translate", run_folder, "-v", "--precision", "bf16", LINES[0]).code == 0


def test_a_search_that_the_engine_lacks_is_our_own(run_folder, mt):
    sampled = ["--set", "search.method=sample", "--set", "search.forbidden=[XA]", *LINES]
    texts = [mt("translate", run_folder, "--engine", name, *sampled).out for name in ("auto", "torch")]
    assert texts[0] == texts[1]


def test_eight_bits_where_they_cost_nothing(run_folder, mt, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    arguments = ["translate", run_folder, "-v", "--quantization", "auto", *LINES[:3]]
    first, second = mt(*arguments), mt(*arguments)
    assert "Measuring on 40 sentences" in first.err
    assert "Measuring" not in second.err
    (record,) = (tmp_path / "cache" / "mt" / "quantization").iterdir()
    scores = json.loads(record.read_text(encoding="utf-8"))
    chosen = "int8" if scores["float32"] - scores["int8"] < 0.1 else "float32"
    assert f"CTranslate2 in {chosen}" in second.err
    for other, expected in ((99.9, "float32"), (50.0, "int8")):
        record.write_text(json.dumps({"float32": other, "int8": 50.0}), encoding="utf-8")
        assert f"CTranslate2 in {expected}" in mt(*arguments).err
        assert mt("export", run_folder, "--to", "ctranslate2", "--quantization", "auto", tmp_path / expected).code == 0
    sizes = [(tmp_path / name / "model.bin").stat().st_size for name in ("float32", "int8")]
    assert sizes[1] < sizes[0]
    record.write_text("{", encoding="utf-8")
    assert "Measuring on 40 sentences" in mt(*arguments).err


def test_eight_bits_need_validation_text(copy_of_run, mt, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    config = (copy_of_run / "config.yaml").read_text(encoding="utf-8")
    (copy_of_run / "config.yaml").write_text(re.sub("  valid: .*", "  valid: /nowhere/valid", config), encoding="utf-8")
    outcome = mt("translate", copy_of_run, "--quantization", "auto", "ba")
    assert outcome.code == 2
    assert "--quantization auto needs the validation text" in outcome.err


def test_translating_does_not_need_torch(run_folder, mt, tmp_path):
    assert mt("translate", run_folder, LINES[0]).code == 0  # converts the model
    script = "import sys; from mt.cli import run; code = run(sys.argv[1:]); sys.exit(code or 'torch' in sys.modules)"
    command = [sys.executable, "-c", script, "translate", str(run_folder), *LINES[:5]]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == mt("translate", run_folder, "--engine", "torch", *LINES[:5]).out


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """The user's cache, empty."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "mt" / "ctranslate2"


def test_a_model_is_converted_once_for_the_same_weights(copy_of_run, mt, cache):
    def translate():
        outcome = mt("translate", copy_of_run, LINES[0])
        assert outcome.code == 0, outcome.err
        return {folder.name: (folder / "model.bin").stat().st_mtime_ns for folder in cache.iterdir()}

    first = translate()
    os.utime(copy_of_run / "model.safetensors")
    assert translate() == first
    weights = load_file(copy_of_run / "model.safetensors")
    changed = {name: 1.01 * weight for name, weight in weights.items()}
    save_file(changed, copy_of_run / "model.safetensors")
    (copy_of_run / "SHA256SUMS").unlink()
    assert len(translate()) == 2
    model = cache / next(iter(first)) / "model.bin"
    model.write_bytes(model.read_bytes()[:-9])
    save_file(weights, copy_of_run / "model.safetensors")
    assert translate()[next(iter(first))] != first[next(iter(first))]  # damaged: converted again


def test_a_conversion_in_the_run_folder_is_not_trusted(copy_of_run, mt, cache):
    text = mt("translate", copy_of_run, LINES[0]).out
    stranger = copy_of_run / "ctranslate2-float32"
    shutil.copytree(next(cache.iterdir()), stranger)
    (stranger / "model.bin").write_bytes(b"\xff" * 100)
    assert mt("translate", copy_of_run, LINES[0]).out == text


def test_without_a_cache_our_own_search_translates(copy_of_run, mt, cache):
    cache.parent.parent.write_text("a file where a folder should be")
    outcome = mt("translate", copy_of_run, "-v", LINES[0])
    assert outcome.code == 0
    assert "the converted model cannot be saved" in outcome.err


def test_quantization_leaves_the_model_as_it_was(run_folder, mt, cache, tmp_path):
    text = mt("translate", run_folder, "--quantization", "int8", "--markup", f"<b>{LINES[0]}</b>").out
    assert text == mt("translate", run_folder, "--quantization", "int8", "--markup", f"<b>{LINES[0]}</b>").out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--engine", "ctranslate2", "--set", "search.method=sample"], "does not support search.method"),
        (["--engine", "ctranslate2", "--set", "search.forbidden=[x]"], "does not support search.forbidden"),
        (["--engine", "ctranslate2", "--quantization", "int3"], "CTranslate2 supports these here: "),
        (["--engine", "ctranslate2", "--ensemble", "{run}"], "omit --ensemble"),
        (["--engine", "ctranslate2", "--precision", "bf16"], "--precision is for --engine torch"),
        (["--quantization", "int8", "--engine", "torch"], "--quantization is for --engine ctranslate2"),
    ],
)
def test_options_that_the_engine_lacks_are_refused(run_folder, mt, tmp_path, arguments, message):
    run = tmp_path / "run"
    shutil.copytree(run_folder, run)
    outcome = mt("translate", run, *[argument.format(run=run) for argument in arguments], LINES[0])
    assert outcome.code == 2
    assert message in outcome.err


@pytest.fixture(scope="module")
def tagged(corpus, tmp_path_factory):
    """Return a function that trains a model with tags."""
    from mt import cli

    def train(*tags):
        folder = tmp_path_factory.mktemp("tagged") / "run"
        limits = [f"run_dir={folder}", "training.max_steps=40", "optim.lr=0.005", "optim.warmup_steps=10"]
        assert cli.run(overrides(corpus, *limits, *tags)) == 0
        return folder

    return train


def test_tags_of_exported_models(tagged, corpus, mt, tmp_path):
    run = tagged("data.language_tags=true")
    exported = mt("export", run, "--to", "ctranslate2", tmp_path / "ct")
    assert "Put a tag before the pieces of each source, such as <2bb>" in exported.out
    translator = Translator.load(run)
    own = [best[0].text for best in translator.n_best(LINES, LIMIT)]
    engine = ctranslate2.Translator(str(tmp_path / "ct"), "cpu", intra_threads=1)
    sources = [["<2bb>", *row] for row in in_pieces(translator.tokenizer.src, translator.tokenizer.encode_src(LINES))]
    never = {"disable_unk": True, "suppress_sequences": [["<pad>"], ["<s>"], ["<2bb>"]]}
    found = engine.translate_batch(sources, beam_size=1, max_decoding_length=30, **never)
    assert [translator.tokenizer.tgt.decode(result.hypotheses[0]) for result in found] == own

    exported = mt("export", run, "--to", "huggingface", tmp_path / "hf")
    assert "such as `>>2bb<< TEXT`" in exported.out
    theirs = transformers.MarianTokenizer.from_pretrained(tmp_path / "hf")
    for line, ids in zip(LINES, translator.tokenizer.encode_src(LINES), strict=True):
        expected = [*translator.tokenizer.encode_tags(["<2bb>"]).src, *ids, translator.tokenizer.eos_id]
        assert theirs(f">>2bb<< {line}").input_ids == expected


def test_tags_and_markers_are_never_generated(tagged, mt, tmp_path):
    """Not even by a model that prefers them to everything else."""
    run = tagged("data.language_tags=true", "model.output_bias=true")
    weights, tokenizer = load_file(run / "model.safetensors"), Translator.load(run).tokenizer
    unwanted = [*tokenizer.never_generated, *map(tokenizer.tgt.piece_to_id, tokenizer.markers)]
    weights["projection.bias"][unwanted] += 50
    save_file(weights, run / "model.safetensors")
    (run / "SHA256SUMS").unlink()
    assert mt("export", run, "--to", "huggingface", tmp_path / "hf").code == 0
    model = transformers.AutoModelForSeq2SeqLM.from_pretrained(tmp_path / "hf").eval()
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path / "hf")
    found = model.generate(**theirs(LINES[:4], return_tensors="pt", padding=True), max_length=20)
    assert not {*found[:, 1:].flatten().tolist()} & {*unwanted} - {tokenizer.pad_id}


def test_others_may_read_an_exported_model(run_folder, mt, tmp_path):
    assert mt("export", run_folder, "--to", "huggingface", tmp_path / "hf").code == 0
    assert len({path.stat().st_mode for path in (tmp_path / "hf").iterdir()}) == 1


@pytest.mark.parametrize("positions", [1, 10**14, 10**23])
def test_impossible_positions(run_folder, mt, tmp_path, positions):
    outcome = mt("export", run_folder, "--to", "ctranslate2", tmp_path / "ct", "--positions", positions)
    assert (outcome.code, "must be a number from 2 to 100,000" in outcome.err) == (2, True), outcome.err


def test_the_card_names_only_formats_that_the_model_has(tagged, run_folder, mt, tmp_path):
    for run, fits in ((run_folder, True), (tagged("model.activation=swiglu"), False)):
        assert mt("card", run, "--output", tmp_path / "card.md").code == 0
        assert ("--to huggingface" in (tmp_path / "card.md").read_text()) == fits


def test_two_tags_are_too_many_for_transformers(tagged, corpus, mt, tmp_path):
    run = tagged("data.language_tags=true", f"data.train=[{{path: {corpus}/train, tag: law}}]")
    outcome = mt("export", run, "--to", "huggingface", tmp_path / "hf")
    assert outcome.code == 2
    assert "takes one tag only" in outcome.err
    assert mt("card", run, "--output", tmp_path / "card.md").code == 0
    assert "--to huggingface" not in (tmp_path / "card.md").read_text()
    assert mt("export", run, "--to", "ctranslate2", tmp_path / "ct").out.endswith("there are <2bb>, <law>.\n")


ARGOS = """
import sys
from pathlib import Path
from argostranslate import package, sbd, translate

sbd.MiniSBDSentencizer.split_sentences = lambda self, text: [text]  # its model would be downloaded
package.install_from_path(Path(sys.argv[1]))
(installed,) = package.get_installed_packages()
print(installed, installed.from_code, installed.to_code)
for line in sys.argv[2:]:
    print(translate.translate(line, installed.from_code, installed.to_code))
"""


@pytest.mark.slow
@pytest.mark.parametrize("quantization", ["float32", "int8"])
def test_argos_translate_reads_the_package(run_folder, mt, tmp_path, quantization):
    """It finds what the same engine finds, which in int8 depends on the processor."""
    file, lines = tmp_path / "toy.argosmodel", LINES[:5]
    assert mt("export", run_folder, "--to", "libretranslate", file, "--quantization", quantization).code == 0
    assert mt("export", run_folder, "--to", "ctranslate2", tmp_path / "ct", "--quantization", quantization).code == 0
    engine = ctranslate2.Translator(str(tmp_path / "ct"), "cpu", compute_type=quantization, intra_threads=1)
    tokenizer = Translator.load(run_folder).tokenizer
    pieces = in_pieces(tokenizer.src, tokenizer.encode_src(lines))
    searched = engine.translate_batch(pieces, beam_size=4, length_penalty=0.2)
    expected = [tokenizer.tgt.decode(one.hypotheses[0]) for one in searched]
    folders = {f"XDG_{kind}_HOME": str(tmp_path / kind.lower()) for kind in ("DATA", "CONFIG", "CACHE")}
    folders["ARGOS_COMPUTE_TYPE"] = quantization
    done = subprocess.run(
        [sys.executable, "-c", ARGOS, str(file), *lines],
        capture_output=True, text=True, check=False, env={**os.environ, **folders},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.splitlines() == ["Afar → bb aa bb", *expected]
    assert mt("export", run_folder, "--to", "libretranslate", file).code == 2  # it is there already


@pytest.mark.parametrize(("installed", "name"), [(True, "Swahili"), (False, "swa")])
def test_names_of_languages(monkeypatch, capsys, installed, name):
    """Without language-data, a language is called by its code, and nothing is printed."""
    if not installed:
        monkeypatch.setitem(sys.modules, "language_data", None)
        monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert language_name("swa") == name
    assert [language_name(code) for code in ("bb", "no language")] == ["bb", "no language"]
    assert capsys.readouterr().out == ""
