"""Random choices that the constructions share, and the list of constructions."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from typing import TypeVar

from demo_grammar.lexicon import NAMES, PRONOUNS, RELATIVES, Action, Noun, Person

T = TypeVar("T")
Pair = tuple[str, str]
Construction = Callable[[random.Random], Pair]
CONSTRUCTIONS: list[tuple[Construction, float]] = []
BULKY = {"辆", "台", "张", "座", "家", "间", "部", "盏", "把", "件", "顶", "块", "面", "匹", "头"}
FEW = "行李箱 书包 手表 钱包 雨伞 钥匙 裙子 连衣裙 围巾 熊猫 电脑 冰箱 主意 计划 秘密 问题".split()


def construction(weight: float = 1.0) -> Callable[[Construction], Construction]:
    """Register a function that makes a pair of sentences, with the weight of its use."""

    def register(function: Construction) -> Construction:
        CONSTRUCTIONS.append((function, weight))
        return function

    return register


def pick(r: random.Random, entries: dict[str, T]) -> tuple[str, T]:
    return r.choice(list(entries.items()))


def one_of(r: random.Random, *items: T) -> T:
    return r.choice(items)


def someone(r: random.Random) -> Person:
    """Return anybody as a subject; often the hearer, of whom only questions remain (see `is_natural`)."""
    if r.random() < 0.2:
        return PRONOUNS[1]
    return r.choice(PRONOUNS if r.random() < 0.45 else NAMES if r.random() < 0.5 else RELATIVES)


def other_than(r: random.Random, *people: Person) -> Person:
    """Return a third person who is none of these."""
    taken = {person.zh for person in people}
    return r.choice([name for name in NAMES if name.zh not in taken])


def third_person(r: random.Random) -> Person:
    """Return he, she, or somebody with a name or a relation."""
    return r.choice(PRONOUNS[2:4] if r.random() < 0.3 else NAMES if r.random() < 0.5 else RELATIVES)


def named(r: random.Random) -> Person:
    """Return somebody with a name or a relation."""
    return r.choice(NAMES if r.random() < 0.5 else RELATIVES)


def amount(r: random.Random, noun: Noun) -> int:
    """Return a plausible number of a thing."""
    if noun.measure in BULKY or noun.is_pair or noun.zh in FEW:
        return r.choice([1, 1, 1, 2])
    return r.choice([1, 1, 2, 2, 3, 4, 5])


def some_action(r: random.Random, actions: Sequence[Action]) -> tuple[Action, Noun]:
    """Return an action and a thing; all things are about equally likely."""
    chosen = r.choices(actions, weights=[len(a.objects) ** 0.5 for a in actions])[0]
    return chosen, r.choice(chosen.objects)


ELDER = re.compile("(虽然|因为)?[我他她](爸爸|妈妈|爷爷|奶奶|叔叔|阿姨)")
FOR_THE_YOUNG = ("作业", "我们班", "上课", "下课", "毕业", "结婚", "年轻", "想当", "宿舍")


OWN_RELATIVE = re.compile("我(爸|妈|哥|姐|弟|妹|爷|奶|叔|阿姨)")


def is_natural(zh: str, en: str) -> bool:
    """Return whether people say this: nobody tells others what they do, or asks about himself and his family."""
    if ELDER.match(zh) and any(word in zh for word in FOR_THE_YOUNG):
        return False
    if zh.endswith("？"):
        if OWN_RELATIVE.match(zh):
            return False
        about_me = re.search(r"\b(I|we)\b", en)
        return not about_me or "how do I get" in en or (zh.startswith("我们") and "怎么" in zh)
    return not re.search(r"\byou (?!should|must|cannot)", en)


def polish(zh: str) -> str:
    """Add 里 to 家 after 正在, and negate 有意思 with 没."""
    zh = zh.replace("有不有意思", "有没有意思").replace("不有意思", "没有意思")
    return re.sub("正在家(?!里)", "正在家里", zh)
