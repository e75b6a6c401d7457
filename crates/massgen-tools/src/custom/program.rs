//! A program of the user as a tool: the arguments as JSON on its standard input, the result on its standard output.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use massgen_protocol::limits;
use serde_json::{Map, Value};
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use super::blocks::{self, CustomOutcome};
use super::launch::{Launch, Launched, ending};
use super::python::readable_for;
use super::streams::{Read, Tail, all};
use super::{CustomError, CustomReply, CustomSetup, Launcher};

/// What a program left behind.
pub(crate) struct Left {
    /// Its exit code; `None` when something ended it.
    pub(crate) code: Result<Option<i32>, String>,
    /// What it wrote.
    pub(crate) stdout: Vec<u8>,
    /// The end of its messages.
    pub(crate) stderr: Tail,
}

/// Calls the program.
pub(super) async fn run(
    setup: &CustomSetup,
    command: &[String],
    arguments: Map<String, Value>,
) -> CustomReply {
    // Programs in the sandbox see files where they are, and not the links that lead to them.
    let place = command.first().filter(|program| program.contains('/'));
    let place = place.and_then(|program| fs_err::canonicalize(program).ok());
    let readable = place.map(|place| readable_for(&place, setup.home.as_deref())).unwrap_or_default();
    let launch =
        Launch { command: command.iter().map(Into::into).collect(), folder: setup.folder.clone(), readable };
    let input = Value::Object(arguments).to_string().into_bytes();
    let most = limits::CUSTOM_RESULT_BYTES;
    match feed(&*setup.launcher, &launch, input, most, setup.time).await {
        Err(error) => CustomReply::failed(error.to_string()),
        Ok(Left { code: Ok(Some(0)), stdout, .. }) => blocks::reply_of_output(&stdout),
        Ok(Left { code, stdout, stderr }) => {
            let mut reply = blocks::reply_of_output(&stdout);
            let error = CustomError::Ended { how: ending("the program", &code), stderr: stderr.last_lines() };
            reply.outcome = CustomOutcome::Failed;
            reply.text =
                if reply.text.is_empty() { error.to_string() } else { format!("{error}\n{}", reply.text) };
            reply
        }
    }
}

/// Starts a program, gives it `input`, and takes at most `most` bytes of what it writes. Dropping the future ends it.
pub(crate) async fn feed(
    launcher: &dyn Launcher,
    launch: &Launch,
    input: Vec<u8>,
    most: usize,
    time: Duration,
) -> Result<Left, CustomError> {
    let Launched { mut stdin, stdout, mut stderr, mut process } = launcher.launch(launch)?;
    let work = async {
        let mut tail = Tail::default();
        let write = async move {
            // A program need not read its input. Its end comes with the drop.
            let _ = stdin.write_all(&input).await;
            let _ = stdin.shutdown().await;
            Ok(())
        };
        let read = async {
            match all(stdout, most).await {
                Ok(Read::All(bytes)) => Ok(bytes),
                Ok(Read::TooMuch) => Err(CustomError::TooMuch(most)),
                Err(error) => Err(CustomError::Form(format!("its output is lost: {error}"))),
            }
        };
        let listen = async {
            tail.follow(&mut stderr).await;
            Ok(())
        };
        let ((), stdout, ()) = tokio::try_join!(write, read, listen)?;
        Ok(Left { code: process.wait().await, stdout, stderr: tail })
    };
    let over = timeout(time, work).await;
    match over {
        Ok(Ok(left)) => Ok(left),
        // Nothing of it is to go on when its end is told.
        Ok(Err(error)) => {
            let _ = process.kill().await;
            Err(error)
        }
        Err(_) => {
            let _ = process.kill().await;
            Err(CustomError::OutOfTime(time))
        }
    }
}

/// The schema without what is given already. One that names arguments is closed, unless it says otherwise.
pub(super) fn open_schema(schema: &Value, preset: &BTreeMap<String, Value>) -> Value {
    let mut schema = schema.clone();
    if let Some(schema) = schema.as_object_mut() {
        schema.entry("type").or_insert_with(|| "object".into());
        if let Some(Value::Object(properties)) = schema.get_mut("properties") {
            properties.retain(|name, _| !preset.contains_key(name));
        }
        if let Some(Value::Array(required)) = schema.get_mut("required") {
            required.retain(|name| name.as_str().is_none_or(|name| !preset.contains_key(name)));
        }
        if !["additionalProperties", "unevaluatedProperties", "patternProperties"]
            .iter()
            .any(|word| schema.contains_key(*word))
            && schema.contains_key("properties")
        {
            schema.insert("additionalProperties".to_owned(), Value::Bool(false));
        }
    }
    schema
}

/// The arguments that a closed schema names; `None` for an open one.
pub(super) fn known_arguments(schema: &Value) -> Option<BTreeSet<String>> {
    let is_closed = schema.get("additionalProperties") == Some(&Value::Bool(false))
        && schema.get("patternProperties").is_none();
    let names =
        || schema.get("properties").and_then(Value::as_object).into_iter().flat_map(Map::keys).cloned();
    is_closed.then(|| names().collect())
}
