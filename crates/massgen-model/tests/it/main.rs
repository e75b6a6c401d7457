//! The provider side against a server that speaks its protocol, well and badly.

mod faults;
mod keys;
mod replies;
mod streams;
#[cfg(test)]
mod support;
