"""A small model in a folder, and a copy of it that a test may change."""

import shutil

import pytest

from oracles.tiny_folder import save_tiny


@pytest.fixture(scope="package")
def saved(tmp_path_factory):
    return save_tiny(tmp_path_factory.mktemp("model"))


@pytest.fixture
def folder(saved, tmp_path):
    return shutil.copytree(saved, tmp_path / "model")
