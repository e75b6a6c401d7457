//! The house as data: which crate may use which, and where an external crate may be named.

/// Whether a crate may touch the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purity {
    /// No runtime, no file, no clock: what it computes depends on what it is given.
    Pure,
    /// Files, network, clocks.
    Adapter,
}

/// A crate of the workspace.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Room {
    pub(crate) name: &'static str,
    pub(crate) purity: Purity,
    /// Crates of the workspace that it may depend on.
    pub(crate) may_use: &'static [&'static str],
    /// Crates that its tests may use besides [`EVERY_TEST`], each for the reason that stands beside it.
    pub(crate) tests_may_use: &'static [&'static str],
}

/// Where an external crate may be named.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Confined {
    pub(crate) external: &'static str,
    /// Crates that may depend on it.
    pub(crate) to: &'static [&'static str],
    pub(crate) tests: TestUse,
    /// Why, and why not in one place only.
    pub(crate) reason: &'static str,
}

/// Whether tests of other crates may use a confined crate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TestUse {
    Allowed,
    Confined,
}

/// Crates that tests of every crate may use.
pub(crate) const EVERY_TEST: &[&str] = &["massgen-testkit"];

pub(crate) const ROOMS: &[Room] = &[
    Room { name: "massgen-protocol", purity: Purity::Pure, may_use: &[], tests_may_use: &[] },
    Room { name: "massgen-config", purity: Purity::Pure, may_use: &["massgen-protocol"], tests_may_use: &[] },
    Room { name: "massgen-core", purity: Purity::Pure, may_use: &["massgen-protocol"], tests_may_use: &[] },
    Room { name: "massgen-prompt", purity: Purity::Pure, may_use: &["massgen-protocol"], tests_may_use: &[] },
    Room { name: "massgen-view", purity: Purity::Pure, may_use: &["massgen-protocol"], tests_may_use: &[] },
    Room {
        name: "massgen-ports",
        purity: Purity::Adapter,
        may_use: &["massgen-protocol"],
        tests_may_use: &[],
    },
    Room {
        name: "massgen-model",
        purity: Purity::Adapter,
        may_use: &["massgen-ports", "massgen-protocol"],
        tests_may_use: &[],
    },
    Room {
        name: "massgen-sandbox",
        purity: Purity::Adapter,
        may_use: &["massgen-protocol"],
        tests_may_use: &[],
    },
    Room {
        name: "massgen-workspace",
        purity: Purity::Adapter,
        may_use: &["massgen-ports", "massgen-protocol", "massgen-sandbox"],
        tests_may_use: &[],
    },
    Room {
        name: "massgen-tools",
        purity: Purity::Adapter,
        may_use: &["massgen-ports", "massgen-protocol", "massgen-sandbox", "massgen-workspace"],
        tests_may_use: &[],
    },
    Room {
        name: "massgen-mcp",
        purity: Purity::Adapter,
        may_use: &["massgen-protocol", "massgen-sandbox"],
        tests_may_use: &[],
    },
    Room {
        name: "massgen-journal",
        purity: Purity::Adapter,
        may_use: &["massgen-ports", "massgen-protocol"],
        // Every journal that its tests make is replayed.
        tests_may_use: &["massgen-core"],
    },
    Room {
        name: "massgen-engine",
        purity: Purity::Adapter,
        may_use: &["massgen-core", "massgen-ports", "massgen-prompt", "massgen-protocol"],
        // The runs that its tests make are projected to artifact files.
        tests_may_use: &["massgen-journal"],
    },
    Room {
        name: "massgen-testkit",
        purity: Purity::Adapter,
        may_use: &["massgen-core", "massgen-ports", "massgen-protocol"],
        tests_may_use: &[],
    },
    Room {
        name: "massgen",
        purity: Purity::Adapter,
        may_use: &[
            "massgen-config",
            "massgen-core",
            "massgen-engine",
            "massgen-journal",
            "massgen-mcp",
            "massgen-model",
            "massgen-ports",
            "massgen-prompt",
            "massgen-protocol",
            "massgen-sandbox",
            "massgen-tools",
            "massgen-view",
            "massgen-workspace",
        ],
        tests_may_use: &[],
    },
    Room {
        name: "xtask",
        purity: Purity::Adapter,
        // It generates files from them, measures against the testkit's model server, and reads journals of runs.
        may_use: &[
            "massgen-config",
            "massgen-journal",
            "massgen-protocol",
            "massgen-testkit",
            "massgen-view",
        ],
        tests_may_use: &[],
    },
];

pub(crate) const CONFINED: &[Confined] = &[
    // The wire.
    confined("rig-core", &["massgen-model"], "one crate knows the providers' protocols"),
    confined("reqwest", &["massgen-model", "massgen-mcp"], "connections to providers, and to tool servers"),
    confined("rmcp", &["massgen-mcp"], "one crate speaks the Model Context Protocol"),
    confined(
        "rustls",
        &["massgen-mcp", "massgen-model", "massgen-testkit"],
        "goes with the connections, and with the server of the tests that has a certificate",
    ),
    confined("backon", &["massgen-model"], "one retry policy"),
    // Storage.
    confined("rusqlite", &["massgen-journal"], "one owner of the database"),
    // Texts.
    confined("minijinja", &["massgen-prompt"], "one place renders what a model reads"),
    confined("pulldown-cmark", &["massgen-view"], "one place renders markdown"),
    confined(
        "serde-saphyr",
        &["massgen-config", "massgen-model"],
        "one reader of configurations; the simulated model reads its scripts",
    ),
    confined("miette", &["massgen-config", "massgen"], "spans where the text is known, printing at the rim"),
    confined(
        "schemars",
        &["massgen-protocol", "massgen-config", "xtask"],
        "schemas of our own types, and their files",
    ),
    confined(
        "jsonschema",
        &["massgen", "massgen-tools"],
        "the final answer is checked once, where a person can be told; arguments of tools are checked",
    ),
    confined("anstream", &["massgen-engine"], "one place takes escape sequences out of what tools print"),
    confined("similar", &["massgen-workspace"], "one place compares texts"),
    confined("reflink-copy", &["massgen-workspace"], "one place copies files"),
    // The world.
    available_to_tests(
        "tokio",
        &[
            "massgen-engine",
            "massgen-model",
            "massgen-journal",
            "massgen-mcp",
            "massgen-sandbox",
            "massgen-tools",
            "massgen-workspace",
            "massgen-testkit",
            "massgen",
            "xtask",
        ],
        "the runtime stays below the frontends",
    ),
    available_to_tests(
        "tokio-util",
        &["massgen-engine", "massgen-model", "massgen-journal", "massgen-testkit", "massgen"],
        "goes with the runtime",
    ),
    available_to_tests(
        "futures",
        &[
            "massgen-ports",
            "massgen-engine",
            "massgen-mcp",
            "massgen-model",
            "massgen-journal",
            "massgen-tools",
            "massgen-workspace",
            "massgen-testkit",
            "massgen",
        ],
        "ports and what stands on them",
    ),
    available_to_tests(
        "fs-err",
        &[
            "massgen-journal",
            "massgen-mcp",
            "massgen-model",
            "massgen-sandbox",
            "massgen-tools",
            "massgen-workspace",
            "massgen-testkit",
            "massgen",
            "xtask",
        ],
        "files only in adapters",
    ),
    available_to_tests(
        "tempfile",
        &["massgen-journal", "massgen-sandbox", "massgen-workspace", "massgen", "massgen-testkit", "xtask"],
        "files only in adapters",
    ),
    confined(
        "nix",
        &["massgen", "massgen-mcp", "massgen-sandbox", "massgen-testkit", "xtask"],
        "the terminal's settings; processes; a test kills its own process; use of measured programs",
    ),
    confined("landlock", &["massgen-sandbox"], "one place confines commands"),
    confined("seccompiler", &["massgen-sandbox"], "one place confines commands"),
    confined("libc", &["massgen-sandbox"], "numbers of system calls"),
    confined(
        "rustix",
        &["massgen-sandbox", "massgen-workspace"],
        "what a process gives up; files opened below a folder",
    ),
    // The rim.
    available_to_tests("anyhow", &["massgen", "xtask"], "libraries have errors that callers can match"),
    confined("clap", &["massgen", "xtask"], "command lines"),
    confined("clap_complete", &["massgen"], "command lines"),
    confined("clap_mangen", &["massgen"], "command lines"),
    confined("cliclack", &["massgen"], "the terminal"),
    confined("indicatif", &["massgen"], "the terminal"),
    confined("mimalloc", &["massgen"], "the allocator is the program's choice, not a library's"),
    confined("rustyline", &["massgen"], "the terminal"),
    confined("terminal_size", &["massgen"], "the terminal"),
    confined("dotenvy", &["massgen"], "the environment is read once"),
    confined("etcetera", &["massgen"], "the home folder is found once"),
    confined("tracing-subscriber", &["massgen"], "one place decides where logs go"),
    confined(
        "secrecy",
        &["massgen", "massgen-engine", "massgen-model", "massgen-sandbox"],
        "keys are read at the rim, sent by the model or given to containers, and kept out of events by the engine",
    ),
    // Development.
    confined("axum", &["massgen-testkit"], "the model server of the tests"),
    confined("rcgen", &["massgen-testkit"], "certificates of the tests"),
    confined("tokio-rustls", &["massgen-testkit"], "the server of the tests that has a certificate"),
    confined("cargo_metadata", &["xtask"], "development tasks"),
    confined("anstyle", &["xtask"], "the picture of a run"),
    confined("anstyle-svg", &["xtask"], "the picture of a run"),
    available_to_tests("proptest", &["massgen-testkit"], "tests only"),
    available_to_tests("insta", &[], "tests only"),
    available_to_tests("assert_cmd", &[], "tests only"),
];

/// What non-test sources of pure crates may not name.
pub(crate) const WORLDLY: &[&str] = &[
    "std::fs",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "ToSocketAddrs",
    "std::process",
    "std::env::var",
    "std::thread",
    "SystemTime",
    "Instant::now",
    "Timestamp::now",
    "Zoned::now",
];

const fn confined(external: &'static str, to: &'static [&'static str], reason: &'static str) -> Confined {
    Confined { external, to, tests: TestUse::Confined, reason }
}

const fn available_to_tests(
    external: &'static str,
    to: &'static [&'static str],
    reason: &'static str,
) -> Confined {
    Confined { external, to, tests: TestUse::Allowed, reason }
}
