//! Tests of the tools with real commands.

#[cfg(test)]
mod commands;
