import subprocess
import sys
from collections import Counter
from functools import partial

import pytest
from conftest import DEMO, ROOT

from mt.config.choices import ModelType
from mt.config.schema import TokenizerConfig
from mt.errors import UserError
from mt.text.copying import MARKERS
from mt.text.tokenizer import BOS, EOS, PAD, UNK, Tokenizer, load_tokenizer
from mt.text.tokenizer_training import draw, train_tokenizer

SRC = [f"我有{n}本书，你有{n * 7}个苹果。" for n in range(300)]
TGT = [f"I have {n} books, you have {n * 7} apples." for n in range(300)]


def train(**settings: object) -> Tokenizer:
    return train_tokenizer(lambda: SRC, lambda: TGT, TokenizerConfig(**settings))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train(vocab_size=320)


@pytest.mark.parametrize("model_type", ModelType)
@pytest.mark.parametrize("joint", [True, False])
def test_decoding_restores_the_text(model_type, joint):
    tokenizer = train(joint=joint, model_type=model_type, vocab_size=310)
    lines = ["I have 5 books.", "never seen: żółć 😀 ½ ﬁ Ⅷ “quotes”", "全角，ＡＢＣ！", "<s> </s> <pad> <unk> are text"]
    for encode, decode in ((tokenizer.encode_src, tokenizer.decode_src), (tokenizer.encode_tgt, tokenizer.decode_tgt)):
        ids = encode(lines)
        assert [decode(row) for row in ids] == lines
        assert not {PAD, UNK, BOS, EOS} & {i for row in ids for i in row}
    assert tokenizer.joint == joint


def test_special_ids_are_read_back(tokenizer):
    processor = tokenizer.src
    assert [processor.id_to_piece(i) for i in range(4)] == ["<pad>", "<unk>", "<s>", "</s>"]
    assert (tokenizer.pad_id, tokenizer.unk_id, tokenizer.bos_id, tokenizer.eos_id) == (0, 1, 2, 3)


@pytest.mark.parametrize("joint", [True, False])
def test_a_frequent_word_is_one_piece_whatever_follows_it(joint):
    """In this text, a space follows each of these words, so that SentencePiece alone does not consider them."""
    src, tgt = ((DEMO / f"train.{lang}").read_text(encoding="utf-8").splitlines()[:3000] for lang in ("zh", "en"))
    tokenizer = train_tokenizer(lambda: src, lambda: tgt, TokenizerConfig(joint=joint))
    for word in ("that", "very", "going", "younger"):
        assert len(tokenizer.encode_tgt([word])[0]) == 1, word


def test_repeated_lines_do_not_make_a_word_frequent():
    src, tgt = ((DEMO / f"train.{lang}").read_text(encoding="utf-8").splitlines()[:1500] for lang in ("zh", "en"))
    sizes = []
    for times in (1, 3):
        text = (lambda lines=lines * times: lines for lines in (src, tgt))
        tokenizer = train_tokenizer(*text, TokenizerConfig(vocab_size=1500))
        sizes.append(sum(map(len, tokenizer.encode_src(tgt))))
    assert sizes[1] == pytest.approx(sizes[0], rel=0.03)


def test_a_frequent_word_with_combining_marks_is_one_piece():
    words = "हिन्दी भाषा में लिखा हुआ यह वाक्य बहुत छोटा है".split()
    lines = [" ".join(words[n % 7 :] + words[: n % 7]) + " ।" for n in range(300)]
    tokenizer = train_tokenizer(lambda: lines, lambda: lines, TokenizerConfig())
    assert [len(row) for row in tokenizer.encode_src(words)] == [1] * len(words)


def test_empty_lines_and_repeated_spaces(tokenizer):
    assert tokenizer.encode_src(["", "   "]) == [[], []]
    assert tokenizer.decode_src(tokenizer.encode_src(["  I   have  "])[0]) == "I have"


def test_saving_and_loading_changes_nothing(tokenizer, tmp_path):
    path = tmp_path / "tokenizer.model"
    tokenizer.save([path])
    loaded = load_tokenizer([path])
    assert loaded.fingerprint == tokenizer.fingerprint
    assert loaded.encode_src(SRC) == tokenizer.encode_src(SRC)
    two = train(joint=False, vocab_size=300)
    paths = [tmp_path / "src.model", tmp_path / "tgt.model"]
    two.save(paths)
    assert load_tokenizer(paths).encode_tgt(TGT) == two.encode_tgt(TGT)


def test_a_name_in_letters_that_the_source_vocabulary_lacks_is_copied():
    """Bytes could spell it, but the model has not learnt to read them."""
    separate = train(joint=False, vocab_size=300)
    assert separate.plain_form("我有 Tom 5本书", ("zh", "en")).copied == ["Tom"]
    src, tgt = separate.encode_pairs([("我有 Tom 5本书", "I have 5 books, Tom")])
    assert Counter(separate.decode_src(src[0]))[MARKERS[0]] == Counter(separate.decode_tgt(tgt[0]))[MARKERS[0]] == 1
    assert train(vocab_size=320).plain_form("我有 books 5本书", ("zh", "en")).copied == []


def test_training_again_gives_the_same():
    assert (
        train(vocab_size=320, max_train_sentences=200).fingerprint
        == train(vocab_size=320, max_train_sentences=200).fingerprint
    )


def test_a_vocabulary_too_large_is_explained():
    with pytest.raises(UserError, match=r"tokenizer.vocab_size=5000 is more than this corpus allows.*at most \d+"):
        train(vocab_size=5000)
    with pytest.raises(UserError, match=r"tokenizer.vocab_size=100 is less than the \d+ characters"):
        train(vocab_size=100)
    with pytest.raises(UserError, match="vocab_size"):
        train(model_type=ModelType.bpe, vocab_size=5000)


def test_by_default_a_small_corpus_gives_what_it_has():
    sizes = train().vocab_sizes
    assert 260 < sizes[0] < 8000


def test_long_lines_are_used_for_training():
    """By default SentencePiece skips lines over 4,192 bytes silently; their characters would then become bytes."""
    lines = ["q" * 10 + " abc" * 3000, *["abc"] * 50]
    tokenizer = train_tokenizer(lambda: lines, lambda: lines, TokenizerConfig(character_coverage=1.0))
    assert not any(tokenizer.src.is_byte(i) for i in tokenizer.encode_src(["abcq"])[0])


def test_damaged_files_are_named(tmp_path):
    (tmp_path / "tokenizer.model").write_bytes(b"nonsense")
    with pytest.raises(UserError, match=r"tokenizer\.model is damaged"):
        load_tokenizer([tmp_path / "tokenizer.model"])
    with pytest.raises(UserError, match=r"tokenizer\.src\.model is missing"):
        load_tokenizer([tmp_path / "tokenizer.src.model", tmp_path / "tokenizer.tgt.model"])


WORDS = ["yesterday", "neighbors", "books 😀 men", "a\ue001b"]


def sampled(model_type, alpha, count):
    lines = (DEMO / "train.en").read_text(encoding="utf-8").splitlines()[:2000]
    tokenizer = train_tokenizer(lambda: lines, lambda: lines, TokenizerConfig(model_type, vocab_size=450))
    pairs = [(tokenizer.encode_src([word])[0],) * 2 for word in WORDS for _ in range(count)]
    return tokenizer, tokenizer.resample(pairs, alpha, seed=3)


@pytest.mark.slow
@pytest.mark.parametrize(("model_type", "alpha"), [(ModelType.unigram, 0.3), (ModelType.bpe, 0.1)])
def test_sampling_has_the_distribution_of_sentencepiece(model_type, alpha):
    count = 10_000  # two samples then differ by a few percent
    tokenizer, pairs = sampled(model_type, alpha, count)
    for number, word in enumerate(WORDS):
        own = Counter(tuple(src) for src, _ in pairs[number * count : (number + 1) * count])
        texts = [word] * count
        theirs = Counter(map(tuple, tokenizer.src.encode(texts, enable_sampling=True, alpha=alpha, nbest_size=-1)))
        distance = sum(abs(own[one] - theirs[one]) for one in own | theirs) / 2 / count
        assert distance < 0.1, word
        assert {tokenizer.decode_src(list(one)) for one in own} == {word}


@pytest.mark.parametrize("model_type", list(ModelType))
def test_sampling_without_randomness_is_the_usual_segmentation(model_type):
    tokenizer, pairs = sampled(model_type, 0.0 if model_type is ModelType.bpe else 1e6, 1)
    for word, (src, tgt) in zip(WORDS, pairs, strict=True):
        assert src == tgt == tokenizer.encode_src([word])[0]


@pytest.mark.parametrize("model_type", list(ModelType))
def test_sampling_is_the_same_in_every_process(model_type):
    code = (
        "import sys; sys.path.insert(0, 'tests'); from test_tokenizer import ModelType, sampled; "
        f"print(sampled(ModelType.{model_type.value}, 0.2, 20)[1])"
    )
    run = partial(subprocess.run, [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run().stdout == run().stdout != ""


def test_lines_of_a_large_corpus_are_drawn_alike_every_time():
    few, all_lines = (train(max_train_sentences=count, vocab_size=300) for count in (100, 600))
    assert few.fingerprint == train(max_train_sentences=100, vocab_size=300).fingerprint != all_lines.fingerprint
    assert train(max_train_sentences=10_000, vocab_size=300).fingerprint == all_lines.fingerprint
    drawn = draw(map(str, range(1000)), 100)
    assert len({*drawn}) == 100
    assert 400 < sum(map(int, drawn)) / 100 < 600  # 500 expected, with a standard deviation of 27
    assert draw("abc", 5) == ["a", "b", "c"]
