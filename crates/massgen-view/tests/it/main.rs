//! What people see of a run, checked through the public functions only.

#[cfg(test)]
mod fold;
#[cfg(test)]
mod history;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod markdown;
#[cfg(test)]
mod shown;
