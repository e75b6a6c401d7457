//! Tests of the sandbox from outside.

#[cfg(test)]
mod attempts;
#[cfg(test)]
mod attempts_table;
#[cfg(test)]
mod containers;
#[cfg(test)]
mod kept;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod network;
#[cfg(test)]
mod running;
#[cfg(test)]
mod support;
#[cfg(test)]
mod terminal;
#[cfg(test)]
mod work;
