

# Functions and where they come from.

modules = {}
importing = threading.RLock()


def package_of(path):
    """The folder above the outermost package that holds the file, and the dotted name of the file from there."""
    folder, file = os.path.split(path)
    names = [os.path.splitext(file)[0]]
    while os.path.isfile(os.path.join(folder, "__init__.py")):
        folder, name = os.path.split(folder)
        names.insert(0, name)
    return folder, ".".join(names)


def add_place(folder):
    if folder not in sys.path:
        sys.path.append(folder)


def module_at(path):
    with importing:
        if path in modules:
            return modules[path]
        if not os.path.isfile(path):
            raise Refused(f"there is no file `{path}`, or it cannot be read here")
        add_place(os.path.dirname(path))
        name = f"custom_tool_file_{len(modules)}"
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None:
            raise Refused(f"`{path}` is no Python file")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
        except BaseException as error:
            del sys.modules[name]
            folder, dotted = package_of(path)
            if not (isinstance(error, ImportError) and "relative import" in str(error) and "." in dotted):
                raise
            # The file is part of a package, and imports its neighbours as such.
            add_place(folder)
            module = importlib.import_module(dotted)
        modules[path] = module
        return module


def module_in(folder, name):
    """The module of that name in the folder; where it is not there, wherever Python finds it."""
    # Last: what agents may add there takes the place of no module that hooks use.
    add_place(folder)
    place = os.path.join(folder, *name.split("."))
    own = [path for path in (os.path.join(place, "__init__.py"), place + ".py") if os.path.isfile(path)]
    if not own:
        return importlib.import_module(name)
    try:
        found = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        found = None
    if found is not None and found.origin and os.path.realpath(found.origin) == os.path.realpath(own[0]):
        return importlib.import_module(name)
    # Python has another one of that name.
    return module_at(own[0])


def member(module, name, where):
    found = module
    for part in name.split("."):
        found = getattr(found, part, None)
    if not callable(found):
        raise Refused(f"there is no function `{name}` in `{where}`")
    return found


def hints_of(of):
    try:
        if ANNOTATED is not None:
            return typing.get_type_hints(of, include_extras=True)
        return typing.get_type_hints(of)
    except Exception:
        pass
    # One of them cannot be read: the others still count.
    space = dict(vars(typing), **getattr(inspect.unwrap(of), "__globals__", {}))
    hints = {}
    for name, hint in getattr(of, "__annotations__", {}).items():
        try:
            hints[name] = eval(hint, space) if isinstance(hint, str) else hint
        except Exception:
            hints[name] = typing.Any
    return hints


def parameters_of(function):
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        raise Refused("its parameters cannot be read") from None
    named, takes_more = [], False
    for parameter in parameters:
        if parameter.kind is parameter.VAR_KEYWORD:
            takes_more = True
        elif parameter.kind is not parameter.VAR_POSITIONAL:
            named.append(parameter)
    return named, takes_more


def context_of(function, named):
    """The parameters that are filled in: those that the function is marked with, else those of the known names."""
    marked = getattr(function, "context_names", None)
    wanted = CONTEXT if marked is None else marked
    return {parameter.name for parameter in named} & set(wanted)


def describe(request):
    function = member(module_at(request["path"]), request["function"], request["path"])
    named, takes_more = parameters_of(function)
    known = {parameter.name for parameter in named}
    for name in request["preset"]:
        if name not in known and not takes_more:
            raise Refused(f"`preset_args` names `{name}`, and the function has no such parameter")
    filled_in = context_of(function, named)
    for parameter in named:
        if (parameter.name in filled_in and parameter.name in NOT_KNOWN
                and parameter.name not in request["preset"] and parameter.default is parameter.empty):
            raise Refused(f"massgen has no value for its parameter `{parameter.name}`; give it a default, such as `None`")
    hidden = filled_in | set(request["preset"])
    description, about = documentation(function)
    hints = hints_of(function)
    properties, required = {}, []
    for parameter in named:
        if parameter.name in hidden:
            continue
        schema = schema_of(hints.get(parameter.name, parameter.empty))
        if about.get(parameter.name):
            schema = dict(schema, description=about[parameter.name])
        if parameter.default is parameter.empty:
            required.append(parameter.name)
        elif parameter.default is not None:
            try:
                schema = dict(schema, default=json.loads(json.dumps(parameter.default, allow_nan=False)))
            except (TypeError, ValueError):
                pass
        properties[parameter.name] = schema
    return {"description": description,
            "schema": {"type": "object", "properties": properties, "required": required,
                       "additionalProperties": takes_more}}
