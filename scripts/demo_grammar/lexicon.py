"""The lexicon: Chinese entries with their English equivalents, and the words that they combine with."""

from __future__ import annotations

from dataclasses import dataclass

from demo_grammar.chinese import count
from demo_grammar.english import Verb, article, number, plural, verb


@dataclass(frozen=True)
class Noun:
    """A thing that is counted with a measure word; a mass ("coffee") is counted by its container ("cup")."""

    zh: str
    measure: str
    singular: str
    plural: str
    container: str = ""

    @property
    def bare(self) -> str:
        """The noun in general: `books`, `coffee`."""
        return self.singular if self.container and not self.container.startswith("pair") else self.plural

    def counted(self, n: int, adjective: str = "") -> str:
        """Return the noun with a number: `a book`, `three books`, `two cups of coffee`."""
        describe = f"{adjective} " if adjective else ""
        if self.container:
            head = self.container if n == 1 else plural(self.container)
            phrase = f"{head} of {describe}{self.bare}"
        else:
            phrase = describe + (self.singular if n == 1 else self.plural)
        return article(phrase) if n == 1 else f"{number(n)} {phrase}"

    def counted_zh(self, n: int, adjective: str = "") -> str:
        return count(n) + self.measure + adjective + self.zh

    def this(self, near: bool = True) -> str:
        """Return the noun with a demonstrative: `this book`, `these trousers`, `this cup of tea`."""
        if self.is_pair:
            return f"{'these' if near else 'those'} {self.plural}"
        head = f"{self.container} of {self.bare}" if self.container else self.singular
        return f"{'this' if near else 'that'} {head}"

    def this_zh(self, near: bool = True) -> str:
        return ("这" if near else "那") + self.measure + self.zh

    @property
    def is_pair(self) -> bool:
        return self.container.startswith("pair")

    @property
    def be(self) -> str:
        return "are" if self.is_pair else "is"

    @property
    def was(self) -> str:
        return "were" if self.is_pair else "was"

    @property
    def one_or_some(self) -> str:
        """The noun as the object of an action in progress: `a book`, but `dumplings` and `tea`."""
        return self.counted(1) if self.zh in ONE_AT_A_TIME else self.bare

    @property
    def head(self) -> str:
        """The noun in a definite phrase: `book`, `shoes`, `coffee`."""
        return self.plural if self.is_pair else self.singular


def parse_nouns(text: str) -> dict[str, list[Noun]]:
    """Parse lines of `class: zh measure english[=plural][/container]; …`."""
    classes: dict[str, list[Noun]] = {}
    for line in text.strip().splitlines():
        name, _, entries = line.partition(":")
        for entry in entries.split(";"):
            zh, measure, english = entry.strip().split(" ", 2)
            english, _, container = english.partition("/")
            singular, _, many = english.partition("=")
            noun = Noun(zh, measure, singular, many or plural(singular), container)
            classes.setdefault(name.strip(), []).append(noun)
    return classes


NOUNS = parse_nouns(
    """
reading: 书 本 book; 小说 本 novel; 杂志 本 magazine; 词典 本 dictionary; 故事书 本 storybook; 漫画 本 comic book
paper: 报纸 份 newspaper; 信 封 letter; 地图 张 map; 照片 张 photo; 报告 份 report; 明信片 张 postcard; 日记 篇 diary entry=diary entries
upper: 衬衫 件 shirt; 毛衣 件 sweater; 大衣 件 coat; 外套 件 jacket; 裙子 条 skirt; 连衣裙 条 dress=dresses; 围巾 条 scarf=scarves; 帽子 顶 hat
pairs: 鞋 双 shoe=shoes/pair; 袜子 双 sock=socks/pair; 手套 副 glove=gloves/pair; 裤子 条 trouser=trousers/pair; 眼镜 副 glass=glasses/pair
vehicle: 汽车 辆 car; 自行车 辆 bicycle; 摩托车 辆 motorcycle; 卡车 辆 truck
device: 电脑 台 computer; 手机 部 phone; 相机 台 camera; 电视 台 television; 空调 台 air conditioner; 洗衣机 台 washing machine; 冰箱 台 fridge; 收音机 台 radio
furniture: 桌子 张 table; 椅子 把 chair; 床 张 bed; 沙发 张 sofa; 书架 个 bookshelf=bookshelves; 柜子 个 cupboard; 台灯 盏 desk lamp
small: 钥匙 把 key; 雨伞 把 umbrella; 钱包 个 wallet; 手表 块 watch; 书包 个 schoolbag; 行李箱 个 suitcase; 杯子 个 cup; 盒子 个 box; 铅笔 支 pencil; 钢笔 支 pen; 剪刀 把 scissor=scissors/pair; 镜子 面 mirror; 蜡烛 根 candle; 本子 个 notebook; 玩具 个 toy
dish: 面条 碗 noodles=noodles/bowl; 米饭 碗 rice=rice/bowl; 汤 碗 soup=soup/bowl; 牛肉 块 beef=beef/piece; 豆腐 块 tofu=tofu/piece; 炒饭 碗 fried rice=fried rice/bowl
snack: 包子 个 steamed bun; 饺子 个 dumpling; 鸡蛋 个 egg; 蛋糕 块 cake=cake/piece; 面包 块 bread=bread/piece; 饼干 块 cookie; 三明治 个 sandwich; 巧克力 块 chocolate=chocolate/piece; 冰淇淋 个 ice cream
fruit: 苹果 个 apple; 香蕉 根 banana; 橙子 个 orange; 西瓜 个 watermelon; 桃子 个 peach; 梨 个 pear; 芒果 个 mango=mangoes
vegetable: 土豆 个 potato=potatoes; 西红柿 个 tomato=tomatoes; 黄瓜 根 cucumber; 胡萝卜 根 carrot; 洋葱 个 onion; 柠檬 个 lemon
drink: 咖啡 杯 coffee=coffee/cup; 茶 杯 tea=tea/cup; 绿茶 杯 green tea=green tea/cup; 牛奶 杯 milk=milk/glass; 果汁 杯 juice=juice/glass; 水 杯 water=water/glass; 啤酒 瓶 beer=beer/bottle; 可乐 瓶 cola=cola/bottle; 红酒 瓶 red wine=red wine/bottle
animal: 猫 只 cat; 狗 只 dog; 兔子 只 rabbit; 小鸟 只 bird; 鸭子 只 duck; 羊 只 sheep=sheep; 马 匹 horse; 牛 头 cow; 猴子 只 monkey; 熊猫 只 panda
plant: 花 朵 flower; 树 棵 tree; 玫瑰 朵 rose
art: 画 幅 painting; 歌 首 song; 电影 部 movie; 电视剧 部 TV series=TV series; 诗 首 poem; 文章 篇 article
building: 房子 座 house; 桥 座 bridge; 博物馆 座 museum; 教堂 座 church=churches; 塔 座 tower
shop: 书店 家 bookstore; 饭馆 家 restaurant; 超市 家 supermarket; 银行 家 bank; 咖啡馆 家 café; 药店 家 pharmacy; 商店 家 shop; 酒店 家 hotel; 面包店 家 bakery; 花店 家 flower shop; 医院 家 hospital; 电影院 家 cinema
room: 房间 个 room; 厨房 间 kitchen; 教室 间 classroom; 办公室 间 office; 卧室 间 bedroom
opening: 门 扇 door; 窗户 扇 window
abstract: 问题 个 question; 主意 个 idea; 计划 个 plan; 秘密 个 secret; 故事 个 story; 答案 个 answer
"""
)


CLASS_OF = {noun.zh: name for name, nouns in NOUNS.items() for noun in nouns}
ONE_AT_A_TIME = "书 小说 杂志 报纸 漫画 电影 电视剧 信 文章 诗 报告 三明治 苹果 香蕉 橙子 桃子 梨 歌".split()


@dataclass(frozen=True)
class Person:
    """A subject, with its pronouns and the agreement of its verb."""

    zh: str
    en: str
    form: str
    """I, you, he, she, we or they, for agreement and pronouns"""

    @property
    def third(self) -> bool:
        return self.form in ("he", "she")

    @property
    def is_pronoun(self) -> bool:
        return self.en in PRONOUNS_EN

    @property
    def object(self) -> str:
        return OBJECT_FORMS[self.en] if self.is_pronoun else self.en

    @property
    def possessive(self) -> str:
        """The possessive: `my`, `Tom's`."""
        return POSSESSIVE_FORMS[self.en] if self.is_pronoun else self.en + "'s"

    @property
    def own(self) -> str:
        """The possessive pronoun: `his` for Tom."""
        return POSSESSIVE_FORMS[self.form]

    def be(self) -> str:
        return "am" if self.form == "I" else "is" if self.third else "are"

    def was(self) -> str:
        return "was" if self.third or self.form == "I" else "were"

    def have(self) -> str:
        return "has" if self.third else "have"

    def do(self) -> str:
        return "does" if self.third else "do"

    def present(self, action: Verb) -> str:
        return action.third if self.third else action.base


PRONOUNS = [
    Person("我", "I", "I"),
    Person("你", "you", "you"),
    Person("他", "he", "he"),
    Person("她", "she", "she"),
    Person("我们", "we", "we"),
    Person("他们", "they", "they"),
]
PRONOUNS_EN = [person.en for person in PRONOUNS]
OBJECT_FORMS = dict(I="me", you="you", he="him", she="her", we="us", they="them")
POSSESSIVE_FORMS = dict(I="my", you="your", he="his", she="her", we="our", they="their")

NAMES = [
    Person(zh, en, form)
    for zh, en, form in (
        row.split("|")
        for row in "小明|Xiaoming|he 小红|Xiaohong|she 李明|Li_Ming|he 王芳|Wang_Fang|she 张伟|Zhang_Wei|he 小丽|Xiaoli|she "
        "玛丽|Mary|she 汤姆|Tom|he 安娜|Anna|she 大卫|David|he 小刚|Xiaogang|he 刘洋|Liu_Yang|he 小美|Xiaomei|she 杰克|Jack|he".split()
    )
]
NAMES = [Person(name.zh, name.en.replace("_", " "), name.form) for name in NAMES]

KIN = [
    ("爸爸", "father", "he"),
    ("妈妈", "mother", "she"),
    ("哥哥", "older brother", "he"),
    ("姐姐", "older sister", "she"),
    ("弟弟", "younger brother", "he"),
    ("妹妹", "younger sister", "she"),
    ("爷爷", "grandfather", "he"),
    ("奶奶", "grandmother", "she"),
    ("叔叔", "uncle", "he"),
    ("阿姨", "aunt", "she"),
]
RELATIVES = [Person(f"我{zh}", f"my {en}", form) for zh, en, form in KIN]
RELATIVES += [Person(f"他{zh}", f"his {en}", form) for zh, en, form in KIN[:8]]
RELATIVES += [Person(f"她{zh}", f"her {en}", form) for zh, en, form in KIN[:8]]

JOBS = {
    "老师": "teacher", "医生": "doctor", "护士": "nurse", "司机": "driver", "警察": "police officer",
    "记者": "journalist", "律师": "lawyer", "工程师": "engineer", "厨师": "cook", "演员": "actor", "画家": "painter",
    "作家": "writer", "学生": "student", "农民": "farmer", "服务员": "waiter", "经理": "manager", "音乐家": "musician",
    "科学家": "scientist", "翻译": "translator", "售货员": "shop assistant",
}  # fmt: skip
COUNTRIES = {
    "中国": ("China", "Chinese"), "美国": ("the United States", "American"), "英国": ("the United Kingdom", "British"),
    "法国": ("France", "French"), "德国": ("Germany", "German"), "日本": ("Japan", "Japanese"),
    "韩国": ("South Korea", "Korean"), "意大利": ("Italy", "Italian"), "西班牙": ("Spain", "Spanish"),
    "俄罗斯": ("Russia", "Russian"), "加拿大": ("Canada", "Canadian"), "澳大利亚": ("Australia", "Australian"),
}  # fmt: skip
LANGUAGES = {
    "中文": "Chinese", "英语": "English", "法语": "French", "德语": "German", "日语": "Japanese", "韩语": "Korean",
    "俄语": "Russian", "西班牙语": "Spanish", "意大利语": "Italian",
}  # fmt: skip
SUBJECTS = {"数学": "math", "历史": "history", "物理": "physics", "化学": "chemistry", "音乐": "music", "法律": "law",
            "经济": "economics", "医学": "medicine"}  # fmt: skip
CITIES = {
    "北京": "Beijing", "上海": "Shanghai", "广州": "Guangzhou", "西安": "Xi'an", "成都": "Chengdu", "杭州": "Hangzhou",
    "南京": "Nanjing", "香港": "Hong Kong", "东京": "Tokyo", "巴黎": "Paris", "伦敦": "London", "纽约": "New York",
    "柏林": "Berlin", "罗马": "Rome", "首尔": "Seoul", "悉尼": "Sydney", "莫斯科": "Moscow", "马德里": "Madrid",
}  # fmt: skip
REGIONS = [
    "北京 上海 广州 西安 成都 杭州 南京 香港".split(),
    "巴黎 伦敦 柏林 罗马 马德里 莫斯科".split(),
    "东京 首尔".split(),
]
PORTS = "上海 香港 东京 悉尼 纽约".split()
PLACES = {
    "家": "at home", "学校": "at school", "图书馆": "in the library", "公园": "in the park", "办公室": "in the office",
    "厨房": "in the kitchen", "饭馆": "in a restaurant", "教室": "in the classroom", "咖啡馆": "in a café",
    "超市": "in the supermarket", "火车站": "at the train station", "机场": "at the airport", "医院": "in the hospital",
    "房间里": "in the room", "客厅": "in the living room", "花园里": "in the garden", "车上": "in the car",
    "海边": "by the sea", "河边": "by the river", "操场上": "on the playground", "商店": "in the shop",
    "公共汽车站": "at the bus stop", "体育馆": "in the gym", "游泳池": "in the swimming pool",
    "宿舍": "in the dormitory", "书店": "in the bookstore", "市场": "at the market", "阳台上": "on the balcony",
}  # fmt: skip
DESTINATIONS = {
    "学校": "school", "公园": "the park", "图书馆": "the library", "超市": "the supermarket", "医院": "the hospital",
    "火车站": "the train station", "机场": "the airport", "银行": "the bank", "书店": "the bookstore",
    "博物馆": "the museum", "电影院": "the cinema", "动物园": "the zoo", "邮局": "the post office", "市场": "the market",
    "海边": "the seaside", "市中心": "the city center", "公司": "the office",
}  # fmt: skip
TRANSPORT = {"坐火车": "by train", "坐飞机": "by plane", "坐公共汽车": "by bus", "坐地铁": "by subway", "开车": "by car",
             "骑自行车": "by bicycle", "坐船": "by boat", "坐出租车": "by taxi"}  # fmt: skip
PAST_TIMES = {
    "昨天": "yesterday", "昨天晚上": "last night", "昨天下午": "yesterday afternoon", "昨天早上": "yesterday morning",
    "上个星期": "last week", "上个月": "last month", "去年": "last year", "今天早上": "this morning", "前天": "the day before yesterday",
    "两天前": "two days ago", "上个周末": "last weekend", "上星期天": "last Sunday", "上星期五": "last Friday",
}  # fmt: skip
RECENT_TIMES = {zh: en for zh, en in PAST_TIMES.items() if "年" not in zh}
PAST_DAYS = {zh: en for zh, en in RECENT_TIMES.items() if "月" not in zh and zh != "上个星期"}
FUTURE_TIMES = {
    "明天": "tomorrow", "明天早上": "tomorrow morning", "明天下午": "tomorrow afternoon", "明天晚上": "tomorrow evening",
    "后天": "the day after tomorrow", "下个星期": "next week", "下个月": "next month", "明年": "next year",
    "今天晚上": "tonight", "这个周末": "this weekend", "下星期一": "next Monday", "下星期六": "next Saturday",
}  # fmt: skip
FUTURE_DAYS = {zh: en for zh, en in FUTURE_TIMES.items() if "年" not in zh and "月" not in zh}
HABIT_TIMES = {
    "每天": "every day", "每天早上": "every morning", "每天晚上": "every evening", "每个周末": "every weekend",
    "每个星期天": "every Sunday", "每个星期六": "every Saturday", "每天下午": "every afternoon",
}  # fmt: skip
FREQUENCY = {"常常": "often", "总是": "always", "有时候": "sometimes", "很少": "rarely", "一般": "usually"}
COLORS = {"红色": "red", "蓝色": "blue", "白色": "white", "黑色": "black", "绿色": "green", "黄色": "yellow", "灰色": "gray",
          "粉色": "pink", "紫色": "purple", "棕色": "brown"}  # fmt: skip

QUALITIES = {
    "reading": "有意思 interesting; 无聊 boring; 有用 useful; 难 difficult; 新 new; 贵 expensive; 便宜 cheap; 厚 thick",
    "upper": "漂亮 beautiful; 贵 expensive; 便宜 cheap; 舒服 comfortable; 好看 nice; 大 big; 小 small; 旧 old; 暖和 warm",
    "vehicle": "快 fast; 贵 expensive; 便宜 cheap; 新 new; 旧 old; 舒服 comfortable",
    "device": "贵 expensive; 便宜 cheap; 好用 easy to use; 新 new; 旧 old",
    "furniture": "大 big; 小 small; 贵 expensive; 便宜 cheap; 结实 sturdy; 干净 clean; 漂亮 beautiful",
    "snack": "好吃 delicious; 新鲜 fresh; 大 big; 小 small",
    "fruit": "好吃 delicious; 甜 sweet; 新鲜 fresh; 大 big; 小 small",
    "animal": "可爱 cute; 大 big; 小 small; 安静 quiet",
    "shop": "大 big; 小 small; 有名 famous; 远 far away; 干净 clean; 漂亮 beautiful",
    "room": "大 big; 小 small; 干净 clean; 安静 quiet; 暖和 warm; 漂亮 beautiful; 明亮 bright",
    "art": "有意思 interesting; 有名 famous; 无聊 boring; 好 good",
    "person": "高 tall; 忙 busy; 高兴 happy; 累 tired; 聪明 smart; 年轻 young; 认真 conscientious; 热情 warm-hearted; 有名 famous; "
    "健康 healthy; 漂亮 beautiful; 友好 friendly; 勇敢 brave; 安静 quiet; 紧张 nervous; 努力 hardworking; 幽默 humorous",
}  # fmt: skip
ADJECTIVES = {
    name: [(zh, en) for zh, en in (entry.strip().split(" ", 1) for entry in text.split(";"))]
    for name, text in QUALITIES.items()
}


@dataclass(frozen=True)
class Action:
    """An action on things of some classes, and the places for it."""

    zh: str
    verb: Verb
    objects: tuple[Noun, ...]
    places: tuple[str, ...]


def action(zh: str, forms: str, classes: str, places: str = "") -> Action:
    """Build an action on all nouns of some classes, or on single nouns named by their Chinese word."""
    by_zh = {noun.zh: noun for nouns in NOUNS.values() for noun in nouns}
    objects: list[Noun] = []
    for name in classes.split():
        objects += NOUNS[name] if name in NOUNS else [by_zh[name]]
    return Action(zh, verb(forms), tuple(objects), tuple(places.split()))


HABITS = [  # what one does to things in general
    action("看", "read read read", "书 小说 杂志 报纸 漫画", "家 图书馆 咖啡馆 公园 宿舍 花园里 阳台上 车上"),
    action("看", "watch", "电影 电视剧", "家 客厅 宿舍"),
    action("喝", "drink drank drunk", "咖啡 茶 绿茶 牛奶 果汁 水 可乐", "家 咖啡馆 办公室 花园里 客厅 饭馆"),
    action("吃", "eat ate eaten", "面条 米饭 包子 饺子 三明治 牛肉 豆腐", "家 饭馆 学校 宿舍"),
    action("吃", "eat ate eaten", "苹果 香蕉 橙子 桃子 梨 面包 鸡蛋 蛋糕 饼干", "家 学校 办公室 公园 厨房"),
    action("买", "buy bought bought", "fruit vegetable 鸡蛋 面包 牛奶 牛肉", "超市 市场"),
    action("写", "write wrote written writing", "信 文章 诗 报告", "家 办公室 图书馆 咖啡馆"),
    action("画", "paint", "花 树 马 猫", "家 公园 教室 花园里"),
    action("唱", "sing sang sung", "歌", "家 教室 公园 车上"),
]
PURCHASES = [  # what one has done with counted things
    action("买", "buy bought bought", "reading upper pairs device furniture small snack fruit 花 玫瑰 画 地图 自行车"),
    action("看", "read read read", "书 小说 杂志 文章 报告 漫画"),
    action("看", "watch", "电影"),
    action("写", "write wrote written writing", "信 文章 诗 报告"),
    action("吃", "eat ate eaten", "fruit snack 面条 米饭 汤 炒饭"),
    action("喝", "drink drank drunk", "drink"),
    action("借", "borrow", "书 小说 词典 雨伞 相机 自行车"),
    action("卖", "sell sold sold", "汽车 自行车 画 手机 电脑 相机 房子"),
    action("拍", "take took taken taking", "照片"),
    action("唱", "sing sang sung", "歌"),
    action("画", "paint", "画"),
    action("修", "repair", "汽车 自行车 电脑 手机 收音机 椅子"),
    action("看见", "see saw seen", "animal 汽车 塔 桥 树"),
    action("找到", "find found found", "钥匙 钱包 手表 雨伞 照片 信"),
    action("丢", "lose lost lost losing", "钥匙 钱包 手表 手机 雨伞 书包 手套 眼镜"),
]
ROUTINES = [  # what one does without an object, or with a fixed one
    ("跑步", verb("run ran run running"), "公园 河边 操场上 海边"),
    ("散步", verb("walk"), "公园 河边 海边 花园里"),
    ("游泳", verb("swim swam swum swimming"), "游泳池"),
    ("睡觉", verb("sleep slept slept"), "家 宿舍 房间里 车上"),
    ("工作", verb("work"), "办公室 家 医院 图书馆"),
    ("学习", verb("study"), "图书馆 学校 家 教室 宿舍"),
    ("休息", verb("rest"), "家 公园 客厅 宿舍 花园里"),
    ("聊天", verb("chat chatted chatted chatting"), "咖啡馆 办公室 客厅 教室"),
    ("跳舞", verb("dance"), "公园 客厅 体育馆"),
    ("听音乐", verb("listen+to+music"), "家 房间里 车上 宿舍"),
    ("做饭", verb("cook"), "家 厨房"),
    ("做作业", verb("do+homework did+homework done+homework doing+homework"), "家 图书馆 教室 房间里"),
    ("打篮球", verb("play+basketball"), "操场上 体育馆 学校"),
    ("打网球", verb("play+tennis"), "学校 体育馆 公园"),
    ("打乒乓球", verb("play+table+tennis"), "体育馆 学校"),
    ("踢足球", verb("play+soccer"), "操场上 公园 学校"),
    ("弹钢琴", verb("play+the+piano"), "家 学校 客厅"),
    ("弹吉他", verb("play+the+guitar"), "家 公园 宿舍 房间里"),
    ("下棋", verb("play+chess"), "公园 家 客厅"),
    ("玩游戏", verb("play+games"), "家 客厅 房间里 宿舍"),
    ("练习英语", verb("practice+English"), "学校 家 公园"),
    ("看电视", verb("watch+television"), "家 客厅"),
    ("打电话", verb("make+phone+calls made made making"), "办公室 车上 房间里"),
    ("洗衣服", verb("do+laundry did done"), "家 宿舍"),
    ("开会", verb("have+a+meeting had had having"), "办公室"),
    ("画画", verb("paint"), "家 公园 花园里"),
    ("种花", verb("grow+flowers grew grown"), "花园里 阳台上"),
    ("等朋友", verb("wait+for+friends"), "火车站 咖啡馆 机场"),
    ("上网", verb("use+the+Internet"), "家 咖啡馆 宿舍"),
    ("照相", verb("take+pictures took taken taking"), "公园 海边 河边"),
    ("爬山", verb("go+hiking went gone"), ""),
    ("滑雪", verb("ski skied skied skiing"), ""),
    ("钓鱼", verb("fish"), "河边 海边"),
]
SKILLS = {
    "游泳": "swim", "开车": "drive", "做饭": "cook", "跳舞": "dance", "弹钢琴": "play the piano", "滑雪": "ski",
    "弹吉他": "play the guitar", "骑自行车": "ride a bicycle", "下棋": "play chess", "打网球": "play tennis",
    "说中文": "speak Chinese", "说英语": "speak English", "说法语": "speak French", "骑马": "ride a horse",
    "修电脑": "repair computers", "画画": "paint", "唱中文歌": "sing Chinese songs", "写汉字": "write Chinese characters",
}  # fmt: skip
HOBBIES = {
    "听音乐": "listening to music", "看电影": "watching movies", "看书": "reading books", "旅行": "traveling",
    "跑步": "running", "做饭": "cooking", "画画": "painting", "唱歌": "singing", "跳舞": "dancing", "游泳": "swimming",
    "爬山": "hiking", "钓鱼": "fishing", "喝茶": "drinking tea", "喝咖啡": "drinking coffee", "照相": "taking pictures",
    "下棋": "playing chess", "打篮球": "playing basketball", "踢足球": "playing soccer", "吃甜的东西": "eating sweet things",
    "学外语": "learning foreign languages", "逛街": "going shopping", "玩游戏": "playing games", "写诗": "writing poems",
}  # fmt: skip
ERRANDS_BY_PLACE = {  # VP after 去 PLACE, as a purpose
    "超市": {"买水果": "buy fruit", "买牛奶": "buy milk", "买菜": "buy groceries", "买面包": "buy bread", "买鸡蛋": "buy eggs"},
    "图书馆": {"借书": "borrow books", "还书": "return books", "看书": "read", "学习": "study"},
    "公园": {"跑步": "run", "散步": "take a walk", "看花": "see the flowers", "下棋": "play chess"},
    "医院": {"看病": "see a doctor", "看朋友": "visit a friend", "拿药": "get some medicine"},
    "机场": {"接朋友": "pick up a friend", "接客人": "pick up a guest"},
    "火车站": {"买票": "buy tickets", "接朋友": "pick up a friend"},
    "银行": {"取钱": "withdraw money", "换钱": "exchange money", "存钱": "deposit money"},
    "书店": {"买书": "buy books", "买词典": "buy a dictionary"},
    "邮局": {"寄信": "mail a letter", "寄包裹": "mail a package"},
    "电影院": {"看电影": "watch a movie"},
    "海边": {"游泳": "swim", "照相": "take pictures", "看日出": "watch the sunrise"},
    "市场": {"买菜": "buy groceries", "买花": "buy flowers", "买鱼": "buy fish"},
}  # fmt: skip
ERRANDS = [
    (place, DESTINATIONS[place], zh, en) for place, errands in ERRANDS_BY_PLACE.items() for zh, en in errands.items()
]
