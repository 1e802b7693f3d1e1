"""Longer sentences: relative clauses, joined clauses, requests, giving, causing, wishing, distance, weather."""

from __future__ import annotations

import random

from demo_grammar import chinese, english
from demo_grammar.choose import Pair, amount, construction, named, one_of, other_than, pick, some_action, someone
from demo_grammar.lexicon import (
    ADJECTIVES,
    CITIES,
    CLASS_OF,
    COLORS,
    DESTINATIONS,
    ERRANDS,
    FUTURE_DAYS,
    FUTURE_TIMES,
    HOBBIES,
    JOBS,
    LANGUAGES,
    NOUNS,
    PLACES,
    PRONOUNS,
    PURCHASES,
    RECENT_TIMES,
    REGIONS,
    ROUTINES,
    SUBJECTS,
    TRANSPORT,
)

ME, YOU, HE, SHE, WE, THEY = PRONOUNS
WANT, LIKE = english.verb("want"), english.verb("like")
PLAN = english.verb("plan planned planned planning")


def bought(r: random.Random) -> tuple[str, str, str, str, str]:
    """Return an action such as buying or borrowing in both languages, its thing, and the class of the thing."""
    while True:
        action, noun = some_action(r, PURCHASES)
        name = CLASS_OF[noun.zh]
        if name in ADJECTIVES and not noun.container and action.zh in ("买", "借", "看", "写", "画"):
            return action.zh, action.verb.past, noun.zh, noun.singular, name


@construction(2)
def relative_object(r: random.Random) -> Pair:
    s = someone(r)
    time_zh, time_en = pick(r, RECENT_TIMES)
    zh, past, noun_zh, noun_en, name = bought(r)
    quality_zh, quality_en = r.choice(
        [
            q
            for q in ADJECTIVES[name]
            if q[1] not in ("old", "far away", "boring") and (zh != "借" or q[0] not in "贵便宜")
        ]
    )
    form = r.randrange(3)
    if form == 0:
        return (
            f"{s.zh}{time_zh}{zh}的{noun_zh}很{quality_zh}。",
            f"the {noun_en} {s.en} {past} {time_en} is very {quality_en}.",
        )
    if form == 1:
        return (
            f"{s.zh}{time_zh}{zh}的{noun_zh}不太{quality_zh}。",
            f"the {noun_en} {s.en} {past} {time_en} is not very {quality_en}.",
        )
    return f"这是{s.zh}{time_zh}{zh}的{noun_zh}。", f"this is the {noun_en} {s.en} {past} {time_en}."


@construction(1.5)
def relative_subject(r: random.Random) -> Pair:
    who_zh, who_en = one_of(
        r, ("女孩", "girl"), ("男孩", "boy"), ("老人", "old man"), ("孩子", "child"), ("人", "person")
    )
    if r.random() < 0.5:
        zh, verb, places = r.choice([routine for routine in ROUTINES if routine[2]])
        place = r.choice([p for p in places.split() if p != "家"] or ["公园"])
        clause_zh, clause_en = f"在{place}{zh}", f"{verb.ing} {PLACES[place]}"
    else:
        color_zh, color_en = pick(r, COLORS)
        noun = r.choice([n for n in NOUNS["upper"] if n.zh not in ("帽子", "围巾")])
        clause_zh, clause_en = f"穿{color_zh}{noun.zh}", f"wearing the {color_en} {noun.singular}"
    kind = r.randrange(4)
    if kind == 0:
        other = named(r)
        relation_zh, relation_en = one_of(r, ("同学", "classmate"), ("邻居", "neighbor"), ("朋友", "friend"))
        return (
            f"那个{clause_zh}的{who_zh}是{other.zh}的{relation_zh}。",
            f"the {who_en} who is {clause_en} is {other.possessive} {relation_en}.",
        )
    if kind == 1:
        return f"那个{clause_zh}的{who_zh}是谁？", f"who is the {who_en} who is {clause_en}?"
    if kind == 2:
        s = r.choice([ME, HE, SHE])
        return (
            f"{s.zh}认识那个{clause_zh}的{who_zh}。",
            f"{s.en} {s.present(english.verb('know'))} the {who_en} who is {clause_en}.",
        )
    s = r.choice([ME, WE, THEY])
    return f"{s.zh}不认识那个{clause_zh}的{who_zh}。", f"{s.en} do not know the {who_en} who is {clause_en}."


@construction()
def relative_job(r: random.Random) -> Pair:
    job_zh, job_en = pick(r, JOBS)
    s = someone(r)
    kind = r.randrange(3)
    if kind == 0:
        zh, en = pick(r, LANGUAGES)
        return (
            f"{s.zh}想找一个会说{zh}的{job_zh}。",
            f"{s.en} {s.present(WANT)} to find {english.article(job_en)} who can speak {en}.",
        )
    zh, en = pick(r, CITIES)
    if kind == 1:
        return (
            f"{s.zh}认识一个住在{zh}的{job_zh}。",
            f"{s.en} {s.present(english.verb('know'))} {english.article(job_en)} who lives in {en}.",
        )
    quality_zh, quality_en = r.choice(ADJECTIVES["person"])
    return f"那个从{zh}来的{job_zh}很{quality_zh}。", f"the {job_en} who came from {en} is very {quality_en}."


REASONS = [  # what happened, and what one did not do because of it
    ("生病了", "{s} {was} ill", "没去上班 没来上课 没去跑步 没参加聚会 没去游泳 没去旅行"),
    ("太忙了", "{s} {was} too busy", "没去跑步 没去看电影 没参加聚会 没去游泳 没去旅行"),
    ("太累了", "{s} {was} too tired", "没去跑步 没去看电影 没出门 没参加聚会 没去游泳"),
    ("没有时间", "{s} did not have time", "没去跑步 没去看电影 没参加聚会 没去旅行"),
    ("没有钱", "{s} did not have any money", "没去看电影 没去旅行 没去饭馆吃饭"),
    ("没赶上火车", "{s} missed the train", "没去旅行 没参加会议 没去上班"),
    ("起晚了", "{s} got up late", "没去跑步 没吃早饭 没来上课"),
    ("下雨了", "it rained", "没去跑步 没出门 没去爬山 没去公园"),
    ("下雪了", "it snowed", "没去跑步 没出门 没去爬山 没去旅行"),
    ("天气不好", "the weather was bad", "没去跑步 没出门 没去爬山 没去海边"),
]
NOT_DONE = {
    "没去上班": "did not go to work", "没来上课": "did not come to class", "没去跑步": "did not go running", "没去看电影": "did not go to the movies",
    "没出门": "did not go out", "没参加聚会": "did not go to the party", "没去游泳": "did not go swimming", "没去旅行": "did not go on the trip",
    "没去饭馆吃饭": "did not eat in a restaurant", "没参加会议": "did not attend the meeting", "没吃早饭": "did not have breakfast",
    "没去爬山": "did not go hiking", "没去公园": "did not go to the park", "没去海边": "did not go to the seaside",
}  # fmt: skip


@construction(1.2)
def because(r: random.Random) -> Pair:
    s = someone(r)
    time_zh, time_en = one_of(
        r,
        ("昨天", "yesterday"),
        ("前天", "the day before yesterday"),
        ("上星期天", "last Sunday"),
        ("今天早上", "this morning"),
    )
    cause_zh, cause_en, results = r.choice(REASONS)
    result_zh = r.choice(results.split())
    result_en = NOT_DONE[result_zh]
    reason = cause_en.format(s=s.en, was=s.was())
    if r.random() < 0.5:
        if cause_en.startswith("{s}"):
            return (
                f"{s.zh}{time_zh}因为{cause_zh}，所以{result_zh}。",
                f"because {reason} {time_en}, {s.form} {result_en}.",
            )
        return f"因为{time_zh}{cause_zh}，所以{s.zh}{result_zh}。", f"because {reason} {time_en}, {s.en} {result_en}."
    reason_back = cause_en.format(s=s.form, was=s.was())
    return f"{s.zh}{time_zh}{result_zh}，因为{cause_zh}。", f"{s.en} {result_en} {time_en} because {reason_back}."


@construction(1.2)
def although(r: random.Random) -> Pair:
    s = someone(r)
    kind = r.randrange(3)
    if kind == 0:
        zh, en = one_of(r, ("累", "tired"), ("忙", "busy"), ("生病了", "ill"), ("年轻", "young"))
        degree = "" if zh == "生病了" else "很"
        very = "" if zh == "生病了" else "very "
        do_zh, do = one_of(
            r,
            ("还在工作", "still working"),
            ("还在学习", "still studying"),
            ("还在打扫房间", "still cleaning the room"),
            ("还在准备考试", "still preparing for the exam"),
        )
        return f"{s.zh}虽然{degree}{zh}，但是{do_zh}。", f"although {s.en} {s.be()} {very}{en}, {s.form} {s.be()} {do}."
    noun = r.choice(NOUNS["upper"] + NOUNS["reading"] + NOUNS["device"])
    if kind == 1:
        return (
            f"虽然{noun.this_zh()}很贵，但是{s.zh}很喜欢。",
            f"although {noun.this()} is very expensive, {s.en} {s.present(LIKE)} it very much.",
        )
    zh, en = pick(r, LANGUAGES)
    n = r.randint(2, 6)
    return (
        f"虽然{zh}很难，但是{s.zh}还是想学。" if n % 2 else f"{s.zh}虽然只学了{chinese.count(n)}年{zh}，但是说得很好。",
        f"although {en} is very difficult, {s.en} still {s.present(WANT)} to learn it."
        if n % 2
        else f"although {s.en} {s.have()} only studied {en} for {english.number(n)} years, {s.form} {s.present(english.verb('speak'))} it very well.",
    )


@construction(1.5)
def if_then(r: random.Random) -> Pair:
    s = r.choice([ME, HE, SHE, WE, THEY, *[named(r) for _ in range(4)]])
    when_zh, when_en = one_of(
        r, ("明天", "tomorrow"), ("后天", "the day after tomorrow"), ("周末", "on the weekend"), ("星期天", "on Sunday")
    )
    weather_zh, weather_en = one_of(
        r,
        ("下雨", "it rains"),
        ("不下雨", "it does not rain"),
        ("下雪", "it snows"),
        ("天气好", "the weather is nice"),
        ("天气不好", "the weather is bad"),
        ("太热", "it is too hot"),
    )
    indoors = [("在家看书", "read at home"), ("在家休息", "rest at home"), ("在家看电影", "watch a movie at home"), ("去图书馆学习", "go to the library to study"),
               ("去博物馆", "go to the museum"), ("不去爬山", "not go hiking"), ("不出门", "not go out")]  # fmt: skip
    outdoors = [("去公园散步", "take a walk in the park"), ("去爬山", "go hiking"), ("去海边照相", "go to the seaside to take pictures"), ("去河边钓鱼", "go fishing by the river"), ("去踢足球", "go and play soccer"), ("带孩子去动物园", "take the child to the zoo")]  # fmt: skip
    fine = weather_zh in ("不下雨", "天气好")
    zh, en = r.choice(outdoors if fine else indoors)
    return f"如果{when_zh}{weather_zh}，{s.zh}就{zh}。", f"if {weather_en} {when_en}, {s.en} will {en}."


@construction(1.2)
def sequence(r: random.Random) -> Pair:
    s = someone(r)
    first = one_of(
        r,
        ("吃完早饭", "having breakfast"),
        ("做完作业", "finishing the homework"),
        ("下班", "work"),
        ("吃完晚饭", "dinner"),
        ("下课", "class"),
        ("起床", "getting up"),
        ("洗完澡", "taking a shower"),
    )
    zh, verb = one_of(
        r, ("去公园散步", "take+a+walk+in+the+park took taken taking"), ("去超市买菜", "go+to+the+supermarket+to+buy+vegetables went gone"),
        ("听音乐", "listen+to+music"), ("看电视", "watch+television"), ("喝一杯茶", "drink+a+cup+of+tea drank drunk"), ("看报纸", "read+the+newspaper read read"),
        ("给妈妈打电话", "call+{own}+mother"), ("去跑步", "go+running went gone"), ("学习英语", "study+English"), ("去游泳", "go+swimming went gone"),
    )  # fmt: skip
    action = english.verb(verb.replace("{own}", s.own))
    if r.random() < 0.5:
        return f"{s.zh}{first[0]}以后常常{zh}。", f"{s.en} often {s.present(action)} after {first[1]}."
    time_zh, time_en = one_of(r, ("昨天", "yesterday"), ("前天", "the day before yesterday"), ("星期天", "on Sunday"))
    future = time_zh == "星期天"
    if future:
        return (
            f"{s.zh}{time_zh}{first[0]}以后要{zh}。",
            f"{s.en} {s.be()} going to {action.base} after {first[1]} {time_en}.",
        )
    clean = zh.replace("喝一杯茶", "喝了一杯茶")
    ending = "" if clean != zh else "了"
    return f"{s.zh}{time_zh}{first[0]}以后{clean}{ending}。", f"{time_en}, {s.en} {action.past} after {first[1]}."


@construction(1.2)
def when_clause(r: random.Random) -> Pair:
    s = someone(r)
    zh, en = one_of(r, ("小", "young"), ("上大学", "in college"), ("十岁", "ten years old"), ("六岁", "six years old"))
    city_zh, city_en = pick(r, CITIES)
    kind = r.randrange(3)
    if kind == 0:
        return f"{s.zh}{zh}的时候住在{city_zh}。", f"{s.en} lived in {city_en} when {s.form} {s.was()} {en}."
    if kind == 1:
        hobby_zh, hobby_en = pick(r, HOBBIES)
        return f"{s.zh}{zh}的时候很喜欢{hobby_zh}。", f"{s.en} liked {hobby_en} very much when {s.form} {s.was()} {en}."
    thing_zh, thing_en = one_of(r, ("下雨", "it rains"), ("天气好", "the weather is nice"), ("下雪", "it snows"))
    do_zh, do_en = one_of(r, ("在家看书", "read+at+home"), ("在家听音乐", "listen+to+music+at+home")) if thing_zh != "天气好" else one_of(
        r, ("去公园跑步", "run+in+the+park"), ("去海边游泳", "go+to+the+seaside+to+swim went gone"), ("骑自行车上班", "ride+a+bicycle+to+work"))  # fmt: skip
    return f"{thing_zh}的时候，{s.zh}常常{do_zh}。", f"when {thing_en}, {s.en} often {s.present(english.verb(do_en))}."


@construction(1.5)
def giving(r: random.Random) -> Pair:
    s = someone(r)
    other = other_than(r, s)
    noun = r.choice(
        NOUNS["reading"]
        + NOUNS["upper"]
        + NOUNS["pairs"]
        + NOUNS["small"]
        + NOUNS["art"][:1]
        + NOUNS["plant"][2:]
        + NOUNS["device"][:3]
    )
    n = amount(r, noun)
    time_zh, time_en = pick(r, RECENT_TIMES)
    kind = r.randrange(4)
    if kind == 0:
        return (
            f"{s.zh}{time_zh}给{other.zh}买了{noun.counted_zh(n)}。",
            f"{s.en} bought {other.en} {noun.counted(n)} {time_en}.",
        )
    if kind == 1:
        return f"{s.zh}送给了{other.zh}{noun.counted_zh(n)}。", f"{s.en} gave {other.en} {noun.counted(n)} as a gift."
    if kind == 2:
        future_zh, future_en = pick(r, FUTURE_DAYS)
        return f"{s.zh}{future_zh}要给{other.zh}打电话。", f"{s.en} {s.be()} going to call {other.en} {future_en}."
    book = r.choice(NOUNS["reading"] + NOUNS["small"][:2])
    return (
        f"{s.zh}{time_zh}借给了{other.zh}{book.counted_zh(1)}。",
        f"{s.en} lent {other.en} {book.counted(1)} {time_en}.",
    )


@construction(1.5)
def causing(r: random.Random) -> Pair:
    boss = one_of(
        r, ("老师", "the teacher"), ("医生", "the doctor"), ("经理", "the manager"), ("妈妈", "Mom"), ("爸爸", "Dad")
    )
    s = r.choice([ME, HE, SHE, WE, THEY, *[other_than(r) for _ in range(5)]])
    tasks = {
        "老师": [("写作业", "do the homework"), ("读课文", "read the text"), ("写一篇文章", "write an article"), ("回答问题", "answer the question"), ("打扫教室", "clean the classroom")],
        "医生": [("多喝水", "drink more water"), ("多休息", "rest more"), ("早点儿睡觉", "go to bed earlier"), ("少喝咖啡", "drink less coffee"), ("每天跑步", "run every day")],
        "经理": [("写报告", "write a report"), ("去上海开会", "go to Shanghai for a meeting"), ("早点儿来", "come earlier"), ("去机场接客人", "pick up the guests at the airport"), ("再检查一遍", "check it once more")],
        "妈妈": [("去超市买牛奶", "go to the supermarket to buy milk"), ("打扫房间", "clean the room"), ("早点儿回家", "come home earlier"), ("把门关上", "close the door"), ("多吃水果", "eat more fruit")],
        "爸爸": [("洗车", "wash the car"), ("早点儿睡觉", "go to bed earlier"), ("去邮局寄信", "go to the post office to mail a letter"), ("多看书", "read more"), ("把窗户打开", "open the window")],
    }  # fmt: skip
    zh, en = r.choice(tasks[boss[0]])
    if r.random() < 0.3:
        return (
            f"{boss[0]}不让{s.zh}{'玩游戏' if boss[0] != '医生' else '喝酒'}。",
            f"{boss[1]} does not let {s.object} {'play games' if boss[0] != '医生' else 'drink alcohol'}.",
        )
    return f"{boss[0]}让{s.zh}{zh}。", f"{boss[1]} told {s.object} to {en}."


@construction(1.5)
def request(r: random.Random) -> Pair:
    kind = r.randrange(5)
    if kind == 0:
        zh, en = one_of(
            r, ("门关上", "close the door"), ("窗户打开", "open the window"), ("灯关上", "turn off the light"), ("电视打开", "turn on the television"),
            ("书放在桌子上", "put the book on the table"), ("衣服洗一下", "wash the clothes"), ("名字写在这里", "write your name here"), ("手机关上", "turn off your phone"),
            ("房间打扫一下", "clean the room"), ("这封信寄给他", "send him this letter"), ("杯子洗干净", "wash the cups"), ("地图给我", "give me the map"),
            ("钥匙给我", "give me the keys"), ("箱子搬到楼上", "carry the box upstairs"), ("这些照片发给我", "send me these photos"),
        )  # fmt: skip
        return f"请把{zh}。", f"please {en}."
    if kind == 1:
        zh, en = one_of(
            r, ("说话", "talk"), ("迟到", "be late"), ("忘了带雨伞", "forget to bring an umbrella"), ("担心", "worry"), ("在这里照相", "take pictures here"),
            ("喝太多咖啡", "drink too much coffee"), ("开得太快", "drive too fast"), ("告诉他这个秘密", "tell him this secret"), ("在图书馆里吃东西", "eat in the library"),
            ("生气", "be angry"), ("忘了锁门", "forget to lock the door"), ("睡得太晚", "go to bed too late"), ("等我", "wait for me"),
        )  # fmt: skip
        return f"{one_of(r, '别', '不要')}{zh}。", f"do not {en}."
    if kind == 2:
        noun = r.choice(NOUNS["drink"] + NOUNS["dish"][:4] + NOUNS["snack"] + NOUNS["fruit"])
        n = r.choice([1, 1, 2, 3])
        return f"请给我{noun.counted_zh(n)}。", f"please give me {noun.counted(n)}."
    if kind == 3:
        zh, en = one_of(
            r, ("告诉我你的地址", "tell me your address"), ("帮我一下", "help me"), ("说慢一点儿", "speak more slowly"), ("再说一遍", "say that again"), ("等我一下", "wait for me"),
            ("教我中文", "teach me Chinese"), ("借给我一支笔", "lend me a pen"), ("给我们照一张相", "take a picture of us"), ("开一下窗户", "open the window"),
        )  # fmt: skip
        return f"你能{zh}吗？", f"can you {en}?"
    place_zh, place_en = pick(r, DESTINATIONS)
    if place_zh == "公司":
        place_zh, place_en = "酒店", "the hotel"
    return f"请问，{place_zh}怎么走？", f"excuse me, how do I get to {place_en}?"


@construction(2)
def ba_request(r: random.Random) -> Pair:
    other = other_than(r)
    small = NOUNS["reading"] + NOUNS["paper"] + NOUNS["small"] + NOUNS["upper"] + NOUNS["pairs"]
    kind = r.randrange(4)
    if kind == 0:
        noun = r.choice(NOUNS["opening"] + [n for n in NOUNS["device"] if n.zh not in ("手机", "相机", "冰箱")])
        where_zh, where_en = one_of(r, *ROOMS)
        if noun.zh in ("门", "窗户"):
            do_zh, do_en = one_of(r, ("关上", "close"), ("打开", "open"))
        else:
            do_zh, do_en = one_of(r, ("关上", "turn off"), ("打开", "turn on"))
        return f"请把{where_zh}{noun.zh}{do_zh}。", f"please {do_en} the {noun.singular}{where_en}."
    noun = r.choice(small)
    near = r.random() < 0.5
    if kind == 1:
        place_zh, place_en = one_of(
            r,
            ("桌子上", "on the table"),
            ("椅子上", "on the chair"),
            ("床上", "on the bed"),
            ("柜子里", "in the cupboard"),
        )
        return f"请把{noun.this_zh(near)}放在{place_zh}。", f"please put {noun.this(near)} {place_en}."
    do_zh, do_en = one_of(r, ("给", "give"), ("借给", "lend"), ("拿给", "bring"))
    to_zh, to_en = one_of(r, ("我", "me"), ("他", "him"), ("她", "her"), (other.zh, other.en))
    return f"请把{noun.this_zh(near)}{do_zh}{to_zh}。", f"please {do_en} {to_en} {noun.this(near)}."


ROOMS = [
    ("", ""),
    ("房间的", " in the room"),
    ("客厅的", " in the living room"),
    ("厨房的", " in the kitchen"),
    ("办公室的", " in the office"),
    ("教室的", " in the classroom"),
]


@construction(1.2)
def wishing(r: random.Random) -> Pair:
    s = someone(r)
    kind = r.randrange(6)
    zh, en = pick(r, CITIES)
    if kind == 0:
        return f"{s.zh}想去{zh}旅行。", f"{s.en} {s.present(WANT)} to travel to {en}."
    if kind == 1:
        job_zh, job_en = pick(r, JOBS)
        if s.form in ("we", "they"):
            return f"{s.zh}都想当{job_zh}。", f"{s.en} all want to become {english.plural(job_en)}."
        return f"{s.zh}想当{job_zh}。", f"{s.en} {s.present(WANT)} to become {english.article(job_en)}."
    place_zh, place_en, do_zh, do_en = r.choice(ERRANDS)
    if kind == 2:
        return f"{s.zh}应该去{place_zh}{do_zh}。", f"{s.en} should go to {place_en} to {do_en}."
    if kind == 3:
        return f"{s.zh}必须去{place_zh}{do_zh}。", f"{s.en} must go to {place_en} to {do_en}."
    if kind == 4:
        next_zh, next_en = one_of(r, ("明年", "next year"), ("下个月", "next month"), ("下个星期", "next week"))
        return f"{s.zh}打算{next_zh}去{zh}工作。", f"{s.en} {s.present(PLAN)} to work in {en} {next_en}."
    time_zh, time_en = pick(r, FUTURE_DAYS)
    return f"{s.zh}{time_zh}不能去{place_zh}{do_zh}。", f"{s.en} cannot go to {place_en} to {do_en} {time_en}."


@construction()
def this_or_that(r: random.Random) -> Pair:
    s = r.choice([YOU, HE, SHE, THEY, *[named(r) for _ in range(3)]])
    kind = r.randrange(3)
    if kind == 0:
        a, b = r.sample([n for n in NOUNS["drink"] if n.zh != "茶"], 2)
        return f"{s.zh}想喝{a.zh}还是{b.zh}？", f"{s.do()} {s.en} want to drink {a.singular} or {b.singular}?"
    if kind == 1:
        (a_zh, a_en), (b_zh, b_en) = r.sample(list(HOBBIES.items()), 2)
        return f"{s.zh}更喜欢{a_zh}还是{b_zh}？", f"{s.do()} {s.en} prefer {a_en} or {b_en}?"
    far = r.random() < 0.5
    long_ways = ("坐火车", "坐飞机", "开车")
    ways = [
        way for way in TRANSPORT.items() if (way[0] in long_ways if far else way[0] not in ("坐火车", "坐飞机", "坐船"))
    ]
    (a_zh, a_en), (b_zh, b_en) = r.sample(ways, 2)
    place_zh, place_en = pick(r, {zh: CITIES[zh] for zh in REGIONS[0] if zh != "香港"} if far else DESTINATIONS)
    return f"{s.zh}{a_zh}还是{b_zh}去{place_zh}？", f"{s.be()} {s.en} going to {place_en} {a_en} or {b_en}?"


@construction()
def distance(r: random.Random) -> Pair:
    a_zh, a_en = one_of(
        r,
        ("我家", "my home"),
        ("学校", "the school"),
        ("酒店", "the hotel"),
        ("公司", "the office"),
        ("火车站", "the train station"),
        ("他家", "his home"),
    )
    b_zh, b_en = one_of(
        r,
        ("机场", "the airport"),
        ("市中心", "the city center"),
        ("医院", "the hospital"),
        ("海边", "the seaside"),
        ("图书馆", "the library"),
        ("公园", "the park"),
    )
    kind = r.randrange(4)
    if kind == 0:
        return f"{a_zh}离{b_zh}很近。", f"{a_en} is very close to {b_en}."
    if kind == 1:
        return f"{a_zh}离{b_zh}很远。", f"{a_en} is very far from {b_en}."
    if kind == 2:
        return f"{a_zh}离{b_zh}远吗？", f"is {a_en} far from {b_en}?"
    minutes = r.choice([5, 10, 15, 20, 25, 30, 40, 45])
    by_zh, by_en = one_of(
        r,
        ("走路", "on foot"),
        ("坐地铁", "by subway"),
        ("坐公共汽车", "by bus"),
        ("骑自行车", "by bicycle"),
        ("开车", "by car"),
    )
    return (
        f"从{a_zh}到{b_zh}{by_zh}要{chinese.number(minutes)}分钟。",
        f"it takes {english.number(minutes)} minutes to get from {a_en} to {b_en} {by_en}.",
    )


@construction()
def travel_time(r: random.Random) -> Pair:
    (a_zh, a_en), (b_zh, b_en) = r.sample(list(CITIES.items()), 2)
    regions = [next((i for i, region in enumerate(REGIONS) if zh in region), len(REGIONS)) for zh in (a_zh, b_zh)]
    hours = r.randint(2, 3) if regions[0] == regions[1] < len(REGIONS) else r.randint(10, 13)
    by_train = max(regions) == 0
    hours = r.randint(5, 9) if by_train else hours
    by_zh, by_en = ("坐火车", "by train") if by_train else ("坐飞机", "by plane")
    return (
        f"从{a_zh}{by_zh}到{b_zh}要{chinese.count(hours)}个小时。",
        f"it takes {english.number(hours)} hours to get from {a_en} to {b_en} {by_en}.",
    )


WEATHER = [("热", "hot"), ("冷", "cold"), ("暖和", "warm"), ("凉快", "cool")]


@construction(1.2)
def weather(r: random.Random) -> Pair:
    city_zh, city_en = pick(r, CITIES)
    kind = r.randrange(7)
    season_zh, season_en = one_of(r, ("春天", "spring"), ("夏天", "summer"), ("秋天", "autumn"), ("冬天", "winter"))
    zh, en = r.choice(WEATHER)
    if kind == 0:
        typical = {"春天": WEATHER[2], "夏天": WEATHER[0], "秋天": WEATHER[3], "冬天": WEATHER[1]}[season_zh]
        return f"{city_zh}的{season_zh}很{typical[0]}。", f"it is very {typical[1]} in {city_en} in {season_en}."
    if kind == 1:
        time_zh, time_en = one_of(r, ("昨天", "yesterday"), ("昨天晚上", "last night"), ("上个星期", "last week"))
        rain = one_of(r, ("下雨", "rained"), ("下雪", "snowed"))
        return f"{time_zh}{city_zh}{rain[0]}了。", f"it {rain[1]} in {city_en} {time_en}."
    if kind == 2:
        time_zh, time_en = one_of(
            r,
            ("明天", "tomorrow"),
            ("明天下午", "tomorrow afternoon"),
            ("今天晚上", "tonight"),
            ("后天", "the day after tomorrow"),
        )
        rain = one_of(r, ("下雨", "rain"), ("下雪", "snow"))
        return f"{city_zh}{time_zh}会{rain[0]}。", f"it will {rain[1]} in {city_en} {time_en}."
    if kind == 3:
        other_zh, other_en = r.choice([c for c in CITIES.items() if c[0] != city_zh])
        return f"{city_zh}比{other_zh}{zh}。", f"it is {english.comparative(en)} in {city_en} than in {other_en}."
    if kind == 4:
        return f"今天{city_zh}{zh}吗？", f"is it {en} in {city_en} today?"
    if kind == 5:
        degrees = r.randint(3, 38)
        return (
            f"今天{city_zh}{chinese.number(degrees)}度。",
            f"it is {english.number(degrees)} degrees in {city_en} today.",
        )
    return f"今天比昨天{zh}。", f"it is {english.comparative(en)} today than yesterday."


@construction()
def more_and_more(r: random.Random) -> Pair:
    kind = r.randrange(4)
    if kind == 0:
        s = someone(r)
        zh, en = pick(r, LANGUAGES)
        return f"{s.zh}的{zh}越来越好了。", f"{s.possessive} {en} is getting better and better."
    if kind == 1:
        zh, en = r.choice(WEATHER)
        more = english.comparative(en)
        return f"天气越来越{zh}了。", f"the weather is getting {more} and {more}."
    if kind == 2:
        s = someone(r)
        zh, en = one_of(
            r,
            ("忙", "busy"),
            ("漂亮", "beautiful"),
            ("有名", "famous"),
            ("高", "tall"),
            ("努力", "hardworking"),
            ("紧张", "nervous"),
        )
        more = english.comparative(en)
        phrase = f"more and {more}" if more.startswith("more ") else f"{more} and {more}"
        return (
            f"{s.zh}越来越{zh}了。",
            f"{s.en} {s.be()} getting {phrase}." if en != "hardworking" else f"{s.en} {s.be()} becoming {phrase}.",
        )
    noun_zh, noun_en = one_of(
        r,
        ("房子", "houses"),
        ("水果", "fruit"),
        ("汽车", "cars"),
        ("手机", "phones"),
        ("电脑", "computers"),
        ("衣服", "clothes"),
        ("票", "tickets"),
    )
    word = one_of(r, ("贵", "more and more expensive"), ("便宜", "cheaper and cheaper"))
    return f"{noun_zh}越来越{word[0]}了。", f"{noun_en} {'is' if noun_en == 'fruit' else 'are'} getting {word[1]}."


@construction()
def about_to(r: random.Random) -> Pair:
    kind = r.randrange(3)
    if kind == 0:
        zh, en = one_of(
            r, ("火车快要开了", "the train is about to leave"), ("快要下雨了", "it is about to rain"), ("电影快要开始了", "the movie is about to start"),
            ("飞机快要起飞了", "the plane is about to take off"), ("快要下雪了", "it is about to snow"), ("商店快要关门了", "the shop is about to close"),
            ("会议快要结束了", "the meeting is about to end"), ("快要上课了", "class is about to begin"), ("比赛快要开始了", "the match is about to start"),
        )  # fmt: skip
        return f"{zh}。", f"{en}."
    s = someone(r)
    zh, en = one_of(
        r,
        ("结婚", "get married"),
        ("毕业", "graduate"),
        ("搬家", "move"),
        ("回国", "return to {own} country"),
        ("出发", "set off"),
        ("睡觉", "go to bed"),
        ("吃饭", "eat"),
    )
    if "{own}" in en and s.form in ("I", "we", "they", "you", "he", "she"):
        en = en.format(own=s.own)
    return f"{s.zh}快要{zh}了。", f"{s.en} {s.be()} about to {en}."


@construction(1.5)
def opinion(r: random.Random) -> Pair:
    s = someone(r)
    name = r.choice(["reading", "upper", "device", "furniture", "fruit", "shop", "room", "art", "vehicle"])
    noun = r.choice([n for n in NOUNS[name] if not n.container])
    zh, en = r.choice([q for q in ADJECTIVES[name] if q[1] not in ("old", "new", "far away")])
    kind = r.randrange(4)
    if kind == 0:
        return (
            f"{s.zh}觉得{noun.this_zh()}很{zh}。",
            f"{s.en} {s.present(english.verb('think'))} that {noun.this()} is very {en}.",
        )
    if kind == 1:
        return f"{s.zh}觉得{noun.this_zh()}不{zh}。", f"{s.en} {s.do()} not think that {noun.this()} is {en}."
    if kind == 2:
        return f"{s.zh}觉得{noun.this_zh()}怎么样？", f"what {s.do()} {s.en} think of {noun.this()}?"
    other = other_than(r, s)
    time_zh, time_en = pick(r, FUTURE_TIMES)
    city_zh, city_en = pick(r, CITIES)
    return (
        f"{s.zh}知道{other.zh}{time_zh}要去{city_zh}。",
        f"{s.en} {s.present(english.verb('know'))} that {other.en} is going to {city_en} {time_en}.",
    )


@construction()
def hearsay(r: random.Random) -> Pair:
    other = other_than(r)
    kind = r.randrange(3)
    if kind == 0:
        city_zh, city_en = pick(r, CITIES)
        return f"听说{other.zh}去{city_zh}了。", f"I heard that {other.en} has gone to {city_en}."
    if kind == 1:
        zh, en = pick(r, LANGUAGES)
        return f"听说{other.zh}会说{zh}。", f"I heard that {other.en} can speak {en}."
    zh, en = r.choice([q for q in ADJECTIVES["person"] if q[1] not in ("tired", "happy", "nervous", "busy")])
    return f"听说{other.zh}的老师很{zh}。", f"I heard that {other.possessive} teacher is very {en}."


@construction()
def interested(r: random.Random) -> Pair:
    s = someone(r)
    zh, en = pick(
        r,
        SUBJECTS
        | {
            "中国文化": "Chinese culture",
            "电影": "movies",
            "足球": "soccer",
            "艺术": "art",
            "电脑": "computers",
            "科学": "science",
            "动物": "animals",
            "植物": "plants",
            "汉字": "Chinese characters",
        },
    )
    kind = r.randrange(3)
    if kind == 0:
        return f"{s.zh}对{zh}很感兴趣。", f"{s.en} {s.be()} very interested in {en}."
    if kind == 1:
        return f"{s.zh}对{zh}不感兴趣。", f"{s.en} {s.be()} not interested in {en}."
    return f"{s.zh}对{zh}感兴趣吗？", f"{s.be()} {s.en} interested in {en}?"


@construction()
def potential(r: random.Random) -> Pair:
    s = someone(r)
    zh, no, en, objects = one_of(
        r, ("听得懂", "听不懂", "understand", [("老师的话", "what the teacher says"), ("这首歌", "this song"), ("中文广播", "the Chinese broadcast"), ("他的话", "what he says")]),
        ("看得懂", "看不懂", "understand", [("中文报纸", "Chinese newspapers"), ("这本书", "this book"), ("这篇文章", "this article"), ("这张地图", "this map"), ("英语小说", "English novels")]),
        ("看得见", "看不见", "see", [("那座塔", "that tower"), ("那座桥", "that bridge"), ("黑板上的字", "the words on the blackboard"), ("那只小鸟", "that bird")]),
        ("找得到", "找不到", "find", [("钥匙", "the keys"), ("那家饭馆", "that restaurant"), ("回家的路", "the way home"), ("那本词典", "that dictionary")]),
        ("做得完", "做不完", "finish", [("今天的作业", "today's homework"), ("这些工作", "this work")]),
        ("买得起", "买不起", "afford", [("这辆汽车", "this car"), ("这台电脑", "this computer"), ("那座房子", "that house"), ("这块手表", "this watch")]),
    )  # fmt: skip
    thing_zh, thing_en = r.choice(objects)
    kind = r.randrange(3)
    if kind == 0:
        return f"{s.zh}{zh}{thing_zh}。", f"{s.en} can {en} {thing_en}."
    if kind == 1:
        return f"{s.zh}{no}{thing_zh}。", f"{s.en} cannot {en} {thing_en}."
    return f"{s.zh}{zh}{thing_zh}吗？", f"can {s.en} {en} {thing_en}?"


@construction()
def not_only(r: random.Random) -> Pair:
    s = someone(r)
    (a_zh, a_en), (b_zh, b_en) = r.sample(list(LANGUAGES.items()), 2)
    if r.random() < 0.5:
        return f"{s.zh}不但会说{a_zh}，而且还会说{b_zh}。", f"{s.en} can speak not only {a_en} but also {b_en}."
    (p_zh, p_en), (q_zh, q_en) = r.sample(
        [
            a
            for a in ADJECTIVES["person"]
            if a[1]
            in ("smart", "hardworking", "brave", "friendly", "humorous", "conscientious", "young", "warm-hearted")
        ],
        2,
    )
    return f"{s.zh}又{p_zh}又{q_zh}。", f"{s.en} {s.be()} both {p_en} and {q_en}."


@construction()
def not_even(r: random.Random) -> Pair:
    s = someone(r)
    time_zh, time_en = one_of(r, ("昨天", "yesterday"), ("今天早上", "this morning"), ("上个星期天", "last Sunday"))
    zh, en = one_of(
        r,
        ("早饭都没吃", "eat breakfast"),
        ("一杯水都没喝", "drink a glass of water"),
        ("一个字都没写", "write a single word"),
        ("手机都没带", "bring {own} phone"),
        ("门都没锁", "lock the door"),
        ("作业都没做", "do {own} homework"),
    )
    return f"{s.zh}{time_zh}连{zh}。", f"{s.en} did not even {en.format(own=s.own)} {time_en}."


@construction()
def with_tool(r: random.Random) -> Pair:
    s = someone(r)
    zh, en = one_of(
        r, ("用筷子吃饭", "eat+with+chopsticks"), ("用铅笔写字", "write+with+a+pencil"), ("用手机照相", "take+pictures+with+{own}+phone"), ("用电脑工作", "work+on+a+computer"),
        ("用中文写日记", "keep+a+diary+in+Chinese kept"), ("用英语打电话", "talk+on+the+phone+in+English"), ("用冷水洗脸", "wash+{own}+face+with+cold+water"), ("用手机看新闻", "read+the+news+on+{own}+phone"),
    )  # fmt: skip
    verb = english.verb(en.replace("{own}", s.own))
    kind = r.randrange(3)
    if kind == 0:
        time_zh, time_en = one_of(
            r, ("每天", "every day"), ("每天早上", "every morning"), ("每天晚上", "every evening")
        )
        return f"{s.zh}{time_zh}{zh}。", f"{s.en} {s.present(verb)} {time_en}."
    if kind == 1:
        return f"{s.zh}喜欢{zh}。", f"{s.en} {s.present(LIKE)} to {verb.base}."
    return f"{s.zh}不习惯{zh}。", f"{s.en} {s.be()} not used to {verb.ing}."


@construction()
def emphasis(r: random.Random) -> Pair:
    s = someone(r)
    kind = r.randrange(4)
    city_zh, city_en = pick(r, CITIES)
    time_zh, time_en = pick(r, RECENT_TIMES)
    if kind == 0:
        return f"{s.zh}是什么时候到{city_zh}的？", f"when did {s.en} arrive in {city_en}?"
    if kind == 1:
        return f"{s.zh}是{time_zh}到{city_zh}的。", f"it was {time_en} that {s.en} arrived in {city_en}."
    if kind == 2:
        return f"{s.zh}是在{city_zh}出生的。", f"{s.en} {s.was()} born in {city_en}."
    noun = r.choice(NOUNS["upper"] + NOUNS["reading"] + NOUNS["pairs"])
    where_zh, where_en = one_of(
        r, ("上海", "Shanghai"), ("北京", "Beijing"), ("东京", "Tokyo"), ("巴黎", "Paris"), ("伦敦", "London")
    )
    return f"{noun.this_zh()}是在{where_zh}买的。", f"{noun.this()} {noun.was} bought in {where_en}."


@construction()
def only_all(r: random.Random) -> Pair:
    kind = r.randrange(4)
    s = someone(r)
    if kind == 0:
        noun = r.choice(NOUNS["fruit"] + NOUNS["snack"])
        n = r.choice([1, 2, 3])
        return f"{s.zh}只吃了{noun.counted_zh(n)}。", f"{s.en} only ate {noun.counted(n)}."
    if kind == 1:
        yuan = r.choice([5, 8, 10, 20, 30, 50, 80, 100])
        return f"{s.zh}只有{chinese.count(yuan)}块钱。", f"{s.en} only {s.have()} {english.number(yuan)} yuan."
    if kind == 2:
        people_zh, people_en = one_of(
            r,
            ("学生们", "the students"),
            ("孩子们", "the children"),
            ("我的同学", "my classmates"),
            ("他的朋友", "his friends"),
            ("我们", "we"),
            ("他们", "they"),
        )
        zh, en = pick(r, HOBBIES)
        return f"{people_zh}都喜欢{zh}。", f"{people_en} all like {en}." if people_en in (
            "we",
            "they",
        ) else f"all {people_en} like {en}.".replace("all his", "all of his").replace("all my", "all of my")
    other = other_than(r, s)
    zh, en = pick(r, LANGUAGES)
    return (
        f"{s.zh}和{other.zh}都会说{zh}。",
        f"both {s.en} and {other.en} can speak {en}." if s.en != "I" else f"both {other.en} and I can speak {en}.",
    )
