//! How much memory a run holds: every allocation is counted for the thread that makes it, and a rule
//! runs on one thread. So a module's memory limit means the same for a script, whose values are scattered
//! over the heap, and for what the host allocates on behalf of WASM.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;
use tikv_jemallocator::Jemalloc;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

thread_local! {
    /// What this thread allocated less what it freed. May be negative: threads hand values on.
    static HELD: Cell<isize> = const { Cell::new(0) };
}

/// What the current thread holds more than at [`Meter::start`].
#[derive(Debug, Clone, Copy)]
pub struct Meter {
    start: isize,
}

impl Meter {
    pub fn start() -> Self {
        Self { start: HELD.get() }
    }

    pub fn bytes(self) -> usize {
        usize::try_from(HELD.get().saturating_sub(self.start)).unwrap_or(0)
    }
}

/// The allocator, with a count per thread.
struct Counting;

fn count(change: isize) {
    // A thread that is ending may free after its locals are gone; nobody asks for its count any more.
    let _ = HELD.try_with(|held| held.set(held.get().wrapping_add(change)));
}

// SAFETY: each call is handed to the allocator as it is; counting touches a thread-local that
// needs neither allocation nor destructor. A layout's size never exceeds isize::MAX.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        unsafe { Jemalloc.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        unsafe { Jemalloc.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, old: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size as isize - layout.size() as isize);
        unsafe { Jemalloc.realloc(old, layout, size) }
    }

    unsafe fn dealloc(&self, old: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        unsafe { Jemalloc.dealloc(old, layout) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_counts_and_what_is_freed_does_not() {
        let meter = Meter::start();
        let mut bytes = vec![1u8; 1 << 20];
        assert!((1 << 20..2 << 20).contains(&meter.bytes()));
        bytes.resize(3 << 20, 1);
        assert!(meter.bytes() >= 3 << 20);
        drop(std::hint::black_box(bytes));
        assert!(meter.bytes() < 1 << 20);
    }

    #[test]
    fn other_threads_do_not_count() {
        let meter = Meter::start();
        let other = std::thread::spawn(|| vec![1u8; 8 << 20].len());
        assert_eq!(other.join().unwrap(), 8 << 20);
        assert!(meter.bytes() < 1 << 20);
    }
}
