//! `cargo xtask servers`: our client of tool servers against servers that others wrote, pinned in tests/peers/servers: two of
//! npm, over their streams and over HTTP, and one of Python. The tests stand in `massgen-mcp`; without the servers they are
//! left out.
//!
//! The servers come from the network once. Where they cannot be had, that is said, and is no failure.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::out::say;
use crate::programs::{cargo, run as run_program};
use crate::python::{self, Wanted};
use crate::{needs, places};

/// The oldest Python that `mcp-server-git` runs on, as its minor version.
const OLDEST_PYTHON: u32 = 10;

/// Installs the servers that can be had, and runs the tests that need them.
pub(crate) fn run() -> Result<()> {
    let mut test = cargo();
    test.args(["test", "--package", "massgen-mcp", "--test", "it", "real::"]);
    let mut found = 0;
    match needs::node_with_tool_servers() {
        Ok(node) => {
            test.env("MASSGEN_TEST_NODE_SERVERS", places::tool_servers());
            test.env("PATH", path_with(&node)?);
            found += 1;
        }
        Err(reason) => say(&format!("left out, the servers of npm cannot be had: {reason:#}")),
    }
    match python_servers() {
        Ok(folder) => {
            test.env("MASSGEN_TEST_PYTHON_SERVERS", folder);
            found += 1;
        }
        Err(reason) => say(&format!("left out, the server of Python cannot be had: {reason:#}")),
    }
    if found == 0 { Ok(()) } else { run_program(&mut test) }
}

/// The search path with the folder of `node` before the others.
fn path_with(node: &std::path::Path) -> Result<std::ffi::OsString> {
    let folder = node.parent().context("node is in no folder")?.to_owned();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(folder).chain(std::env::split_paths(&path));
    std::env::join_paths(folders).context("the search path cannot be made")
}

fn python_servers() -> Result<PathBuf> {
    let file = places::tool_servers().join("requirements.txt");
    let stamp = fs_err::read_to_string(&file)?;
    let file = file.to_str().context("the path of the checkout is no text")?;
    python::environment(Wanted {
        folder: "tool-servers",
        install: &["-r", file],
        stamp: &stamp,
        oldest: OLDEST_PYTHON,
    })
}
