//! How many heaps the C library keeps beside each other.
//!
//! Left to itself, glibc makes up to eight for each core, and what one thread has freed stays in its heap while
//! another's grows: a server that imports, compiles rules and answers for hours comes to hold several times what it
//! uses.

/// Keeps them to one for each core. To be called before there are threads. Who has set `MALLOC_ARENA_MAX` has chosen.
pub fn limit() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    if std::env::var_os("MALLOC_ARENA_MAX").is_none() {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        let most = i32::try_from(cores.max(2)).unwrap_or(i32::MAX);
        // SAFETY: it sets a number of the allocator, and no other thread is there yet.
        let _ = unsafe { libc::mallopt(libc::M_ARENA_MAX, most) };
    }
}
