"""A Marian model, built like those of OPUS-MT, is the same model after the import."""

import io
import json
import pickle
import re
import shutil

import pytest
import sentencepiece
import torch
from conftest import overrides, toy_pairs

from mt import SearchConfig, Translator

transformers = pytest.importorskip("transformers")
PAIRS = toy_pairs(400, 5)
LINES = [source for source, _ in toy_pairs(20, 9)]
N_TOKENS = 30


@pytest.fixture(scope="module")
def marian(tmp_path_factory):
    """Two SentencePiece models with their own pieces, one list of ids for both, and a model with random weights."""
    folder = tmp_path_factory.mktemp("marian")
    vocabulary = {"</s>": 0, "<unk>": 1}
    for number, side in enumerate(("source", "target")):
        proto = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=(pair[number] for pair in PAIRS),
            model_writer=proto,
            vocab_size=60,
            minloglevel=2,
            hard_vocab_limit=False,
        )
        (folder / f"{side}.spm").write_bytes(proto.getvalue())
        processor = sentencepiece.SentencePieceProcessor(model_proto=proto.getvalue())
        for i in range(3, processor.get_piece_size()):
            vocabulary.setdefault(processor.id_to_piece(i), len(vocabulary))
    for tag in (">>bb<<", ">>cc<<", "<pad>"):
        vocabulary[tag] = len(vocabulary)
    (folder / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    settings = {"tokenizer_class": "MarianTokenizer", "source_lang": "aa", "target_lang": "bb"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    pad = vocabulary["<pad>"]
    torch.manual_seed(3)
    model = transformers.MarianMTModel(
        transformers.MarianConfig(
            vocab_size=len(vocabulary), d_model=32, encoder_layers=2, decoder_layers=1, encoder_attention_heads=4,
            decoder_attention_heads=4, encoder_ffn_dim=48, decoder_ffn_dim=48, activation_function="swish",
            scale_embedding=True, max_position_embeddings=128, pad_token_id=pad, eos_token_id=0,
            decoder_start_token_id=pad, forced_eos_token_id=None, bad_words_ids=[[pad], [1]],
        )
    )  # fmt: skip
    for parameter in model.parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter, std=0.3)
    model.final_logits_bias.normal_()
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def imported(marian, tmp_path_factory):
    from mt import cli

    run = tmp_path_factory.mktemp("runs") / "imported"
    assert cli.run(["import", str(marian), str(run)]) == 0
    return run


def test_the_same_logits_and_texts(marian, imported):
    theirs = transformers.MarianMTModel.from_pretrained(marian).eval()
    tokenizer = transformers.MarianTokenizer.from_pretrained(marian)
    translator = Translator.load(imported)
    own = translator.tokenizer
    ids = [tokenizer.encoder.get(own.tgt.id_to_piece(i).replace("▁>>", ">>")) for i in range(own.vocab_sizes[1])]
    known = [i for i, number in enumerate(ids) if number is not None]
    assert sorted(ids[i] for i in known) == list(range(len(tokenizer.encoder)))
    for line in [*LINES[:5], f">>cc<< {LINES[0]}", "ba ✓ de"]:
        encoded = tokenizer([line], return_tensors="pt")
        (src,), (tgt,) = own.encode_src([line]), own.encode_tgt([line.upper()])
        pieces = [own.src.id_to_piece(i).replace("▁>>", ">>") for i in (*src, own.eos_id)]
        assert pieces == tokenizer.convert_ids_to_tokens(encoded.input_ids[0])
        their_tgt = torch.tensor([[theirs.config.decoder_start_token_id, *(ids[i] for i in tgt)]])
        src_ids = torch.tensor([[*src, own.eos_id]])
        with torch.no_grad():
            expected = theirs(**encoded, decoder_input_ids=their_tgt).logits
            logits = translator.model(src_ids, torch.ones_like(src_ids, dtype=torch.bool), torch.tensor([[2, *tgt]]))
            generated = theirs.generate(**encoded, num_beams=1, do_sample=False, max_length=N_TOKENS + 1)
        assert (logits[..., known] - expected[..., [ids[i] for i in known]]).abs().max() < 1e-4
        greedy = SearchConfig(beam_size=1, no_loops=False, max_len_ratio=0.001, max_len_offset=N_TOKENS)
        assert translator.translate([line], greedy) == tokenizer.batch_decode(generated, skip_special_tokens=True)


def test_an_imported_model_is_a_run_like_any_other(imported, corpus, mt, tmp_path):
    """It can be evaluated, exported, and imported again."""
    again = mt("export", imported, "--to", "huggingface", tmp_path / "exported")
    assert again.code == 0, again.err
    assert mt("import", tmp_path / "exported", tmp_path / "back").code == 0  # the export states its languages
    (tmp_path / "exported" / "target.spm").unlink()
    damaged = mt("import", tmp_path / "exported", tmp_path / "other")
    assert damaged.code == 2
    assert "it has no target.spm" in damaged.err
    one, other = (
        Translator.load(run).n_best(LINES, SearchConfig(no_loops=False), quiet=True)
        for run in (imported, tmp_path / "back")
    )
    assert [best[0].text for best in one] == [best[0].text for best in other]
    assert [best[0].score for best in one] == pytest.approx([best[0].score for best in other], abs=1e-3)
    printed = mt("import", imported.parent / ".." / imported.name, tmp_path / "x")
    assert printed.code == 2
    evaluated = mt("evaluate", imported, "--test", f"test={corpus}/valid")
    assert evaluated.code == 0, evaluated.err


def test_fine_tuning_with_the_printed_command(marian, corpus, mt, tmp_path):
    outcome = mt("import", marian, tmp_path / "run")
    command = outcome.out.splitlines()[-1].split()
    assert command[:2] == ["mt", "train"]
    model = [argument for argument in command if argument.startswith(("model.", "tokenizer.", "training.init_from"))]
    changed = {argument.partition("=")[0] for argument in model}
    small = [a for a in overrides(corpus) if a.partition("=")[0] not in {*changed, "tokenizer.vocab_size"}]
    limits = ["training.max_steps=60", "training.valid_every_steps=20", "optim.lr=0.003", "optim.warmup_steps=10"]
    trained = mt(*small, *model, *limits, f"run_dir={tmp_path}/tuned")
    assert trained.code == 0, trained.err
    losses = [float(loss) for loss in re.findall(r"validation loss ([\d.]+)", trained.err)]
    assert losses[-1] < 0.8 * losses[0]
    assert mt("translate", tmp_path / "tuned", *LINES[:2]).code == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"normalize_before": True}, "mt does not support normalize_before=True"),
        ({"activation_function": "tanh"}, "mt does not support activation_function=tanh"),
        ({"decoder_ffn_dim": 64}, "decoder_ffn_dim"),
    ],
)
def test_unsupported_models_are_refused(marian, mt, tmp_path, change, message):
    folder = tmp_path / "model"
    shutil.copytree(marian, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | change))
    outcome = mt("import", folder, tmp_path / "run")
    assert outcome.code == 2
    assert message in outcome.err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"<pad>": None}, "its vocabulary lacks <pad>."),
        ({"foo": 10**6}, "foo has the id 1000000, which is not a number from 0 to"),
        ({"foo": -7}, "foo has the id -7, which is not a number from 0 to"),
        ({"foo": "7"}, "foo has the id '7', which is not a number from 0 to"),
    ],
)
def test_damaged_vocabularies_are_refused(marian, mt, tmp_path, changes, message):
    folder = tmp_path / "model"
    shutil.copytree(marian, folder)
    ids = json.loads((folder / "vocab.json").read_text(encoding="utf-8")) | changes
    known = {piece: number for piece, number in ids.items() if number is not None}
    (folder / "vocab.json").write_text(json.dumps(known), encoding="utf-8")
    outcome = mt("import", folder, tmp_path / "run")
    assert (outcome.code, message in outcome.err) == (2, True), outcome.err


@pytest.mark.parametrize("content", [b"", pickle.dumps(print)])
def test_pickles_are_not_run(marian, mt, tmp_path, content):
    folder = tmp_path / "model"
    shutil.copytree(marian, folder)
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(content)
    outcome = mt("import", folder, tmp_path / "run")
    assert (outcome.code, "is not a Marian model with its tokenizer" in outcome.err) == (2, True), outcome.err


def test_folders_without_a_model_are_refused(marian, imported, run_folder, mt, tmp_path):
    assert "is not a model of transformers" in mt("import", tmp_path, tmp_path / "run").err
    assert "already exists" in mt("import", marian, imported).err
    assert mt("export", run_folder, "--to", "huggingface", tmp_path / "other").code == 0
    assert "is of the type blenderbot" in mt("import", tmp_path / "other", tmp_path / "run").err
    folder = tmp_path / "model"
    shutil.copytree(marian, folder)
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "MarianTokenizer"}')
    assert "add --src-lang and --tgt-lang" in mt("import", folder, tmp_path / "run").err
    (folder / "source.spm").unlink()
    assert "is not a Marian model" in mt("import", folder, tmp_path / "run").err
