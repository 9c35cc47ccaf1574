//! String phone over UDP multicast: a LAN as a room, without any server.
//! Not reliable: a frame may be lost, may come twice, and may overtake another.
//!
//! All that use one group and port of one network hear each other, several processes of one machine
//! too. Nobody hears itself.
//!
//! ```no_run
//! use stringphone_udp::Udp;
//!
//! let devices = Udp::multicast("239.77.83.80:7700")?;
//! # Ok::<(), stringphone_transport::address::AddressError>(())
//! ```
//!
//! # On the wire
//!
//! Each datagram is one frame on one channel:
//!
//! `sender, 8 bytes · u8 channel length · channel, UTF-8 · frame`
//!
//! A sender draws its 8 bytes at random and keeps them, so that it knows its own datagrams: the
//! system hands those back for other processes to hear, and so does many a Wi-Fi access point.
//! Anything else that comes to the group is garbage, which is reported and dropped.
//!
//! # When the network changes
//!
//! A group is joined on one interface. Every ten seconds the link looks whether the way to the group
//! is still that of the beginning: through the same interface, from the same address of ours. Where
//! it is not, or where a datagram can't be sent, the link is down, and the next one joins anew.
//!
//! # A flood
//!
//! The system queues what is not read yet, drops what is too much, and does not tell how much that
//! was. There is no other queue.

mod address;
mod group;
mod link;
mod transport;

pub use transport::Udp;
