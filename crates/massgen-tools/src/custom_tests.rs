//! Tools of the user, with a real Python.

use std::path::Path;

use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::custom::by_hand::{ByHand, python};

/// A folder with a file of tools, and what runs them.
struct Bench {
    folder: TempDir,
    by_hand: Arc<ByHand>,
}

impl Bench {
    fn new(file: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        fs_err::write(folder.path().join("tools.py"), file).expect("written");
        fs_err::create_dir(folder.path().join("workspace")).expect("made");
        Self { folder, by_hand: Arc::default() }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn setup(&self, time: Duration) -> CustomSetup {
        CustomSetup {
            launcher: Arc::clone(&self.by_hand) as Arc<dyn Launcher>,
            python: Some(python()),
            home: None,
            folder: self.path().join("workspace"),
            time,
        }
    }

    fn function(&self, function: &str) -> CustomTool {
        let path = self.path().join("tools.py").display().to_string();
        let source = CustomSource::Python { path, function: function.to_owned() };
        CustomTool { source, name: None, description: None, preset: BTreeMap::new() }
    }

    fn program(script: &str) -> CustomTool {
        let source = CustomSource::Program {
            command: ["/bin/sh", "-c", script].map(str::to_owned).to_vec(),
            schema: json!({ "type": "object", "properties": { "a": { "type": "integer" }, "key": {} },
                            "required": ["a", "key"] }),
        };
        let preset = BTreeMap::from([("key".to_owned(), json!("given"))]);
        CustomTool {
            source,
            name: Some("program".to_owned()),
            description: Some("It works.".to_owned()),
            preset,
        }
    }

    /// All functions, without a notice.
    async fn start(&self, functions: &[&str]) -> CustomTools {
        self.start_with(functions, Duration::from_mins(1)).await
    }

    async fn start_with(&self, functions: &[&str], time: Duration) -> CustomTools {
        let tools: Vec<_> = functions.iter().map(|function| self.function(function)).collect();
        let (tools, notices) = CustomTools::start(&tools, self.setup(time)).await;
        assert_eq!(notices, [""; 0]);
        tools
    }
}

/// The same tools with time enough.
fn patient(mut tools: CustomTools) -> CustomTools {
    tools.setup.time = Duration::from_mins(1);
    tools
}

async fn call(tools: &CustomTools, name: &str, arguments: Value) -> (CustomOutcome, String) {
    let reply = whole(tools, name, arguments).await;
    (reply.outcome, reply.text)
}

async fn whole(tools: &CustomTools, name: &str, arguments: Value) -> CustomReply {
    let Value::Object(arguments) = arguments else { panic!("no map: {arguments}") };
    let context = CallerContext {
        agent_id: Some("writer".to_owned()),
        agent_cwd: Some("/work".to_owned()),
        ..CallerContext::default()
    };
    tools.call(&format!("{PREFIX}{name}"), arguments, &context).await
}

fn done(text: &str) -> (CustomOutcome, String) {
    (CustomOutcome::Done, text.to_owned())
}

fn failed(text: &str) -> (CustomOutcome, String) {
    (CustomOutcome::Failed, text.to_owned())
}

const DESCRIBED: &str = r#"
from __future__ import annotations
import dataclasses, enum, pathlib
from typing import Annotated, Any, Dict, List, Literal, Optional, Tuple, TypedDict, Union
from massgen.tool import context_params

class Colour(enum.Enum):
    RED = "red"
    GREEN = "green"

@dataclasses.dataclass
class Point:
    x: int
    y: float = 0.0

class Options(TypedDict):
    deep: bool

def google(count: int, names: List[str], limit: Optional[int] = None, mode: Literal["fast", "slow"] = "fast",
           agent_cwd: str = "", messages=None):
    """Counts names.

    Over several lines.

    Args:
        count (int): how many: at least one,
            at most ten
        names: what to count
        agent_cwd: never seen

    Returns:
        count: the count
    """

def numpy(point: Point, table: Dict[str, float], *rest, pair: Tuple[int, str] = (1, "a"), **more) -> str:
    """Draws a point.

    Parameters
    ----------
    point : Point
        where it is,
        exactly
    table, other : dict
        what it weighs

    Returns
    -------
    str
        table : nothing
    """

def fields(colour: Colour, path: pathlib.Path, where: "Unknown", either: Union[int, str] = 3,
           ids: set[int] = None, note: Annotated[str, "a word"] = "", o: Options = None, any: Any = None):
    """Paints.

    :param colour: which
        one
    :param str path: where to
    :type note: str
    :returns: nothing
    """

@context_params("agent_id")
def marked(agent_id, model: str):
    pass
"#;

#[tokio::test]
async fn schemas_come_from_signatures_hints_and_documentation() {
    let bench = Bench::new(DESCRIBED);
    let tools = bench.start(&["google", "numpy", "fields", "marked"]).await;
    insta::assert_json_snapshot!("described", tools.schemas());
    assert_eq!(bench.by_hand.count(), 1, "one interpreter for all functions of an agent");
}

#[tokio::test]
async fn a_function_that_needs_what_nobody_knows_is_not_offered_and_keeps_its_default_otherwise() {
    let bench = Bench::new(
        "def needs(current_stage): pass\ndef takes(city: str, messages=(), current_stage='none'):\n    \
         return f'{city} {messages} {current_stage}'\n",
    );
    let tools: Vec<_> = ["needs", "takes"].map(|function| bench.function(function)).into();
    let (tools, notices) = CustomTools::start(&tools, bench.setup(Duration::from_mins(1))).await;
    let [notice] = notices.as_slice() else { panic!("{notices:?}") };
    let why = "massgen has no value for its parameter `current_stage`; give it a default, such as `None`";
    assert!(notice.ends_with(why), "{notice}");
    assert_eq!(call(&tools, "takes", json!({ "city": "Ulm" })).await, done("Ulm () none"));
}

#[tokio::test]
async fn results_of_all_kinds_of_functions_and_forms_reach_the_model() {
    let bench = Bench::new(
        r#"
import asyncio, sys
from massgen.tool._result import ExecutionResult, ImageContent, TextContent

def text(): return "plain"
def table(): return {"a": [1, None], "ä": True}
def nothing(): return None
def blocks(): return [{"type": "text", "text": "one"}, {"type": "text", "text": "two"},
                      {"type": "image", "data": "iVBORw0KGgoAAAA=", "mimeType": "image/png"}]
def numbers(): return [1, 2]
async def later():
    await asyncio.sleep(0)
    return "later"
def pieces():
    yield "one"
    yield ExecutionResult(output_blocks=[TextContent(data="two")], is_streaming=True)
async def later_pieces():
    yield "a"
    await asyncio.sleep(0)
    yield "b"
def result():
    print("noise", flush=True)
    sys.stdout.write("{\"id\": 1}\n")
    return ExecutionResult(output_blocks=[TextContent(data="seen"), ImageContent(data="data:image/gif;base64,R0lGODlhAQ==")])
def half(): return "x\ud800y"
"#,
    );
    let names = [
        "text",
        "table",
        "nothing",
        "blocks",
        "numbers",
        "later",
        "pieces",
        "later_pieces",
        "result",
        "half",
    ];
    let tools = bench.start(&names).await;
    for (name, expected) in [
        ("text", "plain"),
        ("table", r#"{"a": [1, null], "ä": true}"#),
        ("nothing", ""),
        ("blocks", "one\ntwo"),
        ("numbers", "[1, 2]"),
        ("later", "later"),
        ("pieces", "one\ntwo"),
        ("later_pieces", "a\nb"),
        ("result", "seen"),
        ("half", "x?y"),
    ] {
        assert_eq!(call(&tools, name, json!({})).await, done(expected), "{name}");
    }
    let media = async |name| whole(&tools, name, json!({})).await.media;
    let image = |media_type: &str, data: &str| MediaBlock {
        kind: MediaKind::Image,
        media_type: media_type.to_owned(),
        data: data.to_owned(),
    };
    assert_eq!(media("blocks").await, [image("image/png", "iVBORw0KGgoAAAA=")]);
    assert_eq!(media("result").await, [image("image/gif", "R0lGODlhAQ==")]);
    let shown = whole(&tools, "result", json!({})).await.shown();
    assert_eq!(shown, "seen\n[a picture of 7 bytes, image/gif, that cannot be shown here]");
}

#[tokio::test]
async fn what_is_wrong_with_a_call_is_told_to_the_model() {
    let bench = Bench::new(
        r#"
import sys
def add(a: int, b: int = 0): return a + b
def boom(): raise ValueError("no such thing")
def leave(): sys.exit(3)
async def later(): raise KeyError("k")
"#,
    );
    let tools = bench.start(&["add", "boom", "leave", "later"]).await;
    assert_eq!(call(&tools, "add", json!({ "a": 1, "b": 2 })).await, done("3"));
    assert_eq!(
        call(&tools, "add", json!({ "a": 1, "c": 2 })).await,
        failed("there is no argument `c`; the arguments are a, b")
    );
    assert_eq!(call(&tools, "add", json!({ "b": 1 })).await, failed("the argument `a` is missing"));
    assert_eq!(call(&tools, "boom", json!({})).await, failed("ValueError: no such thing (tools.py, line 4)"));
    assert_eq!(call(&tools, "leave", json!({})).await, failed("SystemExit: 3 (tools.py, line 5)"));
    assert_eq!(call(&tools, "later", json!({})).await, failed("KeyError: 'k' (tools.py, line 6)"));
    assert_eq!(whole(&tools, "missing", json!({})).await.outcome, CustomOutcome::Refused);
    assert_eq!(bench.by_hand.count(), 1, "a function that fails does not end the interpreter");
}

#[tokio::test]
async fn given_arguments_and_facts_of_the_caller_are_filled_in_and_cannot_be_written_by_models() {
    let bench = Bench::new(
        "def who(name, greeting, agent_id, model='none'): return f'{greeting} {name} {agent_id} {model}'",
    );
    let mut tool = bench.function("who");
    tool.preset.insert("greeting".to_owned(), json!("hello"));
    let mut wrong = bench.function("who");
    wrong.name = Some("wrong".to_owned());
    wrong.preset.insert("tone".to_owned(), json!("kind"));
    let (tools, notices) = CustomTools::start(&[tool, wrong], bench.setup(Duration::from_mins(1))).await;
    assert_eq!(notices.len(), 1);
    assert!(notices[0].contains("`preset_args` names `tone`"), "{}", notices[0]);
    assert_eq!(tools.schemas()[0].parameters["required"], json!(["name"]));
    assert_eq!(call(&tools, "who", json!({ "name": "you" })).await, done("hello you writer none"));
    for name in ["greeting", "agent_id", "model"] {
        let (outcome, text) = call(&tools, "who", json!({ "name": "you", name: "x" })).await;
        assert_eq!((outcome, text.contains(&format!("no argument `{name}`"))), (CustomOutcome::Failed, true));
    }
}

#[tokio::test]
async fn arguments_become_what_the_hints_ask_for() {
    let bench = Bench::new(
        r##"
import dataclasses, enum
from pathlib import Path
from typing import List, Optional
class Colour(enum.Enum):
    RED = "red"
@dataclasses.dataclass
class Point:
    x: int
    colour: Colour
class Model:
    @classmethod
    def model_json_schema(cls):
        inner = {"type": "object", "properties": {"next": {"$ref": "#/$defs/Inner"}}}
        return {"type": "object", "properties": {"inner": {"$ref": "#/$defs/Inner"}}, "$defs": {"Inner": inner}}
    @classmethod
    def model_validate(cls, value):
        made = cls()
        made.value = value
        return made
def draw(points: List[Point], at: Path, ids: set, colour: Optional[Colour] = None):
    return repr((points, at.name, sorted(ids), colour))
def model(value: Model): return value.value["inner"]
"##,
    );
    let tools = bench.start(&["draw", "model"]).await;
    let schema = tools.schemas()[1].parameters.to_string();
    assert!(schema.contains(r#""inner":{"type":"object","properties":{"next":{"type":"object""#), "{schema}");
    assert!(
        !schema.contains("$ref") && !schema.contains("$defs"),
        "a part of a schema names nothing outside it"
    );
    assert_eq!(call(&tools, "model", json!({ "value": { "inner": "x" } })).await, done("x"));
    let arguments =
        json!({ "points": [{ "x": 1, "colour": "red" }], "at": "/a/b", "ids": [2, 1], "colour": "red" });
    assert_eq!(
        call(&tools, "draw", arguments).await,
        done("([Point(x=1, colour=<Colour.RED: 'red'>)], 'b', [1, 2], <Colour.RED: 'red'>)")
    );
    let wrong = json!({ "points": [{ "x": 1, "colour": "blue" }], "at": "/", "ids": [] });
    assert!(
        call(&tools, "draw", wrong)
            .await
            .1
            .starts_with("the argument `points` is not what the function takes")
    );
}

#[tokio::test]
async fn modules_of_the_workspace_and_of_other_programs_named_massgen_are_not_imported() {
    let bench = Bench::new(
        r"
import beside
def one(): return beside.WORD
def two():
    import massgen.backend
",
    );
    fs_err::write(bench.path().join("beside.py"), "WORD = 'beside'").expect("written");
    for name in ["json.py", "asyncio.py"] {
        fs_err::write(bench.path().join("workspace").join(name), "raise SystemExit('planted')")
            .expect("written");
    }
    let tools = bench.start(&["one", "two"]).await;
    assert_eq!(call(&tools, "one", json!({})).await, done("beside"));
    let (outcome, text) = call(&tools, "two", json!({})).await;
    assert_eq!(outcome, CustomOutcome::Failed);
    assert!(text.contains("`massgen.backend` is not part of this program"), "{text}");
}

#[tokio::test]
async fn a_function_that_takes_too_long_is_stopped_and_its_interpreter_lives_on() {
    let bench = Bench::new(
        r"
import asyncio
STATE = []
def spin():
    STATE.append(1)
    while True: pass
async def wait():
    STATE.append(2)
    await asyncio.sleep(1000)
def state(): return str(STATE)
",
    );
    let tools = bench.start_with(&["spin", "wait", "state"], Duration::from_millis(700)).await;
    let stopped = failed("it took longer than 0.7 s and was stopped");
    assert_eq!(call(&tools, "spin", json!({})).await, stopped);
    assert_eq!(call(&tools, "wait", json!({})).await, stopped);
    let tools = patient(tools);
    assert_eq!(call(&tools, "state", json!({})).await, done("[1, 2]"));
    assert_eq!(bench.by_hand.count(), 1);
}

#[tokio::test]
async fn a_function_that_cannot_be_stopped_ends_the_interpreter_and_the_next_call_has_a_new_one() {
    let bench = Bench::new("import time\ndef hang(): time.sleep(1000)\ndef ok(): return 'ok'");
    let tools = bench.start_with(&["hang", "ok"], Duration::from_millis(500)).await;
    let mut over = bench.by_hand.over.subscribe();
    assert_eq!(call(&tools, "hang", json!({})).await.0, CustomOutcome::Failed);
    over.wait_for(|over| *over == 1).await.expect("it is ended");
    let tools = patient(tools);
    assert_eq!(call(&tools, "ok", json!({})).await, done("ok"));
    assert_eq!(bench.by_hand.count(), 2);
}

#[tokio::test]
async fn a_function_that_ends_the_interpreter_is_not_called_again_and_the_next_call_works() {
    let bench = Bench::new(
        r#"
import os, sys
def die():
    with open("calls", "a") as calls: calls.write("x")
    print("last words", file=sys.stderr, flush=True)
    os._exit(7)
def ok(): return "ok"
"#,
    );
    let tools = bench.start(&["die", "ok"]).await;
    assert_eq!(
        call(&tools, "die", json!({})).await,
        failed("the interpreter ended with exit code 7; it said: last words")
    );
    assert_eq!(fs_err::read_to_string(bench.path().join("workspace/calls")).expect("read"), "x");
    assert_eq!(call(&tools, "ok", json!({})).await, done("ok"));
}

#[tokio::test]
async fn an_interpreter_that_dies_before_the_function_is_entered_is_started_again_once() {
    let bench = Bench::new(
        r#"
import os
with open("starts", "a") as starts: starts.write("x")
if os.path.getsize("starts") == 2: os._exit(1)
def ok(): return "ok"
def never():
    os._exit(1)
"#,
    );
    let tools = bench.start(&["ok", "never"]).await;
    assert_eq!(call(&tools, "never", json!({})).await.0, CustomOutcome::Failed);
    assert_eq!(call(&tools, "ok", json!({})).await, done("ok"));
    assert_eq!(bench.by_hand.count(), 3);
}

#[tokio::test]
async fn a_function_that_writes_into_the_replies_or_too_much_breaks_its_own_interpreter_only() {
    let bench = Bench::new(
        r#"
import os
def forge():
    for number in range(3, 30):
        try: os.write(number, b"nonsense\n")
        except OSError: pass
    while True: pass
def flood(): return "x" * (17 << 20)
def ok(): return "ok"
"#,
    );
    let tools = bench.start(&["forge", "flood", "ok"]).await;
    let (outcome, text) = call(&tools, "forge", json!({})).await;
    assert_eq!((outcome, text.contains("no reply")), (CustomOutcome::Failed, true), "{text}");
    let (outcome, text) = call(&tools, "flood", json!({})).await;
    assert_eq!(
        (outcome, text.contains("at most 16777216 are taken")),
        (CustomOutcome::Failed, true),
        "{text}"
    );
    assert_eq!(call(&tools, "ok", json!({})).await, done("ok"));
}

#[tokio::test]
async fn calls_run_together_and_only_so_many() {
    let bench = Bench::new(
        r#"
import threading
both = threading.Barrier(2)
hold = threading.Event()
def meet():
    both.wait()
    return "met"
def block(): hold.wait()
def free():
    hold.set()
"#,
    );
    let tools = bench.start(&["meet", "block", "free"]).await;
    let (one, two) = tokio::join!(call(&tools, "meet", json!({})), call(&tools, "meet", json!({})));
    assert_eq!((one, two), (done("met"), done("met")));
    let many = (0..limits::CUSTOM_CALLS).map(|_| call(&tools, "block", json!({})));
    let mut many = std::pin::pin!(futures::future::join_all(many));
    // Each has been sent once it has been polled.
    assert!(futures::poll!(&mut many).is_pending());
    let (outcome, text) = call(&tools, "free", json!({})).await;
    assert_eq!(outcome, CustomOutcome::Refused);
    assert_eq!(text, "64 calls are under way already; wait for one of them");
}

#[tokio::test]
async fn dropping_the_tools_ends_their_interpreter() {
    let bench = Bench::new("def ok(): return 'ok'");
    let tools = bench.start(&["ok"]).await;
    let mut over = bench.by_hand.over.subscribe();
    assert_eq!(*over.borrow(), 0);
    drop(tools);
    over.wait_for(|over| *over == 1).await.expect("it is ended");
}

#[tokio::test]
async fn what_cannot_be_offered_is_told_and_the_rest_works() {
    let bench = Bench::new("import none_such_module");
    fs_err::write(bench.path().join("good.py"), "raise RuntimeError('not today')").expect("written");
    fs_err::write(bench.path().join("fine.py"), "def ok(): return 'ok'").expect("written");
    let at = |file: &str, function: &str, name: Option<&str>| CustomTool {
        source: CustomSource::Python {
            path: format!("/place/{file}").replace("/place", &bench.path().display().to_string()),
            function: function.to_owned(),
        },
        name: name.map(str::to_owned),
        description: None,
        preset: BTreeMap::new(),
    };
    let tools = [
        at("tools.py", "ok", None),
        at("good.py", "ok", None),
        at("gone.py", "ok", None),
        at("fine.py", "none", None),
        at("fine.py", "ok", Some("no name")),
        at("fine.py", "ok", Some("custom_tool__ok")),
        at("fine.py", "ok", None),
    ];
    let (custom, notices) = CustomTools::start(&tools, bench.setup(Duration::from_mins(1))).await;
    let notices = notices.join("\n").replace(&bench.path().display().to_string(), "/place");
    insta::assert_snapshot!(notices);
    let names: Vec<&str> = custom.schemas().iter().map(|schema| schema.name.as_str()).collect();
    assert_eq!(names, ["custom_tool__ok"]);
    assert!(custom.has("custom_tool__ok"));
}

#[tokio::test]
async fn without_python_functions_are_not_offered_and_programs_are() {
    let bench = Bench::new("");
    let setup = CustomSetup { python: None, ..bench.setup(Duration::from_mins(1)) };
    let (tools, notices) =
        CustomTools::start(&[bench.function("ok"), Bench::program("echo hi")], setup).await;
    assert_eq!(notices.len(), 1);
    assert!(
        notices[0].ends_with("install Python 3.8 or newer, or remove the functions from the configuration")
    );
    assert_eq!(call(&tools, "program", json!({ "a": 1 })).await, done("hi"));
    assert_eq!(bench.by_hand.count(), 1);
}

#[tokio::test]
async fn a_program_reads_its_arguments_and_writes_text_or_blocks() {
    let bench = Bench::new("");
    let run = async |script: &str, arguments: Value| {
        let (tools, notices) =
            CustomTools::start(&[Bench::program(script)], bench.setup(Duration::from_secs(5))).await;
        assert_eq!(notices, [""; 0]);
        assert_eq!(tools.schemas()[0].parameters["required"], json!(["a"]));
        assert_eq!(tools.schemas()[0].description, "It works.");
        whole(&tools, "program", arguments).await
    };
    let text = async |script: &str, arguments: Value| {
        let reply = run(script, arguments).await;
        (reply.outcome, reply.text)
    };
    assert_eq!(text("cat", json!({ "a": 1 })).await, done(r#"{"a":1,"key":"given"}"#));
    assert_eq!(
        text("printf '{\"type\": \"text\"}\nplain\n'", json!({})).await,
        done("{\"type\": \"text\"}\nplain")
    );
    let blocks = r#"printf '{"type":"text","text":"one"}\n\n{"type":"image","data":"/9j/4AAQ"}\n'"#;
    let reply = run(blocks, json!({})).await;
    assert_eq!((reply.text.as_str(), reply.media.len()), ("one", 1));
    assert_eq!(reply.media[0].media_type, "image/jpeg");
    assert_eq!(text(r#"printf '{"type":"error","text":"no luck"}'"#, json!({})).await, failed("no luck"));
    assert_eq!(
        text("echo part; echo oh no >&2; exit 3", json!({})).await,
        failed("the program ended with exit code 3; it said: oh no\npart")
    );
    assert_eq!(text("yes", json!({})).await, failed("it wrote more than 16777216 bytes"));
    assert_eq!(text("exec sleep 1000", json!({})).await, failed("it took longer than 5 s and was stopped"));
    for name in ["key", "b"] {
        let (outcome, text) = text("cat", json!({ "a": 1, name: 2 })).await;
        assert_eq!(outcome, CustomOutcome::Refused);
        assert_eq!(text, format!("there is no argument `{name}`; the arguments are a"));
    }
}

#[test]
fn a_schema_that_names_arguments_is_closed_and_one_that_names_none_is_open() {
    let open = |schema: Value| program::open_schema(&schema, &BTreeMap::from([("key".to_owned(), json!(1))]));
    assert_eq!(open(json!({})), json!({ "type": "object" }));
    assert_eq!(program::known_arguments(&open(json!({}))), None);
    let closed = open(json!({ "properties": { "a": {}, "key": {} }, "required": ["key"] }));
    assert_eq!(
        closed,
        json!({ "properties": { "a": {} }, "required": [], "type": "object", "additionalProperties": false })
    );
    assert_eq!(program::known_arguments(&closed), Some(BTreeSet::from(["a".to_owned()])));
    let stays = json!({ "type": "object", "properties": {}, "additionalProperties": true });
    assert_eq!(open(stays.clone()), stays);
}

#[tokio::test]
async fn a_program_that_cannot_be_started_is_an_error_of_its_call() {
    let bench = Bench::new("");
    let mut tool = Bench::program("");
    tool.source = CustomSource::Program {
        command: vec!["/nowhere/program".to_owned()],
        schema: json!({ "type": "object" }),
    };
    let (tools, _) = CustomTools::start(&[tool], bench.setup(Duration::from_mins(1))).await;
    let (outcome, text) = call(&tools, "program", json!({})).await;
    assert_eq!(
        (outcome, text.starts_with("`/nowhere/program` could not be started")),
        (CustomOutcome::Failed, true)
    );
}
