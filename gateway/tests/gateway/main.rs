//! Claims about the real binary, over real TCP. Not here: what the library promises by itself.

mod addresses;
mod delivering;
mod homes;
mod importing;
mod inviting;
mod joining;
mod media;
mod members;
mod outputs;
mod recovering;
mod relaying;
mod sealing;
mod secrets;
mod sockets;
mod support;
mod talking;
