//! A member's name made a path that leads nowhere but below the archive.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// Linux's `PATH_MAX`: no folder could hold a longer one.
const MAX_BYTES: usize = 4096;

/// Shown for a name of which nothing harmless is left.
const UNNAMED: &str = "unnamed";

/// Why a name is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadName {
    #[error("names no file")]
    Empty,
    #[error("starts at the root")]
    Absolute,
    #[error("climbs out of the archive")]
    Climbs,
    #[error("names a drive")]
    Drive,
    #[error("holds a zero byte")]
    Zero,
    #[error("is longer than {MAX_BYTES} bytes")]
    TooLong,
}

/// What parts the steps of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Separators {
    Slash,
    /// Writers on Windows put backslashes into zip files, against APPNOTE 4.4.17.
    SlashAndBackslash,
}

impl Separators {
    fn has(self, byte: u8) -> bool {
        byte == b'/' || (byte == b'\\' && self == Self::SlashAndBackslash)
    }
}

/// The path that a name stands for: relative, of plain steps only. Bytes that are not UTF-8 stay, as in a
/// file's name.
///
/// # Errors
/// For what would lead elsewhere wherever it were unpacked: also over backslashes where they part nothing.
pub fn clean(name: &[u8], separators: Separators) -> Result<PathBuf, BadName> {
    let either = Separators::SlashAndBackslash;
    if name.len() > MAX_BYTES {
        return Err(BadName::TooLong);
    }
    if name.contains(&0) {
        return Err(BadName::Zero);
    }
    if name.split(|b| either.has(*b)).any(|step| step == b"..") {
        return Err(BadName::Climbs);
    }
    let steps = name.split(|b| separators.has(*b));
    let path: PathBuf = steps
        .filter(|step| !step.is_empty() && *step != b".")
        .map(OsStr::from_bytes)
        .collect();
    // `./C:` and the like are looked at as what they come to.
    for name in [name, path.as_os_str().as_bytes()] {
        if name.first().is_some_and(|first| either.has(*first)) {
            return Err(BadName::Absolute);
        }
        if is_drive(name) {
            return Err(BadName::Drive);
        }
    }
    if path.as_os_str().is_empty() {
        return Err(BadName::Empty);
    }
    Ok(path)
}

/// What to call a member whose name is refused: the steps of it that do no harm.
pub fn harmless(name: &[u8]) -> PathBuf {
    let name = &name[..name.len().min(MAX_BYTES)];
    let steps = name.split(|b| Separators::SlashAndBackslash.has(*b) || *b == 0);
    let path: PathBuf = steps
        .filter(|step| !step.is_empty() && *step != b"." && *step != b".." && !is_drive(step))
        .map(OsStr::from_bytes)
        .collect();
    if path.as_os_str().is_empty() {
        return UNNAMED.into();
    }
    path
}

fn is_drive(name: &[u8]) -> bool {
    matches!(name, [letter, b':', ..] if letter.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::path::{Component, Path};

    fn cleaned(name: &str, separators: Separators) -> Result<String, BadName> {
        clean(name.as_bytes(), separators).map(|p| p.to_str().expect("UTF-8").to_owned())
    }

    #[test]
    fn plain_names_stay_and_others_are_told_why() {
        let zip = |name| cleaned(name, Separators::SlashAndBackslash);
        let tar = |name| cleaned(name, Separators::Slash);
        assert_eq!(zip("a/b.dcm").as_deref(), Ok("a/b.dcm"));
        assert_eq!(zip("./a//b/./c").as_deref(), Ok("a/b/c"));
        assert_eq!(zip("a\\b\\c").as_deref(), Ok("a/b/c"));
        assert_eq!(tar("a\\b").as_deref(), Ok("a\\b"));
        assert_eq!(zip("..a/b..").as_deref(), Ok("..a/b.."));
        for name in ["../a", "a/../../b", "a\\..\\b", "..", "a/..\\b"] {
            assert_eq!(zip(name), Err(BadName::Climbs), "{name}");
            assert_eq!(tar(name), Err(BadName::Climbs), "{name}");
        }
        for name in ["/etc/passwd", "\\\\host\\share", "//a"] {
            assert_eq!(zip(name), Err(BadName::Absolute), "{name}");
            assert_eq!(tar(name), Err(BadName::Absolute), "{name}");
        }
        assert_eq!(zip("C:\\a"), Err(BadName::Drive));
        assert_eq!(tar("c:a"), Err(BadName::Drive));
        assert_eq!(zip("a\0b"), Err(BadName::Zero));
        assert_eq!(zip(""), Err(BadName::Empty));
        assert_eq!(zip("././"), Err(BadName::Empty));
        assert_eq!(tar(&"a/".repeat(2049)), Err(BadName::TooLong));
    }

    /// Names of the parts that matter, in any order, and of any bytes.
    fn names() -> impl Strategy<Value = Vec<u8>> {
        let telling = prop::sample::select(vec![
            "/", "\\", "..", ".", "C:", "\0", "a", " ", "…", "../", "..\\", "~",
        ]);
        let parts = prop::collection::vec(telling.prop_map(|s| s.as_bytes().to_vec()), 0..12);
        let of_parts = parts.prop_map(|parts| parts.concat());
        let of_bytes = prop::collection::vec(any::<u8>(), 0..40);
        prop_oneof![of_parts, of_bytes]
    }

    fn is_below(path: &Path) -> bool {
        let plain = |c: Component| matches!(c, Component::Normal(_));
        !path.as_os_str().is_empty() && path.components().all(plain)
    }

    proptest! {
        #[test]
        fn what_is_taken_or_shown_leads_nowhere_else(name in names()) {
            for separators in [Separators::Slash, Separators::SlashAndBackslash] {
                if let Ok(path) = clean(&name, separators) {
                    prop_assert!(is_below(&path), "{path:?}");
                    prop_assert!(!path.as_os_str().as_bytes().contains(&0));
                    let again = clean(path.as_os_str().as_bytes(), separators);
                    prop_assert_eq!(again, Ok(path));
                }
            }
            prop_assert!(is_below(&harmless(&name)));
        }

        #[test]
        fn a_path_of_plain_steps_is_taken_as_it_is(
            steps in prop::collection::vec("[a-zA-Z0-9_ üé-]{1,8}", 1..8),
        ) {
            let name = steps.join("/");
            let path = clean(name.as_bytes(), Separators::SlashAndBackslash);
            prop_assert_eq!(path, Ok(PathBuf::from(&name)));
        }
    }
}
