"""Corrections for several comparisons, as their papers say them, one comparison at a time."""


def slow_holm_rejections(p_values, alpha):
    """Places that Holm's step-down rejects: compare the smallest left with alpha over how many are left, and go on."""
    left, rejected = set(range(len(p_values))), set()
    while left:
        smallest = min(left, key=lambda place: p_values[place])
        if p_values[smallest] > alpha / len(left) * (1 + 1e-12):
            return rejected
        rejected.add(smallest)
        left.remove(smallest)
    return rejected


def slow_holm(p_values):
    """The smallest alpha at which each is rejected: the largest product on the way down to it."""
    found = []
    for p in p_values:
        products = [(len(p_values) - sum(other < before for other in p_values)) * before for before in p_values]
        on_the_way = [product for product, before in zip(products, p_values, strict=True) if before <= p]
        found.append(min(1.0, max(on_the_way)))
    return found


def slow_benjamini_hochberg(p_values):
    """The smallest q at which each is rejected: the least of M p / rank over itself and everything above it."""
    found = []
    for p in p_values:
        above = [other for other in p_values if other >= p]
        ratios = [len(p_values) * other / sum(one <= other for one in p_values) for other in above]
        found.append(min(1.0, *ratios))
    return found
