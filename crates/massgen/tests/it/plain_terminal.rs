//! Terminals that want no colours, or know none.

use crate::program::{MASSGEN, World};
use crate::pty::Terminal;

#[test]
fn without_colours_nothing_steers_the_terminal() {
    let world = World::new();
    world.write("wrong.yaml", "agents: [{id: a, backend: {type: opnai, model: m}}]\n");
    for variable in [("NO_COLOR", "1"), ("TERM", "dumb")] {
        for (arguments, code) in [
            (&["--help"] as &[&str], 0),
            (&["doctor"], 1),
            (&["--list-backends"], 0),
            (&["--list-examples"], 0),
            (&["config", "show", "--config", "wrong.yaml"], 1),
            (&["--validate", "wrong.yaml"], 1),
        ] {
            let mut command = world.command(MASSGEN, &[variable]);
            command.args(arguments);
            let (ended, shown) = Terminal::start(command).wait();
            assert_eq!(ended, Some(code), "{arguments:?}: {shown}");
            assert!(!shown.contains('\u{1b}'), "{variable:?} {arguments:?}: {shown:?}");
        }
    }
}
