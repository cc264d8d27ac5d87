//! How a server holds its memory: as little as glibc and the kernel let it.

/// What is as large or larger comes from the system, and goes back there at once.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const MMAP_THRESHOLD: libc::c_int = 1024 * 1024;

/// A heap keeps so much at its end that is free: else it would be taken and given back for each file.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const TRIM_THRESHOLD: libc::c_int = 4 * 1024 * 1024;

/// Keeps the heaps small. To be called before there are threads.
///
/// Left to itself, glibc makes up to eight heaps for each core, and what one thread has freed stays in its heap while
/// another's grows: a server that imports, compiles rules and answers for hours comes to hold several times what it
/// uses. There is one heap for each core instead. And once a large block was freed, blocks of that size come
/// from a heap and stay there: after the first password (19 MB of Argon2) that is what an idle server held most.
/// Who has set `MALLOC_ARENA_MAX`, `MALLOC_MMAP_THRESHOLD_` or `MALLOC_TRIM_THRESHOLD_` has chosen.
pub fn configure() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        let set = |variable: &str, parameter: libc::c_int, value: libc::c_int| {
            if std::env::var_os(variable).is_none() {
                // SAFETY: it sets a number of the allocator, and no other thread is there yet.
                let _ = unsafe { libc::mallopt(parameter, value) };
            }
        };
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        let heaps = i32::try_from(cores.max(2)).unwrap_or(i32::MAX);
        set("MALLOC_ARENA_MAX", libc::M_ARENA_MAX, heaps);
        set(
            "MALLOC_MMAP_THRESHOLD_",
            libc::M_MMAP_THRESHOLD,
            MMAP_THRESHOLD,
        );
        set(
            "MALLOC_TRIM_THRESHOLD_",
            libc::M_TRIM_THRESHOLD,
            TRIM_THRESHOLD,
        );
    }
}

/// Gives back what an idle server does not need: what is free in the heaps, and the pages of the program's own code,
/// of which the kernel maps many beside each that runs. Those that are needed again are found in its cache.
/// Takes some milliseconds.
pub fn release() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        // SAFETY: it touches only what is free, under the allocator's own locks.
        let _ = unsafe { libc::malloc_trim(0) };
    }
    #[cfg(target_os = "linux")]
    for (start, len) in own_code() {
        // SAFETY: pages of a file that are mapped to be executed and not to be written are as the file has them, and
        // come back from there when they are used. No memory that Rust knows of is among them.
        let _ = unsafe { libc::madvise(start as *mut libc::c_void, len, libc::MADV_DONTNEED) };
    }
}

/// Where the program's code is mapped, by the kernel's own list (proc_pid_maps(5)); nothing if that can't be read.
#[cfg(target_os = "linux")]
fn own_code() -> Vec<(usize, usize)> {
    let (Ok(maps), Ok(program)) = (
        std::fs::read_to_string("/proc/self/maps"),
        std::env::current_exe(),
    ) else {
        return Vec::new();
    };
    let program = program.to_string_lossy();
    let ranges = maps.lines().filter_map(|line| {
        let mut fields = line.split_ascii_whitespace();
        let (range, rights) = (fields.next()?, fields.next()?);
        if rights != "r-xp" || fields.nth(3)? != program {
            return None;
        }
        let (start, end) = range.split_once('-')?;
        let start = usize::from_str_radix(start, 16).ok()?;
        let end = usize::from_str_radix(end, 16).ok()?;
        Some((start, end.checked_sub(start)?))
    });
    ranges.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_released_is_there_again_when_it_is_used() {
        let text = vec![7u8; 4 * 1024 * 1024];
        assert!(!own_code().is_empty());
        release();
        assert!(text.iter().all(|byte| *byte == 7));
        assert!(own_code().iter().all(|(start, len)| *start > 0 && *len > 0));
    }
}
