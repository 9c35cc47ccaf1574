//! The heap, with a note of how full it ever was. Not here: the allocator itself.
//!
//! `GlobalAlloc` is an unsafe trait. Each of its calls is handed on, unchanged, to an allocator that
//! implements it, so what that one promises holds here, and so does what it asks of its callers.

use core::alloc::{GlobalAlloc, Layout};
use core::sync::atomic::{AtomicUsize, Ordering};

use embedded_alloc::LlffHeap;

use crate::report::Use;

/// Bytes of the heap. It lies among the static variables; the linker says if there is no room.
const SIZE: usize = 96 * 1024;

#[global_allocator]
static HEAP: Counted = Counted { heap: LlffHeap::empty(), peak: AtomicUsize::new(0) };

struct Counted {
    heap: LlffHeap,
    peak: AtomicUsize,
}

// SAFETY: see the head of this module; counting touches none of the memory that is given out.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract of this same function.
        let block = unsafe { self.heap.alloc(layout) };
        self.peak.fetch_max(self.heap.used(), Ordering::Relaxed);
        block
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of this same function.
        unsafe { self.heap.dealloc(block, layout) }
    }
}

/// To be called once, before anything is allocated; a second call panics.
pub(crate) fn init() {
    let heap = &HEAP.heap;
    // SAFETY: the macro hands over a static array of its own, with its true size, and nothing else
    // names that array. Nothing was allocated before: there was nothing to allocate from.
    unsafe {
        embedded_alloc::init!(heap, SIZE);
    }
}

/// The allocator's own figures: with its rounding, without its fragmentation.
pub(crate) fn use_so_far() -> Use {
    Use { peak: HEAP.peak.load(Ordering::Relaxed), size: SIZE }
}
