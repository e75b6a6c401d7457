//! Servers that do what they should not, and servers of others.

#[cfg(test)]
mod calls;
#[cfg(test)]
mod connecting;
#[cfg(test)]
mod peer;
#[cfg(test)]
mod programs;
#[cfg(test)]
mod real;
#[cfg(test)]
mod services;
