//! Packets on the serial line, framed as `docs/PROTOCOL.md` §1.4 says for lines that lose bytes.
//! Not here: what is in them.

use alloc::vec;
use alloc::vec::Vec;

use crc::{CRC_32_ISCSI, Crc};

use crate::uart::Uart;

/// The largest frame in bytes, in and out.
pub(crate) const MAX_FRAME: usize = 2_048;

/// CRC-32C, without a table: a kilobyte of flash is worth more here than microseconds.
const CHECKSUM: Crc<u32, crc::NoTable> = Crc::<u32, crc::NoTable>::new(&CRC_32_ISCSI);
const CHECKSUM_LEN: usize = 4;
/// The length of the channel's name, the longest of ours, a frame, the checksum.
const MAX_RUN: usize = cobs::max_encoding_length(1 + CONTROL.len() + MAX_FRAME + CHECKSUM_LEN);

const TOPIC: &[u8] = b"topic";
const CONTROL: &[u8] = b"control";

/// What a packet belongs to.
#[derive(Clone, Copy)]
pub(crate) enum Channel {
    /// Frames of the session.
    Topic,
    /// Orders of the host to its emulator.
    Control,
}

impl Channel {
    const fn name(self) -> &'static [u8] {
        match self {
            Self::Topic => TOPIC,
            Self::Control => CONTROL,
        }
    }
}

pub(crate) struct Packet {
    pub(crate) channel: Channel,
    pub(crate) body: Vec<u8>,
}

pub(crate) struct Link {
    uart: Uart,
    /// What has come since the last zero byte.
    run: Vec<u8>,
    garbage: u32,
}

impl Link {
    pub(crate) fn new(uart: Uart) -> Self {
        Self { uart, run: Vec::with_capacity(MAX_RUN), garbage: 0 }
    }

    /// How many runs between zero bytes were no packet for us.
    pub(crate) const fn garbage(&self) -> u32 {
        self.garbage
    }

    /// Takes the bytes that are there; gives a packet if that made one complete.
    pub(crate) fn receive(&mut self) -> Option<Packet> {
        while let Some(byte) = self.uart.read() {
            if byte != 0 {
                // A run that is too long keeps one byte too many, which tells it.
                if self.run.len() <= MAX_RUN {
                    self.run.push(byte);
                }
            } else if !self.run.is_empty() {
                let packet = unpack(&mut self.run);
                self.run.clear();
                if packet.is_some() {
                    return packet;
                }
                self.garbage += 1;
            }
        }
        None
    }

    /// Writes a packet, and waits for the line as long as that takes.
    pub(crate) fn send(&mut self, channel: Channel, frame: &[u8]) {
        let name = channel.name();
        let mut body = Vec::with_capacity(1 + name.len() + frame.len() + CHECKSUM_LEN);
        body.push(u8::try_from(name.len()).unwrap_or(0)); // seven at most
        body.extend_from_slice(name);
        body.extend_from_slice(frame);
        let checksum = CHECKSUM.checksum(&body);
        body.extend_from_slice(&checksum.to_le_bytes());

        let mut run = vec![0; cobs::max_encoding_length(body.len())];
        let len = cobs::encode(&body, &mut run);
        self.uart.write(0);
        run.iter().take(len).for_each(|byte| self.uart.write(*byte));
        self.uart.write(0);
    }
}

fn unpack(run: &mut [u8]) -> Option<Packet> {
    if run.len() > MAX_RUN {
        return None;
    }
    let len = cobs::decode_in_place(run).ok()?;
    let (body, checksum) = run.get(..len)?.split_last_chunk::<CHECKSUM_LEN>()?;
    if CHECKSUM.checksum(body) != u32::from_le_bytes(*checksum) {
        return None;
    }
    let (name_len, rest) = body.split_first()?;
    let (name, body) = rest.split_at_checked(usize::from(*name_len))?;
    let channel = [Channel::Topic, Channel::Control].into_iter().find(|it| it.name() == name)?;
    Some(Packet { channel, body: body.to_vec() })
}
