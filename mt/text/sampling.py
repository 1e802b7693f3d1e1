"""Random segmentation of text into the pieces of a vocabulary, word by word.

SentencePiece samples, too, but each process gets other samples, whatever the seed.
"""

import heapq
import math
from functools import cached_property, lru_cache
from itertools import accumulate
from random import Random

import sentencepiece
from sentencepiece import sentencepiece_model_pb2

N_BEST = 64
"""segmentations of a word to choose from; most words have fewer"""
CACHED_WORDS = 50_000
NORMAL = sentencepiece_model_pb2.ModelProto.SentencePiece.NORMAL  # type: ignore[attr-defined]
BPE = sentencepiece_model_pb2.TrainerSpec.BPE  # type: ignore[attr-defined]


class SubwordSampler:
    """Draws segmentations: with a unigram model by their probability, with BPE by dropping merges."""

    def __init__(self, processor: sentencepiece.SentencePieceProcessor) -> None:
        self.processor = processor
        proto = processor.serialized_model_proto()
        model = sentencepiece_model_pb2.ModelProto.FromString(proto)  # type: ignore[attr-defined]
        self.is_bpe = model.trainer_spec.model_type == BPE
        self.scores = {piece.piece: piece.score for piece in model.pieces if piece.type == NORMAL}
        self.segmentations = lru_cache(CACHED_WORDS)(self.find_segmentations)

    @cached_property
    def piece_scores(self) -> list[float]:
        """The log-probability of each piece by its id."""
        return [self.processor.get_score(number) for number in range(self.processor.get_piece_size())]

    def sample(self, text: str, alpha: float, random: Random) -> list[int]:
        """Draw a segmentation of a text.

        Args:
            alpha: unigram: exponent of the probabilities (Kudo, "Subword Regularization", 2018, equation 8), smaller:
                more random; BPE: probability of dropping a merge (Provilkov et al., "BPE-Dropout", 2020).
        """
        draw = self.drop_merges if self.is_bpe else self.draw_segmentation
        return [piece for word in filter(None, text.split(" ")) for piece in draw(word, alpha, random)]

    def draw_segmentation(self, word: str, alpha: float, random: Random) -> list[int]:
        """Draw one of the most probable segmentations of a word."""
        segmentations, log_probs = self.segmentations(word)
        if len(segmentations) == 1:
            return segmentations[0]
        sums = list(accumulate(math.exp(alpha * (log_prob - log_probs[0])) for log_prob in log_probs))
        drawn = random.random() * sums[-1]
        return segmentations[next(number for number, total in enumerate(sums) if drawn < total)]

    def find_segmentations(self, word: str) -> tuple[list[list[int]], list[float]]:
        """Return the most probable segmentations of a word, best first, and their log-probabilities."""
        found = self.processor.nbest_encode(word, nbest_size=N_BEST)
        return found, [sum(self.piece_scores[number] for number in ids) for ids in found]

    def drop_merges(self, word: str, alpha: float, random: Random) -> list[int]:
        """Merge the characters of a word as BPE does, the best pair first, but skip merges at random."""
        characters = list("▁" + word)
        following = [*range(1, len(characters)), -1]
        preceding = [-1, *range(len(characters) - 1)]
        agenda: list[tuple[float, int, str]] = []

        def add(left: int) -> None:
            if left >= 0 and following[left] >= 0:
                merged = characters[left] + characters[following[left]]
                if merged in self.scores:
                    heapq.heappush(agenda, (-self.scores[merged], left, merged))

        for left in range(len(characters) - 1):
            add(left)
        while agenda:
            _, left, merged = heapq.heappop(agenda)
            right = following[left] if characters[left] else -1
            if right < 0 or characters[left] + characters[right] != merged or random.random() < alpha:
                continue
            characters[left], characters[right] = merged, ""
            following[left] = following[right]
            if following[right] >= 0:
                preceding[following[right]] = left
            add(preceding[left])
            add(left)
        return self.ids_of([piece for piece in characters if piece])

    def ids_of(self, pieces: list[str]) -> list[int]:
        """Return the ids of pieces; a character without a piece is spelled in bytes."""
        ids = []
        for piece in pieces:
            number = self.processor.piece_to_id(piece)
            if number == self.processor.unk_id():
                ids += [self.processor.piece_to_id(f"<0x{byte:02X}>") for byte in piece.encode()]
            else:
                ids.append(number)
        return ids
