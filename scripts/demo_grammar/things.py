"""Sentences about things and places: measure words, 把 and 被, existence, comparison, prices, dates."""

from __future__ import annotations

import random

from demo_grammar import chinese, english
from demo_grammar.choose import Pair, amount, construction, named, one_of, other_than, pick, someone, third_person
from demo_grammar.lexicon import (
    ADJECTIVES,
    CITIES,
    COLORS,
    COUNTRIES,
    JOBS,
    NAMES,
    NOUNS,
    PRONOUNS,
    RECENT_TIMES,
    Noun,
    Person,
)

TOO = [*"expensive difficult big small old thick long boring sweet".split(), "far away"]
DESCRIBED = [name for name in ADJECTIVES if name != "person"]
PRICED = ["reading", "upper", "pairs", "device", "furniture", "small", "vehicle"]
STARTING_PRICES = dict(reading=20, upper=80, pairs=60, device=900, furniture=200, small=10, vehicle=600)
ME, YOU, HE, SHE, WE, THEY = PRONOUNS


def described(r: random.Random) -> tuple[Noun, str, str]:
    """Return a thing and a property of it."""
    name = r.choice(DESCRIBED)
    noun = r.choice(NOUNS[name])
    return noun, *r.choice(ADJECTIVES[name])


def by_zh(*words: str) -> list[Noun]:
    return [noun for nouns in NOUNS.values() for noun in nouns if noun.zh in words]


@construction(1.5)
def thing_is(r: random.Random) -> Pair:
    noun, zh, en = described(r)
    near = r.random() < 0.7
    subject_zh, subject = noun.this_zh(near), noun.this(near)
    kind = r.randrange(5)
    if kind == 0:
        return f"{subject_zh}很{zh}。", f"{subject} {noun.be} very {en}."
    if kind == 1:
        return f"{subject_zh}不{zh}。", f"{subject} {noun.be} not {en}."
    if kind == 2:
        again = f"{zh}不{zh}" if len(zh) == 1 else f"{zh[0]}不{zh}"
        return f"{subject_zh}{again}？", f"{noun.be} {subject} {en}?"
    if kind == 3 and en in TOO:
        return f"{subject_zh}太{zh}了。", f"{subject} {noun.be} too {en}."
    return f"{subject_zh}{zh}吗？", f"{noun.be} {subject} {en}?"


@construction()
def person_is(r: random.Random) -> Pair:
    s = someone(r)
    zh, en = r.choice(ADJECTIVES["person"])
    kind = r.randrange(5)
    if kind == 0:
        return f"{s.zh}很{zh}。", f"{s.en} {s.be()} very {en}."
    if kind == 1:
        return f"{s.zh}不太{zh}。", f"{s.en} {s.be()} not very {en}."
    if kind == 2:
        return f"{s.zh}{zh}吗？", f"{s.be()} {s.en} {en}?"
    if kind == 3 and en in ("busy", "tired", "happy", "nervous"):
        time_zh, time_en = one_of(r, ("昨天", "yesterday"), ("昨天晚上", "last night"), ("上个星期", "last week"))
        return f"{s.zh}{time_zh}很{zh}。", f"{s.en} {s.was()} very {en} {time_en}."
    reason_zh, reason_en = one_of(r, ("今天", "today"), ("最近", "these days"))
    if en in ("busy", "tired", "happy", "nervous"):
        return f"{s.zh}{reason_zh}非常{zh}。", f"{s.en} {s.be()} extremely {en} {reason_en}."
    return f"{s.zh}非常{zh}。", f"{s.en} {s.be()} extremely {en}."


@construction(1.3)
def possession(r: random.Random) -> Pair:
    s = someone(r)
    kind = r.randrange(4)
    noun = r.choice(by_zh("猫", "狗", "兔子", "自行车", "汽车", "电脑", "手机", "相机", "词典", "地图", "雨伞", "手表", "吉他", "问题",
                          "主意", "计划", "秘密", "房子", "冰箱", "书包", "行李箱", "摩托车"))  # fmt: skip
    n = amount(r, noun)
    if kind == 0:
        return f"{s.zh}有{noun.counted_zh(n)}。", f"{s.en} {s.have()} {noun.counted(n)}."
    if kind == 1:
        return f"{s.zh}没有{noun.zh}。", f"{s.en} {s.do()} not have {english.article(noun.singular)}."
    if kind == 2:
        return f"{s.zh}有没有{noun.zh}？", f"{s.do()} {s.en} have {english.article(noun.singular)}?"
    return f"{s.zh}有几{noun.measure}{noun.zh}？", f"how many {noun.plural} {s.do()} {s.en} have?"


@construction(1.2)
def color(r: random.Random) -> Pair:
    s = someone(r)
    zh, en = pick(r, COLORS)
    noun = r.choice(NOUNS["upper"] + NOUNS["pairs"])
    kind = r.randrange(4)
    if kind == 0 and noun.zh != "眼镜":
        wears = "戴" if noun.zh in ("帽子", "围巾", "手套") else "穿"
        return f"{s.zh}{wears}着{noun.counted_zh(1, zh + '的')}。", f"{s.en} {s.be()} wearing {noun.counted(1, en)}."
    if kind == 1:
        s = third_person(r)
        vehicle = r.choice(NOUNS["vehicle"] + by_zh("书包", "雨伞", "手机", "行李箱", "沙发"))
        return f"{s.zh}的{vehicle.zh}是{zh}的。", f"{s.possessive} {vehicle.singular} is {en}."
    if kind == 2:
        return (
            f"{s.zh}想买{noun.counted_zh(1, zh + '的')}。",
            f"{s.en} {s.present(english.verb('want'))} to buy {noun.counted(1, en)}.",
        )
    return (
        f"{s.zh}喜欢{noun.this_zh()}的颜色。",
        f"{s.en} {s.present(english.verb('like'))} the color of {noun.this()}.",
    )


@construction(1.5)
def price(r: random.Random) -> Pair:
    name = r.choice(PRICED)
    noun = r.choice([noun for noun in NOUNS[name] if noun.zh not in ("汽车", "卡车")])
    base = {"摩托车": 1100, "铅笔": 1, "蜡烛": 2, "本子": 3}.get(noun.zh, STARTING_PRICES[name])
    amount_ = base * r.randint(1, 8) + r.choice([0, 0, 5, 8, 20, 25, 50, 99] if base > 9 else [0, 1])
    kind = r.randrange(3)
    cost = "cost" if noun.is_pair else "costs"
    if kind == 0:
        do = "do" if noun.is_pair else "does"
        return f"{noun.this_zh()}多少钱？", f"how much {do} {noun.this()} cost?"
    if kind == 1:
        return (
            f"{noun.this_zh()}{chinese.count(amount_)}块钱。",
            f"{noun.this()} {cost} {english.number(amount_)} yuan.",
        )
    s = someone(r)
    return (
        f"{s.zh}花了{chinese.count(amount_)}块钱买{noun.this_zh()}。",
        f"{s.en} spent {english.number(amount_)} yuan on {noun.this()}.",
    )


@construction()
def price_of_many(r: random.Random) -> Pair:
    noun = r.choice(NOUNS["fruit"] + NOUNS["vegetable"])
    n = r.randint(2, 6)
    yuan = n * r.randint(1, 4) + r.randint(0, 1)
    weigh = r.random() < 0.5
    if weigh:
        return f"{noun.zh}{chinese.count(yuan)}块钱一斤。", f"{noun.plural} are {english.number(yuan)} yuan per jin."
    return (
        f"{chinese.count(n)}{noun.measure}{noun.zh}{chinese.count(yuan)}块钱。",
        f"{english.number(n)} {noun.plural} cost {english.number(yuan)} yuan.",
    )


@construction(1.2)
def date(r: random.Random) -> Pair:
    month, day = r.randint(1, 12), r.randint(1, 28)
    zh = f"{chinese.number(month)}月{chinese.number(day)}号"
    en = f"{english.MONTHS[month - 1]} {day}"
    kind = r.randrange(5)
    if kind == 0:
        return f"今天是{zh}。", f"today is {en}."
    if kind == 1:
        s = third_person(r)
        return f"{s.zh}的生日是{zh}。", f"{s.possessive} birthday is {en}."
    if kind == 2:
        event_zh, event_en = one_of(
            r, ("会议", "the meeting"), ("考试", "the exam"), ("比赛", "the match"), ("音乐会", "the concert")
        )
        return f"{event_zh}是{zh}。", f"{event_en} is on {en}."
    s = someone(r)
    if kind == 3:
        city_zh, city_en = pick(r, CITIES)
        return f"{s.zh}{zh}去{city_zh}。", f"{s.en} {s.be()} going to {city_en} on {en}."
    year = r.randint(1950, 2010)
    return f"{s.zh}是{chinese.year(year)}出生的。", f"{s.en} {s.was()} born in {year}."


@construction()
def weekday(r: random.Random) -> Pair:
    index = r.randrange(7)
    zh, en = "星期" + chinese.WEEKDAYS[index], english.WEEKDAYS[index]
    kind = r.randrange(3)
    if kind == 0:
        day_zh, day_en = one_of(r, ("今天", "today is"), ("明天", "tomorrow is"), ("昨天", "yesterday was"))
        return f"{day_zh}{zh}。", f"{day_en} {en}."
    event_zh, event_en = one_of(
        r, ("会议", "the meeting"), ("考试", "the exam"), ("比赛", "the match"), ("音乐会", "the concert"), ("中文课", "the Chinese class"),
        ("英语课", "the English class"), ("聚会", "the party"),
    )  # fmt: skip
    hour = r.randint(1, 6)
    half = r.random() < 0.4
    clock_zh = f"下午{chinese.count(hour)}点{'半' if half else ''}"
    clock_en = (
        f"{'half past ' if half else ''}{english.number(hour)}{'' if half else ' o’clock'} in the afternoon".replace(
            "’", "'"
        )
    )
    if kind == 1:
        return f"{event_zh}{zh}{clock_zh}开始。", f"{event_en} starts at {clock_en} on {en}."
    return f"{event_zh}是星期几？", f"what day of the week is {event_en}?"


@construction(1.5)
def existence(r: random.Random) -> Pair:
    kind = r.randrange(3)
    if kind == 0:
        place_zh, place_en = one_of(
            r, ("桌子上", "on the table"), ("床上", "on the bed"), ("椅子上", "on the chair"), ("沙发上", "on the sofa"),
            ("书包里", "in the schoolbag"), ("盒子里", "in the box"), ("柜子里", "in the cupboard"),
        )  # fmt: skip
        small = NOUNS["small"] + NOUNS["paper"] + NOUNS["upper"] + NOUNS["pairs"]
        if place_zh in ("床上", "沙发上"):
            noun = r.choice(small + by_zh("猫", "书", "杂志"))
        elif place_zh == "桌子上":
            noun = r.choice(NOUNS["reading"] + NOUNS["drink"] + NOUNS["fruit"] + NOUNS["small"])
        else:
            noun = r.choice([noun for noun in small if noun.zh not in ("行李箱", "书包", "盒子", "镜子")])
    elif kind == 1:
        place_zh, place_en, words = one_of(
            r, ("墙上", "on the wall", "画 地图 照片 镜子"), ("公园里", "in the park", "树 桥 塔"), ("河边", "by the river", "树 马 牛 羊"),
            ("花园里", "in the garden", "树 兔子 猫 小鸟"), ("教室里", "in the classroom", "桌子 椅子 电脑 电视"),
            ("房间里", "in the room", "床 桌子 椅子 沙发 书架"), ("门口", "at the door", "自行车 狗 汽车"), ("路边", "by the road", "树 汽车 卡车"),
            ("办公室里", "in the office", "电脑 桌子 沙发 书架"), ("厨房里", "in the kitchen", "冰箱 桌子 柜子"),
        )  # fmt: skip
        noun = r.choice(by_zh(*words.split()))
    else:
        place_zh, place_en = one_of(
            r, ("学校旁边", "next to the school"), ("医院对面", "across from the hospital"), ("公园后面", "behind the park"),
            ("银行前面", "in front of the bank"), ("火车站附近", "near the train station"), ("我家附近", "near my home"),
            ("图书馆旁边", "next to the library"), ("超市对面", "across from the supermarket"), ("酒店附近", "near the hotel"),
        )  # fmt: skip
        noun = r.choice(NOUNS["shop"])
        if noun.zh[:2] in place_zh:
            noun = by_zh("书店")[0]
    n = 1 if kind == 2 and r.random() < 0.7 else amount(r, noun)
    many = n > 1
    form = r.random()
    if form < 0.6:
        return f"{place_zh}有{noun.counted_zh(n)}。", f"there {'are' if many else 'is'} {noun.counted(n)} {place_en}."
    if form < 0.8:
        if noun.container and not noun.is_pair:
            return f"{place_zh}有{noun.zh}吗？", f"is there any {noun.bare} {place_en}?"
        ask = f"are there any {noun.plural}" if noun.is_pair else f"is there {english.article(noun.singular)}"
        return f"{place_zh}有没有{noun.zh}？", f"{ask} {place_en}?"
    if noun.container:
        return f"{place_zh}没有{noun.zh}。", f"there {'are' if noun.is_pair else 'is'} no {noun.bare} {place_en}."
    return f"{place_zh}没有{noun.zh}。", f"there are no {noun.plural} {place_en}."


@construction(1.2)
def durative(r: random.Random) -> Pair:
    kind = r.randrange(3)
    if kind == 0:
        noun = r.choice(by_zh("门", "窗户", "电视", "电脑", "空调", "台灯", "收音机"))
        if noun.zh in ("门", "窗户"):
            state_zh, state_en = one_of(r, ("开着", "open"), ("关着", "closed"))
        else:
            state_zh, state_en = "开着", "on"
        near = one_of(
            r,
            ("房间的", " in the room"),
            ("客厅的", " in the living room"),
            ("厨房的", " in the kitchen"),
            ("", ""),
            ("办公室的", " in the office"),
        )
        return f"{near[0]}{noun.zh}{state_zh}。", f"the {noun.singular}{near[1]} is {state_en}."
    place_zh, verb_zh, place_en, verb_en, words = one_of(
        r, ("墙上", "挂", "on the wall", "hanging", "画 地图 照片 镜子"), ("桌子上", "放", "on the table", "lying", "书 报纸 信 钥匙 杂志 铅笔"),
        ("门口", "停", "at the door", "parked", "汽车 自行车 卡车 摩托车"), ("路边", "停", "by the road", "parked", "汽车 自行车 卡车 摩托车"),
        ("河边", "种", "by the river", "growing", "树"), ("床上", "放", "on the bed", "lying", "衬衫 毛衣 外套 裙子 书"),
    )  # fmt: skip
    noun = r.choice(by_zh(*words.split()))
    n = r.choice([1, 1, 2, 3, 4])
    be = "is" if n == 1 else "are"
    if kind == 1:
        return f"{place_zh}{verb_zh}着{noun.counted_zh(n)}。", f"there {be} {noun.counted(n)} {verb_en} {place_en}."
    s = third_person(r)
    seat_zh, seat_en = one_of(
        r,
        ("沙发上", "on the sofa"),
        ("椅子上", "on the chair"),
        ("树下", "under the tree"),
        ("河边", "by the river"),
        ("窗边", "by the window"),
    )
    doing_zh, doing_en = one_of(
        r,
        ("看书", "reading"),
        ("看报纸", "reading a newspaper"),
        ("喝茶", "drinking tea"),
        ("听音乐", "listening to music"),
        ("聊天", "chatting"),
    )
    return f"{s.zh}坐在{seat_zh}{doing_zh}。", f"{s.en} {s.be()} sitting {seat_en} {doing_en}."


BA_RESULTS = [
    ("修好了", "has repaired", "repaired", "have repaired", "汽车 自行车 电脑 手机 收音机 洗衣机 空调 手表 相机"),
    ("洗干净了", "has washed", "washed clean", "have washed", "衬衫 毛衣 裙子 外套 汽车 袜子 手套 裤子 苹果 杯子 大衣"),
    ("弄坏了", "has broken", "broken", "have broken", "手机 电脑 相机 雨伞 收音机 椅子 玩具 手表"),
    ("弄丢了", "has lost", "lost", "have lost", "钥匙 钱包 手机 雨伞 词典 手表 眼镜 相机 书包"),
    ("打破了", "has broken", "broken", "have broken", "杯子 镜子 窗户"),
    ("卖掉了", "has sold", "sold", "have sold", "汽车 房子 自行车 电脑 相机 画 钢笔 手表"),
    ("借走了", "has borrowed", "borrowed", "have borrowed", "书 词典 自行车 雨伞 相机 小说 地图 杂志"),
    ("搬走了", "has taken away", "taken away", "have taken away", "桌子 椅子 沙发 书架 柜子 洗衣机 冰箱"),
    ("拿走了", "has taken away", "taken away", "have taken away", "报纸 雨伞 盒子 照片 地图 杂志 词典 玩具"),
    ("画完了", "has finished painting", "finished", "have finished painting", "画"),
    ("看完了", "has finished reading", "", "have finished reading", "小说 书 杂志 报告 文章 漫画 信"),
    ("写完了", "has finished writing", "", "have finished writing", "报告 信 文章 小说 诗"),
    ("吃完了", "has finished eating", "eaten up", "have finished eating", "蛋糕 面包 饼干 苹果 西瓜 巧克力 炒饭"),
    ("喝完了", "has finished drinking", "drunk up", "have finished drinking", "牛奶 果汁 咖啡 可乐 啤酒"),
]


def owner(r: random.Random, subject: Person) -> tuple[str, str]:
    """Return the owner of a thing: somebody else, or the subject."""
    if subject.form == "I" or r.random() < 0.4:
        other = other_than(r, subject)
        return f"{other.zh}的", f"{other.possessive}"
    return "我的", "my"


@construction(2)
def ba(r: random.Random) -> Pair:
    s = someone(r)
    result_zh, third, _, plain, words = r.choice(BA_RESULTS)
    noun = r.choice(by_zh(*words.split()))
    have = third if s.third else plain
    if r.random() < 0.5 and noun.zh not in ("苹果", "西瓜", "面包", "窗户") and result_zh not in ("写完了", "画完了"):
        owner_zh, owner_en = owner(r, s)
        return f"{s.zh}把{owner_zh}{noun.zh}{result_zh}。", f"{s.en} {have} {owner_en} {noun.head}."
    return f"{s.zh}把{noun.this_zh(False)}{result_zh}。", f"{s.en} {have} {noun.this(False)}."


@construction(1.3)
def bei(r: random.Random) -> Pair:
    if r.random() < 0.35:
        s = someone(r)
        noun = r.choice(by_zh("自行车", "钱包", "手机", "电脑", "汽车", "相机", "书包", "手表", "行李箱", "摩托车"))
        time_zh, time_en = pick(r, RECENT_TIMES)
        return f"{s.zh}的{noun.zh}{time_zh}被偷了。", f"{s.possessive} {noun.singular} was stolen {time_en}."
    agent = named(r)
    rows = [row for row in BA_RESULTS if row[2] and row[0] not in ("画完了",)]
    result_zh, _, participle, _, words = r.choice(rows)
    noun = r.choice(by_zh(*words.split()))
    if r.random() < 0.5 and noun.zh not in ("苹果", "西瓜", "面包", "窗户"):
        owner_ = ME if agent.form != "I" else other_than(r, agent)
        return (
            f"{owner_.zh}的{noun.zh}被{agent.zh}{result_zh}。",
            f"{owner_.possessive} {noun.head} {noun.was} {participle} by {agent.en}.",
        )
    subject = noun.this(False)
    return f"{noun.this_zh(False)}被{agent.zh}{result_zh}。", f"{subject} {noun.was} {participle} by {agent.en}."


COMPARED = [
    ("高", "tall"), ("忙", "busy"), ("年轻", "young"), ("聪明", "smart"), ("努力", "hardworking"), ("勇敢", "brave"),
    ("有名", "famous"), ("幽默", "humorous"), ("友好", "friendly"), ("高兴", "happy"), ("安静", "quiet"), ("认真", "conscientious"),
]  # fmt: skip


@construction(1.5)
def compare_people(r: random.Random) -> Pair:
    a = someone(r)
    b = r.choice([ME, YOU]) if a.third and r.random() < 0.4 and "我" not in a.zh else other_than(r, a)
    zh, en = r.choice(COMPARED)
    kind = r.randrange(5)
    than = b.object if b.is_pronoun else b.en
    if kind == 0:
        return f"{a.zh}比{b.zh}{zh}。", f"{a.en} {a.be()} {english.comparative(en)} than {than}."
    if kind == 1:
        return f"{a.zh}比{b.zh}{zh}得多。", f"{a.en} {a.be()} much {english.comparative(en)} than {than}."
    if kind == 2:
        return f"{a.zh}没有{b.zh}{zh}。", f"{a.en} {a.be()} not as {en} as {than}."
    if kind == 3:
        return f"{a.zh}跟{b.zh}一样{zh}。", f"{a.en} {a.be()} as {en} as {than}."
    n = r.randint(2, 12)
    if a.form in ("we", "they") or not (a.is_pronoun or a in NAMES):
        return f"{a.zh}比{b.zh}更{zh}。", f"{a.en} {a.be()} even {english.comparative(en)} than {than}."
    years = one_of(r, ("大", "older"), ("小", "younger"))
    return (
        f"{a.zh}比{b.zh}{years[0]}{chinese.count(n)}岁。",
        f"{a.en} {a.be()} {english.number(n)} years {years[1]} than {than}.",
    )


@construction(1.2)
def compare_things(r: random.Random) -> Pair:
    name = r.choice([name for name in DESCRIBED if name != "shop"])
    noun = r.choice([noun for noun in NOUNS[name] if not noun.container])
    zh, en = r.choice(ADJECTIVES[name])
    kind = r.randrange(4)
    that_zh, that_en = f"那{noun.measure}", "that one"
    if kind == 0:
        return f"{noun.this_zh()}比{that_zh}{zh}。", f"{noun.this()} is {english.comparative(en)} than {that_en}."
    if kind == 1 and zh != "无聊":
        return f"{noun.this_zh()}没有{that_zh}{zh}。", f"{noun.this()} is not as {en} as {that_en}."
    if kind == 2 and name in PRICED:
        yuan = r.choice([5, 10, 20, 30, 50] if STARTING_PRICES[name] < 100 else [50, 80, 100, 200])
        word = one_of(r, ("贵", "more expensive"), ("便宜", "cheaper"))
        return (
            f"{noun.this_zh()}比{that_zh}{word[0]}{chinese.count(yuan)}块钱。",
            f"{noun.this()} is {english.number(yuan)} yuan {word[1]} than {that_en}.",
        )
    return f"{noun.this_zh()}跟{that_zh}一样{zh}。", f"{noun.this()} is as {en} as {that_en}."


@construction()
def superlative(r: random.Random) -> Pair:
    kind = r.randrange(2)
    if kind == 0:
        s = named(r)
        zh, en = r.choice([quality for quality in COMPARED if quality[1] not in ("happy", "busy")])
        group_zh, group_en = one_of(r, ("我们班最{}的学生", "the {} student in our class"), ("我们公司最{}的人", "the {} person in our company"),
                                    ("我认识的人里最{}的", "the {} person I know"))  # fmt: skip
        return f"{s.zh}是{group_zh.format(zh)}。", f"{s.en} is {group_en.format(english.superlative(en))}."
    noun, zh, en = described(r)
    if noun.container or en in ("far away", "easy to use"):
        return thing_is(r)
    where_zh, where_en = (
        one_of(r, ("这里", "here"), ("这个城市", "in this city"), ("我们这儿", "in our area"))
        if noun.measure in ("家", "间")
        else ("这里", "here")
    )
    if noun.measure == "间":
        where_zh, where_en = "这里", "here"
    return (f"这是{where_zh}最{zh}的{noun.zh}。", f"this is the {english.superlative(en)} {noun.singular} {where_en}.")


@construction()
def who_is(r: random.Random) -> Pair:
    s = someone(r)
    job_zh, job_en = pick(r, JOBS)
    kind = r.randrange(6)
    country_zh, (country_en, nationality) = pick(r, COUNTRIES)
    if kind == 0 and s.form not in ("we", "they"):
        return f"{s.zh}是{job_zh}。", f"{s.en} {s.be()} {english.article(job_en)}."
    if kind == 1 and s.form not in ("we", "they"):
        return f"{s.zh}不是{job_zh}。", f"{s.en} {s.be()} not {english.article(job_en)}."
    if kind == 2 and s.form not in ("we", "they"):
        return f"{s.zh}是不是{job_zh}？", f"{s.be()} {s.en} {english.article(job_en)}?"
    if kind == 3:
        return f"{s.zh}是{country_zh}人。", f"{s.en} {s.be()} {nationality}."
    if kind == 4:
        return f"{s.zh}来自{country_zh}。", f"{s.en} {s.present(english.verb('come'))} from {country_en}."
    group = r.choice([WE, THEY])
    return f"{group.zh}都是{job_zh}。", f"{group.en} are all {english.plural(job_en)}."


@construction()
def age(r: random.Random) -> Pair:
    s = someone(r)
    n = r.randint(18, 79)
    if "爷爷" in s.zh or "奶奶" in s.zh:
        n = r.randint(62, 90)
    elif any(kin in s.zh for kin in ("爸爸", "妈妈", "叔叔", "阿姨")):
        n = r.randint(38, 60)
    elif any(kin in s.zh for kin in ("弟弟", "妹妹")):
        n = r.randint(5, 25)
    if s.form in ("we", "they"):
        s = r.choice([HE, SHE])
    if r.random() < 0.25:
        return f"{s.zh}今年多大？", f"how old {s.be()} {s.en}?"
    return f"{s.zh}今年{chinese.number(n)}岁。", f"{s.en} {s.be()} {english.number(n)} years old."
