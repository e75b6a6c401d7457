//! `cargo xtask servers`: tool servers that others wrote, pinned in tests/peers/servers: two of npm and one of Python. The
//! tests of our client, over streams and over HTTP, stand in `massgen-mcp`; whole runs, with the servers in the sandbox, in
//! `massgen`. `cargo test` alone leaves both out.
//!
//! The servers come from the network once. Where one cannot be had, the rest is tested and then the task fails: a test
//! that was not run has not passed.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use massgen_testkit::mechanisms::MECHANISMS;

use crate::programs::{cargo, run as run_program};
use crate::python::{self, Wanted};
use crate::{needs, places};

/// The oldest Python that `mcp-server-git` runs on, as its minor version.
const OLDEST_PYTHON: u32 = 10;

/// Installs the servers, and runs the tests that need them.
///
/// # Errors
/// When a test fails, or a server cannot be had.
pub(crate) fn run() -> Result<()> {
    let (mut found, mut missing): (Vec<(&str, OsString)>, Vec<String>) = Default::default();
    match needs::node_with_tool_servers() {
        Ok(node) => {
            found.push(("MASSGEN_TEST_NODE_SERVERS", places::tool_servers().into()));
            found.push(("MASSGEN_TEST_NODE", node.clone().into()));
            found.push(("PATH", path_with(&node)?));
        }
        Err(reason) => missing.push(format!("the servers of npm cannot be had: {reason:#}")),
    }
    match python_servers() {
        Ok(folder) => found.push(("MASSGEN_TEST_PYTHON_SERVERS", folder.into())),
        Err(reason) => missing.push(format!("the server of Python cannot be had: {reason:#}")),
    }
    if !found.is_empty() {
        for (package, tests) in [("massgen-mcp", "real::"), ("massgen", "real_servers::")] {
            let mut test = cargo();
            test.args(["test", "--package", package, "--test", "it", tests]);
            run_program(test.env(MECHANISMS, needs::mechanisms()).envs(found.iter().cloned()))?;
        }
    }
    ensure!(missing.is_empty(), "{}", missing.join("\n"));
    Ok(())
}

/// The search path with the folder of `node` before the others.
fn path_with(node: &std::path::Path) -> Result<OsString> {
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
