

# What tool files import of a package `massgen`. Nothing else of that name can be imported.


@dataclasses.dataclass
class Block:
    data: typing.Any = None
    block_type: str = "text"


class TextContent(Block):
    def __init__(self, data="", block_type="text"):
        super().__init__(data, block_type)


class ImageContent(Block):
    def __init__(self, data="", block_type="image"):
        super().__init__(data, block_type)


class AudioContent(Block):
    def __init__(self, data="", block_type="audio"):
        super().__init__(data, block_type)


@dataclasses.dataclass
class ExecutionResult:
    output_blocks: list = dataclasses.field(default_factory=list)
    meta_info: typing.Optional[dict] = None
    is_streaming: bool = False
    is_final: bool = True
    was_interrupted: bool = False
    result_id: str = ""


def context_params(*names):
    """Marks the parameters that are filled in, not written by the model."""

    def mark(function):
        function.context_names = names
        return function

    return mark


class HookEvent(dict):
    """An event that can be read as a map and as an object."""

    def __getattr__(self, name):
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


@dataclasses.dataclass
class HookResult:
    allowed: bool = True
    decision: str = "allow"
    reason: typing.Optional[str] = None
    updated_input: typing.Optional[dict] = None
    modified_args: typing.Optional[str] = None
    inject: typing.Optional[dict] = None
    metadata: typing.Optional[dict] = None

    @classmethod
    def allow(cls, **more):
        return cls(**more)

    @classmethod
    def deny(cls, reason=None, **more):
        return cls(allowed=False, decision="deny", reason=reason, **more)

    @classmethod
    def ask(cls, reason=None, **more):
        return cls(decision="ask", reason=reason, **more)


RESULTS = {"ExecutionResult": ExecutionResult, "TextContent": TextContent, "ImageContent": ImageContent,
           "AudioContent": AudioContent}
OFFERED = {
    "massgen": {},
    "massgen.tool": dict(RESULTS, context_params=context_params),
    "massgen.tool._result": RESULTS,
    "massgen.tool._decorators": {"context_params": context_params},
    "massgen.mcp_tools": {},
    "massgen.mcp_tools.hooks": {"HookEvent": HookEvent, "HookResult": HookResult},
}


class Offered(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] != "massgen":
            return None
        if name not in OFFERED:
            raise ModuleNotFoundError(
                f"`{name}` is not part of this program; of `massgen` there are {', '.join(OFFERED)}", name=name)
        return importlib.util.spec_from_loader(name, self, is_package=True)

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        vars(module).update(OFFERED[module.__name__])
