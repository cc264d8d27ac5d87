//! Places where a test has the process die, or the disk refuse: between any two steps that a crash could
//! come between.
//!
//! Only the feature `failpoints` brings them in; without it the functions are empty and no variable of the
//! environment is read. With it, `FAILPOINTS` says which point does what at which pass, as the crate `fail`
//! reads it (`place.put=3*off->return`: at the fourth), and the file that `FAILPOINTS_TRACE` names gets a line
//! for each point passed.

use std::io;

/// Dies here if a test asks for it: at once, unwinding and tidying up nothing, as by SIGKILL.
#[inline]
pub fn crash_point(name: &'static str) {
    #[cfg(feature = "failpoints")]
    armed::crash(name);
    #[cfg(not(feature = "failpoints"))]
    let _ = name;
}

/// Fails here as on a full disk, or on a broken one (`return(broken)`), if a test asks for it.
///
/// # Errors
/// `ENOSPC` or `EIO`, if asked for.
#[inline]
pub fn disk_point(name: &'static str) -> io::Result<()> {
    #[cfg(feature = "failpoints")]
    return armed::refuse(name, rustix::io::Errno::NOSPC);
    #[cfg(not(feature = "failpoints"))]
    {
        let _ = name;
        Ok(())
    }
}

/// Fails here as a source on a broken disk, if a test asks for it.
///
/// # Errors
/// `EIO`, if asked for.
#[inline]
pub fn read_point(name: &'static str) -> io::Result<()> {
    #[cfg(feature = "failpoints")]
    return armed::refuse(name, rustix::io::Errno::IO);
    #[cfg(not(feature = "failpoints"))]
    {
        let _ = name;
        Ok(())
    }
}

/// Whether a test asks for what the name says.
#[inline]
pub fn is_asked(name: &'static str) -> bool {
    #[cfg(feature = "failpoints")]
    return armed::is_asked(name);
    #[cfg(not(feature = "failpoints"))]
    {
        let _ = name;
        false
    }
}

/// Reads what the environment asks for. To be called once, at the start of the program.
pub fn arm() {
    #[cfg(feature = "failpoints")]
    armed::arm();
}

#[cfg(feature = "failpoints")]
mod armed {
    use std::fs::{File, OpenOptions};
    use std::io::{self, Write as _};
    use std::sync::OnceLock;

    use rustix::io::Errno;

    static TRACE: OnceLock<File> = OnceLock::new();

    pub fn arm() {
        // Dropped, it would take all points back.
        std::mem::forget(fail::FailScenario::setup());
        if let Some(path) = std::env::var_os("FAILPOINTS_TRACE")
            && let Ok(file) = OpenOptions::new().append(true).create(true).open(path)
        {
            _ = TRACE.set(file);
        }
    }

    pub fn crash(name: &str) {
        trace(name);
        fail::fail_point!(name, |_| std::process::abort());
    }

    pub fn refuse(name: &str, usual: Errno) -> io::Result<()> {
        trace(name);
        fail::fail_point!(name, |how: Option<String>| Err(match how.as_deref() {
            Some("broken") => Errno::IO.into(),
            _ => usual.into(),
        }));
        Ok(())
    }

    pub fn is_asked(name: &str) -> bool {
        fail::fail_point!(name, |_| true);
        false
    }

    fn trace(name: &str) {
        if let Some(mut file) = TRACE.get() {
            // One write for each line, so that those of several threads don't mix.
            _ = file.write_all(format!("{name}\n").as_bytes());
        }
    }
}
