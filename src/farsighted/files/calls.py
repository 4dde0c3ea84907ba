"""Calls of tools and the tools themselves, in one form, whichever of the usual ones a row has."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from farsighted.files.fields import UnfitError, as_json, json_in, kind_of

Call = dict[str, object]
"""{"type": "function", "function": {"name": ..., "arguments": {...}}}, and `id` where there is one."""
Tool = dict[str, object]
_ARGUMENTS: Final = ("arguments", "parameters", "input", "args", "kwargs")
"""Names that files have for what a call hands over, the usual one first."""
_ABOUT: Final = frozenset({"id", "call_id", "tool_call_id", "type", "index", "name", "function", "status"})
"""What else stands in a call: none of it is handed over."""
_SPELLED: Final = re.compile(r"<tool_call>(.*?)</tool_call>", re.DOTALL)


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
    arguments = _arguments(named, entry)
    spelled = json_in(arguments) if isinstance(arguments, str) else None
    function = {"name": name, "arguments": {} if arguments in (None, "") else arguments if spelled is None else spelled}
    known = {"id": entry["id"]} if isinstance(entry.get("id"), str) else {}
    return {**known, "type": "function", "function": function}


def _arguments(named: Mapping[str, object], entry: Mapping[str, object]) -> object:
    """Return what a call hands over; raises `UnfitError` where only names that nothing reads hold something."""
    for part in (named, entry):
        for name in _ARGUMENTS:
            if part.get(name) not in (None, "", {}):
                return part[name]
    there = {*named, *entry} & set(_ARGUMENTS)
    other = sorted(name for part in (named, entry) for name in unread_in(part))
    if other and not there:
        raise UnfitError(
            f"has a tool call with `{other[0]}`, which nothing reads; write what it hands over under `arguments`"
        )
    return None


def unread_in(call: object) -> frozenset[str]:
    """Return the names in a call that hold something and that nothing reads."""
    if not isinstance(call, Mapping):
        return frozenset()
    given = [name for name in _ARGUMENTS if call.get(name) not in (None, "", {})]
    inner = unread_in(call["function"]) if isinstance(call.get("function"), Mapping) else frozenset[str]()
    other = {name for name, value in call.items() if value is not None} - _ABOUT - set(_ARGUMENTS)
    return frozenset(other | set(given[1:])) | inner


def without_copies(content: str, calls: Sequence[Call]) -> str:
    """Return a content without the calls that it spells a second time, as lines or as nothing but their JSON."""
    if not calls:
        return content
    spelled = calls_or_none(content)
    if spelled and same_calls(spelled, calls):
        return ""
    found = [call for text in _SPELLED.findall(content) for call in calls_or_none(text)]
    return _SPELLED.sub("", content).strip() if found and same_calls(found, calls) else content


def same_calls(some: Sequence[Call], calls: Sequence[Call]) -> bool:
    """Tell whether some calls are all among others, whatever their ids."""
    there = [call["function"] for call in calls]
    return all(call["function"] in there for call in some)


def _tool(entry: object) -> Tool:
    """Return a tool under `function`, {} for what is none."""
    if not isinstance(entry, Mapping):
        return {}
    inner = entry.get("function")
    if isinstance(inner, Mapping):
        return dict(entry) if isinstance(inner.get("name"), str) else {}
    return {"type": "function", "function": dict(entry)} if isinstance(entry.get("name"), str) else {}
