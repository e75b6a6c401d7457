//! Killed at every moment.
