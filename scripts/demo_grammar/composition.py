"""Sentences made of others: things with a description, clauses that somebody reports, two clauses joined.

The other constructions have words and forms of their own, and a model can learn each by heart. These take any of them, so
that a model has to learn what a clause is. Joined clauses are grammatical, but need not make sense together.
"""

from __future__ import annotations

import random
import re

from demo_grammar import english
from demo_grammar.choose import CONSTRUCTIONS, Construction, Pair, is_natural, one_of, other_than, pick, someone
from demo_grammar.lexicon import ADJECTIVES, CLASS_OF, COLORS, NAMES, NOUNS, RECENT_TIMES, RELATIVES, Noun

DESCRIBED = 0.25
"""share of the sentences with a thing that can be described in which it is"""
COLORED = ("upper", "pairs", "vehicle", "device", "furniture", "small")
BOUGHT = ("reading", "upper", "pairs", "vehicle", "device", "furniture", "small", "snack", "fruit")
BORROWED = ("reading", "device", "small")
SAY, THINK, KNOW, LIKE = english.verb("say"), english.verb("think"), english.verb("know"), english.verb("like")


def describe(r: random.Random, zh: str, en: str) -> Pair:
    """Describe a thing of some sentences: 这本有意思的书, this interesting book; 我昨天买的书, the book I bought yesterday."""
    if r.random() >= DESCRIBED:
        return zh, en
    named = [noun for nouns in NOUNS.values() for noun in nouns if noun.zh in zh]
    for noun in r.sample(named, len(named)):
        for near in (True, False):
            if occur_once(noun.this_zh(near), zh, noun.this(near), en):
                return describe_this(r, noun, near, zh, en)
        for n in range(1, 6):
            quality_zh, quality_en = quality(r, noun, zh)
            if quality_zh and occur_once(noun.counted_zh(n), zh, noun.counted(n), en):
                en = re.sub(rf"\b{noun.counted(n)}\b", noun.counted(n, quality_en), en)
                return zh.replace(noun.counted_zh(n), noun.counted_zh(n, quality_zh)), en
    return zh, en


def occur_once(phrase_zh: str, zh: str, phrase_en: str, en: str) -> bool:
    """Return whether both phrases are in their sentences once, the English one not before `'s`."""
    return zh.count(phrase_zh) == 1 and len(re.findall(rf"\b{phrase_en}\b(?!')", en)) == 1 == en.count(phrase_en)


def quality(r: random.Random, noun: Noun, zh: str) -> Pair:
    """Return a property of a thing before its noun, or nothing if the sentence has one already."""
    name = CLASS_OF[noun.zh]
    fitting = [q for q in ADJECTIVES.get(name, []) if q[1] not in ("far away", "easy to use")]
    if any(word in zh for word, _ in ADJECTIVES.get(name, [])) or "色" in zh:
        return "", ""
    if name in COLORED and (not fitting or r.random() < 0.5):
        color_zh, color_en = pick(r, COLORS)
        return f"{color_zh}的", color_en
    if not fitting or noun.container:
        return "", ""
    quality_zh, quality_en = r.choice(fitting)
    return (f"很{quality_zh}的", f"very {quality_en}") if r.random() < 0.3 else (f"{quality_zh}的", quality_en)


def describe_this(r: random.Random, noun: Noun, near: bool, zh: str, en: str) -> Pair:
    """Describe a thing after a demonstrative: by a property, or by a relative clause."""
    this_zh, this = noun.this_zh(near), noun.this(near)
    quality_zh, quality_en = quality(r, noun, zh)
    if quality_zh and r.random() < 0.5:
        measured, (demonstrative, head) = this_zh.removesuffix(noun.zh), this.split(" ", 1)
        return zh.replace(this_zh, measured + quality_zh + noun.zh), en.replace(
            this, f"{demonstrative} {quality_en} {head}"
        )
    s = someone(r)
    while s.zh in zh:
        s = someone(r)
    name = CLASS_OF[noun.zh]
    verbs = (
        [("喜欢", s.present(LIKE))] + [("买", "bought")] * (name in BOUGHT) + [("借", "borrowed")] * (name in BORROWED)
    )
    verb_zh, verb_en = r.choice(verbs)
    time_zh, time_en = pick(r, RECENT_TIMES) if verb_zh != "喜欢" and r.random() < 0.6 else ("", "")
    clause_zh, clause_en = f"{s.zh}{time_zh}{verb_zh}的", f"{s.en} {verb_en} {time_en}".rstrip()
    first = r.random() < 0.5  # a Chinese relative clause stands before or after 这本
    described_zh = clause_zh + this_zh if first else this_zh.removesuffix(noun.zh) + clause_zh + noun.zh
    return zh.replace(this_zh, described_zh), en.replace(this, f"{this} {clause_en}")


def clause(r: random.Random) -> Pair:
    """Return a statement of the simple constructions without its full stop, and without hearsay."""
    functions, weights = zip(*CONSTRUCTIONS, strict=True)
    while True:
        (function,) = r.choices(functions, weights)
        zh, en = function(r)
        is_statement = zh.endswith("。") and not en.startswith(("please ", "do not ", "let ", "I heard "))
        if is_statement and "，" not in zh and "," not in en and is_natural(zh, en):
            zh, en = describe(r, zh, en)
            return zh.removesuffix("。"), en.removesuffix(".")


def named_in(zh: str) -> set[str]:
    """Return the people in a sentence who have a name or a relation; the next sentence would call them 他 or 她."""
    return {person.zh for person in (*NAMES, *RELATIVES) if person.zh in zh}


def reported(r: random.Random) -> Pair:
    zh, en = clause(r)
    s, other = someone(r), other_than(r)
    while {s.zh, other.zh} & named_in(zh) or s == other:
        s, other = someone(r), other_than(r)
    kind = r.randrange(6)
    if kind == 0:  # speakers report their own words in the past tense
        return f"{s.zh}说{zh}。", f"{s.en} {'said' if s.form in ('I', 'we') else s.present(SAY)} that {en}."
    if kind == 1:
        return f"{s.zh}觉得{zh}。", f"{s.en} {s.present(THINK)} that {en}."
    if kind == 2:
        return f"{s.zh}知道{zh}。", f"{s.en} {s.present(KNOW)} that {en}."
    if kind == 3 and not re.search(r"\b(I|my|we|our)\b", en):
        return f"听说{zh}。", f"I heard that {en}."
    if kind == 4:
        return f"{s.zh}告诉{other.zh}{zh}。", f"{s.en} told {other.en} that {en}."
    return f"你知道{zh}吗？", f"do you know that {en}?"


def joined(r: random.Random) -> Pair:
    (a_zh, a_en), (b_zh, b_en) = clause(r), clause(r)
    while named_in(a_zh) & named_in(b_zh):
        b_zh, b_en = clause(r)
    return one_of(
        r,
        (f"{a_zh}，{b_zh}。", f"{a_en}, and {b_en}."),
        (f"{a_zh}，但是{b_zh}。", f"{a_en}, but {b_en}."),
        (f"虽然{a_zh}，但是{b_zh}。", f"although {a_en}, {b_en}."),
        (f"因为{a_zh}，所以{b_zh}。", f"because {a_en}, {b_en}."),
        (f"{a_zh}，因为{b_zh}。", f"{a_en} because {b_en}."),
    )


COMPOSED: dict[Construction, float] = {reported: 12, joined: 20}
"""constructions of clauses, which are described already, and the weights of their use"""


def make_pair(r: random.Random) -> Pair:
    """Return a pair of any construction. It has no capitals yet, and `is_natural` may reject it."""
    functions, weights = zip(*CONSTRUCTIONS, *COMPOSED.items(), strict=True)
    (function,) = r.choices(functions, weights)
    return function(r) if function in COMPOSED else describe(r, *function(r))
