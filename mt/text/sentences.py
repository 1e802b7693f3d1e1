"""Texts of several sentences: split, and joined again with what stood between the sentences."""

from dataclasses import dataclass

from mt.text.languages import plain_language


@dataclass(frozen=True)
class SplitText:
    """A text in sentences. The gaps and sentences joined are the text."""

    sentences: list[str]
    gaps: list[str]
    """white space before each sentence, and after the last"""

    def join(self, translations: list[str], spaced: bool) -> str:
        """Join the sentences' translations with the same line breaks, and with spaces if the language uses them."""
        parts = []
        for number, (gap, translation) in enumerate(zip(self.gaps, translations, strict=False)):
            if "\n" in gap or number == 0:
                parts.append(gap)
            elif spaced:
                parts.append(gap or " ")
            parts.append(translation)
        return "".join([*parts, self.gaps[-1]])


def split_text(text: str, lang: str) -> SplitText:
    """Split a text with sentencex, which has rules for 300 languages and uses those of a related one for others.

    A text of one sentence stays as it is, with the white space around it.
    """
    from sentencex import segment

    sentences, gaps = [], [""]
    language = plain_language(lang)
    for part in (part for line in text.splitlines(keepends=True) for part in segment(language, line)):
        sentence = part.strip()
        if not sentence:
            gaps[-1] += part
            continue
        start = part.index(sentence)
        gaps[-1] += part[:start]
        sentences.append(sentence)
        gaps.append(part[start + len(sentence) :])
    return SplitText(sentences, gaps) if len(sentences) > 1 else SplitText([text], ["", ""])
