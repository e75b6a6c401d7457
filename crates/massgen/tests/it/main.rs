//! The program as its users see it.

#[cfg(test)]
mod applying;
#[cfg(test)]
mod approvals;
#[cfg(test)]
mod automation;
#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod broken_sessions;
#[cfg(test)]
mod cassette;
#[cfg(test)]
mod changes;
#[cfg(test)]
mod containers;
#[cfg(test)]
mod contexts;
#[cfg(test)]
mod costs;
#[cfg(test)]
mod credentials;
#[cfg(test)]
mod custom_tools;
#[cfg(test)]
mod damaged;
#[cfg(test)]
mod doctor;
#[cfg(test)]
mod events;
#[cfg(test)]
mod examples;
#[cfg(test)]
mod exit_codes;
#[cfg(test)]
mod flags;
#[cfg(test)]
mod flaky;
#[cfg(test)]
mod forms;
#[cfg(test)]
mod full_disk;
#[cfg(test)]
mod guards;
#[cfg(test)]
mod help;
#[cfg(test)]
mod hooks;
#[cfg(test)]
mod inbox;
#[cfg(test)]
mod interactive;
#[cfg(test)]
mod interrupt;
#[cfg(test)]
#[expect(clippy::exit, reason = "a test that becomes the program ends as the program does")]
mod kill;
#[cfg(test)]
mod lab;
#[cfg(test)]
mod logs;
#[cfg(test)]
mod lookup;
#[cfg(test)]
mod lost_jobs;
#[cfg(test)]
mod made_files;
#[cfg(test)]
mod memory;
#[cfg(test)]
mod models;
#[cfg(test)]
mod models_file;
#[cfg(test)]
mod network;
#[cfg(test)]
mod output;
#[cfg(test)]
mod own_skills;
#[cfg(test)]
mod path_rules;
#[cfg(test)]
mod plain_terminal;
#[cfg(test)]
mod planted;
#[cfg(test)]
mod program;
#[cfg(test)]
mod projects;
#[cfg(test)]
mod prune;
#[cfg(test)]
mod pty;
#[cfg(test)]
mod questions;
#[cfg(test)]
mod quickstart;
#[cfg(test)]
mod real_servers;
#[cfg(test)]
mod rebuild;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod resilience;
#[cfg(test)]
mod resume;
#[cfg(test)]
mod reviews;
#[cfg(test)]
mod run_folder;
#[cfg(test)]
mod secrets;
#[cfg(test)]
mod server;
#[cfg(test)]
mod servers;
#[cfg(test)]
mod sessions;
#[cfg(test)]
mod simulated_sessions;
#[cfg(test)]
mod skills;
#[cfg(test)]
mod tools;
#[cfg(test)]
mod trust;
#[cfg(test)]
mod unconfined;
#[cfg(test)]
mod uploads;
