//! Paths by their words alone.

use std::path::{Component, Path, PathBuf};

/// `path` without `.` and `..`. Nothing is looked up: where a link is on the way, the result may be another place.
pub fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                plain.pop();
            }
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => plain.push(part),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_go_with_what_they_take_back_and_never_above_the_root() {
        for (path, expected) in
            [("/a/./b/../c", "/a/c"), ("/../a/", "/a"), ("/a/..", "/"), ("a/../../b", "b")]
        {
            assert_eq!(plain(Path::new(path)), Path::new(expected), "{path}");
        }
    }
}
