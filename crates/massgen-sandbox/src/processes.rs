//! Which processes descend from one, read from `/proc`.

use std::collections::HashMap;

/// A process as `/proc/<pid>/stat` tells of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    pub(crate) parent: i32,
    /// Pages of memory that it holds now.
    pub(crate) pages: u64,
    pub(crate) is_zombie: bool,
    /// When it began, in ticks after the start of the machine.
    pub(crate) began: u64,
}

/// Reads one line of `/proc/<pid>/stat`. The name in brackets is the program's to choose: it may hold brackets, blanks
/// and line breaks.
pub(crate) fn parse(stat: &[u8]) -> Option<Process> {
    let open = stat.iter().position(|byte| *byte == b'(')?;
    let close = stat.iter().rposition(|byte| *byte == b')')?;
    let pid = std::str::from_utf8(stat.get(..open)?).ok()?.trim().parse().ok()?;
    let rest = std::str::from_utf8(stat.get(close + 1..)?).ok()?;
    // The fields after the name, from the third: state, parent, …; the start is the 22nd of all, resident pages the 24th.
    let mut fields = rest.split_ascii_whitespace();
    let is_zombie = matches!(fields.next()?, "Z" | "X");
    let parent = fields.next()?.parse().ok()?;
    let began = fields.nth(17)?.parse().ok()?;
    let pages = fields.nth(1)?.parse::<i64>().ok()?;
    Some(Process { pid, parent, pages: u64::try_from(pages).unwrap_or_default(), is_zombie, began })
}

/// Those of `all` that descend from `ancestor`, without it.
pub(crate) fn descendants(all: &[Process], ancestor: i32) -> Vec<Process> {
    let mut children: HashMap<i32, Vec<&Process>> = HashMap::new();
    for process in all {
        children.entry(process.parent).or_default().push(process);
    }
    let mut found = Vec::new();
    let mut open = vec![ancestor];
    while let Some(parent) = open.pop() {
        // Each list is taken out, so what /proc says in a race cannot send this round in a circle.
        for process in children.remove(&parent).unwrap_or_default() {
            open.push(process.pid);
            found.push(*process);
        }
    }
    found
}

/// All processes of this machine, or of its namespace.
#[cfg(target_os = "linux")]
pub(crate) fn all() -> std::io::Result<Vec<Process>> {
    let mut found = Vec::new();
    for entry in fs_err::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        // It may have ended meanwhile.
        let Ok(stat) = fs_err::read(format!("/proc/{pid}/stat")) else { continue };
        found.extend(parse(&stat));
    }
    Ok(found)
}

/// The processes that descend from `ancestor`, found from parent to child. That is cheap, but one that is just starting may
/// be missed. `None` where the kernel does not list children.
#[cfg(target_os = "linux")]
pub(crate) fn below(ancestor: i32) -> Option<Vec<Process>> {
    if !std::path::Path::new("/proc/thread-self/children").exists() {
        return None;
    }
    let mut found = Vec::new();
    let mut known = std::collections::HashSet::from([ancestor]);
    let mut open = vec![ancestor];
    while let Some(parent) = open.pop() {
        // Any of them may have ended meanwhile.
        let Ok(threads) = fs_err::read_dir(format!("/proc/{parent}/task")) else { continue };
        let lists = threads
            .filter_map(Result::ok)
            .map(|thread| fs_err::read_to_string(thread.path().join("children")));
        for list in lists.filter_map(Result::ok) {
            for child in list.split_ascii_whitespace().filter_map(|child| child.parse().ok()) {
                if known.insert(child) {
                    let Ok(stat) = fs_err::read(format!("/proc/{child}/stat")) else { continue };
                    found.extend(parse(&stat));
                    open.push(child);
                }
            }
        }
    }
    Some(found)
}

/// How many processes and threads this machine has.
#[cfg(target_os = "linux")]
pub(crate) fn load() -> Option<u64> {
    let text = fs_err::read_to_string("/proc/loadavg").ok()?;
    // The fourth field: those that run, and all.
    text.split_ascii_whitespace().nth(3)?.split_once('/')?.1.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn process(pid: i32, parent: i32) -> Process {
        Process { pid, parent, pages: 1, is_zombie: false, began: 1 }
    }

    #[test]
    fn a_name_cannot_pretend_to_be_fields() {
        let rest = "S 7 1 1 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 100 2650112 361 18446744073709551615";
        let expected = Process { pid: 42, parent: 7, pages: 361, is_zombie: false, began: 100 };
        for name in ["sh", "a b", ") R 1 1 (", "(((", "x\ny"] {
            assert_eq!(parse(format!("42 ({name}) {rest}").as_bytes()), Some(expected), "{name}");
        }
        assert_eq!(parse(b"42 (sh"), None);
    }

    #[test]
    fn descendants_are_found_at_any_depth_and_strangers_are_not() {
        let all = [process(2, 1), process(3, 2), process(4, 3), process(5, 1), process(6, 5)];
        let mut found: Vec<_> = descendants(&all, 2).iter().map(|process| process.pid).collect();
        found.sort_unstable();
        assert_eq!(found, [3, 4]);
    }

    #[test]
    fn a_child_is_found_from_its_parent_as_in_the_table_of_all() {
        let mut child = std::process::Command::new("sleep").arg("300").spawn().expect("started");
        let (me, pid) = (std::process::id().cast_signed(), child.id().cast_signed());
        let in_table = descendants(&all().expect("read"), me);
        let below = below(me);
        child.kill().expect("killed");
        child.wait().expect("waited for");
        assert!(in_table.iter().any(|process| process.pid == pid));
        assert!(
            below.is_none_or(|below| below.iter().any(|process| process.pid == pid && process.parent == me))
        );
        assert!(load().is_some_and(|load| load > 1));
    }

    proptest! {
        #[test]
        fn any_table_of_processes_is_walked_to_its_end(
            pairs in prop::collection::vec((0i32..20, 0i32..20), 0..60),
        ) {
            let all: Vec<_> = pairs.into_iter().map(|(pid, parent)| process(pid, parent)).collect();
            prop_assert!(descendants(&all, 1).len() <= all.len());
        }

        #[test]
        fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&bytes);
        }
    }
}
