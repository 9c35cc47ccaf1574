//! How deep the stack ever was: the start-up code paints it, and the paint that is left is counted.
//!
//! The only `unsafe` reads words of the stack's own memory, from its lower end upwards, and stops
//! at the first that was ever written: the live part of the stack, which the compiler owns, is
//! never reached beyond one word. Volatile, since the compiler knows of no writer.

use core::iter;

use cortex_m_rt::STACK_PAINT_VALUE;

use crate::report::Use;

unsafe extern "C" {
    /// The lowest address of the stack, from `memory.x`.
    static _stack_end: u32;
    /// One past the highest.
    static _stack_start: u32;
}

const WORD: usize = size_of::<u32>();

/// A frame that leaves a part of itself unwritten at its very end, or writes the paint's own value,
/// is not seen: take the figure as exact within some hundred bytes.
pub(crate) fn use_so_far() -> Use {
    let (end, start) = (&raw const _stack_end, &raw const _stack_start);
    let size = start.addr().saturating_sub(end.addr());
    let words = iter::successors(Some(end), |word| Some(word.wrapping_add(1)));
    let untouched = words
        .take(size / WORD)
        // SAFETY: aligned, and inside of the stack's memory, which is there all the time; see the
        // head of this module.
        .take_while(|word| unsafe { word.read_volatile() } == STACK_PAINT_VALUE)
        .count();
    Use { peak: size.saturating_sub(untouched.saturating_mul(WORD)), size }
}
