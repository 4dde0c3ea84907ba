import json
from importlib import resources

import pytest

from farsighted.store.json_schemas import schemas, write_schemas

SHIPPED = resources.files("farsighted") / "assets" / "schemas"


def test_what_ships_is_what_the_records_say():
    """Where this fails, run `python -m farsighted.store.json_schemas`."""
    assert {path.name: path.read_text() for path in SHIPPED.iterdir()} == schemas()


def test_the_command_writes_every_schema(tmp_path):
    write_schemas(tmp_path)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == schemas()


@pytest.mark.parametrize("name", schemas())
def test_every_object_of_a_schema_says_what_it_is(name):
    schema = json.loads(schemas()[name])
    for part in (schema, *schema.get("$defs", {}).values()):
        if part.get("type") == "object":
            assert part["description"]
            assert set(part.get("required", ())) <= part["properties"].keys()


def test_the_text_under_a_field_is_in_the_schema_of_every_record_that_inherits_it():
    told = "Content hash of all that decides its result."
    assert json.loads(schemas()["cell.schema.json"])["properties"]["id"]["description"] == told
    planned = json.loads(schemas()["audit.schema.json"])["$defs"]["PlannedCell"]
    assert planned["properties"]["id"]["description"] == told
