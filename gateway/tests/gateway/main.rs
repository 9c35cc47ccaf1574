//! Claims about the real binary, over real TCP. Not here: what the library promises by itself.

mod homes;
mod importing;
mod inviting;
mod joining;
mod members;
mod outputs;
mod sockets;
mod support;
mod talking;
