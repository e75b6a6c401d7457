//! What the program says of itself.

use crate::program::World;

#[test]
fn the_help_tells_all_there_is() {
    let told = World::new().run(&["--help"]).exits(0);
    insta::assert_snapshot!(told.stdout, @"");
}

#[test]
fn the_help_of_logs_tells_what_can_be_done_with_them() {
    let told = World::new().run(&["logs", "--help"]).exits(0);
    insta::assert_snapshot!(told.stdout, @"");
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
