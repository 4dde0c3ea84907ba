"""What the wrappers of selectors compute, written as plain loops over plain lists: slow, and obviously right."""

from fractions import Fraction

from oracles.selector_loops import cosine


def floored(order, size, share, counting):
    """The order with a floor: `counting(left, picked)` says which of the rows that are left count if picked next."""
    share, left, picked, counted = Fraction(str(share)), list(order), [], []
    while left:
        count = [row for row in left if row in counting(left, picked)]
        pick = left[0]
        held = sum(size[row] for row in counted) + (size[pick] if pick in count else 0)
        if count and held < share * sum(size[row] for row in [*picked, pick]):
            pick = count[0]
        if pick in count:
            counted.append(pick)
        picked.append(pick)
        left.remove(pick)
    return picked, counted


def coverage_floor(order, size, share, cluster, served):
    """All clusters are counted anew before every pick."""

    def counting(left, picked):
        held = [count + sum(cluster[row] == number for row in picked) for number, count in enumerate(served)]
        least = min(held[cluster[row]] for row in left)
        return [row for row in left if held[cluster[row]] == least]

    return floored(order, size, share, counting)


def replay(order, size, share, origin):
    """What comes from an earlier stage counts."""
    return floored(order, size, share, lambda left, picked: [row for row in left if origin[row] > 0])


def drawn(rows, size, replayed, wanted):
    """One example after the other, until the share of the target is reached or all are taken."""
    taken = []
    for row in rows:
        if replayed + sum(size[other] for other in taken) < wanted - 1e-9:
            taken.append(row)
    return taken


def proxy_floor(order, size, share, sketch, proxy):
    """All cosines are taken anew before every pick."""

    def counting(left, picked):
        aligned = {row: cosine(sketch[row], proxy) for row in left}
        return [row for row in left if aligned[row] == max(aligned.values())]

    return floored(order, size, share, counting)
