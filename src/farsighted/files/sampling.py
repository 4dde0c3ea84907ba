"""A uniform sample of a stream that is too long to keep, by the smallest hashes."""

import hashlib
import heapq
from typing import Generic, TypeVar

Item = TypeVar("Item")


class BottomSample(Generic[Item]):
    """Keeps the `size` items whose places hash lowest: uniform, in bounded memory, and free of the order of reading.

    The same seed and places give the same sample, in whatever pieces they are read; a larger sample holds a smaller.
    """

    def __init__(self, size: int, seed: int) -> None:
        self._size = size
        self._key = seed.to_bytes(8, "big")
        self._heap: list[tuple[int, int, Item]] = []
        """Negated hash (the largest on top), position, item."""
        self.seen = 0

    def add(self, place: str, item: Item) -> Item | None:
        """Take an item into consideration; returns the item that is left out for it (maybe itself), or None."""
        digest = hashlib.blake2b(place.encode(), digest_size=8, key=self._key).digest()
        entry = (-int.from_bytes(digest, "big"), self.seen, item)
        self.seen += 1
        if len(self._heap) < self._size:
            heapq.heappush(self._heap, entry)
            return None
        return heapq.heappushpop(self._heap, entry)[2]

    def items(self) -> list[Item]:
        """Return what is kept, in the order it came."""
        return [item for _, _, item in sorted(self._heap, key=lambda entry: entry[1])]
