//! The journal from the outside: real files, real processes, real kills.

#[cfg(test)]
mod append;
#[cfg(test)]
mod blob;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod disk;
#[cfg(test)]
mod format;
#[cfg(test)]
mod lock;
#[cfg(test)]
mod process;
#[cfg(test)]
mod random;
#[cfg(test)]
mod reading;
#[cfg(test)]
mod run;
#[cfg(test)]
mod views;
