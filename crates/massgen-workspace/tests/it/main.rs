//! Workspaces with the processes and the file system that they are made for.

#[cfg(test)]
mod killed;
