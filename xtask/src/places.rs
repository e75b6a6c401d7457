//! Where things are in the checkout.

use std::path::PathBuf;

/// The root of the workspace. Cargo tells it at run time, so that a moved checkout works.
pub(crate) fn root() -> PathBuf {
    let xtask = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    xtask.parent().map_or_else(|| PathBuf::from("."), PathBuf::from)
}

/// The folder of the peer programs.
pub(crate) fn peers() -> PathBuf {
    root().join("tests/peers")
}

/// The folder of the tool servers that are tested against.
pub(crate) fn tool_servers() -> PathBuf {
    peers().join("servers")
}

/// Where cargo builds.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |target| root().join(target))
}
