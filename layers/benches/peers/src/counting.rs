#![expect(unsafe_code, reason = "an allocator cannot be written without")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

/// The system's allocator; counts what the thread asks of it.
#[derive(Debug)]
pub struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
    static LIVE: Cell<i64> = const { Cell::new(0) };
    static PEAK: Cell<i64> = const { Cell::new(0) };
}

/// How often this thread has allocated or grown an allocation.
pub fn allocations() -> u64 {
    ALLOCATIONS.get()
}

/// How many bytes this thread has allocated and not freed.
pub fn live_bytes() -> i64 {
    LIVE.get()
}

/// The most that [`live_bytes`] was since [`restart_peak`].
pub fn peak_bytes() -> i64 {
    PEAK.get()
}

/// Forgets the peak so far.
pub fn restart_peak() {
    PEAK.set(LIVE.get());
}

fn grow(bytes: usize) {
    ALLOCATIONS.set(ALLOCATIONS.get() + 1);
    resize(bytes as i64);
}

fn resize(bytes: i64) {
    LIVE.set(LIVE.get() + bytes);
    PEAK.set(PEAK.get().max(LIVE.get()));
}

// SAFETY: passes every call on as it is. The counters are thread-locals without destructor and are
// initialised at compile time, so that they neither allocate nor vanish.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grow(layout.size());
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        grow(layout.size());
        // SAFETY: as the caller promises.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        resize(-(layout.size() as i64));
        grow(size);
        // SAFETY: as the caller promises.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        resize(-(layout.size() as i64));
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }
}
