

# Schemas.

PLAIN = {str: "string", int: "integer", float: "number", bool: "boolean", list: "array", tuple: "array",
         set: "array", frozenset: "array", dict: "object", type(None): "null"}
UNIONS = (typing.Union, getattr(types, "UnionType", typing.Union))
ANNOTATED = getattr(typing, "Annotated", None)
LISTS = (list, set, frozenset, collections.abc.Sequence, collections.abc.MutableSequence, collections.abc.Iterable,
         collections.abc.Collection, collections.abc.Set)
MAPS = (dict, collections.abc.Mapping, collections.abc.MutableMapping)


def parts_of(hint):
    origin, parts = getattr(hint, "__origin__", None), getattr(hint, "__args__", ())
    if UNIONS[1] is not typing.Union and isinstance(hint, UNIONS[1]):
        origin = typing.Union
    # `List` without what it holds has a variable there.
    return origin, tuple(part for part in parts if not isinstance(part, typing.TypeVar))


def is_literal(origin):
    return origin is not None and origin is getattr(typing, "Literal", object())


def schema_of(hint, depth=0):
    if depth > DEPTH or hint is typing.Any or hint is inspect.Parameter.empty or isinstance(hint, str):
        return {}
    if hint is None or hint is type(None):
        return {"type": "null"}
    notes = getattr(hint, "__metadata__", None)
    origin, parts = parts_of(hint)
    if notes is not None:
        schema = schema_of(hint.__origin__, depth + 1)
        words = [note if isinstance(note, str) else getattr(note, "description", None) for note in notes]
        words = [word for word in words if isinstance(word, str)]
        return dict(schema, description=words[0]) if words else schema
    if is_literal(origin):
        return listed(hint.__args__)
    if origin in UNIONS:
        return one_of([schema_of(part, depth + 1) for part in parts])
    if origin is tuple:
        if len(parts) == 2 and parts[1] is Ellipsis:
            return {"type": "array", "items": schema_of(parts[0], depth + 1)}
        if not parts:
            return {"type": "array"}
        # Not every provider knows schemas for single places.
        kinds = []
        for part in parts:
            schema = schema_of(part, depth + 1)
            if schema not in kinds:
                kinds.append(schema)
        return {"type": "array", "items": one_of(kinds), "minItems": len(parts), "maxItems": len(parts)}
    if origin in LISTS or hint in LISTS:
        schema = {"type": "array", "items": schema_of(parts[0], depth + 1) if parts else {}}
        return dict(schema, uniqueItems=True) if origin in (set, frozenset) or hint in (set, frozenset) else schema
    if origin in MAPS or hint in MAPS:
        schema = {"type": "object"}
        return dict(schema, additionalProperties=schema_of(parts[1], depth + 1)) if len(parts) == 2 else schema
    if not isinstance(hint, type):
        return {}
    if issubclass(hint, enum.Enum):
        return listed([item.value for item in hint])
    if dataclasses.is_dataclass(hint):
        fields = [field for field in dataclasses.fields(hint) if field.init]
        needed = [field.name for field in fields if field.default is dataclasses.MISSING
                  and field.default_factory is dataclasses.MISSING]
        return fields_schema(hint, [field.name for field in fields], needed, depth)
    if issubclass(hint, dict) and hasattr(hint, "__total__"):
        needed = getattr(hint, "__required_keys__", hint.__annotations__)
        return fields_schema(hint, list(hint.__annotations__), [n for n in hint.__annotations__ if n in needed], depth)
    own = getattr(hint, "model_json_schema", None)
    if callable(own):
        whole = own()
        return inlined(whole, whole.get("$defs", {}))
    for kind in (bool, int, float, str, list, tuple, dict):
        if issubclass(hint, kind):
            return {"type": PLAIN[kind]}
    # Paths, dates and the like are written as text.
    return {"type": "string"} if hint.__module__ in ("pathlib", "datetime", "uuid", "decimal") or hint is bytes else {}


def inlined(schema, definitions, depth=0):
    """Puts what is named by `$ref` in its place: a part of a schema has no definitions of its own."""
    if isinstance(schema, list):
        return [inlined(item, definitions, depth) for item in schema]
    if not isinstance(schema, dict):
        return schema
    named = schema.get("$ref", "").rpartition("/")[2] if isinstance(schema.get("$ref"), str) else None
    if named is not None:
        return {} if depth > DEPTH else inlined(definitions.get(named, {}), definitions, depth + 1)
    return {key: inlined(item, definitions, depth) for key, item in schema.items() if key != "$defs"}


def fields_schema(hint, names, needed, depth):
    hints = hints_of(hint)
    properties = {name: schema_of(hints.get(name, typing.Any), depth + 1) for name in names}
    return {"type": "object", "properties": properties, "required": needed, "additionalProperties": False}


def listed(values):
    values = list(values)
    kinds = {PLAIN.get(type(value)) for value in values}
    schema = {"enum": values}
    return dict(schema, type=kinds.pop()) if len(kinds) == 1 and None not in kinds else schema


def one_of(schemas):
    kept = [schema for schema in schemas if schema != {"type": "null"}]
    if {} in kept:
        return {}
    if len(kept) == len(schemas):
        return kept[0] if len(kept) == 1 else {"anyOf": kept}
    # What may be left out and what may be null come to the same for the function.
    if len(kept) == 1 and isinstance(kept[0].get("type"), str) and "enum" not in kept[0]:
        return dict(kept[0], type=[kept[0]["type"], "null"])
    return {"anyOf": kept + [{"type": "null"}]}


def coerced(value, hint, depth=0):
    """Makes of what the model wrote what the function asks for."""
    if depth > DEPTH or hint is inspect.Parameter.empty or isinstance(hint, str):
        return value
    if getattr(hint, "__metadata__", None) is not None:
        return coerced(value, hint.__origin__, depth + 1)
    origin, parts = parts_of(hint)
    if origin in UNIONS:
        for part in parts:
            if part is type(None) or value is None:
                continue
            try:
                made = coerced(value, part, depth + 1)
            except Exception:
                # Not this one of them, then.
                continue
            if made is not value:
                return made
        return value
    if isinstance(value, list):
        kind = origin or hint
        inner = parts[0] if parts and origin is not tuple else inspect.Parameter.empty
        made = [coerced(item, inner, depth + 1) for item in value] if parts and origin is not tuple else value
        return kind(made) if kind in (set, frozenset, tuple) else made
    if isinstance(value, dict) and origin in MAPS and len(parts) == 2:
        return {key: coerced(item, parts[1], depth + 1) for key, item in value.items()}
    if not isinstance(hint, type):
        return value
    if issubclass(hint, enum.Enum) and not isinstance(value, enum.Enum):
        return hint(value)
    if isinstance(value, dict) and dataclasses.is_dataclass(hint):
        hints = hints_of(hint)
        return hint(**{key: coerced(item, hints.get(key, typing.Any), depth + 1) for key, item in value.items()})
    if isinstance(value, dict) and callable(getattr(hint, "model_validate", None)):
        return hint.model_validate(value)
    if isinstance(value, str) and hint.__module__ == "pathlib":
        return hint(value)
    return value


# What a function says of itself.

HEADING = re.compile(r"^(args|arguments|parameters|params|keyword args|keyword arguments|other parameters|returns?|"
                     r"yields?|raises?|examples?|notes?|see also|references|warnings?|attributes|todo)\s*:?\s*$", re.I)
ABOUT_ARGUMENTS = ("args", "arguments", "parameters", "params", "keyword args", "keyword arguments",
                   "other parameters")
FIELD = re.compile(r"^:(param|parameter|arg|argument|key|keyword)\s+(?:[^:]*\s)?\*{0,2}(\w+)\s*:\s*(.*)$")
OTHER_FIELD = re.compile(r"^:\w+[^:]*:")
ENTRY = re.compile(r"^\*{0,2}(\w+)\s*(?:\(.*?\))?\s*:\s*(.*)$")
NUMPY_ENTRY = re.compile(r"^\*{0,2}\w+(?:\s*,\s*\*{0,2}\w+)*\s*(?::.*)?$")


def indent(line):
    return len(line) - len(line.lstrip())


def documentation(function):
    """The description, and what is said of each argument: in the manner of Google, of numpy, or as fields."""
    lines = (inspect.getdoc(function) or "").expandtabs(4).splitlines()
    start, about = [], {}
    section, underlined, current, base = None, False, [], None
    for number, line in enumerate(lines):
        text = line.strip()
        following = lines[number + 1].strip() if number + 1 < len(lines) else ""
        field = FIELD.match(text)
        heading = HEADING.match(text) if indent(line) == 0 else None
        rule = bool(following) and set(following) <= {"-", "="} and len(following) > 2
        if field:
            section, current, base = "fields", [field.group(2)], indent(line)
            about[field.group(2)] = [field.group(3)]
        elif OTHER_FIELD.match(text):
            section, current, base = "fields", [], 0
        elif heading and (rule or text.endswith(":")):
            section, underlined, current, base = heading.group(1).lower(), rule, [], None
        elif section is None:
            start.append(line)
        elif section == "fields":
            if text and indent(line) <= base:
                current = []
            for name in current:
                about[name].append(text)
        elif section in ABOUT_ARGUMENTS and text and not (underlined and set(text) <= {"-", "="}):
            base = indent(line) if base is None else base
            entry = None
            if indent(line) <= base:
                entry = NUMPY_ENTRY.match(text) if underlined else ENTRY.match(text)
            if entry and underlined:
                current = [name.strip().lstrip("*") for name in text.split(":")[0].split(",")]
                about.update((name, []) for name in current)
            elif entry:
                current = [entry.group(1)]
                about[entry.group(1)] = [entry.group(2)]
            else:
                for name in current:
                    about[name].append(text)
    return "\n".join(start).strip(), {name: " ".join(filter(None, words)) for name, words in about.items()}
