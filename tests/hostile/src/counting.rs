//! An allocator that counts what its thread asks for.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

thread_local! {
    // Const and without a destructor: reading them allocates nothing.
    static CALLS: Cell<u64> = const { Cell::new(0) };
    static OCTETS: Cell<u64> = const { Cell::new(0) };
    static HELD: Cell<i64> = const { Cell::new(0) };
    static PEAK: Cell<i64> = const { Cell::new(0) };
}

/// The system's allocator, with a count for each thread.
#[derive(Debug)]
pub struct Counting;

fn took(octets: usize) {
    CALLS.set(CALLS.get() + 1);
    OCTETS.set(OCTETS.get() + octets as u64);
    HELD.set(HELD.get() + octets as i64);
    PEAK.set(PEAK.get().max(HELD.get()));
}

fn gave(octets: usize) {
    HELD.set(HELD.get() - octets as i64);
}

// SAFETY: each call is handed on to the system's allocator as it came; the counts are thread-local
// cells that neither allocate nor unwind.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        took(layout.size());
        // SAFETY: the caller's promise about `layout` is handed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        took(layout.size());
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        gave(layout.size());
        // SAFETY: as above; `pointer` came from `System`.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        gave(layout.size());
        took(size);
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// What something asked of the allocator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// How often.
    pub calls: u64,
    /// How many octets, given back or not: work done in memory.
    pub octets: u64,
    /// The most octets held at one time.
    pub peak: u64,
}

/// Runs `work` on this thread and tells what it asked for.
///
/// # Panics
/// The binary's allocator isn't [`Counting`]: nothing would ever be counted.
pub fn measure<T>(work: impl FnOnce() -> T) -> (T, Cost) {
    let before = CALLS.get();
    drop(std::hint::black_box(Box::new(0_u8)));
    assert!(CALLS.get() > before, "the global allocator of this test is not `Counting`");
    let (calls, octets, held) = (CALLS.get(), OCTETS.get(), HELD.get());
    PEAK.set(held);
    let result = work();
    let cost = Cost {
        calls: CALLS.get() - calls,
        octets: OCTETS.get() - octets,
        peak: u64::try_from(PEAK.get() - held).unwrap_or(0),
    };
    (result, cost)
}
