//! Pages that shells and `man` read, made from the command line's own description.

use clap_complete::Shell;

use crate::arguments::{Detail, command};
use crate::failure::Failure;

/// Completions for `shell`.
pub(crate) fn completions(shell: Shell) -> Vec<u8> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut command(Detail::Everything), "massgen", &mut text);
    text
}

/// The manual page, in the language of `man`.
pub(crate) fn manual() -> Result<Vec<u8>, Failure> {
    let mut text = Vec::new();
    let page = clap_mangen::Man::new(command(Detail::Everything));
    page.render(&mut text).map_err(Failure::configuration)?;
    Ok(text)
}
