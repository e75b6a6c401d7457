//! What the program says of itself.

use crate::program::World;

#[test]
fn the_help_tells_all_there_is() {
    let told = World::new().run(&["--help"]).exits(0);
    insta::assert_snapshot!(told.stdout, @r"
    Several language-model agents answer one question in parallel, see each other's answers, and vote

    Usage: massgen [OPTIONS] [QUESTION]
           massgen <COMMAND>

    Commands:
      logs  Work with the logs of runs
      help  Print this message or the help of the given subcommand(s)

    Arguments:
      [QUESTION]  The question; the key `prompt` of the configuration stands in for it

    Options:
      -h, --help     Print help
      -V, --version  Print version

    What runs:
          --config <FILE>          Configuration file; without it, ./.massgen/config.yaml, then
                                   ~/.config/massgen/config.yaml
          --backend <TYPE>         Run one agent of this backend type without a configuration file;
                                   `simulated` needs no key
          --model <NAME>           Model of that agent
          --base-url <URL>         Endpoint of that agent, up to and with `/v1`
          --system-message <TEXT>  System message of that agent
          --single-agent [<ID>]    Keep one agent of the configuration: the first one, or the one with
                                   this id
          --quick                  One answer each and no refinement

    Limits:
          --orchestrator-timeout <SECONDS>  Seconds that the whole run may take
          --max-cost <USD>                  US dollars that the run may spend
          --max-tokens <N>                  Tokens that the run may use, input and output together

    Output:
          --automation          No display; `KEY: value` lines for scripts on stdout
          --stream-events       Every event as one JSON line on stdout and nothing else there; implies
                                --automation
          --no-display          Plain lines instead of live progress
          --output-file <FILE>  Also write the final answer to this file
          --debug               Debug messages on stderr

    Runs:
          --resume <LOG_DIR>  Go on with a run that was killed or interrupted: its log folder, or
                              `latest`
          --inbox-dir <DIR>   Read steering messages for the agents from this folder while the run goes
                              on
          --record <FILE>     Record all model calls to this file, for --replay
          --replay <FILE>     Answer all model calls from a recording; needs neither network nor keys

    A question that is also the name of a command can be asked after `--`: massgen -- logs

    Exit codes: 0 a final answer exists; 1 the configuration is wrong; 2 no agent answered, or the
    arguments are wrong; 3 the deadline came before any answer; 4 interrupted, can be resumed; 5 the
    budget was spent before any answer
    ");
}

#[test]
fn the_help_of_logs_tells_what_can_be_done_with_them() {
    let told = World::new().run(&["logs", "--help"]).exits(0);
    insta::assert_snapshot!(told.stdout, @r"
    Work with the logs of runs

    Usage: massgen logs <COMMAND>

    Commands:
      rebuild  Write all files of a run again from its journal
      help     Print this message or the help of the given subcommand(s)

    Options:
      -h, --help  Print help
    ");
    let told = World::new().run(&["logs"]).exits(2);
    assert!(told.stderr.contains("Usage: massgen logs <COMMAND>"), "{told}");
}

#[test]
fn the_version_is_one_line() {
    let told = World::new().run(&["--version"]).exits(0);
    assert_eq!(told.stdout, format!("massgen {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn help_needs_nothing_that_could_be_broken() {
    let world = World::new();
    world.write(".env", "not an assignment");
    world.write(".massgen/config.yaml", "]");
    world.run(&["--help"]).exits(0);
    world.run(&["help"]).exits(0);
    world.run(&["-V"]).exits(0);
}
