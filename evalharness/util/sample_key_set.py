"""A compact set of sample keys (task_id, sample_id), of which a run may have millions."""

from collections.abc import Iterable, Iterator, Set

from evalharness.records import Key

MAX_BIT_SAMPLE_ID = 1 << 16
"""Sample ids below this are stored as bits, at most 8 KB per problem; larger ones in a plain set."""


class SampleKeySet(Set[Key]):
    """A set of sample keys (task_id, sample_id). Uses one bit per key; a set of tuples uses over 100 bytes."""

    def __init__(self, keys: Iterable[Key] = ()):
        self._bits: dict[str, bytearray] = {}
        self._others: set[Key] = set()
        self._size = 0
        for key in keys:
            self.add(key)

    def add(self, key: Key) -> bool:
        """Adds a sample key (task_id, sample_id) and returns whether it is new."""
        if key in self:
            return False
        task_id, sample_id = key
        if 0 <= sample_id < MAX_BIT_SAMPLE_ID:
            bits = self._bits.setdefault(task_id, bytearray())
            bits.extend(bytes(max(0, sample_id // 8 + 1 - len(bits))))
            bits[sample_id // 8] |= 1 << sample_id % 8
        else:
            self._others.add(key)
        self._size += 1
        return True

    def __contains__(self, key: object) -> bool:
        if not isinstance(key, tuple) or len(key) != 2 or not isinstance(key[1], int):
            return False
        task_id, sample_id = key
        if not 0 <= sample_id < MAX_BIT_SAMPLE_ID:
            return key in self._others
        bits = self._bits.get(task_id, b"")
        return sample_id // 8 < len(bits) and bool(bits[sample_id // 8] >> sample_id % 8 & 1)

    def __iter__(self) -> Iterator[Key]:
        for task_id, bits in self._bits.items():
            yield from ((task_id, number) for number in range(8 * len(bits)) if bits[number // 8] >> number % 8 & 1)
        yield from self._others

    def __len__(self) -> int:
        return self._size
