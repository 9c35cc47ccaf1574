//! Frames that were sent, and may come back.
//! Not whether they do: most lines have no echo.

use std::collections::VecDeque;

use stringphone_transport::Frame;

/// How many frames are kept: more than an echo can be late, for they leave one after the other.
const KEPT: usize = 8;

/// The last few frames that were sent.
#[derive(Default)]
pub(crate) struct Echoes(VecDeque<Frame>);

impl Echoes {
    pub(crate) fn expect(&mut self, frame: Frame) {
        if self.0.len() == KEPT {
            self.0.pop_front();
        }
        self.0.push_back(frame);
    }

    pub(crate) fn contains(&self, frame: &Frame) -> bool {
        self.0.contains(frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_frames_are_known_and_no_more_are_kept() {
        let mut echoes = Echoes::default();
        let frames: Vec<_> = (0..20u8).map(|number| Frame::bare(vec![number])).collect();
        frames.iter().for_each(|frame| echoes.expect(frame.clone()));
        let known: Vec<_> = frames.iter().map(|frame| echoes.contains(frame)).collect();
        assert_eq!(known, [vec![false; 12], vec![true; 8]].concat());
    }
}
