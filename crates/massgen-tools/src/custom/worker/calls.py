

# Calls.

loop = asyncio.new_event_loop()
running = {}
under_way = threading.Lock()


def awaited(number, awaitable):
    async def wait():
        return await awaitable

    future = asyncio.run_coroutine_threadsafe(wait(), loop)
    with under_way:
        if number in running:
            running[number]["future"] = future
            if running[number]["stopped"]:
                future.cancel()
    return future.result()


async def gathered(pieces):
    return [piece async for piece in pieces]


def outcome_of(number, value, piece_of):
    """All that the function gives: at once, later, or piece by piece."""
    if inspect.isasyncgen(value):
        return [part for piece in awaited(number, gathered(value)) for part in piece_of(piece)]
    if inspect.isawaitable(value):
        return outcome_of(number, awaited(number, value), piece_of)
    if inspect.isgenerator(value):
        return [part for piece in value for part in piece_of(piece)]
    return piece_of(value)


def call(number, request):
    function = member(module_at(request["path"]), request["function"], request["path"])
    named, takes_more = parameters_of(function)
    filled_in = context_of(function, named)
    given, preset = request["arguments"], request["preset"]
    open_names = [parameter.name for parameter in named
                  if parameter.name not in filled_in and parameter.name not in preset]
    unknown = [name for name in given
               if name in preset or name in filled_in or (name not in open_names and not takes_more)]
    if unknown:
        names = ", ".join(f"`{name}`" for name in unknown)
        raise Refused(f"there is no argument {names}; the arguments are {', '.join(open_names) or 'none'}")
    needed = {parameter.name for parameter in named if parameter.default is parameter.empty}
    missing = [f"`{name}`" for name in open_names if name in needed and name not in given]
    if missing:
        raise Refused(f"the argument {', '.join(missing)} is missing")
    hints = hints_of(function)
    values = {name: request["context"].get(name) for name in filled_in
              if request["context"].get(name) is not None or name in needed}
    values.update(preset)
    for name, value in given.items():
        try:
            values[name] = coerced(value, hints.get(name, inspect.Parameter.empty))
        except Exception as error:
            raise Refused(f"the argument `{name}` is not what the function takes: {error}") from None
    in_place = [values.pop(parameter.name) for parameter in named
                if parameter.kind is parameter.POSITIONAL_ONLY and parameter.name in values]
    begin(number)
    return {"blocks": outcome_of(number, function(*in_place, **values), blocks_of)}


def hook(number, request):
    name = request["function"]
    module_name, _, function_name = name.rpartition(".")
    if not module_name:
        raise Refused(f"`{name}` is no `module.function`")
    with importing:
        module = module_in(request["folder"], module_name)
    function = member(module, function_name, module_name)
    begin(number)
    results = outcome_of(number, function(HookEvent(request["event"])), lambda value: [value])
    result = results[-1] if results else None
    if dataclasses.is_dataclass(result) and not isinstance(result, type):
        result = dataclasses.asdict(result)
    elif isinstance(result, bool):
        result = {"allowed": result}
    elif result is not None and not isinstance(result, dict):
        fields = ("allowed", "decision", "reason", "updated_input", "modified_args", "inject", "metadata")
        if not any(hasattr(result, field) for field in fields):
            raise Refused(f"`{name}` gave `{type(result).__name__}`; a hook gives a dict, a bool or None")
        result = {field: getattr(result, field) for field in fields if hasattr(result, field)}
    return {"result": json.loads(json.dumps(result, default=str, allow_nan=False))}


def failure(error):
    """The last line of the traceback, and where it happened."""
    if isinstance(error, Refused):
        return str(error)
    if isinstance(error, (Stopped, asyncio.CancelledError, concurrent.futures.CancelledError)):
        return "it was stopped"
    lines = traceback.format_exception_only(type(error), error)
    text = lines[-1].strip() if lines else type(error).__name__
    frames = traceback.extract_tb(error.__traceback__)
    # Frames of this program have no file.
    places = [frame for frame in frames if frame.filename not in ("<string>",) and frame.lineno]
    if places and not isinstance(error, SyntaxError):
        text += f" ({os.path.basename(places[-1].filename)}, line {places[-1].lineno})"
    elif isinstance(error, SyntaxError) and error.filename:
        text += f" ({os.path.basename(error.filename)}, line {error.lineno})"
    return text


def line_of(reply):
    # Half of a surrogate pair is nothing that can be sent.
    line = json.dumps(reply, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace") + b"\n"
    if len(line) > MOST_BYTES:
        raise Refused(f"the result has {len(line)} bytes; at most {MOST_BYTES} are taken")
    return line


# A thread can be stopped at any moment: it hands over whole lines, and another one writes them.
lines_out = queue.SimpleQueue()


def begin(number):
    """Says that the function is entered now, and returns once that is on its way: nobody may call it a second time."""
    written = threading.Event()
    lines_out.put((line_of({"id": number, "began": True}), written))
    written.wait()


def write():
    while True:
        line, written = lines_out.get()
        left = memoryview(line)
        while left:
            left = left[os.write(replies, left):]
        written.set()


def handle(request):
    number = request["id"]
    try:
        if request["do"] == "describe":
            reply = describe(request)
        elif request["do"] == "call":
            reply = call(number, request)
        else:
            reply = hook(number, request)
        line = line_of(dict(reply, id=number))
    except BaseException as error:
        line = line_of({"id": number, "error": failure(error)[:MOST_WORDS]})
    with under_way:
        running.pop(number, None)
    lines_out.put((line, threading.Event()))


def stop(number):
    with under_way:
        entry = running.get(number)
        if entry is None:
            return
        entry["stopped"] = True
        if entry["future"] is not None:
            entry["future"].cancel()
            return
        thread = entry["thread"].ident
        if ctypes is not None:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(Stopped))


def listen():
    with os.fdopen(requests, "rb") as lines:
        for line in lines:
            request = json.loads(line)
            if request["do"] == "stop":
                stop(request["id"])
                continue
            thread = threading.Thread(target=handle, args=(request,), daemon=True)
            with under_way:
                running[request["id"]] = {"thread": thread, "future": None, "stopped": False}
            thread.start()
    os._exit(0)


# Functions and the programs that they start see neither requests nor replies.
requests, replies = os.dup(0), os.dup(1)
nothing = os.open(os.devnull, os.O_RDONLY)
os.dup2(nothing, 0)
os.close(nothing)
os.dup2(2, 1)
sys.argv[:] = [""]
sys.meta_path.insert(0, Offered())
asyncio.set_event_loop(loop)
threading.Thread(target=write, daemon=True).start()
threading.Thread(target=listen, daemon=True).start()
loop.run_forever()
