//! Tests of the sandbox from outside.

#[cfg(test)]
mod attempts;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod support;
#[cfg(test)]
mod work;
