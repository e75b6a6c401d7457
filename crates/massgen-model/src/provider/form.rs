//! The form of a reply's text, in the words of rig.

use massgen_protocol::OutputSchema;
use rig_core::completion::CompletionRequest;
use rig_core::message::ToolChoice;

/// What becomes of the tools of a request whose reply has a form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tools {
    /// They stay, so that the prefix of the request stays, and the model is told to call none.
    Kept,
    /// They are left out: the service takes no form beside them.
    LeftOut,
}

/// Asks `said` for text that follows `output`, and for no call of a tool.
pub(crate) fn ask(said: &mut CompletionRequest, output: &OutputSchema, tools: Tools) -> Result<(), String> {
    let mut schema = output.clone();
    // It says nothing of the text, and not every service takes it.
    schema.0.retain(|key, _| key != "$schema");
    // rig names a schema by its title, and services take only some letters in names.
    schema.0.insert("title".to_owned(), output.name().into());
    let schema = serde_json::from_value(schema.to_value());
    said.output_schema = Some(schema.map_err(|error| format!("`output_schema` is no schema: {error}"))?);
    write_only(said, tools);
    Ok(())
}

/// Asks `said` for text and for no call of a tool.
pub(crate) fn write_only(said: &mut CompletionRequest, tools: Tools) {
    match tools {
        // Without tools a choice among them is an error of some services.
        Tools::Kept => said.tool_choice = (!said.tools.is_empty()).then_some(ToolChoice::None),
        Tools::LeftOut => said.tools.clear(),
    }
}

#[cfg(test)]
#[path = "form_tests.rs"]
mod tests;
