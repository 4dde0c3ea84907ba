"""The files of a real audit are what the records say, key for key."""

import json

import pytest

from farsighted.store.atomic import MARKED
from farsighted.store.reader import read_results
from farsighted.store.record_files import CELL, PLAN, RESULTS
from farsighted.store.record_text import read_record, text_of
from farsighted.store.records import identity_of
from oracles.whole_records import PLANNED

FILES = {
    "audit.json": PLAN,
    "results.json": RESULTS,
    "cells/*/cell.json": CELL,
    "cells/*/DONE.json": MARKED,
    "shared/*/DONE.json": MARKED,
}


@pytest.mark.parametrize("pattern", FILES)
def test_a_real_file_fits_and_has_no_key_that_its_record_does_not_name(micro, pattern):
    file, paths = FILES[pattern], sorted(micro.out.glob(pattern))
    assert paths
    for path in paths:
        value = json.loads(path.read_bytes())
        # The checker's copy has the named keys alone.
        assert file.adapter.validate_python(value) == value == read_record(file, path)


@pytest.mark.parametrize("pattern", ["audit.json", "results.json", "cells/*/cell.json"])
def test_a_real_file_is_written_again_to_the_byte(micro, pattern):
    for path in micro.out.glob(pattern):
        assert text_of(FILES[pattern], read_record(FILES[pattern], path)) == path.read_text()


def test_the_numbers_of_an_audit_can_be_read_back(micro):
    assert {cell["status"] for cell in read_results(micro.layout)["cells"]} == {"done", "diverged"}


def test_an_identity_leaves_out_what_only_a_plan_or_a_finished_cell_has():
    assert PLANNED.keys() - identity_of(PLANNED).keys() == {"family", "selector_parameters", "stages"}
