"""Sentences about actions: tense and aspect, time and place, negation, questions."""

from __future__ import annotations

import random

from demo_grammar import chinese, english
from demo_grammar.choose import Pair, amount, construction, named, one_of, other_than, pick, some_action, someone
from demo_grammar.lexicon import (
    CITIES,
    CLASS_OF,
    DESTINATIONS,
    ERRANDS,
    FREQUENCY,
    FUTURE_DAYS,
    FUTURE_TIMES,
    HABIT_TIMES,
    HABITS,
    HOBBIES,
    LANGUAGES,
    PAST_DAYS,
    PAST_TIMES,
    PLACES,
    PORTS,
    PURCHASES,
    RECENT_TIMES,
    REGIONS,
    ROUTINES,
    SKILLS,
    SUBJECTS,
    TRANSPORT,
    Person,
)

FOOD = ("dish", "snack", "fruit", "vegetable", "drink")


def reachable(by_zh: str) -> dict[str, str]:
    """Return the cities that are reached from China by train or car, by boat, and by plane."""
    if by_zh in ("坐火车", "开车"):
        return {zh: CITIES[zh] for zh in REGIONS[0] if zh != "香港"}
    return {zh: CITIES[zh] for zh in PORTS} if by_zh == "坐船" else CITIES


def routine_at(r: random.Random) -> tuple[str, english.Verb, str, str]:
    """Return an action and a place for it."""
    zh, verb, places = r.choice([routine for routine in ROUTINES if routine[2]])
    place = r.choice(places.split())
    return zh, verb, place, PLACES[place]


@construction(1.5)
def habit_in_place(r: random.Random) -> Pair:
    s = someone(r)
    time_zh, time_en = pick(r, HABIT_TIMES)
    zh, verb, place_zh, place_en = routine_at(r)
    if zh == "等朋友":
        return progressive(r)
    return f"{s.zh}{time_zh}在{place_zh}{zh}。", f"{s.en} {s.present(verb)} {place_en} {time_en}."


@construction(1.2)
def frequent_habit(r: random.Random) -> Pair:
    s = someone(r)
    often_zh, often_en = pick(r, FREQUENCY)
    if r.random() < 0.5:
        zh, verb, place_zh, place_en = routine_at(r)
        return f"{s.zh}{often_zh}在{place_zh}{zh}。", f"{s.en} {often_en} {s.present(verb)} {place_en}."
    action, thing = some_action(r, HABITS)
    place = r.choice(action.places)
    return (
        f"{s.zh}{often_zh}在{place}{action.zh}{thing.zh}。",
        f"{s.en} {often_en} {s.present(action.verb)} {thing.bare} {PLACES[place]}.",
    )


@construction(2)
def past_count(r: random.Random) -> Pair:
    s = someone(r)
    time_zh, time_en = pick(r, PAST_TIMES)
    action, thing = some_action(r, PURCHASES)
    n = amount(r, thing)
    if action.zh in ("吃", "喝", "唱", "拍", "看见") or CLASS_OF[thing.zh] in FOOD:
        time_zh, time_en = pick(r, PAST_DAYS)
    return (
        f"{s.zh}{time_zh}{action.zh}了{thing.counted_zh(n)}。",
        f"{s.en} {action.verb.past} {thing.counted(n)} {time_en}.",
    )


@construction()
def past_in_place(r: random.Random) -> Pair:
    s = someone(r)
    time_zh, time_en = pick(r, PAST_DAYS)
    zh, verb, place_zh, place_en = routine_at(r)
    return f"{time_zh}{s.zh}在{place_zh}{zh}。", f"{s.en} {verb.past} {place_en} {time_en}."


@construction(1.5)
def future(r: random.Random) -> Pair:
    s = someone(r)
    time_zh, time_en = pick(r, FUTURE_TIMES)
    if r.random() < 0.5:
        place_zh, place_en = pick(r, CITIES if r.random() < 0.5 else DESTINATIONS)
        return f"{s.zh}{time_zh}要去{place_zh}。", f"{s.en} {s.be()} going to {place_en} {time_en}."
    time_zh, time_en = pick(r, FUTURE_DAYS)
    place_zh, place_en, zh, en = r.choice(ERRANDS)
    return f"{s.zh}{time_zh}要去{place_zh}{zh}。", f"{s.en} {s.be()} going to {place_en} to {en} {time_en}."


@construction(1.5)
def progressive(r: random.Random) -> Pair:
    s = someone(r)
    now = one_of(r, "正在", "在")
    if r.random() < 0.5:
        zh, verb, place_zh, place_en = routine_at(r)
        return f"{s.zh}正在{place_zh}{zh}。", f"{s.en} {s.be()} {verb.ing} {place_en}."
    if r.random() < 0.5:
        zh, verb, _ = r.choice([routine for routine in ROUTINES if routine[0] != "爬山"])
        return f"{s.zh}{now}{zh}。", f"{s.en} {s.be()} {verb.ing}."
    action, thing = some_action(r, HABITS)
    return f"{s.zh}{now}{action.zh}{thing.zh}。", f"{s.en} {s.be()} {action.verb.ing} {thing.one_or_some}."


@construction()
def past_progressive(r: random.Random) -> Pair:
    s, caller = someone(r), other_than(r)
    zh, verb, place_zh, place_en = routine_at(r)
    if s.zh == caller.zh or s.en in ("he", "she", "they"):
        s = Person("我", "I", "I")
    return (
        f"{caller.zh}打电话来的时候，{s.zh}正在{place_zh}{zh}。",
        f"When {caller.en} called, {s.en} {s.was()} {verb.ing} {place_en}.",
    )


@construction(1.3)
def experience(r: random.Random) -> Pair:
    s = someone(r)
    city_zh, city_en = pick(r, CITIES)
    kind = r.randrange(4)
    if kind == 0:
        return f"{s.zh}去过{city_zh}。", f"{s.en} {s.have()} been to {city_en}."
    if kind == 1:
        return f"{s.zh}没去过{city_zh}。", f"{s.en} {s.have()} never been to {city_en}."
    if kind == 2:
        return f"{s.zh}去过{city_zh}吗？", f"{s.have()} {s.en} ever been to {city_en}?"
    n = r.choice([2, 3, 4, 5, 6])
    times = "twice" if n == 2 else f"{english.number(n)} times"
    return f"{s.zh}去过{chinese.count(n)}次{city_zh}。", f"{s.en} {s.have()} been to {city_en} {times}."


@construction()
def past_experience(r: random.Random) -> Pair:
    s = someone(r)
    action, thing = some_action(r, HABITS)
    if thing.zh in ("水", "书", "米饭", "鸡蛋", "面包", "苹果", "歌", "牛奶", "信"):
        return english_lesson(r)
    return (
        f"{s.zh}从来没{action.zh}过{thing.zh}。",
        f"{s.en} {s.have()} never {action.verb.participle} {thing.one_or_some}.",
    )


@construction()
def english_lesson(r: random.Random) -> Pair:
    s = someone(r)
    zh, en = pick(r, LANGUAGES | SUBJECTS)
    n = r.choice([2, 3, 4, 5, 6, 8, 10])
    if r.random() < 0.5:
        return (
            f"{s.zh}学了{chinese.count(n)}年{zh}了。",
            f"{s.en} {s.have()} been studying {en} for {english.number(n)} years.",
        )
    time_zh, time_en = one_of(r, ("去年", "last year"), ("上个月", "last month"), ("上个星期", "last week"))
    return f"{s.zh}从{time_zh}开始学{zh}。", f"{s.en} {s.have()} been studying {en} since {time_en}."


@construction(1.2)
def not_past(r: random.Random) -> Pair:
    s = someone(r)
    time_zh, time_en = pick(r, RECENT_TIMES)
    if r.random() < 0.5:
        action, thing = some_action(r, HABITS)
        return (
            f"{s.zh}{time_zh}没{action.zh}{thing.zh}。",
            f"{s.en} did not {action.verb.base} any {thing.bare} {time_en}.",
        )
    zh, en = pick(r, DESTINATIONS)
    return f"{s.zh}{time_zh}没去{zh}。", f"{s.en} did not go to {en} {time_en}."


@construction(1.2)
def not_habit(r: random.Random) -> Pair:
    s = someone(r)
    action, thing = some_action(r, HABITS[2:5])
    if r.random() < 0.6:
        return f"{s.zh}不{action.zh}{thing.zh}。", f"{s.en} {s.do()} not {action.verb.base} {thing.bare}."
    zh, en = pick(r, HOBBIES)
    return f"{s.zh}不喜欢{zh}。", f"{s.en} {s.do()} not like {en}."


@construction(1.2)
def likes(r: random.Random) -> Pair:
    s = someone(r)
    zh, en = pick(r, HOBBIES)
    kind = r.randrange(5)
    if kind == 4 and s.form == "we":
        kind = 0
    if kind == 0:
        return f"{s.zh}很喜欢{zh}。", f"{s.en} {s.present(english.verb('like'))} {en} very much."
    if kind == 1:
        return f"{s.zh}喜欢{zh}吗？", f"{s.do()} {s.en} like {en}?"
    if kind == 2:
        return f"{s.zh}喜不喜欢{zh}？", f"{s.do()} {s.en} like {en}?"
    if kind == 3:
        return f"{s.zh}也喜欢{zh}。", f"{s.en} also {s.present(english.verb('like'))} {en}."
    return f"{s.zh}的爱好是{zh}。", f"{s.possessive} hobby is {en}."


@construction(1.2)
def skill(r: random.Random) -> Pair:
    s = someone(r)
    zh, en = pick(r, SKILLS)
    kind = r.randrange(5)
    if kind == 0:
        return f"{s.zh}会{zh}。", f"{s.en} can {en}."
    if kind == 1:
        return f"{s.zh}不会{zh}。", f"{s.en} cannot {en}."
    if kind == 2:
        return f"{s.zh}会{zh}吗？", f"can {s.en} {en}?"
    if kind == 3:
        return f"{s.zh}会不会{zh}？", f"can {s.en} {en}?"
    return f"{s.zh}想学{zh}。", f"{s.en} {s.present(english.verb('want'))} to learn to {en}."


@construction()
def past_question(r: random.Random) -> Pair:
    s = someone(r)
    time_zh, time_en = pick(r, PAST_DAYS)
    if r.random() < 0.5:
        zh, en = pick(r, DESTINATIONS)
        return f"{s.zh}{time_zh}去{zh}了吗？", f"did {s.en} go to {en} {time_en}?"
    zh, verb, _ = r.choice(ROUTINES[:25])
    return f"{s.zh}{time_zh}{zh}了吗？", f"did {s.en} {verb.base} {time_en}?"


@construction()
def where_what_when(r: random.Random) -> Pair:
    s = someone(r)
    kind = r.randrange(7)
    time_zh, time_en = pick(r, PAST_TIMES)
    future_zh, future_en = pick(r, FUTURE_TIMES)
    if kind == 0:
        return f"{s.zh}{time_zh}去哪儿了？", f"where did {s.en} go {time_en}?"
    if kind == 1:
        return f"{s.zh}{future_zh}要去哪儿？", f"where {s.be()} {s.en} going {future_en}?"
    if kind == 2:
        return f"{s.zh}{future_zh}想做什么？", f"what {s.do()} {s.en} want to do {future_en}?"
    if kind == 3:
        zh, en = pick(r, DESTINATIONS | CITIES)
        return f"{s.zh}什么时候去{zh}？", f"when {s.be()} {s.en} going to {en}?"
    if kind == 4:
        zh, en = pick(r, DESTINATIONS | CITIES)
        return f"{s.zh}怎么去{zh}？", f"how {s.be()} {s.en} going to get to {en}?"
    if kind == 5:
        zh, en = pick(r, LANGUAGES | SUBJECTS)
        return f"{s.zh}为什么学{zh}？", f"why {s.do()} {s.en} study {en}?"
    return f"{s.zh}{time_zh}买了什么？", f"what did {s.en} buy {time_en}?"


@construction()
def already_not_yet(r: random.Random) -> Pair:
    s = someone(r)
    zh, en = one_of(
        r,
        ("吃早饭", "had breakfast"), ("吃午饭", "had lunch"), ("吃晚饭", "had dinner"), ("做作业", "done the homework"),
        ("买票", "bought the tickets"), ("起床", "gotten up"), ("回家", "gone home"), ("出发", "set off"),
        ("到机场", "arrived at the airport"), ("洗澡", "taken a shower"), ("交报告", "handed in the report"),
        ("毕业", "graduated"), ("结婚", "gotten married"), ("付钱", "paid"), ("看这部电影", "seen this movie"),
    )  # fmt: skip
    kind = r.randrange(3)
    if kind == 0:
        return f"{s.zh}已经{zh}了。", f"{s.en} {s.have()} already {en}."
    if kind == 1:
        return f"{s.zh}还没{zh}。", f"{s.en} {s.have()} not {en} yet."
    return f"{s.zh}{zh}了没有？", f"{s.have()} {s.en} {en} yet?"


@construction()
def by_transport(r: random.Random) -> Pair:
    s = someone(r)
    by_zh, by_en = pick(r, TRANSPORT)
    kind = r.randrange(3)
    far = by_en in ("by plane", "by train", "by boat")
    zh, en = pick(r, reachable(by_zh) if far else {k: v for k, v in DESTINATIONS.items() if v != "the city center"})
    if kind == 0:
        time_zh, time_en = pick(r, FUTURE_TIMES)
        return f"{s.zh}{time_zh}{by_zh}去{zh}。", f"{s.en} {s.be()} going to {en} {by_en} {time_en}."
    if kind == 1 and not far:
        time_zh, time_en = pick(r, HABIT_TIMES)
        return f"{s.zh}{time_zh}{by_zh}去{zh}。", f"{s.en} {s.present(english.verb('go'))} to {en} {by_en} {time_en}."
    return f"{s.zh}是{by_zh}去{zh}的。", f"{s.en} went to {en} {by_en}."


@construction()
def together(r: random.Random) -> Pair:
    s = someone(r)
    other = other_than(r, s)
    time_zh, time_en = pick(r, FUTURE_DAYS)
    place_zh, place_en, zh, en = r.choice(ERRANDS)
    if r.random() < 0.5:
        return (
            f"{s.zh}{time_zh}跟{other.zh}一起去{place_zh}{zh}。",
            f"{s.en} {s.be()} going to {place_en} with {other.en} to {en} {time_en}.",
        )
    habit_zh, habit_en = pick(r, HABIT_TIMES)
    routine, verb, _ = r.choice(ROUTINES[:16])
    return f"{s.zh}{habit_zh}跟{other.zh}一起{routine}。", f"{s.en} {s.present(verb)} with {other.en} {habit_en}."


@construction()
def while_doing(r: random.Random) -> Pair:
    s = someone(r)
    first_zh, first_en = one_of(
        r, ("听音乐", "listening to music"), ("喝咖啡", "drinking coffee"), ("看电视", "watching television"),
        ("唱歌", "singing"), ("打电话", "talking on the phone"), ("喝茶", "drinking tea"),
    )  # fmt: skip
    second_zh, second = one_of(
        r, ("做作业", "do+homework did+homework done+homework doing+homework"), ("做饭", "cook"), ("开车", "drive drove driven"),
        ("工作", "work"), ("走路", "walk"), ("打扫房间", "clean+the+room"), ("写信", "write+letters"), ("洗碗", "wash+the+dishes"),
    )  # fmt: skip
    if second_zh in ("开车", "走路"):
        first_zh, first_en = one_of(r, ("听音乐", "listening to music"), ("唱歌", "singing"))
    verb = english.verb(second)
    return f"{s.zh}常常一边{first_zh}一边{second_zh}。", f"{s.en} often {s.present(verb)} while {first_en}."


@construction()
def duration(r: random.Random) -> Pair:
    s = someone(r)
    zh, en = one_of(
        r, ("睡", "slept"), ("等", "waited"), ("跑", "ran"), ("游", "swam"), ("休息", "rested"), ("工作", "worked")
    )
    n = r.choice([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
    if zh in ("跑", "游"):
        n = min(n, 2)
    if zh in ("等", "休息"):
        n = min(n, 4)
    time_zh, time_en = one_of(
        r, *[(k, v) for k, v in RECENT_TIMES.items() if "星期" not in k and "月" not in k and "末" not in k]
    )
    if r.random() < 0.3:
        return f"{s.zh}{time_zh}{zh}了半个小时。", f"{s.en} {en} for half an hour {time_en}."
    hours = "an hour" if n == 1 else f"{english.number(n)} hours"
    return f"{s.zh}{time_zh}{zh}了{chinese.count(n)}个小时。", f"{s.en} {en} for {hours} {time_en}."


@construction()
def manner(r: random.Random) -> Pair:
    s = someone(r)
    zh, verb, adverbs = one_of(
        r,
        ("跑", "run", "快 fast; 慢 slowly"), ("走", "walk", "快 fast; 慢 slowly"), ("说", "speak", "快 fast; 慢 slowly; 清楚 clearly"),
        ("唱", "sing", "好听 beautifully; 不错 quite well"), ("游", "swim", "快 fast; 慢 slowly; 好 well"),
        ("跳", "dance", "好 well; 不错 quite well; 漂亮 beautifully"), ("写", "write", "快 fast; 慢 slowly; 清楚 clearly"),
        ("工作", "work", "认真 carefully"), ("吃", "eat", "快 fast; 慢 slowly; 多 a lot"), ("睡", "sleep", "好 well; 不错 quite well"),
        ("画", "paint", "好 well; 漂亮 beautifully; 不错 quite well"), ("起", "get+up", "早 early; 晚 late"),
    )  # fmt: skip
    how_zh, how_en = r.choice([entry.strip().split(" ", 1) for entry in adverbs.split(";")])
    action = english.verb(verb)
    if how_zh == "不错":
        return f"{s.zh}{zh}得不错。", f"{s.en} {s.present(action)} {how_en}."
    if r.random() < 0.4 and how_en != "a lot":
        return f"{s.zh}{zh}得不太{how_zh}。", f"{s.en} {s.do()} not {action.base} very {how_en}."
    if how_en == "a lot":
        return f"{s.zh}{zh}得很多。", f"{s.en} {s.present(action)} a lot."
    return f"{s.zh}{zh}得很{how_zh}。", f"{s.en} {s.present(action)} very {how_en}."


@construction()
def sleep_and_rise(r: random.Random) -> Pair:
    s = named(r) if r.random() < 0.5 else someone(r)
    hour = r.choice([5, 6, 7, 8, 9, 10, 11, 12])
    half = r.random() < 0.4
    clock_en = f"half past {english.number(hour)}" if half else f"{english.number(hour)} o'clock"
    clock_zh = f"{chinese.count(hour)}点{'半' if half else ''}"
    zh, en = one_of(
        r, ("起床", "get+up"), ("睡觉", "go+to+bed"), ("上班", "start+work"), ("吃早饭", "have+breakfast"), ("吃午饭", "have+lunch"),
        ("回家", "go+home"), ("吃晚饭", "have+dinner"), ("出门", "leave+home"), ("上课", "start+class"), ("下班", "finish+work"),
    )  # fmt: skip
    hours = dict(zip("起床 睡觉 上班 吃早饭 吃午饭 回家 吃晚饭 出门 上课 下班".split(),
                     ("56789", "9TE", "6789", "56789", "ETt", "5678", "5678", "5678", "89", "5678"), strict=True))  # fmt: skip
    if {10: "T", 11: "E", 12: "t"}.get(hour, str(hour)) not in hours[zh]:
        hour = {"睡觉": 10, "吃午饭": 12}.get(zh, 7 if zh != "上课" else 8)
        clock_en = f"half past {english.number(hour)}" if half else f"{english.number(hour)} o'clock"
        clock_zh = f"{chinese.count(hour)}点{'半' if half else ''}"
    verb = english.verb(en)
    if r.random() < 0.3:
        return f"{s.zh}每天几点{zh}？", f"what time {s.do()} {s.en} {verb.base} every day?"
    return f"{s.zh}每天{clock_zh}{zh}。", f"{s.en} {s.present(verb)} at {clock_en} every day."
