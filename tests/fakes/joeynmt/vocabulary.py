"""The vocabulary."""

from types import SimpleNamespace


class Vocabulary:
    """Tokens, after the special ones that the configuration names."""

    def __init__(self, tokens: list[str], cfg: SimpleNamespace) -> None:
        specials = [cfg.unk_token, cfg.pad_token, cfg.bos_token, cfg.eos_token]
        assert [cfg.unk_id, cfg.pad_id, cfg.bos_id, cfg.eos_id] == [0, 1, 2, 3]
        assert cfg.sep_token is None
        assert cfg.lang_tags == []
        assert not set(specials) & set(tokens)
        self._itos = [*specials, *tokens]
        self.pad_index, self.eos_index = cfg.pad_id, cfg.eos_id

    def __len__(self) -> int:
        return len(self._itos)
