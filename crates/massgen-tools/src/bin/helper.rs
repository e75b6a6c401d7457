//! The helper of the sandbox as a program of its own, for tests.

use std::process::ExitCode;

fn main() -> ExitCode {
    massgen_sandbox::helper::role(std::env::args_os())
        .map_or(ExitCode::from(2), massgen_sandbox::helper::Role::play)
}
