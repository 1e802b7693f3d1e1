"""M2M-100 and NLLB-200 models, built like the published ones, are the same models after the import."""

import io
import json
import re
import shutil

import pytest
import sentencepiece
import torch
from conftest import toy_pairs
from safetensors.torch import load_file

from mt import SearchConfig, Translator
from mt.config.choices import EngineName
from mt.runs.layout import RunLayout
from mt.runs.run_files import load_run_config

transformers = pytest.importorskip("transformers")
LINES = [source for source, _ in toy_pairs(20, 9)]
N_TOKENS = 30
LANGS = {"m2m": ("en", "de", "fr"), "nllb": ("eng_Latn", "deu_Latn", "zho_Hans")}


def train_pieces():
    proto = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=(text for pair in toy_pairs(400, 5) for text in pair), model_writer=proto, model_type="bpe",
        vocab_size=90, minloglevel=2, hard_vocab_limit=False,
    )  # fmt: skip
    processor = sentencepiece.SentencePieceProcessor(model_proto=proto.getvalue())
    return proto.getvalue(), [processor.id_to_piece(i) for i in range(3, processor.get_piece_size())]


@pytest.fixture(scope="module", params=["m2m", "nllb"])
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def published(kind, tmp_path_factory):
    """A folder with a tokenizer as it is published, and a model with random weights."""
    folder = tmp_path_factory.mktemp(kind)
    proto, pieces = train_pieces()
    (folder / "sentencepiece.bpe.model").write_bytes(proto)
    if kind == "m2m":
        ids = {piece: number for number, piece in enumerate(["<s>", "<pad>", "</s>", "<unk>", *pieces[::-1]])}
        (folder / "vocab.json").write_text(json.dumps(ids), encoding="utf-8")
        settings = {"tokenizer_class": "M2M100Tokenizer"}
    else:
        settings = {"tokenizer_class": "NllbTokenizer", "additional_special_tokens": [*LANGS["nllb"], "khm_Khmr"]}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    config = transformers.M2M100Config(
        vocab_size=4 + len(pieces) + 300, d_model=32, encoder_layers=2, decoder_layers=1, encoder_attention_heads=4,
        decoder_attention_heads=4, encoder_ffn_dim=48, decoder_ffn_dim=48, max_position_embeddings=64,
    )  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config.to_dict() | {"architectures": ["M2M100"]}))
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    torch.manual_seed(3)
    model = transformers.M2M100ForConditionalGeneration(config)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    model.save_pretrained(folder)
    assert tokenizer.convert_tokens_to_ids(pieces[5]) not in (None, tokenizer.unk_token_id)
    return folder


@pytest.fixture(scope="module")
def imported(kind, published, tmp_path_factory):
    from mt import cli

    run = tmp_path_factory.mktemp("runs") / "imported"
    langs = ["--src-lang", LANGS[kind][0], "--tgt-lang", LANGS[kind][1]]
    assert cli.run(["import", str(published), str(run), *langs]) == 0
    return run


def greedy(n_tokens=N_TOKENS):
    return SearchConfig(beam_size=1, no_loops=False, simplify=False, max_len_ratio=0.001, max_len_offset=n_tokens)


def test_the_same_logits_and_texts(kind, published, imported):
    theirs = transformers.M2M100ForConditionalGeneration.from_pretrained(published).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(published)
    ids_of = tokenizer.get_vocab() | getattr(tokenizer, "lang_token_to_id", {})
    written = {f"<2{lang}>": f"__{lang}__" if kind == "m2m" else lang for lang in LANGS[kind]}
    translator = Translator.load(imported, engine=EngineName.torch)
    own = translator.tokenizer
    names = [own.tgt.id_to_piece(i) for i in range(own.vocab_sizes[1])]
    ids = [ids_of.get(written.get(name, name)) for name in names]
    known = [i for i in range(3, len(ids)) if ids[i] is not None]  # not those that are excluded: pad, unk, BOS
    generated_ids = {ids[i] for i in known if names[i] not in written}
    suppressed = [*{*range(theirs.config.vocab_size)} - generated_ids]  # random weights would choose tags, too
    assert {*LANGS[kind]} <= {name[2:-1] for name in names if name.startswith("<2")}
    for source, target in [LANGS[kind][:2], LANGS[kind][2:0:-1]]:
        translator.set_direction(source, target)
        tokenizer.src_lang = source
        first = ids_of[written[f"<2{target}>"]]
        for line in [*LINES[:5], "ba ✓ de"]:
            encoded = tokenizer([line], return_tensors="pt")
            (pair,) = translator.tags.before(zip(*own.encode_pairs([(line, line.upper())]), strict=True))
            pieces = [own.src.id_to_piece(i) for i in (*pair[0], own.eos_id)]
            assert [written.get(piece, piece) for piece in pieces] == tokenizer.convert_ids_to_tokens(
                encoded.input_ids[0]
            )
            their_tgt = torch.tensor([[2, *(ids[i] for i in pair[1])]])
            src_ids = torch.tensor([[*pair[0], own.eos_id]])
            with torch.no_grad():
                expected = theirs(**encoded, decoder_input_ids=their_tgt).logits
                mask = torch.ones_like(src_ids, dtype=torch.bool)
                logits = translator.model(src_ids, mask, torch.tensor([[own.bos_id, *pair[1]]]))
                generated = theirs.generate(
                    **encoded, num_beams=1, do_sample=False, max_new_tokens=N_TOKENS,
                    decoder_input_ids=torch.tensor([[2, first]]), suppress_tokens=suppressed,
                )  # fmt: skip
            assert (logits[..., known] - expected[..., [ids[i] for i in known]]).abs().max() < 1e-4
            assert logits.softmax(-1)[..., [own.pad_id, own.bos_id]].max() < 1e-6  # BOS has the embedding of EOS
            texts = tokenizer.batch_decode(generated[:, 2:], skip_special_tokens=True)
            assert translator.translate([line], greedy()) == texts


def test_languages_must_be_known(kind, published, mt, tmp_path):
    none = mt("import", published, tmp_path / "run")
    assert none.code == 2
    assert "languages: add --src-lang and --tgt-lang" in none.err
    wrong = mt("import", published, tmp_path / "run", "--src-lang", LANGS[kind][0], "--tgt-lang", f"{LANGS[kind][1]}x")
    assert wrong.code == 2
    assert f"has no language {LANGS[kind][1]}x. Did you mean '{LANGS[kind][1]}'?" in wrong.err
    assert not (tmp_path / "run").exists()


def test_damaged_folders_are_refused(kind, published, mt, tmp_path):
    langs = ["--src-lang", LANGS[kind][0], "--tgt-lang", LANGS[kind][1]]
    shutil.copytree(published, tmp_path / "model")
    config = json.loads((published / "config.json").read_text())
    (tmp_path / "model" / "config.json").write_text(json.dumps(config | {"scale_embedding": False}))
    assert "does not support scale_embedding=False" in mt("import", tmp_path / "model", tmp_path / "run", *langs).err
    (tmp_path / "model" / "config.json").write_text(json.dumps(config | {"encoder_layers": 1}))
    assert "has no place: model.encoder.layers.1" in mt("import", tmp_path / "model", tmp_path / "run", *langs).err
    (tmp_path / "model" / "config.json").write_text(json.dumps(config | {"d_model": "x"}))
    assert "is not a model of transformers" in mt("import", tmp_path / "model", tmp_path / "run", *langs).err
    (tmp_path / "model" / "config.json").write_text(json.dumps(config))
    (tmp_path / "model" / "sentencepiece.bpe.model").unlink()
    outcome = mt("import", tmp_path / "model", tmp_path / "run", *langs)
    assert outcome.code == 2
    assert "with its tokenizer" in outcome.err


def test_any_two_languages(kind, imported, mt):
    """Tags are given on the command line; by default they are those of the import."""
    one, other, third = LANGS[kind]
    default = mt("translate", imported, *LINES[:3])
    assert default.code == 0, default.err
    assert mt("translate", imported, "--from", one, "--to", other, *LINES[:3]).out == default.out
    assert mt("translate", imported, "--from", other, "--to", third, *LINES[:3]).out != default.out
    unknown = mt("translate", imported, "--to", "xxx", LINES[0])
    assert unknown.code == 2
    assert "no tag <2xxx>" in unknown.err


@pytest.mark.parametrize("new_vocab", [False, True])
def test_a_new_language_is_added(kind, imported, corpus, mt, tmp_path, new_vocab):
    """The recipe adds the tag of a language that the model lacks, and an adapter; with new pieces, too, if wanted."""
    one, other, _ = LANGS[kind]
    for name in ("train", "valid"):
        for old, new in (("aa", one), ("bb", other), ("bb", "new")):
            shutil.copy(f"{corpus}/{name}.{old}", tmp_path / f"{name}.{new}")
    trained = mt(
        "train", "experiment=new_language", f"training.init_from={imported}", f"run_dir={tmp_path}/run",
        f"data.src_lang={one}", "data.tgt_lang=new", f"data.train=[{{path: {tmp_path}/train}}, "
        f"{{path: {tmp_path}/train, tgt_lang: {other}}}]", f"data.valid={tmp_path}/valid", "data.check_languages=false",
        "training.lora.rank=4", f"training.new_vocab={str(new_vocab).lower()}", "training.max_steps=30",
        "training.valid_every_steps=10", "training.max_tokens=500", "optim.lr=0.01", "optim.warmup_steps=3",
        "training.precision=float32",
    )  # fmt: skip
    assert trained.code == 0, trained.err
    losses = [float(loss) for loss in re.findall(r"validation loss ([\d.]+)", trained.err)]
    assert losses[-1] < losses[0]
    for lang in ("new", other):
        assert mt("translate", tmp_path / "run", "--to", lang, LINES[0]).code == 0
    before, after = (load_file(RunLayout(run).weights) for run in (imported, tmp_path / "run"))
    assert before["encoder.0.feed_forward.hidden.bias"].equal(after["encoder.0.feed_forward.hidden.bias"])
    assert not before["encoder.0.feed_forward.hidden.weight"].equal(after["encoder.0.feed_forward.hidden.weight"])
    data = load_run_config(RunLayout(tmp_path / "run")).data
    assert (data.tag_each_side, data.max_len) == (True, 62)
    old, new = (Translator.load(run).tokenizer for run in (imported, tmp_path / "run"))
    assert len(new.tags) == 3 if new_vocab else [*new.tags] == [*old.tags, "<2new>"]
    name, own_eos = "src_embedding.tokens.weight", old.eos_id  # of both sides
    assert before[name].equal(after[name][: len(before[name])]) != new_vocab
    assert before[name][own_eos].equal(after[name][own_eos]) != new_vocab  # new pieces have to be learned with the old
    assert len(after["tgt_embedding.positions"]) == len(before["tgt_embedding.positions"])
