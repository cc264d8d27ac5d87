//! One way to use up each thing that the host must limit.
//!
//! `black_box` keeps the compiler from seeing that nothing comes of it.

use std::hint::black_box;

use crate::sluice::rules::dicom::Dataset;

const MIB: usize = 1 << 20;

pub fn time() -> ! {
    let mut turns = 0_u64;
    loop {
        turns = black_box(turns.wrapping_add(1));
    }
}

/// Calls the host for ever.
pub fn host(ds: &Dataset) -> ! {
    loop {
        black_box(ds.get("StudyInstanceUID"));
    }
}

/// Allocates for ever, and writes to all of it. Ends in a trap when the host gives no more.
pub fn memory() -> ! {
    let mut eaten: Vec<Vec<u8>> = Vec::new();
    loop {
        eaten.push(black_box(vec![1; 16 * MIB]));
    }
}

/// Calls itself for ever, on the stack that the host keeps.
pub fn stack(depth: u64) -> u64 {
    if depth == u64::MAX {
        return 0;
    }
    // What is done after the call keeps the compiler from making a loop of it.
    stack(depth + 1).rotate_left(3) ^ depth
}

/// Calls itself for ever, on the stack that the guest keeps in its own memory.
#[expect(unconditional_recursion, reason = "this is what it is for")]
pub fn own_stack(depth: u64) -> u64 {
    let frame = black_box([depth; 16]);
    own_stack(depth + 1) + frame[0]
}

/// 100 MB: past the memory that the manifest asks for, so only a host that grants more sees it.
pub fn huge_string() -> String {
    black_box("A".repeat(100_000_000))
}
