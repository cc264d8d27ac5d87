//! How the C library holds the memory of a server.

/// What is as large or larger comes from the system, and goes back there at once.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const MMAP_THRESHOLD: libc::c_int = 1024 * 1024;

/// Keeps the server small. To be called before there are threads.
///
/// Left to itself, glibc makes up to eight heaps for each core, and what one thread has freed stays in its heap while
/// another's grows: a server that imports, compiles rules and answers for hours comes to hold several times what it
/// uses. There is one heap for each core instead. And once a large block was freed, blocks of that size come
/// from a heap and stay there: after the first password (19 MB of Argon2) that is what an idle server held most.
/// Who has set `MALLOC_ARENA_MAX` or `MALLOC_MMAP_THRESHOLD_` has chosen.
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
    }
}
