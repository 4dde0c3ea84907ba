"""Calls of tools and the tools themselves, in one form, whichever of the usual ones a row has."""

from collections.abc import Mapping, Sequence

from farsighted.files.fields import UnfitError, as_json, json_in, kind_of

Call = dict[str, object]
"""{"type": "function", "function": {"name": ..., "arguments": {...}}}, and `id` where there is one."""
Tool = dict[str, object]


def calls_in(given: object) -> tuple[Call, ...]:
    """Return the calls of a message: a list of them, or one; arguments that are JSON in text become objects.

    Raises:
        UnfitError: Something that is no call.
    """
    found = json_in(given) if isinstance(given, str) else given
    listed = found if isinstance(found, list) else [found]
    return tuple(_call(entry) for entry in listed)


def calls_or_none(text: str) -> tuple[Call, ...]:
    """Return the calls that a text spells in JSON, () where it spells something else."""
    try:
        return calls_in(text) if json_in(text) else ()
    except UnfitError:
        return ()


def tools_in(given: object) -> tuple[Tool, ...] | None:
    """Return the tools of a row (a list, or a list in JSON text), None where the value holds no tools.

    >>> tools_in('[{"name": "look_up", "parameters": {}}]')
    ({'type': 'function', 'function': {'name': 'look_up', 'parameters': {}}},)
    >>> tools_in("hammer, saw") is None
    True
    """
    found = json_in(given) if isinstance(given, str) else given
    if isinstance(found, dict):
        found = [found]
    if not isinstance(found, list):
        return None
    tools = [_tool(json_in(entry) if isinstance(entry, str) else entry) for entry in found]
    return tuple(tool for tool in tools if tool) if all(tools) else None


def calls_text(calls: Sequence[Call]) -> str:
    """Return calls as they are written where there is no chat template: one line each.

    >>> calls_text(calls_in({"name": "look_up", "arguments": '{"city": "Oslo"}'}))
    '<tool_call>{"name": "look_up", "arguments": {"city": "Oslo"}}</tool_call>'
    """
    return "\n".join(f"<tool_call>{as_json(call['function'])}</tool_call>" for call in calls)


def tools_text(tools: Sequence[Tool]) -> str:
    """Return tools as they are written where there is no chat template: one line each, between two marks."""
    return "\n".join(["<tools>", *(as_json(tool.get("function", tool)) for tool in tools), "</tools>"])


def _call(entry: object) -> Call:
    if not isinstance(entry, Mapping):
        raise UnfitError(f"has a tool call of type {kind_of(entry)}; it must be an object with name and arguments")
    inner = entry.get("function")
    named = inner if isinstance(inner, Mapping) else entry
    name = named.get("name")
    if not isinstance(name, str) or not name.strip():
        raise UnfitError("has a tool call without a `name`; write {function: {name, arguments}}")
    arguments = named.get("arguments", named.get("parameters", named.get("input")))
    spelled = json_in(arguments) if isinstance(arguments, str) else None
    function = {"name": name, "arguments": {} if arguments in (None, "") else arguments if spelled is None else spelled}
    known = {"id": entry["id"]} if isinstance(entry.get("id"), str) else {}
    return {**known, "type": "function", "function": function}


def _tool(entry: object) -> Tool:
    """Return a tool under `function`, {} for what is none."""
    if not isinstance(entry, Mapping):
        return {}
    inner = entry.get("function")
    if isinstance(inner, Mapping):
        return dict(entry) if isinstance(inner.get("name"), str) else {}
    return {"type": "function", "function": dict(entry)} if isinstance(entry.get("name"), str) else {}
