"""Which prompts may go where: a fixed split of all prompts, so that no set of any seed leaks into another."""

import hashlib
from typing import Literal

Region = Literal["train", "validation", "proxy"]

TRAIN_PERCENT = 80
VALIDATION_PERCENT = 15


def normalised(prompt: str) -> str:
    r"""Return a prompt case-folded, with every run of white space squeezed to one space and none at the ends.

    >>> normalised("  Sort:\tb  A ")
    'sort: b a'
    """
    return " ".join(prompt.casefold().split())


def region(prompt: str) -> Region:
    """Return the region that a prompt belongs to, decided by a hash of its normal form alone.

    80 % of all prompts may be trained on (by the base model and in pools), 15 % belong to validation sets, 5 % to
    proxy sets. Because no seed takes part, the base model has met no validation or proxy prompt of any suite.
    """
    digest = hashlib.blake2b(normalised(prompt).encode(), digest_size=4).digest()
    percent = int.from_bytes(digest, "big") % 100
    if percent < TRAIN_PERCENT:
        return "train"
    return "validation" if percent < TRAIN_PERCENT + VALIDATION_PERCENT else "proxy"
