"""The quadratic world: capabilities that own overlapping subspaces, and examples that are directions in them.

An example is a unit vector x with a target y; a model is a vector w; the loss is (x·w - y)^2 / 2. An example's text is
one token, the number of its row in the world's tables, so the stage protocol handles it like any other.

What an example asks for lies in the subspace of its capability, and the harder it is, the more of it lies in a rare
subspace that all capabilities share. Each capability's right parameters are partly agreed upon, partly its own
(`conflict`): there learning one takes away from another. Pools hold directions of one sign (a cone), shifted sets of
any.

Shape letters: N examples, D dimensions, C capabilities, M dimensions of a capability, E width of an embedding.

*Reference:* definitions.md#quadratic-world.
"""

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from farsighted.config.quadratic import QuadraticConfig
from farsighted.core import fingerprint
from farsighted.core.rng import QUADRATIC_WORLD, stream
from farsighted.core.values import Example, Tokens

_GEOMETRY, _EMBEDDING = 0, 9

_DIFFICULTY: Final = 0.42
_DIFFICULTY_BY_CLUSTER: Final = 0.1
_DIFFICULTY_SPREAD: Final = 5.0
"""Difficulty follows a Beta law: a mean of 0.42 plus a normal draw a capability, and the sum of its two parameters."""
_QUALITY: Final = 0.65
_QUALITY_BY_CLUSTER: Final = 0.08
_QUALITY_BY_DIFFICULTY: Final = 0.2
_QUALITY_SPREAD: Final = 0.11
"""Quality is 0.65, plus a normal draw a capability and a normal draw an example, less what difficulty takes."""
_PROTOTYPES: Final = 2
"""Prototypes of each capability in a pool."""
_JITTER: Final = 0.1
"""How far a repeat lies from its prototype, in the coordinates of its capability."""


class WorldStage(NamedTuple):
    """One stage's texts."""

    name: str
    train: tuple[Tokens, ...]
    validation: tuple[Tokens, ...]
    ood: tuple[Tokens, ...]
    proxy: tuple[Tokens, ...]


@dataclass(frozen=True, slots=True)
class QuadraticWorld:
    """All examples of a world, by row, and the stages that they belong to."""

    direction_ND: np.ndarray
    """Unit vectors x."""
    target_N: np.ndarray
    """y; with noise in pools, without in every other set."""
    embedding_NE: np.ndarray
    """Frozen embeddings, unit length, float32."""
    stages: tuple[WorldStage, ...]
    hash: str
    """Content hash of the tables."""


class _Geometry(NamedTuple):
    """What all sets of a world are drawn from."""

    basis_CDM: np.ndarray
    """Orthonormal columns: the subspace of each capability."""
    rare_DM: np.ndarray
    """Orthonormal columns: the subspace of what is rare, which all capabilities share."""
    target_CM: np.ndarray
    """The right parameters of each capability in its own subspace."""
    rare_target_CM: np.ndarray
    """The right parameters of each capability in the rare subspace."""
    difficulty_C: np.ndarray
    quality_C: np.ndarray
    turn_DE: np.ndarray
    """Rotation from directions to embeddings."""


class _Drawn(NamedTuple):
    """One set of examples."""

    direction_ND: np.ndarray
    target_N: np.ndarray
    cluster_N: np.ndarray
    difficulty_N: np.ndarray
    quality_N: np.ndarray


def build_world(config: QuadraticConfig, seed: int) -> QuadraticWorld:
    """Return the world of a configuration; the same arguments give the same world.

    Validation, shifted and proxy sets depend on their own size and the geometry alone, never on the pools.
    """
    geometry = _geometry(config, stream(seed, "data", QUADRATIC_WORLD, _GEOMETRY))
    parts, stages, start = [], [], 0
    for index, name in enumerate(config.stages):
        own_C = own_weights(config, index)
        pool_C = (1 - config.alignment) * own_C + config.alignment / config.clusters
        texts = []
        for place, (kind, count) in enumerate(_sizes(config).items(), start=1):
            weight_C = {"train": pool_C, "proxy": _proxy_weights(config, index)}.get(kind, own_C)
            rng = stream(seed, "data", QUADRATIC_WORLD, place, index)
            drawn = _DRAW[kind](config, geometry, weight_C, count, rng)
            texts.append(_texts(f"{name}-{kind}", drawn, start))
            parts.append(drawn)
            start += count
        stages.append(WorldStage(name, *texts))
    direction_ND = np.concatenate([part.direction_ND for part in parts])
    target_N = np.concatenate([part.target_N for part in parts])
    embedding_NE = _embedded(config, geometry, direction_ND, stream(seed, "data", QUADRATIC_WORLD, _EMBEDDING))
    tables = {"direction": direction_ND, "target": target_N, "embedding": embedding_NE}
    return QuadraticWorld(direction_ND, target_N, embedding_NE, tuple(stages), fingerprint.of_arrays(tables))


def own_weights(config: QuadraticConfig, index: int) -> np.ndarray:
    """Return the share of each capability (C,) in what stage `index` (from 0) is about.

    Stages go round the capabilities in steps of `own` + 1: neighbours share none, stages farther apart may.
    """
    weight_C = np.zeros(config.clusters)
    weight_C[(index * (config.own + 1) + np.arange(config.own)) % config.clusters] = 1 / config.own
    return weight_C


def _sizes(config: QuadraticConfig) -> dict[str, int]:
    return {"train": config.train, "validation": config.validation, "ood": config.ood, "proxy": config.proxy}


def _geometry(config: QuadraticConfig, rng: np.random.Generator) -> _Geometry:
    width, count, inner = config.dimensions, config.clusters, config.cluster_dimensions
    axes_DD, _ = np.linalg.qr(rng.normal(size=(width, width)))
    common_DM, rare_DM = axes_DD[:, :inner], axes_DD[:, inner : 2 * inner]
    share_C = rng.uniform(*config.overlap, size=count)
    basis_CDM = np.empty((count, width, inner))
    for number in range(count):
        own_DM = axes_DD[:, (number + 2) * inner : (number + 3) * inner]
        basis_CDM[number] = np.sqrt(1 - share_C[number]) * own_DM + np.sqrt(share_C[number]) * common_DM
    right_D = rng.normal(size=width) * config.scale
    theirs_2CM = rng.normal(size=(2, count, inner)) * config.scale
    agreed_2CM = np.stack([np.einsum("cdm,d->cm", basis_CDM, right_D), np.tile(right_D @ rare_DM, (count, 1))])
    target_2CM = np.sqrt(1 - config.conflict) * agreed_2CM + np.sqrt(config.conflict) * theirs_2CM
    return _Geometry(
        basis_CDM,
        rare_DM,
        target_2CM[0],
        target_2CM[1],
        (_DIFFICULTY + _DIFFICULTY_BY_CLUSTER * rng.normal(size=count)).clip(0.1, 0.9),
        _QUALITY + _QUALITY_BY_CLUSTER * rng.normal(size=count),
        np.linalg.qr(rng.normal(size=(width, width)))[0],
    )


def _cone(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Return unit vectors with positive coordinates: directions of one kind point the same way, more or less."""
    a_NM = np.abs(rng.normal(size=shape))
    unit_NM: np.ndarray = a_NM / np.linalg.norm(a_NM, axis=1, keepdims=True)
    return unit_NM


def _difficulty(geometry: _Geometry, cluster_N: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    mean_N = geometry.difficulty_C[cluster_N]
    difficulty_N: np.ndarray = rng.beta(mean_N * _DIFFICULTY_SPREAD, (1 - mean_N) * _DIFFICULTY_SPREAD)
    return difficulty_N


def _placed(
    geometry: _Geometry, cluster_N: np.ndarray, difficulty_N: np.ndarray, own_NM: np.ndarray, rare_NM: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return unit directions and true targets of coordinates in a capability's and in the rare subspace."""
    own_NM, rare_NM = (1 - difficulty_N)[:, None] * own_NM, difficulty_N[:, None] * rare_NM
    length_N = np.sqrt((own_NM**2).sum(axis=1) + (rare_NM**2).sum(axis=1))
    own_NM, rare_NM = own_NM / length_N[:, None], rare_NM / length_N[:, None]
    direction_ND = np.einsum("ndm,nm->nd", geometry.basis_CDM[cluster_N], own_NM) + rare_NM @ geometry.rare_DM.T
    own_N = np.einsum("nm,nm->n", geometry.target_CM[cluster_N], own_NM)
    return direction_ND, own_N + np.einsum("nm,nm->n", geometry.rare_target_CM[cluster_N], rare_NM)


def _pool(
    config: QuadraticConfig, geometry: _Geometry, weight_C: np.ndarray, count: int, rng: np.random.Generator
) -> _Drawn:
    inner = config.cluster_dimensions
    cluster_N = rng.choice(config.clusters, size=count, p=weight_C)
    difficulty_N = _difficulty(geometry, cluster_N, rng)
    own_NM, rare_NM = _cone((count, inner), rng), _cone((count, inner), rng)
    # A prototype is a row whose coordinates a repeat in the capability takes over, its own part with a jitter.
    prototype_CP = rng.integers(count, size=(config.clusters, _PROTOTYPES))
    model_N = prototype_CP[cluster_N, rng.integers(_PROTOTYPES, size=count)]
    repeats_N = rng.random(count) < config.redundancy
    jitter_NM = np.abs(own_NM[model_N] + _JITTER * rng.normal(size=own_NM.shape))
    own_NM = np.where(repeats_N[:, None], jitter_NM / np.linalg.norm(jitter_NM, axis=1, keepdims=True), own_NM)
    rare_NM = np.where(repeats_N[:, None], rare_NM[model_N], rare_NM)
    difficulty_N = np.where(repeats_N, difficulty_N[model_N], difficulty_N)
    quality_N = geometry.quality_C[cluster_N] + _QUALITY_SPREAD * rng.normal(size=count)
    quality_N = (quality_N - _QUALITY_BY_DIFFICULTY * (difficulty_N - _DIFFICULTY)).clip(0, 1)
    direction_ND, target_N = _placed(geometry, cluster_N, difficulty_N, own_NM, rare_NM)
    target_N = target_N + config.noise * (1 - quality_N) * rng.normal(size=count)
    return _Drawn(direction_ND, target_N, cluster_N, difficulty_N, quality_N)


def _clean(
    config: QuadraticConfig, geometry: _Geometry, weight_C: np.ndarray, count: int, rng: np.random.Generator
) -> _Drawn:
    cluster_N = rng.choice(config.clusters, size=count, p=weight_C)
    difficulty_N = _difficulty(geometry, cluster_N, rng)
    own_NM, rare_NM = (_cone((count, config.cluster_dimensions), rng) for _ in range(2))
    placed = _placed(geometry, cluster_N, difficulty_N, own_NM, rare_NM)
    return _Drawn(*placed, cluster_N, difficulty_N, np.ones(count))


def _shifted(
    config: QuadraticConfig, geometry: _Geometry, weight_C: np.ndarray, count: int, rng: np.random.Generator
) -> _Drawn:
    """Examples of the stage's capabilities with coordinates of any sign, where pools hold one cone alone."""
    drawn = _clean(config, geometry, weight_C, count, rng)
    inner = config.cluster_dimensions
    own_NM, rare_NM = (_cone((count, inner), rng) * rng.choice((-1.0, 1.0), size=(count, inner)) for _ in range(2))
    direction_ND, target_N = _placed(geometry, drawn.cluster_N, drawn.difficulty_N, own_NM, rare_NM)
    return drawn._replace(direction_ND=direction_ND, target_N=target_N)


def _proxy(
    config: QuadraticConfig, geometry: _Geometry, weight_C: np.ndarray, count: int, rng: np.random.Generator
) -> _Drawn:
    drawn = _clean(config, geometry, weight_C, count, rng)
    if config.proxy_kind != "shuffled":
        return drawn
    return drawn._replace(target_N=rng.permutation(drawn.target_N))


def _proxy_weights(config: QuadraticConfig, index: int) -> np.ndarray:
    return own_weights(config, 0 if config.proxy_kind == "first_stage" else index)


_DRAW: Final = {"train": _pool, "validation": _clean, "ood": _shifted, "proxy": _proxy}


def _embedded(
    config: QuadraticConfig, geometry: _Geometry, direction_ND: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    error_NE = rng.normal(size=direction_ND.shape) / np.sqrt(direction_ND.shape[1])
    embedding_NE = direction_ND @ geometry.turn_DE + config.embedding_noise * error_NE
    unit_NE: np.ndarray = (embedding_NE / np.linalg.norm(embedding_NE, axis=1, keepdims=True)).astype(np.float32)
    return unit_NE


def _texts(name: str, part: _Drawn, start: int) -> tuple[Tokens, ...]:
    columns = zip(part.cluster_N.tolist(), part.difficulty_N.tolist(), part.quality_N.tolist(), strict=True)
    return tuple(
        Tokens(Example(f"{name}-{row}", "", "", f"capability {cluster}", difficulty, quality), (start + row,), 0)
        for row, (cluster, difficulty, quality) in enumerate(columns)
    )
