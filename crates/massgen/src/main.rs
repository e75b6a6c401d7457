//! The `massgen` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    massgen::main(std::env::args_os(), &massgen::JournalLayer::none())
}
