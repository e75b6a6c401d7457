//! Starts hooks: programs anew for each event, functions in one interpreter for the whole session.

use std::path::PathBuf;
use std::sync::Arc;

use futures::future::BoxFuture;
use massgen_protocol::limits;
use massgen_protocol::tooling::{Hook, HookHandler};
use serde_json::{Value, json};

use super::{HookEvent, HookResult, HookRunner, HookType, Injection, Strategy};
use crate::custom::interpreter::Interpreter;
use crate::custom::launch::ending;
use crate::custom::program::{Left, feed};
use crate::custom::streams::cut;
use crate::custom::{CustomError, Launch, Launcher};

/// The exit code that refuses a call, with the reason on standard error.
const REFUSES: i32 = 2;

/// Runs the hooks of a session. Dropped, its interpreter is ended.
#[derive(Debug)]
pub struct HookPrograms {
    launcher: Arc<dyn Launcher>,
    folder: PathBuf,
    interpreter: Option<Interpreter>,
}

impl HookPrograms {
    /// Hooks that start in `folder`, the one that massgen was started in. `python` runs functions; see
    /// [`crate::custom::find_python`].
    ///
    /// All functions share one interpreter for as long as this lives, so they may keep state in their modules.
    pub fn new(launcher: Arc<dyn Launcher>, python: Option<PathBuf>, folder: PathBuf) -> Self {
        let interpreter = python.map(|python| {
            let launch = Launch { folder: folder.clone(), ..Launch::default() };
            Interpreter::new(Arc::clone(&launcher), &python, launch)
        });
        Self { launcher, folder, interpreter }
    }

    async fn function(
        &self,
        function: &str,
        place: &str,
        hook: &Hook,
        event: &HookEvent,
    ) -> Result<HookResult, CustomError> {
        let interpreter = self.interpreter.as_ref().ok_or(CustomError::NoPython)?;
        let request = json!({ "do": "hook", "function": function, "folder": place, "event": event });
        let Value::Object(request) = request else {
            return Err(CustomError::Form("the event is no map".to_owned()));
        };
        let said = interpreter.ask(request, hook.time).await?;
        HookResult::read(said.get("result").unwrap_or(&Value::Null), event.hook_type)
    }

    async fn program(
        &self,
        command: &[String],
        hook: &Hook,
        event: &HookEvent,
    ) -> Result<HookResult, CustomError> {
        let launch = Launch {
            command: command.iter().map(Into::into).collect(),
            folder: self.folder.clone(),
            ..Launch::default()
        };
        let input = serde_json::to_vec(event)
            .map_err(|error| CustomError::Form(format!("the event cannot be written: {error}")))?;
        let Left { code, stdout, stderr } =
            feed(&*self.launcher, &launch, input, limits::HOOK_OUTPUT_BYTES, hook.time).await?;
        match code {
            Ok(Some(0)) => HookResult::read_output(&stdout, event.hook_type),
            Ok(Some(REFUSES)) => Ok(refusal(stderr.whole(), event.hook_type)),
            code => Err(CustomError::Ended { how: ending("it", &code), stderr: stderr.last_lines() }),
        }
    }
}

/// What a program says with [`REFUSES`]: after the call it is a remark.
fn refusal(reason: String, hook_type: HookType) -> HookResult {
    match hook_type {
        HookType::PreToolUse => HookResult::deny(reason),
        HookType::PostToolUse => {
            let content = cut(reason, limits::HOOK_TEXT_BYTES);
            let injection =
                (!content.is_empty()).then_some(Injection { content, strategy: Strategy::ToolResult });
            HookResult { injection, ..HookResult::allow() }
        }
    }
}

impl HookRunner for HookPrograms {
    fn run<'a>(
        &'a self,
        hook: &'a Hook,
        event: &'a HookEvent,
    ) -> BoxFuture<'a, Result<HookResult, CustomError>> {
        Box::pin(async move {
            match &hook.handler {
                HookHandler::Python { function, folder } => {
                    self.function(function, folder, hook, event).await
                }
                HookHandler::Command { command } => self.program(command, hook, event).await,
            }
        })
    }
}
