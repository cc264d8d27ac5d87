//! The heap of a rule in Rust. Its first part lies in memory that an instance has from the start: to ask the host for
//! more takes longer than most rules do, as it stops all threads of the server for a moment (`mprotect`, once when
//! memory grows and once when the next instance gets it). Beyond that part it grows as any heap does.
#![cfg(target_family = "wasm")]

use core::alloc::Layout;
use core::arch::wasm32::memory_grow;
use core::mem::MaybeUninit;
use talc::base::binning::Binning;
use talc::base::{CHUNK_UNIT, Talc};
use talc::cell::TalcSyncCell;
use talc::source::Source;
use talc::wasm::WasmBinning;

const PAGE: usize = 64 << 10;
const FIRST: usize = 2 * PAGE;

#[global_allocator]
static HEAP: TalcSyncCell<Memory, WasmBinning> = TalcSyncCell::new_wasm(Memory::Untouched);

#[derive(Debug)]
enum Memory {
    Untouched,
    Growing,
}

// SAFETY: it calls no allocator, and gives each part of the memory away once.
unsafe impl Source for Memory {
    fn acquire<B: Binning>(talc: &mut Talc<Self, B>, layout: Layout) -> Result<(), ()> {
        static mut PART: [MaybeUninit<u8>; FIRST] = [MaybeUninit::uninit(); FIRST];
        // With room for what is noted beside an allocation.
        let needed = layout.size() + layout.align() + 4 * CHUNK_UNIT;
        let (start, size) = match talc.source {
            Memory::Untouched if needed <= FIRST => ((&raw mut PART).cast(), FIRST),
            _ => {
                let pages = needed.div_ceil(PAGE);
                match memory_grow::<0>(pages) {
                    usize::MAX => return Err(()),
                    before => ((before * PAGE) as *mut u8, pages * PAGE),
                }
            }
        };
        talc.source = Memory::Growing;
        // SAFETY: nothing else has this part, and it stays as long as the instance does.
        unsafe { talc.claim(start, size) }.map(drop).ok_or(())
    }
}
