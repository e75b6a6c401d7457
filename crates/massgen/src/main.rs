//! The `massgen` program.

use std::process::ExitCode;

/// Hundreds of agents allocate from several threads at once and leave much behind. The C library's allocator then
/// spends a third of all processor time on growing and trimming its heaps. Built without transparent huge pages, which
/// would double the resident memory.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // The program is its own helper for the sandbox of commands.
    match massgen_sandbox::helper::role(std::env::args_os()) {
        Some(role) => role.play(),
        None => massgen::main(std::env::args_os(), &massgen::JournalLayer::none()),
    }
}
