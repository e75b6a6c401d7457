//! The editor of the person.

use std::path::Path;

use tokio::process::Command;

use super::dialogue::OpenFile;

/// Opens files in the editor that `VISUAL` or else `EDITOR` names, as a shell would run it; `None` when neither does.
pub(crate) fn chosen(variable: impl Fn(&str) -> Option<String>) -> Option<OpenFile> {
    let editor = variable("VISUAL").or_else(|| variable("EDITOR"))?;
    Some(Box::new(move |path: &Path| {
        // The variable holds a command with its options; the path is an argument, whatever is in it.
        let mut command = Command::new("sh");
        command.arg("-c").arg(format!("{editor} \"$@\"")).arg("editor").arg(path);
        let editor = editor.clone();
        Box::pin(async move {
            match command.status().await {
                Ok(status) if status.success() => Ok(()),
                Ok(status) => Err(format!("`{editor}` ended with {status}")),
                Err(error) => Err(format!("`{editor}` cannot be started: {error}")),
            }
        })
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn visual_comes_before_editor_and_may_have_options() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("it's a $HOME.yaml");
        fs_err::write(&path, "a").unwrap();
        let variable = |name: &str| match name {
            "VISUAL" => Some("sed -i s/a/b/".to_owned()),
            _ => Some("false".to_owned()),
        };
        chosen(variable).unwrap()(&path).await.unwrap();
        assert_eq!(fs_err::read_to_string(&path).unwrap(), "b");
    }

    #[tokio::test]
    async fn an_editor_that_fails_is_told_of() {
        let editor = chosen(|name| (name == "EDITOR").then(|| "false".to_owned())).unwrap();
        let problem = editor(Path::new("/nowhere")).await.unwrap_err();
        assert_eq!(problem, "`false` ended with exit status: 1");
        assert!(chosen(|_| None).is_none());
    }
}
